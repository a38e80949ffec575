package main

import (
	"math"
	"strings"
	"testing"
)

func TestTable(t *testing.T) {
	nan, never := math.NaN(), math.Inf(1)
	tab := table{columns: []column{{"healed", shownSeconds}, {"lost", shownCount}, {"share", shownShare}}}
	for _, values := range [][]float64{{0.0123, 5, nan}, {2, 5, nan}, {12.34, 5, nan}} {
		tab.add("shoal", values)
	}
	for _, values := range [][]float64{{never, 1, 0.5}, {never, 2, 0.25}} {
		tab.add("nats-server", values)
	}
	var out strings.Builder
	tab.write(&out)
	want := `
        shoal                     nats-server
healed  2.00 s [12 ms to 12.3 s]  not at all
lost    5                         2 [1 to 2]
share   -                         37.5 % [25.0 % to 50.0 %]
`
	if got := "\n" + out.String(); got != want {
		t.Errorf("got%s\nwant%s", got, want)
	}
}

func TestMedian(t *testing.T) {
	for _, test := range []struct {
		values []float64
		want   float64
	}{
		{[]float64{3}, 3}, {[]float64{4, 1}, 2.5}, {[]float64{9, 1, 2}, 2}, {[]float64{1, 2, 3, math.Inf(1)}, 2.5},
	} {
		if got := median(test.values); got != test.want {
			t.Errorf("median of %v: got %v, want %v", test.values, got, test.want)
		}
	}
}
