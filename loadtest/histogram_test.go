package loadtest

import (
	"testing"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
	"pgregory.net/rapid"
)

func TestPercentiles(t *testing.T) {
	l := newLatencies()
	for i := range 3 {
		r := l.recorder(i)
		for v := range int64(1000) {
			r.add((v + 1) * 1000) // 1 µs to 1 ms
		}
		r.flush()
		r.flush() // has nothing to do
	}
	got, bars := summary(l.merged())
	near := func(name string, got, want int64) {
		t.Helper()
		if got < want-want/500 || got > want+want/500 {
			t.Errorf("%s is %d, want %d", name, got, want)
		}
	}
	near("min", got.Min, 1000)
	near("p50", got.P50, 500_000)
	near("p90", got.P90, 900_000)
	near("p99", got.P99, 990_000)
	near("p99.9", got.P999, 999_000)
	near("max", got.Max, 1_000_000)
	near("mean", int64(got.Mean), 500_500)
	total := int64(0)
	for _, b := range bars {
		total += b.Count
	}
	if got.Count != 3000 || total != 3000 {
		t.Errorf("%d recorded, %d in bars", got.Count, total)
	}
}

func TestRecorderTakesEverything(t *testing.T) {
	l := newLatencies()
	r := l.recorder(0)
	for _, v := range []int64{-5, 0, maxLatency, maxLatency * 2} {
		r.add(v)
	}
	r.flush()
	if got, _ := summary(l.merged()); got.Count != 4 || got.Min != 0 {
		t.Errorf("got %+v", got)
	}
}

func TestNothingRecorded(t *testing.T) {
	latency, bars := summary(newLatencies().merged())
	if latency != (Latency{}) || bars == nil || len(bars) > 0 {
		t.Errorf("got %+v, %v", latency, bars)
	}
}

// Rows follow each other without a gap, have everything, and are few.
func TestRows(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h := hdrhistogram.New(1, maxLatency, digits)
		values := rapid.SliceOfN(rapid.Int64Range(0, int64(time.Minute)), 1, 50).Draw(t, "values")
		for _, v := range values {
			if err := h.RecordValue(v); err != nil {
				t.Fatal(err)
			}
		}
		_, bars := summary(h)
		total := int64(0)
		for i, b := range bars {
			total += b.Count
			if b.From >= b.To || i > 0 && b.From != bars[i-1].To || i == 0 && b.From != 0 {
				t.Fatalf("row %d does not follow: %+v", i, bars)
			}
		}
		if total != int64(len(values)) || len(bars) > 30 {
			t.Fatalf("%d values became %d in %d rows", len(values), total, len(bars))
		}
	})
}
