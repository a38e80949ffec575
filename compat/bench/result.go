package main

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"strings"
)

// rowResult collects the pairs of one row.
type rowResult struct {
	scenario scenario
	pairs    [][2]sample
	versions map[string]string
	fault    *faultError
}

func (r *rowResult) add(p [2]sample) { r.pairs = append(r.pairs, p) }

func (r *rowResult) valid() bool { return r.fault == nil && len(r.pairs) > 0 }

// values picks one figure of one server over all runs.
func (r *rowResult) values(i int, f func(sample) float64) []float64 {
	v := make([]float64, 0, len(r.pairs))
	for _, p := range r.pairs {
		v = append(v, f(p[i]))
	}
	return v
}

func (r *rowResult) median(i int, f func(sample) float64) float64 { return median(r.values(i, f)) }

// ratio is the spread of shoal/nats-server over the pairs.
func (r *rowResult) ratio(f func(sample) float64) spread {
	var v []float64
	for _, p := range r.pairs {
		if d := f(p[iNats]); d > 0 {
			v = append(v, f(p[iShoal])/d)
		}
	}
	return spreadOf(v)
}

// The figures that are compared.
func rateOf(s sample) float64  { return s.Rate }
func cpuOf(s sample) float64   { return s.cpuPer() }
func bytesOf(s sample) float64 { return s.BytesEach }
func p50Of(s sample) float64   { return float64(s.P50) / 1e3 }
func p99Of(s sample) float64   { return float64(s.P99) / 1e3 }
func p999Of(s sample) float64  { return float64(s.P999) / 1e3 }
func peakOf(s sample) float64  { return float64(s.PeakRSS) / 1024 }
func msOf(s sample) float64    { return s.Seconds * 1e3 }

// figure is one compared figure of a row.
type figure struct {
	key    string
	of     func(sample) float64
	bar    bar
	higher bool // more is better
}

// figures lists what is compared in this kind of row.
func (s scenario) figures() []figure {
	cpu := figure{"cpu_us", cpuOf, s.cpu, false}
	rate := figure{"rate", rateOf, s.rate, true}
	latency := []figure{{"p50_us", p50Of, s.p50, false}, {"p99_us", p99Of, s.p99, false}, {"p999_us", p999Of, bar{}, false}}
	switch s.kind {
	case memory:
		return []figure{{"bytes", bytesOf, s.bytes, false}, {"cpu_us", cpuOf, bar{}, false}, {"rate", rateOf, bar{}, true}}
	case announce:
		return []figure{{"ms", msOf, s.ms, false}, {"cpu_us", cpuOf, bar{}, false}}
	case paced:
		return append([]figure{cpu}, latency...)
	case closed:
		return append([]figure{cpu, rate}, latency...)
	}
	return []figure{cpu, rate}
}

// missed lists the figures whose floor was missed.
func (r *rowResult) missed() []string {
	if !r.valid() {
		return nil
	}
	var keys []string
	for _, f := range r.scenario.figures() {
		if f.bar.grade(r.ratio(f.of).Median, f.higher) == missed {
			keys = append(keys, f.key)
		}
	}
	return keys
}

// noise is A against A of nats-server for one figure.
func (r *rowResult) noise(f figure) float64 { return noise(r.values(iNats, f.of)) }

// noisy lists the figures with a bar whose noise makes their ratio doubtful.
func (r *rowResult) noisy() []string {
	var m []string
	for _, f := range r.scenario.figures() {
		if n := r.noise(f); f.bar.floor != 0 && n > noiseLimit {
			m = append(m, fmt.Sprintf("%s %.0f%%", f.key, n*100))
		}
	}
	return m
}

// clientBound tells whether one of the load generator's threads was busy
// nearly all the time: then the throughput is its own, not the server's.
func (r *rowResult) clientBound() bool {
	if r.scenario.fresh() {
		return false
	}
	busiest := func(s sample) float64 { return max(s.SenderCores, s.ReceiverCores) }
	return max(r.median(iShoal, busiest), r.median(iNats, busiest)) > clientLimit
}

// accountingOff tells whether the two ways of counting CPU time disagree by
// more than their grain.
func (r *rowResult) accountingOff() bool {
	for _, p := range r.pairs {
		for _, s := range p {
			if math.Abs(float64(s.CPU-s.CPUTicks)) > 30e6+0.02*float64(s.CPU) {
				return true
			}
		}
	}
	return false
}

