package membership

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// firstRetry and lastRetry are the shortest and the longest time between two attempts of a node that
	// knows nobody; retryGrowth is by how much it grows, and jitter by how much it varies.
	firstRetry, lastRetry = 100 * time.Millisecond, 2 * time.Second
	retryGrowth           = 1.6
	jitter                = 0.25
	// contactsAtOnce is how many seeds are contacted at the same time.
	contactsAtOnce = 4
	// redialsAtOnce is how many failed members are contacted one after the other.
	redialsAtOnce = 2
	// aliasFactor is by how much rarer a seed is contacted that answers but is no member's address, such
	// as a balancer in front of the cluster.
	aliasFactor = 6
)

// joiner keeps the node in touch with its seeds, for as long as it runs. While it knows nobody it tries
// them all, again and again; later only those that are not members that live. This is what heals a split,
// however old, what pulls in a seed that has restarted with an empty memory, and what brings a cluster
// together whose members have all started in the same moment.
type joiner struct {
	c       *Cluster
	seeds   *seeds
	wake    chan struct{} // capacity 1: there may be somebody new to contact
	resync  chan string   // addresses to compare notes with again, soon
	aliases map[string]time.Time
	// contacted says that notes were compared with somebody, and that the members are what came of it, or that
	// there is no seed to compare them with.
	contacted atomic.Bool

	mu   sync.Mutex // guards the rest
	last string     // why the last attempt has failed; empty if it has not
}

func newJoiner(c *Cluster) *joiner {
	return &joiner{
		c: c, wake: make(chan struct{}, 1), resync: make(chan string, 16), aliases: make(map[string]time.Time),
		seeds: &seeds{resolver: defaultResolver, hints: make(map[string]time.Time)},
	}
}

// nudge has run look at once.
func (j *joiner) nudge() {
	select {
	case j.wake <- struct{}{}:
	default:
	}
}

// run contacts seeds until ctx ends.
func (j *joiner) run(ctx context.Context) {
	retry := firstRetry
	soon := slices.Clone(j.c.timing.resync) // looks that come earlier, after the node has joined
	var seedsAgain time.Time                // when seeds are due
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-j.wake:
			retry = firstRetry
		case <-timer.C:
		}
		wasAlone := j.c.alone()
		if now := time.Now(); wasAlone || !now.Before(seedsAgain) {
			j.round(ctx)
			wait := j.c.timing.seedInterval
			if wasAlone {
				soon = slices.Clone(j.c.timing.resync)
			}
			if len(soon) > 0 {
				wait, soon = min(wait, soon[0]), soon[1:]
			}
			seedsAgain = now.Add(vary(wait))
		}
		wait := time.Until(seedsAgain)
		if j.redial(ctx) {
			wait = min(wait, vary(j.c.timing.redialInterval))
		}
		if j.c.alone() && !j.seeds.none() {
			wait = min(wait, vary(retry))
			retry = min(time.Duration(float64(retry)*retryGrowth), lastRetry)
		} else {
			retry = firstRetry
		}
		timer.Reset(wait)
	}
}

// redial contacts members that have failed, in case they are back, and reports whether there are any. Each
// side of a split makes about as many attempts as it has lost members, shared among those that it still
// has: so the smaller side does most of the work, and a cluster of fifty that has lost one does not storm
// its address.
func (j *joiner) redial(ctx context.Context) (some bool) {
	var lost []string
	living := 0
	all := j.c.view.members()
	for i := range all {
		switch m := &all[i]; {
		case m.Lives():
			living++
		case m.Liveness == Failed && !superseded(m, all):
			lost = append(lost, m.Gossip)
		}
	}
	if len(lost) == 0 || rand.IntN(max(living, 1)) >= len(lost) {
		return len(lost) > 0
	}
	rand.Shuffle(len(lost), func(a, b int) { lost[a], lost[b] = lost[b], lost[a] })
	for _, addr := range lost[:min(len(lost), redialsAtOnce)] {
		// That it fails is expected, so it is no line in the log.
		before := j.c.list.NumMembers()
		if _, err := j.c.list.Join([]string{addr}); err == nil {
			j.joined(ctx, addr, before)
			break
		}
	}
	return true
}

// vary returns a time that is a little longer or shorter, so that nodes do not fall into step.
func vary(d time.Duration) time.Duration {
	return time.Duration(float64(d) * (1 - jitter + 2*jitter*rand.Float64()))
}

