package node

// stream is a sequence of rendered messages for one or more connections.
type stream struct {
	mem   *buffer // where buf begins, nil if it is not pooled
	buf   []byte
	usual int    // length of buf in the last batch
	kept  *chunk // copy of buf that outlives the batch, made when first needed
	msgs  uint64
	bytes uint64 // of payload
	at    int64  // when the batch came, in Unix nanoseconds
	lines bool   // there is something else than messages in it, which must not be dropped

	firstHole, lastHole int // in batch.holes, as indexes from 1 on
}

// add appends prefix and tail, which are one message with size bytes of payload.
func (s *stream) add(pool *bufferPool, prefix, tail []byte, size int) {
	if need := len(s.buf) + len(prefix) + len(tail); need > cap(s.buf) {
		s.grow(pool, need)
	}
	s.buf = append(s.buf, prefix...)
	s.buf = append(s.buf, tail...)
	s.msgs++
	s.bytes += uint64(size)
}

// addLine appends bytes that are no message.
func (s *stream) addLine(pool *bufferPool, line []byte) {
	if need := len(s.buf) + len(line); need > cap(s.buf) {
		s.grow(pool, need)
	}
	s.buf = append(s.buf, line...)
	s.lines = true
}

func (s *stream) grow(pool *bufferPool, n int) {
	mem := pool.get(max(n, 2*cap(s.buf), s.usual))
	s.buf = mem.data[:copy(mem.data, s.buf)]
	pool.put(s.mem)
	s.mem = mem
}

// copyFrom makes s a copy of another stream.
func (s *stream) copyFrom(pool *bufferPool, from *stream) {
	s.addLine(pool, from.buf)
	s.msgs, s.bytes, s.lines = from.msgs, from.bytes, from.lines
}

// reset empties s and gives its memory back.
func (s *stream) reset(pool *bufferPool) {
	if s.kept != nil {
		s.kept.release()
	}
	pool.put(s.mem)
	*s = stream{usual: len(s.buf)}
}
