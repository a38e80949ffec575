package loadtest

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// Progress is how far a run is.
type Progress struct {
	// Phase is what goes on, for people.
	Phase string
	// Done is how much of the phase is over, from 0 to 1.
	Done float64
	// PerSecond is how many messages arrive in a second now, or are published if nobody receives.
	PerSecond float64
}

// tick is how often a run is looked at.
const tick = 50 * time.Millisecond

// StalledError says that nothing arrives any more although something should.
type StalledError struct {
	For           time.Duration
	Missing, Of   uint64
	nobodyReceive bool
}

func (e *StalledError) Error() string {
	if e.nobodyReceive {
		return fmt.Sprintf("the server has taken no message for %s", e.For)
	}
	return fmt.Sprintf("no message arrived for %s: %d of %d missing", e.For, e.Missing, e.Of)
}

// measure lets the publishers publish, and returns what came of it.
func (r *run) measure(ctx context.Context) (*Result, error) {
	// Publishers have a context of their own: they end when they are interrupted and when the run
	// fails, and then the messages under way still arrive.
	publishing, stop := context.WithCancel(context.Background())
	defer stop()
	r.start = r.clock.now()
	from := r.start + int64(r.config.Warmup)
	r.until = from + int64(r.config.Duration)
	r.from.Store(from)
	begin := r.observe()

	var publishers sync.WaitGroup
	for _, p := range r.pubs {
		publishers.Go(func() {
			if err := p.publish(publishing); err != nil {
				r.fail(err)
			}
		})
	}
	published := make(chan struct{})
	go func() { publishers.Wait(); close(published) }()
	// Whatever happens, nobody is left behind: a publisher that is stuck needs its connection closed.
	defer func() { stop(); r.close(); <-published }()

	warm := time.NewTimer(time.Duration(from - r.clock.now()))
	defer warm.Stop()
	ticker := time.NewTicker(tick)
	defer ticker.Stop()
	watch := supervisor{run: r}
	interrupted := ctx.Done()
	var end observation
	var err error
	for done := published; ; {
		select {
		case <-warm.C:
			begin = r.observe()
			watch.warmed = r.expected()
			continue
		case err := <-r.failed:
			return nil, err
		case <-interrupted:
			stop()
			interrupted = nil
		case <-done:
			end = r.observe()
			done = nil
		case <-ticker.C:
			err = watch.look(done == nil)
		}
		if err != nil || done == nil && r.outstanding() == 0 {
			break
		}
	}
	stop()
	stuck := end.at == 0
	if stuck {
		end = r.observe()
	}
	r.close()
	<-published
	result := r.result(begin, end, ctx.Err() != nil)
	if stuck {
		result.Limit = Limit{LimitUnknown, false, "What the limit was cannot be told, since the run got stuck."}
	}
	switch nothing := result.Published.Messages == 0; {
	case nothing && err != nil:
		return nil, err
	case nothing && ctx.Err() != nil:
		return nil, ErrInterrupted
	case nothing:
		return nil, fmt.Errorf("no message was due within %s", r.config.Duration)
	case err == nil:
		err = result.Checks.err()
	}
	return result, err
}

// expected returns how many messages are to arrive for what was published, at all receivers.
func (r *run) expected() uint64 {
	sum := uint64(0)
	for _, p := range r.pubs {
		sum += p.attempted.Load() * uint64(max(len(p.credit.ledgers), 1))
	}
	return sum
}

// arrived returns how many of them have, or if nobody receives how many the server has taken.
func (r *run) arrived() uint64 {
	sum := uint64(0)
	for _, l := range r.ledgers {
		sum += l.total()
	}
	if len(r.ledgers) == 0 {
		for _, p := range r.pubs {
			sum += p.written.Load()
		}
	}
	return sum
}

func (r *run) outstanding() uint64 {
	arrived := r.arrived() // first, so that it is never more than expected
	return r.expected() - arrived
}

// supervisor looks at a run from time to time.
type supervisor struct {
	run     *run
	warmed  uint64 // how many messages were expected when the warm-up ended
	arrived uint64
	still   time.Duration // for how long nothing has arrived
	// What the shown rate is made from: an average over about a second.
	rate float64
	at   int64
}

// look reports progress, and fails when there has been none for too long. It counts how often it
// was called and not the time, since a run that was suspended did not miss anything.
func (s *supervisor) look(draining bool) error {
	r := s.run
	now, arrived := r.clock.now(), r.arrived()
	rate := float64(arrived-s.arrived) / (float64(now-s.at) / 1e9)
	if s.at == 0 {
		s.rate = 0
	} else {
		s.rate += (rate - s.rate) * 0.1
	}
	if arrived != s.arrived || r.expected() == arrived {
		s.still = 0
	} else if s.still += tick; s.still >= r.config.Timeout {
		expected := r.expected()
		return &StalledError{r.config.Timeout, expected - r.arrived(), expected, len(r.ledgers) == 0}
	}
	s.arrived, s.at = arrived, now
	r.watch(s.progress(now, draining))
	return nil
}

func (s *supervisor) progress(now int64, draining bool) Progress {
	r := s.run
	p := Progress{Phase: "measuring", PerSecond: s.rate}
	from := r.from.Load()
	switch {
	case draining:
		p.Phase, p.Done = "waiting for the last messages", 1
	case now < from:
		p.Phase, p.Done = "warming up", float64(now-r.start)/float64(from-r.start)
	case r.config.Msgs == 0:
		p.Done = float64(now-from) / float64(r.until-from)
	default:
		perMessage := max(len(r.pubs[0].credit.ledgers), 1)
		p.Done = float64(r.expected()-s.warmed) / float64(perMessage) / float64(r.config.Msgs)
	}
	p.Done = min(max(p.Done, 0), 1)
	return p
}
