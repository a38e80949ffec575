package command

import (
	"fmt"
	"io"
	"strings"
	"time"

	"shoal/loadtest"
)

// writeReport shows a result to a person, in at most 80 columns.
func writeReport(out io.Writer, r *loadtest.Result) error {
	_, err := io.WriteString(out, report(styleOf(out), r))
	return err
}

func report(style style, r *loadtest.Result) string {
	var b strings.Builder
	paragraph(&b, "", 0, title(r))
	paragraph(&b, "", 0, strings.Join(r.Servers, ", "))
	b.WriteString("\n" + table(style, r))
	if r.Latency.Count > 0 {
		b.WriteString("\n" + percentiles(style, r.Latency) + "\n" + chart(style, r.Histogram))
	}
	b.WriteString("\n")
	color, text := verdict(r)
	painted(&b, style, color, text)
	color = ""
	if r.Limit.Client {
		color = yellow
	}
	painted(&b, style, color, r.Limit.Reason)
	if r.Rate == 0 && r.Mode != loadtest.Request && r.Latency.Count > 0 {
		painted(&b, style, "", "At full speed, latency is mostly waiting behind others; --rate N shows that of a steady load.")
	}
	return b.String()
}

// title says what was measured.
func title(r *loadtest.Result) string {
	publisher, subscriber, message := "publisher", "subscriber", "message"
	if r.Mode == loadtest.Request {
		publisher, subscriber, message = "requester", "responder", "request"
	}
	parts := []string{counted(r.Publishers, publisher), counted(r.Subscribers, subscriber)}
	if r.Mode == loadtest.Queue {
		parts[1] += " in a queue group"
	}
	if r.Subjects > 1 {
		parts = append(parts, counted(r.Subjects, "subject"))
	}
	parts = append(parts, grouped(uint64(r.Size))+" bytes per "+message)
	switch {
	case r.Rate > 0:
		parts = append(parts, grouped(uint64(r.Rate))+" per second")
	case r.Mode == loadtest.Request:
		parts = append(parts, fmt.Sprintf("%d in flight each", r.InFlight))
	default:
		parts = append(parts, "full speed")
	}
	took := fmt.Sprintf("%.1f s", r.Seconds)
	if r.Seconds < 0.95 {
		took = exactTime(style{}, time.Duration(r.Seconds*1e9))
	}
	if r.Interrupted {
		took += " until interrupted"
	}
	return strings.Join(append(parts, took), ", ")
}

// table shows the throughput.
func table(style style, r *loadtest.Result) string {
	sent, got := "published", "delivered"
	if r.Mode == loadtest.Request {
		sent, got = "requests", "replies"
	}
	var b strings.Builder
	each := ""
	if r.Publishers > 1 || r.Subscribers > 1 {
		each = "   each: min / avg / max"
	}
	b.WriteString(style.paint(bold, fmt.Sprintf("  %-9s %14s %12s %9s%s", "", "messages", "msg/s", "MB/s", each)) + "\n")
	line := func(name string, t loadtest.Throughput, clients int) {
		fmt.Fprintf(&b, "  %-9s %14s %12s %9.1f", name, grouped(t.Messages), grouped(uint64(t.PerSecond+0.5)), t.MBPerSecond)
		if clients > 1 {
			s := t.PerClient
			fmt.Fprintf(&b, "   %s / %s / %s", compact(s.Min), compact(s.Avg), compact(s.Max))
		}
		b.WriteByte('\n')
	}
	line(sent, r.Published, r.Publishers)
	if r.Subscribers > 0 || r.Mode == loadtest.Request {
		line(got, r.Delivered, r.Subscribers)
	}
	return b.String()
}

// compact writes a number in at most five columns.
func compact(n float64) string {
	for _, unit := range []struct {
		size float64
		name string
	}{{1e9, "G"}, {1e6, "M"}, {1e3, "k"}} {
		switch value := n / unit.size; {
		case value >= 99.95:
			return fmt.Sprintf("%.0f%s", value, unit.name)
		case value >= 1:
			return fmt.Sprintf("%.1f%s", value, unit.name)
		}
	}
	return fmt.Sprintf("%.0f", n)
}

func percentiles(style style, l loadtest.Latency) string {
	names := []string{"p50", "p90", "p99", "p99.9", "max"}
	values := []int64{l.P50, l.P90, l.P99, l.P999, l.Max}
	head, body := pad("", 11), "  latency  "
	for i, name := range names {
		head += pad(name, 12)
		body += pad(exactTime(style, time.Duration(values[i])), 12)
	}
	return style.paint(bold, head) + "\n" + body + "\n"
}

// verdict says whether the messages arrived as they should.
func verdict(r *loadtest.Result) (color, text string) {
	c := r.Checks
	switch {
	case c.Lost+c.Duplicated+c.Reordered > 0:
		color = red
		text = fmt.Sprintf("%s missing, %s delivered more than once, %s out of order.", grouped(c.Lost), grouped(c.Duplicated), grouped(c.Reordered))
	case r.Error != "":
		return red, "The run did not end as it should."
	case r.Mode == loadtest.Request:
		color, text = green, "Every request got one reply."
	case r.Subscribers == 0:
		text = "Nobody subscribed, so only the server knows what arrived."
	default:
		color, text = green, "Every message arrived once and in order."
	}
	if c.Foreign > 0 {
		text += fmt.Sprintf(" %s of somebody else on the same subject did not count.", grouped(c.Foreign))
	}
	return color, text
}

// painted writes a wrapped paragraph in a color.
func painted(b *strings.Builder, style style, color, text string) {
	var plain strings.Builder
	paragraph(&plain, "", 0, text)
	if color == "" {
		b.WriteString(plain.String())
		return
	}
	b.WriteString(style.paint(color, strings.TrimSuffix(plain.String(), "\n")) + "\n")
}
