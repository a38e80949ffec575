package main

import (
	"math"
	"strings"
	"testing"
)

func TestQuantile(t *testing.T) {
	v := []float64{5, 1, 4, 2, 3}
	for _, c := range []struct{ q, want float64 }{{0, 1}, {0.25, 2}, {0.5, 3}, {0.75, 4}, {1, 5}, {0.125, 1.5}} {
		if got := quantile(v, c.q); math.Abs(got-c.want) > 1e-9 {
			t.Errorf("quantile %v: %v, want %v", c.q, got, c.want)
		}
	}
	if v[0] != 5 {
		t.Error("the values were sorted in place")
	}
	if got := median([]float64{1, 2}); got != 1.5 {
		t.Errorf("median of two: %v", got)
	}
	if !math.IsNaN(median(nil)) {
		t.Error("the median of nothing is a number")
	}
}

func TestGeomean(t *testing.T) {
	if got := geomean([]float64{0.1, 0.4}); math.Abs(got-0.2) > 1e-9 {
		t.Errorf("got %v", got)
	}
}

func TestNoise(t *testing.T) {
	if got := noise([]float64{100, 110, 99}); math.Abs(got-0.1) > 1e-9 {
		t.Errorf("got %v", got)
	}
	if got := noise([]float64{100}); got != 0 {
		t.Errorf("one run: %v", got)
	}
}

func TestGrade(t *testing.T) {
	for _, c := range []struct {
		bar    bar
		ratio  float64
		higher bool
		want   grade
	}{
		{bar{6, 3}, 6, true, reached},
		{bar{6, 3}, 3, true, passed},
		{bar{6, 3}, 2.99, true, missed},
		{bar{0.15, 0.30}, 0.15, false, reached},
		{bar{0.15, 0.30}, 0.30, false, passed},
		{bar{0.15, 0.30}, 0.31, false, missed},
		{bar{floor: 0.80}, 0.1, false, passed},
		{bar{}, 9, false, noBar},
	} {
		if got := c.bar.grade(c.ratio, c.higher); got != c.want {
			t.Errorf("%v %v: %q, want %q", c.bar, c.ratio, got, c.want)
		}
	}
}

// result makes a row whose ratio of CPU and rate is known.
func result(s scenario, cpu, rate float64, pairs int) *rowResult {
	r := &rowResult{scenario: s}
	for range pairs {
		nats := sample{Delivered: 1000, Rate: 1000, CPU: 1e6, CPUTicks: 1e6, BytesEach: 100, P50: 100e3, P99: 200e3, P999: 300e3}
		shoal := nats
		shoal.CPU, shoal.CPUTicks = int64(1e6*cpu), int64(1e6*cpu)
		shoal.Rate *= rate
		r.add([2]sample{iShoal: shoal, iNats: nats})
	}
	return r
}

func TestVerdict(t *testing.T) {
	good := result(scenarios[0], 0.1, 9, 3)
	slow := result(scenarios[0], 0.5, 9, 3)
	bad := &rowResult{scenario: scenarios[1], fault: &faultError{server: "shoal", kind: "lost", text: "x"}}
	for _, c := range []struct {
		name string
		rows []*rowResult
		want int
	}{
		{"good", []*rowResult{good}, exitOK},
		{"floor missed", []*rowResult{good, slow}, exitMissed},
		{"wrong delivery", []*rowResult{good, slow, bad}, exitDelivery},
	} {
		r := report{rows: c.rows}
		if got, _ := r.verdict(); got != c.want {
			t.Errorf("%s: exit %d, want %d", c.name, got, c.want)
		}
	}
}

// A row with wrong delivery must not show a ratio, in no form of output.
func TestNoRatioForWrongDelivery(t *testing.T) {
	row := result(scenarios[0], 0.123, 7.77, 3)
	row.fault = &faultError{server: "shoal", kind: "lost", text: "3 of 4 arrived"}
	r := report{rows: []*rowResult{row}, versions: map[string]string{}}
	var text, js strings.Builder
	if err := r.write(&text); err != nil {
		t.Fatal(err)
	}
	if err := row.writeJSON(&js); err != nil {
		t.Fatal(err)
	}
	for _, s := range []string{text.String(), js.String(), row.summary()} {
		if strings.Contains(s, "0.12") || strings.Contains(s, "7.77") {
			t.Errorf("a ratio is shown: %s", s)
		}
		if !strings.Contains(s, "3 of 4 arrived") {
			t.Errorf("the fault is not shown: %s", s)
		}
	}
}

func TestScenarios(t *testing.T) {
	seen := map[string]bool{}
	quick := 0
	for _, s := range scenarios {
		if seen[s.name] {
			t.Errorf("%s twice", s.name)
		}
		seen[s.name] = true
		if s.quick {
			quick++
		}
		for _, f := range s.figures() {
			if f.bar.floor != 0 && f.bar.goal != 0 && f.bar.goal != f.bar.floor && (f.bar.goal > f.bar.floor) != f.higher {
				t.Errorf("%s: the goal of %s is easier than its floor", s.name, f.key)
			}
		}
	}
	if quick != 7 {
		t.Errorf("%d rows in --quick", quick)
	}
}
