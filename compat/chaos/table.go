package main

import (
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"text/tabwriter"
)

// column is a figure of a scenario, and how it is shown.
type column struct {
	title string
	shown func(float64) string
}

// table collects the figures of all runs of a scenario.
type table struct {
	columns []column
	order   []string               // the servers
	values  map[string][][]float64 // by server and column
}

// add notes the figures of one run.
func (t *table) add(server string, values []float64) {
	if t.values == nil {
		t.values = map[string][][]float64{}
	}
	if t.values[server] == nil {
		t.order = append(t.order, server)
		t.values[server] = make([][]float64, len(t.columns))
	}
	for i, v := range values {
		t.values[server][i] = append(t.values[server][i], v)
	}
}

// line shows the figures of one run.
func (t *table) line(values []float64) string {
	var parts []string
	for i, v := range values {
		parts = append(parts, t.columns[i].title+" "+t.columns[i].shown(v))
	}
	return strings.Join(parts, ", ")
}

// write shows the medians of all runs, with the least and the greatest if they differ.
func (t *table) write(w io.Writer) {
	tab := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprint(tab, "")
	for _, server := range t.order {
		fmt.Fprint(tab, "\t", server)
	}
	fmt.Fprintln(tab)
	for i, c := range t.columns {
		fmt.Fprint(tab, c.title)
		for _, server := range t.order {
			fmt.Fprint(tab, "\t", spread(t.values[server][i], c.shown))
		}
		fmt.Fprintln(tab)
	}
	tab.Flush()
}

func spread(values []float64, shown func(float64) string) string {
	if slices.ContainsFunc(values, math.IsNaN) {
		values = slices.DeleteFunc(slices.Clone(values), math.IsNaN)
	}
	if len(values) == 0 {
		return "-"
	}
	least, middle, most := shown(quantile(values, 0)), shown(median(values)), shown(quantile(values, 1))
	if least == most {
		return middle
	}
	return fmt.Sprintf("%s [%s to %s]", middle, least, most)
}

func median(values []float64) float64 {
	low, high := quantile(values, 0.5), -quantile(negated(values), 0.5)
	if low == high {
		return low
	}
	return (low + high) / 2
}

func negated(values []float64) []float64 {
	list := make([]float64, len(values))
	for i, v := range values {
		list[i] = -v
	}
	return list
}

// quantile is the value that the share of all is at most.
func quantile(values []float64, share float64) float64 {
	list := slices.Sorted(slices.Values(values))
	return list[int(share*float64(len(list)-1))]
}

func shownSeconds(v float64) string {
	switch {
	case math.IsNaN(v):
		return "-"
	case math.IsInf(v, 1):
		return "not at all"
	case v < 0.0995:
		return fmt.Sprintf("%.0f ms", v*1000)
	case v < 9.95:
		return fmt.Sprintf("%.2f s", v)
	}
	return fmt.Sprintf("%.1f s", v)
}

func shownCount(v float64) string { return fmt.Sprintf("%.0f", v) }

func shownTenth(v float64) string { return fmt.Sprintf("%.1f", v) }

func shownShare(v float64) string {
	if math.IsNaN(v) {
		return "-"
	}
	return fmt.Sprintf("%.1f %%", 100*v)
}

func shownPercent(v float64) string { return fmt.Sprintf("%.2f", 100*v) }
