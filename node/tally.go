package node

import (
	"math/bits"
	"sync/atomic"
)

// tally is what became of the messages that came over a connection. Only its reader adds to it, once
// for each batch, so that counting costs no more than a few stores to memory that is its own.
type tally struct {
	fanOut   histogram // receivers of a message
	batch    histogram // messages in a batch
	resolved atomic.Uint64
}

// tallyBuckets are a bucket for 0, those up to 1, 2, 4 and so on to 16384, and one for the rest.
const tallyBuckets = 17

// TallyBounds returns the largest value of every bucket of a [Histogram] but the last one.
func TallyBounds() []float64 {
	bounds := make([]float64, tallyBuckets-1)
	for i := range bounds[1:] {
		bounds[i+1] = float64(int(1) << i)
	}
	return bounds
}

func bucketOf(n int) int {
	if n == 0 {
		return 0
	}
	return min(1+bits.Len(uint(n-1)), tallyBuckets-1)
}

// histogram counts values, of which only one goroutine adds some.
type histogram struct {
	buckets   [tallyBuckets]atomic.Uint64
	sum, most atomic.Uint64
}

// counts are values that are not in a histogram yet.
type counts struct {
	buckets [tallyBuckets]uint32
	sum     uint64
	most    int
}

func (c *counts) add(n int) {
	c.buckets[bucketOf(n)]++
	c.sum += uint64(n)
	c.most = max(c.most, n)
}

// take adds the values of c and empties it.
func (h *histogram) take(c *counts) {
	for i, n := range &c.buckets {
		if n > 0 {
			increase(&h.buckets[i], uint64(n))
		}
	}
	increase(&h.sum, c.sum)
	if uint64(c.most) > h.most.Load() {
		h.most.Store(uint64(c.most))
	}
	*c = counts{}
}

// increase adds to a number that nobody else changes.
func increase(n *atomic.Uint64, by uint64) { n.Store(n.Load() + by) }

// count adds the messages that the batch has until now, before their sender gets an answer: whoever has PONG
// finds them counted.
func (c *conn) count(w *work) {
	if w.msgs == 0 {
		return
	}
	c.inMsgs.Add(w.msgs)
	c.inBytes.Add(w.bytes)
	t := c.tally.Load()
	if t == nil {
		t = new(tally)
		c.tally.Store(t)
	}
	t.fanOut.take(&w.fanOut)
	w.size.add(int(w.msgs))
	t.batch.take(&w.size)
	increase(&t.resolved, w.cache.resolved)
	w.cache.resolved = 0
	w.msgs, w.bytes = 0, 0
}

// Histogram is the distribution of whole numbers from 0 on.
type Histogram struct {
	// Buckets are how many were above the bound before and not above that of the bucket, see [TallyBounds].
	Buckets [tallyBuckets]uint64
	// Sum is that of all numbers, Most the largest of them.
	Sum, Most uint64
}

// Count returns how many numbers there are.
func (h *Histogram) Count() (n uint64) {
	for _, b := range h.Buckets {
		n += b
	}
	return n
}

func (h *Histogram) add(o *histogram) {
	for i := range h.Buckets {
		h.Buckets[i] += o.buckets[i].Load()
	}
	h.Sum += o.sum.Load()
	h.Most = max(h.Most, o.most.Load())
}

func (h *Histogram) merge(o *Histogram) {
	for i, n := range o.Buckets {
		h.Buckets[i] += n
	}
	h.Sum += o.Sum
	h.Most = max(h.Most, o.Most)
}