// round contacts all seeds once that are not members that live.
func (j *joiner) round(ctx context.Context) {
	now := time.Now()
	there, left := make(map[string]bool), make(map[string]bool)
	for _, m := range j.c.view.members() {
		there[m.Gossip] = there[m.Gossip] || m.Lives()
		left[m.Gossip] = left[m.Gossip] || m.Liveness == Left
	}
	for addr := range left {
		if !there[addr] {
			j.seeds.unhint(addr) // it has said goodbye
		}
	}
	list, errs := j.seeds.addresses(ctx, now)
	for name, err := range errs {
		j.failed(name, fmt.Errorf("cannot resolve it: %w", err))
	}
	alone := j.c.alone()
	list = slices.DeleteFunc(list, func(addr string) bool {
		return there[addr] || j.c.transport.isOwn(addr) || !alone && now.Before(j.aliases[addr])
	})
	maps.DeleteFunc(j.aliases, func(_ string, until time.Time) bool { return now.After(until) })
	if len(list) == 0 {
		if len(errs) == 0 {
			// The seeds are this node itself, or have compared notes with it before it could do so with them.
			j.settled()
		}
		return
	}
	rand.Shuffle(len(list), func(a, b int) { list[a], list[b] = list[b], list[a] })
	for addr, err := range j.contact(ctx, list) {
		if err == nil && !j.isMember(addr) {
			j.aliases[addr] = now.Add(aliasFactor * j.c.timing.seedInterval)
		}
	}
}

func (j *joiner) isMember(addr string) bool {
	return slices.ContainsFunc(j.c.view.members(), func(m Member) bool { return m.Gossip == addr })
}

// contact compares notes with whoever is at these addresses, and returns why that has failed, nil for
// those where it has not. An address of this node's own counts as failed.
func (j *joiner) contact(ctx context.Context, list []string) map[string]error {
	var mu sync.Mutex
	done := make(map[string]error)
	var wg sync.WaitGroup
	slots := make(chan struct{}, contactsAtOnce)
	for _, addr := range list {
		select {
		case slots <- struct{}{}:
		case <-ctx.Done():
			continue
		}
		wg.Go(func() {
			defer func() { <-slots }()
			err := j.exchange(ctx, addr)
			mu.Lock()
			done[addr] = err
			mu.Unlock()
		})
	}
	wg.Wait()
	return done
}

// errSelf is why an address is not worth contacting.
var errSelf = errors.New("it is the address of this server itself")

// exchange compares notes with whoever is at addr: an exact exchange of all that both know.
func (j *joiner) exchange(ctx context.Context, addr string) error {
	before := j.c.list.NumMembers()
	_, err := j.c.list.Join([]string{addr})
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case err != nil:
		err = errors.New(explain(oneLine(err)))
		j.failed(addr, err)
		return err
	case j.c.transport.isOwn(addr):
		return errSelf
	}
	j.mu.Lock()
	j.last = ""
	j.mu.Unlock()
	j.joined(ctx, addr, before)
	return nil
}

// joined notes that notes were compared with addr, before which so many members were known to live.
func (j *joiner) joined(ctx context.Context, addr string, before int) {
	j.c.settle(ctx)
	j.settled()
	if now := j.c.list.NumMembers(); now > before {
		j.c.o.Logger.Info("Joined members", "via", addr, "members", now)
		select {
		case j.resync <- addr:
		default:
		}
	}
}

// settled notes that the node need not wait for seeds any more to learn who is there.
func (j *joiner) settled() {
	if !j.contacted.Swap(true) {
		j.c.view.signal()
	}
}

// oneLine returns what an error of memberlist says, without its decoration.
func oneLine(err error) string {
	text := strings.Join(strings.Fields(err.Error()), " ")
	return strings.TrimPrefix(text, "1 error occurred: * ")
}

// failed notes that a seed could not be contacted.
func (j *joiner) failed(seed string, err error) {
	j.mu.Lock()
	j.last = seed + ": " + err.Error()
	j.mu.Unlock()
	if held, ok := j.c.limit.allow("join "+seed, time.Now()); ok {
		j.c.o.Logger.Warn("Cannot join "+seed+", trying again", "error", err, "repeated", held)
	}
}

// resyncAll compares notes again with members that a seed was just joined through. News of a join run out
// of retransmissions before a newcomer, who knows few, has heard of everybody; without this it may take
// until the next regular comparison.
func (j *joiner) resyncAll(ctx context.Context) {
	for {
		var addr string
		select {
		case <-ctx.Done():
			return
		case addr = <-j.resync:
		}
		began := time.Now()
		for i, after := range j.c.timing.resync {
			select {
			case <-ctx.Done():
				return
			case <-time.After(vary(time.Until(began.Add(after)))):
			}
			if i < 2 && j.isMember(addr) {
				_, _ = j.c.list.Join([]string{addr})
			} else {
				j.c.compareWithSome(2)
			}
		}
		for len(j.resync) > 0 { // these have been served as well
			<-j.resync
		}
	}
}
