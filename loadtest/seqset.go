package loadtest

import "math/bits"

// seqSet is a set of numbers that mostly arrive in order: all below next, and a bitmap of those
// beyond. The bitmap is empty as long as nothing is missing.
type seqSet struct {
	next  uint64 // the lowest number that is missing
	count uint64 // how many numbers there are
	// ahead has a bit for each number from base on; base is a multiple of 64 and at most next.
	base  uint64
	ahead []uint64
}

// maxAhead bounds the bitmap: a number so far ahead is not one that a publisher gave.
const maxAhead = 1 << 33

// add adds n and reports whether it is new.
func (s *seqSet) add(n uint64) bool {
	if n == s.next && len(s.ahead) == 0 {
		s.next++
		s.count++
		return true
	}
	if n < s.next || n-s.next > maxAhead {
		return false
	}
	if len(s.ahead) == 0 {
		s.base = s.next &^ 63
		s.ahead = append(s.ahead, 1<<(s.next-s.base)-1)
	}
	word, bit := (n-s.base)/64, uint64(1)<<(n%64)
	for uint64(len(s.ahead)) <= word {
		s.ahead = append(s.ahead, 0)
	}
	if s.ahead[word]&bit != 0 {
		return false
	}
	s.ahead[word] |= bit
	s.count++
	if n == s.next {
		s.advance()
	}
	return true
}

// advance moves next to the first gap, and drops the words that are full.
func (s *seqSet) advance() {
	full := 0
	for full < len(s.ahead) && s.ahead[full] == ^uint64(0) {
		full++
	}
	s.base += uint64(full) * 64
	s.ahead = s.ahead[:copy(s.ahead, s.ahead[full:])]
	s.next = s.base
	if len(s.ahead) > 0 {
		s.next += uint64(bits.TrailingZeros64(^s.ahead[0]))
		if len(s.ahead) == 1 && s.ahead[0] == 1<<(s.next-s.base)-1 {
			s.ahead = s.ahead[:0]
		}
	}
}
