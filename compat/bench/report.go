package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// The headline: the geometric mean of the CPU ratio.
var headlineBar = bar{goal: 0.25, floor: 0.40}

// report is the whole run.
type report struct {
	machine  string
	opts     options
	versions map[string]string
	rows     []*rowResult
}

// headline is the geometric mean of the CPU ratio over the rows of small and
// middle-sized messages, how many of them were measured, and how many there
// are.
func (r *report) headline() (mean float64, measured, all int) {
	var v []float64
	for _, row := range r.rows {
		if row.scenario.headline() && row.valid() {
			v = append(v, row.ratio(cpuOf).Median)
		}
	}
	for _, s := range scenarios {
		if s.headline() {
			all++
		}
	}
	return geomean(v), len(v), all
}

// verdict is the exit status and, when it is not 0, why.
func (r *report) verdict() (int, error) {
	var wrong, under []string
	for _, row := range r.rows {
		if !row.valid() {
			wrong = append(wrong, fmt.Sprintf("%s (%s)", row.scenario.name, row.fault.server))
		}
		if keys := row.missed(); len(keys) > 0 {
			under = append(under, fmt.Sprintf("%s (%s)", row.scenario.name, strings.Join(keys, ", ")))
		}
	}
	if mean, n, all := r.headline(); n == all && headlineBar.grade(mean, false) == missed {
		under = append(under, "headline")
	}
	switch {
	case len(wrong) > 0:
		return exitDelivery, fmt.Errorf("wrong delivery: %s", strings.Join(wrong, "; "))
	case len(under) > 0:
		return exitMissed, fmt.Errorf("floor missed: %s", strings.Join(under, "; "))
	}
	return exitOK, nil
}

// write prints the tables. They are Markdown, so that they can be kept.
func (r *report) write(w io.Writer) error {
	out := bufio.NewWriter(w)
	fmt.Fprintf(out, "\nshoal %s against nats-server %s: %s\n", r.versions[names[iShoal]], r.versions[names[iNats]], r.machine)
	fmt.Fprintf(out, "%d pairs per row; ratio = median of shoal/nats-server over the pairs (quartiles); GOMAXPROCS %d for every server\n", r.opts.pairs, r.opts.procs)

	flow := table{head: []string{"scenario", "shoal /s", "nats /s", "ratio", "", "shoal CPU s/M", "nats CPU s/M", "ratio", "", "RSS MiB shoal", "nats", "remarks"}}
	lat := table{head: []string{"latency, microseconds", "shoal p50", "p99", "p99.9", "nats p50", "p99", "p99.9", "ratio p50", "", "p99", "", "p99.9"}}
	mem := table{head: []string{"memory", "shoal bytes each", "nats bytes each", "ratio", "", "shoal CPU s/M", "nats CPU s/M", "ratio", "remarks"}}
	known := table{head: []string{"announcement", "shoal ms", "nats ms", "ratio", "", "shoal CPU s/M", "nats CPU s/M", "ratio", "RSS MiB shoal", "nats", "remarks"}}
	for _, row := range r.rows {
		switch {
		case !row.valid():
			flow.add(row.scenario.name, "INVALID: "+row.fault.Error())
		case row.scenario.kind == memory:
			mem.add(append(append([]string{row.scenario.name}, row.memoryCells()...), strings.Join(row.marks(), ", "))...)
		case row.scenario.kind == announce:
			known.add(append(append([]string{row.scenario.name}, row.announceCells()...), strings.Join(row.marks(), ", "))...)
		default:
			flow.add(append(append([]string{row.scenario.name}, row.flowCells()...), strings.Join(row.marks(), ", "))...)
			if row.scenario.kind != flood {
				lat.add(append([]string{row.scenario.name}, row.latencyCells()...)...)
			}
		}
	}
	for _, t := range []table{flow, lat, mem, known} {
		t.write(out)
	}
	r.writeHeadline(out)
	return out.Flush()
}

func (r *report) writeHeadline(out io.Writer) {
	mean, n, all := r.headline()
	if n == 0 {
		return
	}
	fmt.Fprintf(out, "\nheadline: geometric mean of the CPU ratio over %d of the %d rows of 16 B to 1 KiB: %.3fx", n, all, mean)
	if n == all {
		fmt.Fprintf(out, " (%s)", headlineBar.grade(mean, false))
	}
	worst, name := 0.0, ""
	for _, row := range r.rows {
		if row.valid() && !row.scenario.fresh() {
			if q := row.ratio(cpuOf).Median; q > worst {
				worst, name = q, row.scenario.name
			}
		}
	}
	fmt.Fprintf(out, "; highest CPU ratio of all rows %.2fx (%s)\n", worst, name)
}

// writeJSONSummary is the last line of --json.
func (r *report) writeJSONSummary(w io.Writer) error {
	mean, n, all := r.headline()
	code, err := r.verdict()
	sum := map[string]any{
		"summary": true, "machine": r.machine, "versions": r.versions, "pairs": r.opts.pairs, "procs": r.opts.procs,
		"headline_rows": n, "headline_rows_all": all, "exit": code,
	}
	if n > 0 {
		sum["headline_cpu_ratio"] = mean
	}
	if err != nil {
		sum["verdict"] = err.Error()
	}
	return json.NewEncoder(w).Encode(sum)
}