func (r *rowResult) machine(f func(sample) float64) float64 {
	return max(r.median(iShoal, f), r.median(iNats, f))
}

func (r *rowResult) steal() float64 { return r.machine(func(s sample) float64 { return s.Steal }) }
func (r *rowResult) other() float64 { return r.machine(func(s sample) float64 { return s.Other }) }

// marks are the remarks at the end of a row.
func (r *rowResult) marks() []string {
	var m []string
	if n := r.noisy(); len(n) > 0 {
		m = append(m, "noisy, A/A "+strings.Join(n, " "))
	}
	if r.clientBound() {
		m = append(m, "client-bound")
	}
	// Missed ticks are sent together, which is cheaper than one by one.
	if late := r.machine(func(s sample) float64 { return s.Late }); late > 0.05 {
		m = append(m, fmt.Sprintf("%.0f%% of the sends late", late*100))
	}
	if s := r.steal(); s > 0.05 {
		m = append(m, fmt.Sprintf("steal %.2f", s))
	}
	if o := r.other(); o > 0.2 {
		m = append(m, fmt.Sprintf("other programs %.2f cores", o))
	}
	if r.accountingOff() {
		m = append(m, "CPU accounting disagrees")
	}
	return m
}

// summary is the line shown while the benchmark runs.
func (r *rowResult) summary() string {
	if !r.valid() {
		return "INVALID: " + r.fault.Error()
	}
	text := ""
	for _, f := range r.scenario.figures() {
		q := r.ratio(f.of)
		text += fmt.Sprintf("%s %.2fx", f.key, q.Median)
		if g := f.bar.grade(q.Median, f.higher); g != noBar {
			text += " " + string(g)
		}
		text += "  "
	}
	for _, m := range r.marks() {
		text += "[" + m + "] "
	}
	return text
}

// jsonFigure is one figure in the machine-readable line.
type jsonFigure struct {
	Shoal float64 `json:"shoal"`
	Nats  float64 `json:"nats"`
	Ratio spread  `json:"ratio"`
	Goal  float64 `json:"goal,omitempty"`
	Floor float64 `json:"floor,omitempty"`
	Grade grade   `json:"grade,omitempty"`
	Noise float64 `json:"noise"`
}

// jsonRow is the machine-readable line of a row.
type jsonRow struct {
	Row         string                `json:"row"`
	Valid       bool                  `json:"valid"`
	Fault       string                `json:"fault,omitempty"`
	Pairs       int                   `json:"pairs"`
	Figures     map[string]jsonFigure `json:"figures,omitempty"`
	PeakRSS     map[string]float64    `json:"peak_rss_mib,omitempty"`
	Noisy       bool                  `json:"noisy"`
	ClientBound bool                  `json:"client_bound"`
	Steal       float64               `json:"steal_cores"`
	Other       float64               `json:"other_cores"`
	Runs        map[string][]sample   `json:"runs,omitempty"`
}

func (r *rowResult) writeJSON(w io.Writer) error {
	j := jsonRow{Row: r.scenario.name, Valid: r.valid(), Pairs: len(r.pairs)}
	if !j.Valid {
		j.Fault = r.fault.Error()
		return json.NewEncoder(w).Encode(j)
	}
	j.Figures = map[string]jsonFigure{}
	for _, f := range r.scenario.figures() {
		q := r.ratio(f.of)
		j.Figures[f.key] = jsonFigure{
			Shoal: r.median(iShoal, f.of), Nats: r.median(iNats, f.of), Ratio: q,
			Goal: f.bar.goal, Floor: f.bar.floor, Grade: f.bar.grade(q.Median, f.higher),
			Noise: r.noise(f),
		}
	}
	j.PeakRSS = map[string]float64{}
	j.Runs = map[string][]sample{}
	for i, name := range names {
		j.PeakRSS[name] = r.median(i, peakOf)
		for _, p := range r.pairs {
			j.Runs[name] = append(j.Runs[name], p[i])
		}
	}
	j.Noisy = len(r.noisy()) > 0
	j.ClientBound, j.Steal, j.Other = r.clientBound(), r.steal(), r.other()
	return json.NewEncoder(w).Encode(j)
}
