package loadtest

import (
	"runtime"
	"sync"

	"github.com/HdrHistogram/hdrhistogram-go"
)

const (
	maxLatency = int64(3600e9) // an hour; who waits longer is counted with that
	digits     = 3             // significant digits of every latency
)

// latencies collects them from many goroutines. Each writes to one of a few shards, so that
// thousands of subscribers neither share a lock nor need a histogram each.
type latencies struct{ shards []latencyShard }

type latencyShard struct {
	mu        sync.Mutex // guards histogram
	histogram *hdrhistogram.Histogram
}

func newLatencies() *latencies {
	l := &latencies{shards: make([]latencyShard, runtime.GOMAXPROCS(0))}
	for i := range l.shards {
		l.shards[i].histogram = hdrhistogram.New(1, maxLatency, digits)
	}
	return l
}

// recorder returns a recorder for goroutine number i.
func (l *latencies) recorder(i int) *recorder { return &recorder{shard: &l.shards[i%len(l.shards)]} }

// merged returns all that was recorded.
func (l *latencies) merged() *hdrhistogram.Histogram {
	all := hdrhistogram.New(1, maxLatency, digits)
	for i := range l.shards {
		s := &l.shards[i]
		s.mu.Lock()
		all.Merge(s.histogram)
		s.mu.Unlock()
	}
	return all
}

// recorder collects the latencies of one goroutine until flush. Messages that travelled together
// have the same one, so it keeps runs of equal values.
type recorder struct {
	shard *latencyShard
	runs  []latencyRun
}

type latencyRun struct{ value, n int64 }

func (r *recorder) add(value int64) {
	value = min(max(value, 0), maxLatency)
	if last := len(r.runs) - 1; last >= 0 && r.runs[last].value == value {
		r.runs[last].n++
		return
	}
	r.runs = append(r.runs, latencyRun{value, 1})
}

func (r *recorder) flush() {
	if len(r.runs) == 0 {
		return
	}
	r.shard.mu.Lock()
	defer r.shard.mu.Unlock()
	for _, run := range r.runs {
		// It fails for values out of range only, and add has seen to that.
		_ = r.shard.histogram.RecordValues(run.value, run.n)
	}
	r.runs = r.runs[:0]
}
