package loadtest

import (
	"context"
	"time"
)

// due returns when message n of a publisher is to be sent, which all publishers take turns in.
func (r *run) due(n, publisher int) int64 {
	turn := float64(n)*float64(r.config.Pubs) + float64(publisher)
	return r.start + int64(turn*(1e9/float64(r.config.Rate)))
}

// longestNap bounds how long an interrupted publisher goes on sleeping.
const longestNap = 20 * time.Millisecond

// sleep waits until a time. It reports false if ctx ended before.
func (p *publisher) sleep(ctx context.Context, until int64) bool {
	now := p.run.clock.now()
	if now >= until {
		return ctx.Err() == nil
	}
	p.slept.begin(now)
	defer func() { p.slept.end(p.run.clock.now()) }()
	for now < until {
		if ctx.Err() != nil {
			return false
		}
		nap(min(time.Duration(until-now), longestNap))
		now = p.run.clock.now()
	}
	return true
}
