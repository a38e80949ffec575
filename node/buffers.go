package node

import "sync"

// Sizes of pooled buffers: powers of four from 4 KiB to 4 MiB.
const (
	minBufferShift = 12
	numBufferSizes = 6
	minBufferSize  = 1 << minBufferShift
)

// bufferPool hands out buffers of a few fixed sizes, so that a connection holds memory only while
// it has bytes in flight.
type bufferPool struct {
	sizes [numBufferSizes]sync.Pool
}

// buffer is a slice that knows where it belongs.
type buffer struct {
	data []byte // len(data) == cap(data)
	size int    // index in bufferPool.sizes, or numBufferSizes if it is larger than all
}

// get returns a buffer of at least n bytes.
func (p *bufferPool) get(n int) *buffer {
	size := bufferSize(n)
	if size == numBufferSizes {
		return &buffer{make([]byte, n), size}
	}
	if b, ok := p.sizes[size].Get().(*buffer); ok {
		return b
	}
	return &buffer{make([]byte, bufferBytes(size)), size}
}

// getTight is get for memory that may be held for long: a large buffer is at most twice as large as
// is asked for.
func (p *bufferPool) getTight(n int) *buffer {
	if n > maxLoose && n <= bufferBytes(bufferSize(n))/2 {
		return &buffer{make([]byte, n), numBufferSizes}
	}
	return p.get(n)
}

// maxLoose is the largest number of bytes whose buffer may be four times as large.
const maxLoose = 16 << 10

// put takes a buffer back; nil is allowed.
func (p *bufferPool) put(b *buffer) {
	if b != nil && b.size < numBufferSizes {
		p.sizes[b.size].Put(b)
	}
}

// bufferSize returns the index of the smallest size of at least n bytes.
func bufferSize(n int) int {
	size := 0
	for size < numBufferSizes && bufferBytes(size) < n {
		size++
	}
	return size
}

func bufferBytes(size int) int { return minBufferSize << (2 * size) }
