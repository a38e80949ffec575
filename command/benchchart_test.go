package command

import (
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"shoal/loadtest"
)

func TestBar(t *testing.T) {
	fancy := style{unicode: true}
	for _, tt := range []struct {
		style style
		share float64
		want  string
	}{
		{fancy, 0, "    "},
		{fancy, 1, "████"},
		{fancy, 0.5, "██  "},
		{fancy, 0.53, "██▏ "},
		{fancy, 0.97, "███▉"},
		{fancy, 0.00001, "▏   "},
		{fancy, 7, "████"},
		{style{}, 0, "    "},
		{style{}, 1, "####"},
		{style{}, 0.6, "##  "},
		{style{}, 0.00001, ".   "},
		{style{}, -1, "    "},
	} {
		if got := tt.style.bar(tt.share, 4); got != tt.want {
			t.Errorf("%v in %+v is %q, want %q", tt.share, tt.style, got, tt.want)
		}
	}
}

func TestChart(t *testing.T) {
	rows := []loadtest.Bar{{From: 0, To: 50_000, Count: 1}, {From: 50_000, To: 100_000, Count: 1_234_567}, {From: 100_000, To: 1_000_000}}
	want := "" +
		"   < 50 us  .                                             <0.01 %              1\n" +
		"  < 100 us  ############################################ 100.00 %      1,234,567\n" +
		"    < 1 ms                                                      -              0\n"
	if got := chart(style{}, rows); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
	if got := chart(style{unicode: true, color: true}, rows); !strings.Contains(got, "< 50 µs  \x1b[36m▏") || !strings.Contains(got, "█\x1b[0m") {
		t.Errorf("got\n%s", got)
	}
}

func TestNumbers(t *testing.T) {
	for _, tt := range []struct{ got, want string }{
		{grouped(0), "0"},
		{grouped(999), "999"},
		{grouped(1000), "1,000"},
		{grouped(1234567), "1,234,567"},
		{compact(0), "0"},
		{compact(999), "999"},
		{compact(1234), "1.2k"},
		{compact(99_949), "99.9k"},
		{compact(99_960), "100k"},
		{compact(1.25e6), "1.2M"},
		{compact(3.21e9), "3.2G"},
		{exactTime(style{}, 850), "850 ns"},
		{exactTime(style{}, 1230), "1.23 us"},
		{exactTime(style{unicode: true}, 12_345), "12.3 µs"},
		{exactTime(style{}, 123_456), "123 us"},
		{exactTime(style{}, 9_999*time.Microsecond), "10.0 ms"},
		{exactTime(style{}, 2*time.Second), "2.00 s"},
		{shortTime(style{}, 1500*time.Microsecond), "1.5 ms"},
		{percent(0, 10), "       -"},
		{percent(10, 10), "100.00 %"},
		{percent(1, 1_000_000), " <0.01 %"},
	} {
		if tt.got != tt.want {
			t.Errorf("got %q, want %q", tt.got, tt.want)
		}
	}
}

// sample is a result with everything in it.
func sample() *loadtest.Result {
	side := loadtest.Throughput{Messages: 12_345_678_901, PerSecond: 123_456_789, MBPerSecond: 12_345.6,
		PerClient: loadtest.Spread{Min: 999_999, Avg: 123_456_789, Max: 999_999_999}}
	return &loadtest.Result{
		Mode: loadtest.Queue, Servers: []string{"nats://a.example.org:4222", "nats://b.example.org:4222", "nats://c.example.org:4222"},
		Publishers: 1000, Subscribers: 1000, Size: 1_048_576, Subjects: 1000, Seconds: 3600, Interrupted: true,
		Published: side, Delivered: side,
		Latency:   loadtest.Latency{Count: 9, Min: 1, Mean: 2.5, P50: 123_456, P90: 1_234_567, P99: 12_345_678, P999: 123_456_789, Max: 3_600_000_000_000},
		Histogram: []loadtest.Bar{{From: 0, To: 200_000, Count: 1}, {From: 200_000, To: 10_000_000, Count: 99_999_999_999}},
		Checks:    loadtest.Checks{Lost: 1_234_567, Duplicated: 2, Reordered: 3, Foreign: 4},
		Load:      loadtest.Load{Cores: 2, CoresUsed: 1.9},
		Limit:     loadtest.Limit{Who: loadtest.LimitClient, Client: true, Reason: "The client is the limit, not the server: it used 1.9 of 2 cores."},
		Error:     "what went wrong",
	}
}

func TestReportFitsATerminal(t *testing.T) {
	for _, style := range []style{{}, {unicode: true}} {
		text := report(style, sample())
		for line := range strings.Lines(text) {
			if line = strings.TrimSuffix(line, "\n"); utf8.RuneCountInString(line) > helpWidth {
				t.Errorf("a line is too long: %q", line)
			}
		}
		for _, part := range []string{"1000 publishers, 1000 subscribers in a queue group, 1000 subjects", "until interrupted", "The client is the limit",
			"1,234,567 missing, 2 delivered more than once, 3 out of order. 4 of somebody", "p99.9", "each: min / avg / max"} {
			if !strings.Contains(strings.Join(strings.Fields(text), " "), part) {
				t.Errorf("the report lacks %q:\n%s", part, text)
			}
		}
		if !style.unicode && strings.IndexFunc(text, func(r rune) bool { return r > 127 }) >= 0 {
			t.Errorf("plain text is not:\n%s", text)
		}
	}
}

func TestVerdict(t *testing.T) {
	for _, tt := range []struct {
		result loadtest.Result
		want   string
	}{
		{loadtest.Result{Subscribers: 1}, "Every message arrived once and in order."},
		{loadtest.Result{Mode: loadtest.Request}, "Every request got one reply."},
		{loadtest.Result{}, "Nobody subscribed, so only the server knows what arrived."},
		{loadtest.Result{Error: "x"}, "The run did not end as it should."},
		{loadtest.Result{Checks: loadtest.Checks{Duplicated: 1}}, "0 missing, 1 delivered more than once, 0 out of order."},
	} {
		if _, got := verdict(&tt.result); got != tt.want {
			t.Errorf("got %q, want %q", got, tt.want)
		}
	}
}

func TestPlainWithoutTerminal(t *testing.T) {
	if got := styleOf(&buffer{}); got != (style{}) {
		t.Errorf("a buffer is taken for a terminal: %+v", got)
	}
	var out buffer
	bar := newProgressBar(&out, false)
	bar.show(loadtest.Progress{Phase: "measuring", Done: 0.5})
	bar.erase()
	if out.String() != "" {
		t.Errorf("a progress bar where nobody sees it: %q", out.String())
	}
}

func TestProgressBar(t *testing.T) {
	var out buffer
	bar := &progressBar{out: &out, style: style{unicode: true}}
	bar.show(loadtest.Progress{Phase: "measuring", Done: 0.5, PerSecond: 12345})
	bar.show(loadtest.Progress{Phase: "measuring", Done: 0.6}) // too soon
	bar.erase()
	want := "\rmeasuring   ▕" + strings.Repeat("█", 15) + strings.Repeat(" ", 15) + "▏  50 %  12,345 msg/s\x1b[K\r\x1b[K"
	if out.String() != want {
		t.Errorf("got %q, want %q", out.String(), want)
	}
}
