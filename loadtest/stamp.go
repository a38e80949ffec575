package loadtest

import "encoding/binary"

// stamp is what a message carries for its receiver to check and to measure.
type stamp struct {
	publisher int
	seq       uint64
	at        int64 // nanoseconds on the clock of the run: when it was, or should have been, sent
}

const (
	// stampSize is the length of an encoded stamp: 16 bits publisher and 48 bits number, then
	// 16 bits that mark the run and 48 bits time.
	stampSize = 16
	low48     = 1<<48 - 1
	// greeting is the number of the messages that find out whether a receiver can be reached.
	greeting = low48
	// tokenSize is the length of a stamp as a token of a subject.
	tokenSize = 2 * stampSize
)

// key joins publisher and number.
func (s stamp) key() uint64 { return uint64(s.publisher)<<48 | s.seq }

func keyPublisher(key uint64) int { return int(key >> 48) }

// put encodes s at the start of b. run tells the messages of one run from those of others.
func (s stamp) put(b []byte, run uint16) {
	binary.LittleEndian.PutUint64(b, s.key())
	binary.LittleEndian.PutUint64(b[8:], uint64(run)<<48|uint64(s.at)&low48)
}

// readStamp decodes the stamp at the start of b. It fails for what is not a message of this run.
func readStamp(b []byte, run uint16) (stamp, bool) {
	if len(b) < stampSize {
		return stamp{}, false
	}
	key, mark := binary.LittleEndian.Uint64(b), binary.LittleEndian.Uint64(b[8:])
	return stamp{publisher: keyPublisher(key), seq: key & low48, at: int64(mark & low48)}, mark>>48 == uint64(run)
}

const hexDigits = "0123456789abcdef"

// putToken encodes s as hexadecimal digits at the start of b.
func (s stamp) putToken(b []byte, run uint16) {
	var raw [stampSize]byte
	s.put(raw[:], run)
	for i, c := range raw {
		b[2*i], b[2*i+1] = hexDigits[c>>4], hexDigits[c&15]
	}
}

// readToken decodes what putToken wrote at the end of a subject.
func readToken(subject []byte, run uint16) (stamp, bool) {
	if len(subject) < tokenSize {
		return stamp{}, false
	}
	token := subject[len(subject)-tokenSize:]
	var raw [stampSize]byte
	for i := range raw {
		high, low := unhex(token[2*i]), unhex(token[2*i+1])
		if high|low > 15 {
			return stamp{}, false
		}
		raw[i] = high<<4 | low
	}
	return readStamp(raw[:], run)
}

// unhex returns the value of a hexadecimal digit, or more than 15 for anything else.
func unhex(c byte) byte {
	switch {
	case '0' <= c && c <= '9':
		return c - '0'
	case 'a' <= c && c <= 'f':
		return c - 'a' + 10
	}
	return 0xff
}
