package main

import (
	"math"
	"slices"
)

// quantile is the value at q of the sorted values, between two of them by
// proportion; NaN without values.
func quantile(values []float64, q float64) float64 {
	if len(values) == 0 {
		return math.NaN()
	}
	s := slices.Sorted(slices.Values(values))
	at := q * float64(len(s)-1)
	i := int(at)
	if i+1 >= len(s) {
		return s[len(s)-1]
	}
	return s[i] + (at-float64(i))*(s[i+1]-s[i])
}

func median(values []float64) float64 { return quantile(values, 0.5) }

// geomean is the geometric mean of positive values; NaN without values.
func geomean(values []float64) float64 {
	sum := 0.0
	for _, v := range values {
		sum += math.Log(v)
	}
	return math.Exp(sum / float64(len(values)))
}

// noise is the typical difference between one run and the next of the same
// server: the median of |A/A - 1| over neighbouring runs.
func noise(values []float64) float64 {
	var d []float64
	for i := 1; i < len(values); i++ {
		if values[i-1] > 0 {
			d = append(d, math.Abs(values[i]/values[i-1]-1))
		}
	}
	if len(d) == 0 {
		return 0
	}
	return median(d)
}

// spread is a figure over all pairs of a row.
type spread struct {
	Median float64 `json:"median"`
	Q1     float64 `json:"q1"`
	Q3     float64 `json:"q3"`
}

func spreadOf(values []float64) spread {
	return spread{Median: median(values), Q1: quantile(values, 0.25), Q3: quantile(values, 0.75)}
}

// grade says how a ratio stands to its bar; higher tells whether more is
// better.
type grade string

const (
	noBar   grade = ""
	reached grade = "goal"
	passed  grade = "ok"
	missed  grade = "MISS"
)

func (b bar) grade(ratio float64, higher bool) grade {
	better := func(limit float64) bool {
		if higher {
			return ratio >= limit
		}
		return ratio <= limit
	}
	switch {
	case b.floor == 0:
		return noBar
	case b.goal != 0 && better(b.goal):
		return reached
	case better(b.floor):
		return passed
	}
	return missed
}