func (r *rowResult) flowCells() []string {
	s := r.scenario
	cells := []string{count(r.median(iShoal, rateOf)), count(r.median(iNats, rateOf)), "-", ""}
	if s.kind != paced {
		q := r.ratio(rateOf)
		cells[2], cells[3] = q.String(), string(s.rate.grade(q.Median, true))
	}
	q := r.ratio(cpuOf)
	return append(cells,
		fmt.Sprintf("%.3f", r.median(iShoal, cpuOf)), fmt.Sprintf("%.3f", r.median(iNats, cpuOf)),
		q.String(), string(s.cpu.grade(q.Median, false)),
		fmt.Sprintf("%.0f", r.median(iShoal, peakOf)), fmt.Sprintf("%.0f", r.median(iNats, peakOf)))
}

func (r *rowResult) latencyCells() []string {
	var cells []string
	for _, i := range []int{iShoal, iNats} {
		for _, f := range []func(sample) float64{p50Of, p99Of, p999Of} {
			cells = append(cells, fmt.Sprintf("%.0f", r.median(i, f)))
		}
	}
	p50, p99 := r.ratio(p50Of), r.ratio(p99Of)
	return append(cells, p50.String(), string(r.scenario.p50.grade(p50.Median, false)),
		p99.String(), string(r.scenario.p99.grade(p99.Median, false)), r.ratio(p999Of).String())
}

func (r *rowResult) memoryCells() []string {
	q, cpu := r.ratio(bytesOf), r.ratio(cpuOf)
	return []string{
		fmt.Sprintf("%.0f", r.median(iShoal, bytesOf)), fmt.Sprintf("%.0f", r.median(iNats, bytesOf)),
		q.String(), string(r.scenario.bytes.grade(q.Median, false)),
		fmt.Sprintf("%.2f", r.median(iShoal, cpuOf)), fmt.Sprintf("%.2f", r.median(iNats, cpuOf)), cpu.String(),
	}
}

func (r *rowResult) announceCells() []string {
	q, cpu := r.ratio(msOf), r.ratio(cpuOf)
	return []string{
		fmt.Sprintf("%.0f", r.median(iShoal, msOf)), fmt.Sprintf("%.0f", r.median(iNats, msOf)),
		q.String(), string(r.scenario.ms.grade(q.Median, false)),
		fmt.Sprintf("%.2f", r.median(iShoal, cpuOf)), fmt.Sprintf("%.2f", r.median(iNats, cpuOf)), cpu.String(),
		fmt.Sprintf("%.0f", r.median(iShoal, peakOf)), fmt.Sprintf("%.0f", r.median(iNats, peakOf)),
	}
}

// String shows two decimals, three for small ratios.
func (s spread) String() string {
	if s.Median < 0.2 {
		return fmt.Sprintf("%.3fx (%.3f-%.3f)", s.Median, s.Q1, s.Q3)
	}
	return fmt.Sprintf("%.2fx (%.2f-%.2f)", s.Median, s.Q1, s.Q3)
}

// count shortens a rate.
func count(v float64) string {
	switch {
	case v >= 1e6:
		return fmt.Sprintf("%.2f M", v/1e6)
	case v >= 1e4:
		return fmt.Sprintf("%.0f k", v/1e3)
	}
	return fmt.Sprintf("%.0f", v)
}

// table is an aligned Markdown table: the first column to the left, numbers
// to the right, the last column free.
type table struct {
	head []string
	rows [][]string
}

func (t *table) add(cells ...string) {
	for len(cells) < len(t.head) {
		cells = append(cells, "")
	}
	t.rows = append(t.rows, cells)
}

func (t *table) write(w io.Writer) {
	if len(t.rows) == 0 {
		return
	}
	width := make([]int, len(t.head))
	for _, row := range append([][]string{t.head}, t.rows...) {
		for i, c := range row {
			if !strings.HasPrefix(c, "INVALID") {
				width[i] = max(width[i], utf8.RuneCountInString(c))
			}
		}
	}
	line := func(cells []string) {
		for i, c := range cells {
			pad := strings.Repeat(" ", max(width[i]-utf8.RuneCountInString(c), 0))
			if i == 0 || i == len(cells)-1 || strings.HasPrefix(c, "INVALID") {
				fmt.Fprintf(w, "| %s%s ", c, pad)
			} else {
				fmt.Fprintf(w, "| %s%s ", pad, c)
			}
		}
		fmt.Fprintln(w, "|")
	}
	fmt.Fprintln(w)
	line(t.head)
	for i, n := range width {
		switch i {
		case 0, len(width) - 1:
			fmt.Fprintf(w, "|%s", strings.Repeat("-", n+2))
		default:
			fmt.Fprintf(w, "|%s:", strings.Repeat("-", n+1))
		}
	}
	fmt.Fprintln(w, "|")
	for _, row := range t.rows {
		line(row)
	}
}
