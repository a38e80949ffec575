package main

import (
	"context"
	"errors"
	"fmt"
	"io"
)

const (
	fullSeconds   = 2.0  // of a measured run, at least
	quickSeconds  = 0.7  // the same with --quick
	minCPU        = 0.3  // CPU seconds that a server must use in a run
	maxStretch    = 4    // a run is made at most so many times longer for that
	verifySeconds = 0.4  // of sending in the run that checks every message
	noiseLimit    = 0.15 // a row with more noise than this is marked
	clientLimit   = 0.90 // cores of one of the load generator's threads
)

// bench holds what all rows share.
type bench struct {
	opts    options
	dir     string // binaries and server logs, removed at the end
	log     io.Writer
	loadgen string
	shoal   string
	nats    string
	starts  int

	secure    bool   // the load generator can use TLS
	tlsConfig string // that servers get for it
}

// pair is the two servers of a row, or their samples.
const (
	iShoal = 0
	iNats  = 1
)

var names = [2]string{"shoal", "nats-server"}

// measure runs one row. A server that delivers wrongly makes the row invalid
// and is no error; err means that the benchmark cannot go on.
func (b *bench) measure(ctx context.Context, s scenario) (*rowResult, error) {
	res := &rowResult{scenario: s, versions: map[string]string{}}
	var err error
	switch s.kind {
	case memory:
		err = b.measureFresh(ctx, s, res, b.memoryOnce)
	case announce:
		err = b.measureFresh(ctx, s, res, b.announceOnce)
	default:
		err = b.measureFlow(ctx, s, res)
	}
	var bad *faultError
	if errors.As(err, &bad) {
		res.fault = bad
		return res, nil
	}
	return res, err
}

// measureFlow runs the pairs of a message row against one instance of each
// server, or one mesh of each.
func (b *bench) measureFlow(ctx context.Context, s scenario, res *rowResult) error {
	var servers [2]cluster
	config := s.config
	if s.tls {
		config += b.tlsConfig
	}
	for i, bin := range []string{b.shoal, b.nats} {
		c, err := b.startCluster(ctx, launch{name: names[i], bin: bin, config: config}, max(s.nodes, 1))
		if err != nil {
			return err
		}
		defer c.stop()
		servers[i] = c
		res.versions[c.name()] = c[0].version
	}
	if args := s.verifyArgs(); args != nil {
		for _, srv := range servers {
			if _, err := b.load(ctx, srv, verifySeconds, args); err != nil {
				return err
			}
		}
	}
	seconds := fullSeconds
	if b.opts.quick {
		seconds = quickSeconds
	}
	// The warm-up also shows how long a run has to be for the slower spender
	// to use enough CPU time.
	stretch := 1.0
	for _, srv := range servers {
		r, err := b.load(ctx, srv, seconds, s.args)
		if err != nil {
			return err
		}
		stretch = max(stretch, minCPU*1.1/max(float64(r.CPU)/1e9, 1e-3))
	}
	seconds *= min(stretch, maxStretch)
	for k := range b.opts.pairs {
		var got [2]sample
		for _, i := range order(k) {
			r, err := b.load(ctx, servers[i], seconds, s.args)
			if err != nil {
				return err
			}
			got[i] = r
		}
		res.add(got)
	}
	return nil
}

// measureFresh uses new servers for every run: one that has given memory back
// to itself would show less growth the second time, and one that has been
// told of subscriptions has the room for them.
func (b *bench) measureFresh(ctx context.Context, s scenario, res *rowResult, once onceFunc) error {
	bins := [2]string{b.shoal, b.nats}
	for k := range b.opts.pairs {
		var got [2]sample
		for _, i := range order(k) {
			r, err := once(ctx, launch{name: names[i], bin: bins[i]}, s, res)
			if err != nil {
				return err
			}
			got[i] = r
		}
		res.add(got)
	}
	return nil
}

// onceFunc makes one run of a row with servers of its own.
type onceFunc func(ctx context.Context, l launch, s scenario, res *rowResult) (sample, error)

func (b *bench) memoryOnce(ctx context.Context, l launch, s scenario, res *rowResult) (sample, error) {
	srv, err := b.start(ctx, l)
	if err != nil {
		return sample{}, err
	}
	defer srv.stop()
	res.versions[srv.name] = srv.version
	r, err := b.load(ctx, cluster{srv}, 1, s.args)
	if err == nil && r.BytesEach <= 0 {
		err = fmt.Errorf("the memory of %s did not grow", l.name)
	}
	return r, err
}

// order alternates, so that a machine that gets slower or faster meanwhile
// favours neither.
func order(pair int) [2]int {
	if pair%2 == 0 {
		return [2]int{iNats, iShoal}
	}
	return [2]int{iShoal, iNats}
}
