package loadtest

import (
	"sync/atomic"
	"time"
)

// clock is the time of a run, in nanoseconds since it began.
type clock struct{ zero time.Time }

func (c clock) now() int64 { return int64(time.Since(c.zero)) }

// waiting adds up the time that a goroutine spends waiting. Others may look at any time.
type waiting struct {
	total atomic.Int64
	since atomic.Int64 // when the current wait began; 0 if there is none
}

func (w *waiting) begin(now int64) { w.since.CompareAndSwap(0, now) }

func (w *waiting) end(now int64) {
	if since := w.since.Swap(0); since != 0 {
		w.total.Add(now - since)
	}
}

// at returns how much there was until now.
func (w *waiting) at(now int64) int64 {
	total := w.total.Load()
	if since := w.since.Load(); since != 0 && now > since {
		total += now - since
	}
	return total
}
