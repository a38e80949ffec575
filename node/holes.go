package node

// hole is a place in the stream of a set where its receivers have different subscription IDs. They
// share the stream all the same: before it is sent to one of them, its IDs are written into the
// holes.
type hole struct {
	at   int    // in the buffer of the stream
	g    *group // whose sids belong there
	next int    // of the same stream, as an index from 1 on
}

// dig notes the hole in the message of g that was just added to the stream of its set.
func (b *batch) dig(g *group, tail int) {
	s := &g.set.stream
	b.holes = append(b.holes, hole{at: g.sidAt(s, tail), g: g})
	if s.lastHole > 0 {
		b.holes[s.lastHole-1].next = len(b.holes)
	} else {
		s.firstHole = len(b.holes)
	}
	s.lastHole = len(b.holes)
}

// addFor renders a message of g for the i-th receiver of its set alone.
func (b *batch) addFor(s *stream, g *group, i int, prefix, tail []byte, size int) {
	s.add(b.pool, prefix, tail, size)
	if len(g.sids) > 0 {
		copy(s.buf[g.sidAt(s, len(tail)):], g.sid(i))
	}
}

// sidAt returns where the ID is in the message that was just added to s.
func (g *group) sidAt(s *stream, tail int) int { return len(s.buf) - tail - len(" ") - int(g.sidLen) }

// fill makes the stream of a set that of its i-th receiver.
func (b *batch) fill(set *receiverSet, i int) *stream {
	s := &set.stream
	var g *group
	var sid []byte
	for k := s.firstHole; k > 0; {
		h := &b.holes[k-1]
		if h.g != g {
			g = h.g
			sid = g.sid(i)
		}
		copy(s.buf[h.at:], sid)
		k = h.next
	}
	return s
}

// holed reports whether the bytes of the stream are those of one receiver, until it is filled for
// the next.
func (s *stream) holed() bool { return s.firstHole > 0 }
