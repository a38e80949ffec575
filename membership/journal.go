package membership

import (
	"bytes"
	"compress/lzw"
	"crypto/aes"
	"crypto/cipher"
	"encoding/binary"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-msgpack/v2/codec"
	"github.com/hashicorp/memberlist"
)

// Types of memberlist's messages that a journal looks for or into, which are the first byte of each.
const (
	typeSuspect    = 3
	typeAlive      = 4
	typeCompound   = 7 // several messages
	typeCompressed = 9
	typeChecksum   = 12
)

// journal reads what this node's memberlist tells others, since that is the only place where one learns
// whom it suspects: memberlist has no function, no callback and no event for it. What it comes to believe
// it passes on with its next packet of gossip, a tenth of a second later, and it passes on nothing that it
// does not believe: a rumour that is older than what it knows never gets that far. So its own packets are
// a journal of its decisions, each with the incarnation that it is about, wherever they came from: its own
// probes, the gossip of others, or an exact comparison.
//
// The packets are sealed with the node's own key when they get here, so reading them costs one decryption
// of each packet that is sent, of which there are a handful a second.
type journal struct {
	view    *view
	trace func(byte, rumour)
	keyring *memberlist.Keyring // nil if packets are not sealed
	handle  codec.MsgpackHandle
	// unread counts packets that made no sense, which can only be if memberlist's format has changed: a
	// node then has no suspects, and says so.
	unread atomic.Uint64

	mu     sync.Mutex  // guards the rest
	key    []byte      // that opener was made for
	opener cipher.AEAD // of the primary key
}

// rumour is what messages on a member's health have in common.
type rumour struct {
	Incarnation uint32
	Node        string
}

// read reads a packet that is about to be sent.
func (j *journal) read(packet []byte, now time.Time) {
	body, label, err := memberlist.RemoveLabelHeaderFromPacket(packet)
	if err == nil && j.keyring != nil {
		body, err = j.open(body, []byte(label))
	}
	if err != nil || !j.message(body, now, 0) {
		j.unread.Add(1)
	}
}

// message reads one message, depth levels below the packet. It reports whether it made sense.
func (j *journal) message(b []byte, now time.Time, depth int) bool {
	if len(b) == 0 || depth > 4 {
		return false
	}
	body := b[1:]
	switch b[0] {
	case typeChecksum:
		return len(body) > 4 && j.message(body[4:], now, depth+1)
	case typeCompressed:
		var c struct{ Buf []byte }
		if codec.NewDecoderBytes(body, &j.handle).Decode(&c) != nil {
			return false
		}
		plain, err := io.ReadAll(io.LimitReader(lzw.NewReader(bytes.NewReader(c.Buf), lzw.LSB, 8), 1<<16))
		return err == nil && j.message(plain, now, depth+1)
	case typeCompound:
		return j.compound(body, now, depth)
	case typeSuspect, typeAlive:
		var r rumour
		if codec.NewDecoderBytes(body, &j.handle).Decode(&r) != nil {
			return false
		}
		if j.trace != nil {
			j.trace(b[0], r)
		}
		if b[0] == typeSuspect {
			j.view.suspected(now, r.Node, r.Incarnation)
		} else {
			j.view.refuted(now, r.Node, r.Incarnation)
		}
	}
	return true
}

// compound reads a number of messages, their lengths, and then the messages.
func (j *journal) compound(b []byte, now time.Time, depth int) bool {
	if len(b) == 0 || len(b) < 1+2*int(b[0]) {
		return false
	}
	lengths, rest := b[1:1+2*int(b[0])], b[1+2*int(b[0]):]
	for ; len(lengths) > 0; lengths = lengths[2:] {
		n := int(binary.BigEndian.Uint16(lengths))
		if n > len(rest) || !j.message(rest[:n], now, depth+1) {
			return false
		}
		rest = rest[n:]
	}
	return true
}

// open decrypts a packet: a byte for the version, a nonce, and what AES-GCM makes of the message.
func (j *journal) open(b, label []byte) ([]byte, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if key := j.keyring.GetPrimaryKey(); j.opener == nil || !bytes.Equal(key, j.key) {
		block, err := aes.NewCipher(key)
		if err != nil {
			return nil, err
		}
		if j.opener, err = cipher.NewGCM(block); err != nil {
			return nil, err
		}
		j.key = bytes.Clone(key)
	}
	n := j.opener.NonceSize()
	if len(b) < 1+n {
		return nil, io.ErrUnexpectedEOF
	}
	return j.opener.Open(nil, b[1:1+n], b[1+n:], label)
}
