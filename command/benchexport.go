package command

import (
	"encoding/csv"
	"encoding/json"
	"io"
	"strconv"
	"strings"

	"shoal/loadtest"
)

// writeJSON writes a result for a program.
func writeJSON(out io.Writer, r *loadtest.Result) error {
	encoder := json.NewEncoder(out)
	encoder.SetIndent("", "  ")
	return encoder.Encode(r)
}

// writeCSV writes a result for a spreadsheet. It has what JSON has, without the histogram.
func writeCSV(out io.Writer, r *loadtest.Result) error {
	var names, values []string
	column := func(name, value string) {
		names, values = append(names, name), append(values, value)
	}
	whole := func(name string, n int) { column(name, strconv.Itoa(n)) }
	long := func(name string, n uint64) { column(name, strconv.FormatUint(n, 10)) }
	number := func(name string, n float64) { column(name, strconv.FormatFloat(n, 'f', 3, 64)) }

	column("mode", string(r.Mode))
	column("servers", strings.Join(r.Servers, " "))
	whole("publishers", r.Publishers)
	whole("subscribers", r.Subscribers)
	whole("size", r.Size)
	whole("subjects", r.Subjects)
	whole("rate", r.Rate)
	whole("in_flight", r.InFlight)
	number("seconds", r.Seconds)
	column("interrupted", strconv.FormatBool(r.Interrupted))
	for _, side := range []struct {
		name string
		loadtest.Throughput
	}{{"published", r.Published}, {"delivered", r.Delivered}} {
		long(side.name, side.Messages)
		number(side.name+"_per_second", side.PerSecond)
		number(side.name+"_mb_per_second", side.MBPerSecond)
		number(side.name+"_per_client_min", side.PerClient.Min)
		number(side.name+"_per_client_avg", side.PerClient.Avg)
		number(side.name+"_per_client_max", side.PerClient.Max)
	}
	for _, percentile := range []struct {
		name  string
		value int64
	}{
		{"min", r.Latency.Min}, {"p50", r.Latency.P50}, {"p90", r.Latency.P90}, {"p99", r.Latency.P99},
		{"p99_9", r.Latency.P999}, {"max", r.Latency.Max},
	} {
		whole("latency_ns_"+percentile.name, int(percentile.value))
	}
	number("latency_ns_mean", r.Latency.Mean)
	long("lost", r.Checks.Lost)
	long("duplicated", r.Checks.Duplicated)
	long("reordered", r.Checks.Reordered)
	long("foreign", r.Checks.Foreign)
	whole("cores", r.Load.Cores)
	number("cores_used", r.Load.CoresUsed)
	column("limit", string(r.Limit.Who))
	column("client_is_limit", strconv.FormatBool(r.Limit.Client))
	column("error", r.Error)

	w := csv.NewWriter(out)
	// An error sticks to the writer.
	_ = w.Write(names)
	_ = w.Write(values)
	w.Flush()
	return w.Error()
}
