package loadtest

import (
	"math"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// summary returns the percentiles of a histogram, and its rows.
func summary(h *hdrhistogram.Histogram) (Latency, []Bar) {
	if h.TotalCount() == 0 {
		return Latency{}, []Bar{}
	}
	var bars []Bar
	for _, b := range h.Distribution() {
		if b.Count > 0 {
			bars = append(bars, Bar(b))
		}
	}
	return Latency{
		Count: h.TotalCount(), Min: h.Min(), Mean: h.Mean(), Max: h.Max(),
		P50: h.ValueAtQuantile(50), P90: h.ValueAtQuantile(90), P99: h.ValueAtQuantile(99), P999: h.ValueAtQuantile(99.9),
	}, rows(bars)
}

// steps are ways to divide a decade. The finest that gives at most maxRows rows is taken.
var steps = [][]float64{
	{1, 1.1, 1.2, 1.3, 1.4, 1.5, 1.7, 2, 2.2, 2.5, 2.7, 3, 3.5, 4, 4.5, 5, 6, 7, 8, 9},
	{1, 1.2, 1.5, 2, 2.5, 3, 4, 5, 6, 8},
	{1, 1.5, 2, 3, 5, 7},
	{1, 2, 5},
	{1},
}

// maxRows is how many rows the bulk of the latencies may take.
const maxRows = 12

// rows gathers the fine bars of a histogram into as many rows as a person likes to see. Nearly all
// latencies are close together, and a few are far away: the former get fine rows, those below are
// put into the first of them, and those above get a row for each decade.
func rows(bars []Bar) []Bar {
	if len(bars) == 0 {
		return nil
	}
	low, high := bulk(bars)
	var list []Bar
	for _, step := range steps {
		list = divide(step, low, high)
		if len(list) <= maxRows {
			break
		}
	}
	list = append(list, divide(steps[len(steps)-1], list[len(list)-1].To, bars[len(bars)-1].From)...)
	list[0].From = 0
	for i := range list[1:] {
		list[i+1].From = list[i].To
	}
	at := 0
	for _, b := range bars {
		for at < len(list)-1 && b.From >= list[at].To {
			at++
		}
		list[at].Count += b.Count
	}
	for len(list) > 1 && list[len(list)-1].Count == 0 {
		list = list[:len(list)-1]
	}
	return list
}

// bulk returns the latencies between which all but half a percent at each end are.
func bulk(bars []Bar) (low, high int64) {
	total, below := int64(0), int64(0)
	for _, b := range bars {
		total += b.Count
	}
	low, high = -1, bars[len(bars)-1].From
	for _, b := range bars {
		below += b.Count
		if low < 0 && float64(below) >= 0.005*float64(total) {
			low = b.From
		}
		if float64(below) >= 0.995*float64(total) {
			high = b.From
			break
		}
	}
	return low, high
}

// divide returns the rows that have the latencies from low to high.
func divide(step []float64, low, high int64) []Bar {
	var list []Bar
	decade := math.Pow(10, math.Floor(math.Log10(float64(max(low, 1)))))
	for {
		for i, s := range step {
			upper := 10 * decade
			if i+1 < len(step) {
				upper = step[i+1] * decade
			}
			r := Bar{From: int64(math.Round(s * decade)), To: int64(math.Round(upper))}
			if r.To <= low || r.To <= r.From { // nanoseconds have no tenths
				continue
			}
			if list = append(list, r); r.To > high {
				return list
			}
		}
		decade *= 10
	}
}
