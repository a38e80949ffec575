package loadtest

import (
	"fmt"
	"strings"
	"time"
)

// Result is what a run measured. Its JSON is meant for programs: names and units stay.
type Result struct {
	Mode        Mode     `json:"mode"`
	Servers     []string `json:"servers"`
	Publishers  int      `json:"publishers"`
	Subscribers int      `json:"subscribers"`
	Size        int      `json:"size"`
	Subjects    int      `json:"subjects"`
	// Rate is what was asked for in messages per second, 0 for full speed.
	Rate int `json:"rate"`
	// InFlight is how many messages each publisher had under way at most, 0 if it was paced.
	InFlight int `json:"in_flight"`
	// Seconds is how long the measurement took, without the warm-up.
	Seconds float64 `json:"seconds"`
	// Interrupted says that it ended before its time.
	Interrupted bool `json:"interrupted"`

	// Published are the messages, or requests, that were sent; Delivered are those that arrived at
	// subscribers, or the replies. A message that goes to three subscribers is delivered three
	// times.
	Published Throughput `json:"published"`
	Delivered Throughput `json:"delivered"`
	Latency   Latency    `json:"latency_ns"`
	// Histogram is the distribution behind Latency, as coarse as it is shown to people.
	Histogram []Bar  `json:"histogram"`
	Checks    Checks `json:"checks"`
	Load      Load   `json:"load"`
	Limit     Limit  `json:"limit"`
	// Error is what went wrong, if anything did. Who writes the result fills it in.
	Error string `json:"error,omitempty"`
}

// Throughput is how much went through.
type Throughput struct {
	Messages  uint64  `json:"messages"`
	PerSecond float64 `json:"per_second"`
	// MBPerSecond counts payloads only, in units of 1000000 bytes.
	MBPerSecond float64 `json:"mb_per_second"`
	// PerClient is about the messages per second of single clients.
	PerClient Spread `json:"per_client"`
}

// Spread sums up the figures of several clients.
type Spread struct {
	Min float64 `json:"min"`
	Avg float64 `json:"avg"`
	Max float64 `json:"max"`
}

// Latency is the time in nanoseconds from when a message was sent, or was due in a paced run,
// until it had arrived. For requests it is that of the reply.
type Latency struct {
	Count int64   `json:"count"`
	Min   int64   `json:"min"`
	Mean  float64 `json:"mean"`
	P50   int64   `json:"p50"`
	P90   int64   `json:"p90"`
	P99   int64   `json:"p99"`
	P999  int64   `json:"p99_9"`
	Max   int64   `json:"max"`
}

// Bar is how many messages took at least From and less than To, in nanoseconds.
type Bar struct {
	From  int64 `json:"from"`
	To    int64 `json:"to"`
	Count int64 `json:"count"`
}

// Checks counts what should not happen, the warm-up included.
type Checks struct {
	Lost       uint64 `json:"lost"`
	Duplicated uint64 `json:"duplicated"`
	// Reordered counts messages that came behind later ones of the same publisher. It is always 0
	// for replies, which have no order.
	Reordered uint64 `json:"reordered"`
	// Foreign counts messages of somebody else on the same subjects. They do no harm.
	Foreign uint64 `json:"foreign"`
}

// err returns an error if something did happen.
func (c Checks) err() error {
	var parts []string
	for _, p := range []struct {
		n    uint64
		what string
	}{{c.Lost, "missing"}, {c.Duplicated, "delivered more than once"}, {c.Reordered, "out of order"}} {
		if p.n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", p.n, p.what))
		}
	}
	if len(parts) == 0 {
		return nil
	}
	return fmt.Errorf("the server does not deliver reliably: %s", strings.Join(parts, ", "))
}

// result sums up. All goroutines have ended.
func (r *run) result(begin, end observation, interrupted bool) *Result {
	cfg := &r.config
	res := &Result{
		Mode: cfg.Mode, Publishers: cfg.Pubs, Subscribers: cfg.Subs, Size: cfg.Size, Subjects: max(cfg.Subjects, 1),
		Rate: cfg.Rate, Interrupted: interrupted, Histogram: []Bar{},
	}
	if cfg.Rate == 0 {
		res.InFlight = cfg.window()
	}
	for _, target := range cfg.Targets {
		res.Servers = append(res.Servers, target.URL)
	}
	from := r.from.Load()

	var sent, got, answered tally
	for _, p := range r.pubs {
		sent.add(p.measured(), p.ended-from)
	}
	for _, c := range r.receivers {
		got.add(c.measured, c.last-from)
		res.Checks.Foreign += c.foreign
	}
	for _, c := range r.responders {
		answered.add(c.answered, c.last-from)
	}
	res.Published = sent.throughput(cfg.Size)
	res.Delivered = got.throughput(cfg.Size)
	if cfg.Mode == Request && cfg.Subs > 0 {
		// Requesters are in the line above already; of interest is how the work was shared.
		res.Delivered.PerClient = answered.spread()
	}
	res.Seconds = time.Duration(max(sent.longest, got.longest)).Seconds()

	for _, l := range r.ledgers {
		duplicated, reordered := l.disorder()
		res.Checks.Duplicated += duplicated
		if cfg.Mode != Request {
			res.Checks.Reordered += reordered
		}
	}
	if len(r.ledgers) > 0 {
		res.Checks.Lost = r.outstanding()
	}
	res.Latency, res.Histogram = summary(r.latencies.merged())
	res.Load = r.load(begin, end)
	res.Limit = res.judge()
	return res
}

// tally adds up the figures of clients that did the same.
type tally struct {
	messages uint64
	longest  int64
	rates    []float64
}

func (t *tally) add(messages uint64, took int64) {
	t.messages += messages
	t.longest = max(t.longest, took)
	t.rates = append(t.rates, perSecond(messages, took))
}

func (t *tally) spread() Spread {
	if len(t.rates) == 0 {
		return Spread{}
	}
	s := Spread{Min: t.rates[0], Max: t.rates[0]}
	for _, rate := range t.rates {
		s.Min, s.Max = min(s.Min, rate), max(s.Max, rate)
		s.Avg += rate / float64(len(t.rates))
	}
	return s
}

func (t *tally) throughput(size int) Throughput {
	rate := perSecond(t.messages, t.longest)
	return Throughput{Messages: t.messages, PerSecond: rate, MBPerSecond: rate * float64(size) / 1e6, PerClient: t.spread()}
}

func perSecond(messages uint64, took int64) float64 {
	if messages == 0 || took <= 0 {
		return 0
	}
	return float64(messages) / time.Duration(took).Seconds()
}
