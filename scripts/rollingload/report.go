package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/nats-io/nats.go"
)

// report is what the clients saw, step by step.
type report struct{ steps []stepReport }

type stepReport struct {
	title         string
	moved, stayed subscriberReport
	asked         requestReport
}

// subscriberReport is about the subscribers that had to move in a step, or about those that had not.
type subscriberReport struct {
	subscribers int
	received    int
	duplicates  int
	moving      int // lost while the subscriber was between two connections
	sending     int // lost while the publisher was
	lost        int // for no such reason
	gap         time.Duration
}

// requestReport is about the requests of a step.
type requestReport struct {
	answered int
	cut      int // failed with the connection of the requester or of a responder
	failed   int // for no such reason
	slowest  time.Duration
	example  error
}

// report compares what was sent with what came.
func (l *load) report() *report {
	r := &report{}
	titles := l.steps.list()
	r.steps = make([]stepReport, len(titles))
	for i, title := range titles {
		r.steps[i].title = title
	}
	for _, s := range l.subscribers {
		l.reportSubscriber(r, s)
	}
	l.reportRequests(r)
	return r
}

func (l *load) reportSubscriber(r *report, s *subscriber) {
	own := s.moves.all()
	has := make([]bool, len(r.steps)) // moved in that step
	for _, m := range own {
		if step := l.steps.at(m.closed); step >= 0 {
			has[step] = true
		}
	}
	part := func(step int) *subscriberReport {
		if has[step] {
			return &r.steps[step].moved
		}
		return &r.steps[step].stayed
	}
	for step := range r.steps {
		part(step).subscribers++
	}
	s.received.mu.Lock()
	defer s.received.mu.Unlock()
	for step, gap := range s.received.gaps {
		p := part(step)
		p.gap = max(p.gap, gap)
	}
	for i, publisher := range l.publishers {
		cuts := publisher.moves.all()
		counts := s.received.counts[i]
		for number, sent := range publisher.all() {
			step := l.steps.at(sent)
			if step < 0 {
				continue
			}
			p := part(step)
			var count int
			if number < len(counts) {
				count = int(counts[number])
			}
			switch {
			case count > 0:
				p.received++
				p.duplicates += count - 1
			case during(own, sent, sent):
				p.moving++
			case during(cuts, sent, sent):
				p.sending++
			default:
				p.lost++
			}
		}
	}
}

func (l *load) reportRequests(r *report) {
	responders := make([][]move, len(l.responders))
	for i, c := range l.responders {
		responders[i] = c.moves.all()
	}
	for _, one := range l.asked.all() {
		step := l.steps.at(one.sent)
		if step < 0 {
			continue
		}
		a := &r.steps[step].asked
		a.slowest = max(a.slowest, one.took)
		if one.err == nil {
			a.answered++
			continue
		}
		// Without a responder nobody has been asked whose connection could have been cut.
		cut := during(l.requesters[one.requester].moves.all(), one.sent, one.sent.Add(one.took))
		for _, moves := range responders {
			cut = cut || !errors.Is(one.err, nats.ErrNoResponders) && during(moves, one.sent, one.sent)
		}
		if cut {
			a.cut++
		} else {
			a.failed++
			a.example = cmp.Or(a.example, one.err)
		}
	}
}

// write writes the table.
func (r *report) write(out io.Writer) {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	row := func(cells ...any) {
		for _, cell := range cells {
			fmt.Fprint(w, cell, "\t")
		}
		fmt.Fprintln(w)
	}
	row("", "SUBSCRIBERS", "RECEIVED", "LOST", "OF THESE MOVING", "SENT BY A MOVING ONE", "TWICE", "LONGEST GAP")
	for _, s := range r.steps {
		title := s.title
		for _, part := range []struct {
			name string
			*subscriberReport
		}{{"moved", &s.moved}, {"stayed", &s.stayed}} {
			if part.subscribers > 0 {
				row(title, fmt.Sprintf("%d %s", part.subscribers, part.name), grouped(part.received),
					grouped(part.moving+part.sending+part.lost), grouped(part.moving), grouped(part.sending),
					part.duplicates, milliseconds(part.gap))
				title = ""
			}
		}
	}
	w.Flush()
	fmt.Fprintln(out)
	row("", "REQUESTS", "ANSWERED", "CUT OFF", "FAILED", "SLOWEST")
	for _, s := range r.steps {
		a := &s.asked
		row(s.title, grouped(a.answered+a.cut+a.failed), grouped(a.answered), a.cut, a.failed, milliseconds(a.slowest))
	}
	w.Flush()
	fmt.Fprintln(out)
}

// verdict returns what must not have happened, nil if nothing of it did.
func (r *report) verdict() error {
	var problems []string
	for _, s := range r.steps {
		for _, p := range []struct {
			count int
			what  string
		}{
			{s.moved.lost, "messages lost for no reason by subscribers that moved"},
			{s.stayed.lost, "messages lost for no reason by subscribers that stayed"},
			{s.moved.duplicates + s.stayed.duplicates, "messages received twice"},
			{s.asked.failed, fmt.Sprintf("requests failed that no closed connection explains (%v)", s.asked.example)},
		} {
			if p.count > 0 {
				problems = append(problems, fmt.Sprintf("%s: %d %s", s.title, p.count, p.what))
			}
		}
	}
	if len(problems) == 0 {
		return nil
	}
	return errors.New(strings.Join(problems, "\n             "))
}

// grouped writes a number with commas.
func grouped(n int) string {
	text := fmt.Sprint(n)
	for i := len(text) - 3; i > 0; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}

func milliseconds(d time.Duration) string {
	return fmt.Sprintf("%.0f ms", float64(d)/float64(time.Millisecond))
}
