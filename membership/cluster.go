package membership

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/memberlist"
	"github.com/hashicorp/serf/serf"
)

var (
	errClosed     = errors.New("membership has been closed")
	errHasLeft    = errors.New("this server has left the cluster")
	errNotAMember = errors.New("no such member")
)

// defaultResolver looks up the names of seeds.
var defaultResolver resolver = net.DefaultResolver

// eventBacklog is how many events may wait. The library holds a lock while it waits for room, so there
// must always be some.
const eventBacklog = 4096

// Cluster is this node's membership in a cluster.
type Cluster struct {
	o       Options
	timing  timing
	limit   *limiter
	view    *view
	keyring *Keyring
	tags    ownTags
	joiner  *joiner

	journal    *journal
	transport  *transport
	admission  *admission
	libraryLog *libraryLog
	conf       *serf.Config
	serf       *serf.Serf
	list       *memberlist.Memberlist
	events     chan serf.Event
	queries    chan *serf.Query

	drift           atomic.Uint64
	stuck, stopped  atomic.Bool
	asking          atomic.Bool // somebody waits for the library's list of members
	warnedOfStreams atomic.Bool

	peersMu sync.Mutex // guards peers
	peers   peersFile

	ctx    context.Context // ends when the cluster is closed
	cancel context.CancelFunc
	wg     sync.WaitGroup // goroutines that end with ctx
	ended  chan struct{}  // closed when the library has shut down
	heard  sync.WaitGroup // the goroutine that reads events, which outlives the library

	mu     sync.Mutex // guards the rest
	closed bool       // no more goroutines are started
	gone   bool       // Leave was called

	leave sync.Mutex // held while leaving or closing, which the library cannot do at the same time
}

// Start makes the node a member of a cluster of its own, and has it join others in the background, for as
// long as it runs. ctx is only looked at for whether to start at all.
func Start(ctx context.Context, o Options) (*Cluster, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if err := o.check(); err != nil {
		return nil, err
	}
	boot := time.Now()
	tags, err := o.tags(boot)
	if err != nil {
		return nil, err
	}
	c := &Cluster{
		o: o, timing: o.Profile.timing(), limit: &limiter{every: time.Minute}, view: newView(),
		events: make(chan serf.Event, eventBacklog), queries: make(chan *serf.Query, queryBacklog),
		ended: make(chan struct{}),
	}
	c.tags.tags = tags
	if c.keyring, err = newKeyring(o.Keys); err != nil {
		return nil, err
	}
	c.keyring.c = c
	c.ctx, c.cancel = context.WithCancel(context.WithoutCancel(ctx))
	c.joiner = newJoiner(c)
	for _, s := range o.Join {
		if err := c.joiner.seeds.add(s); err != nil {
			return nil, err
		}
	}
	c.rememberPeers(boot)
	c.journal = &journal{view: c.view, keyring: c.keyring.keys}
	c.admission = &admission{seen: make(map[string]visitor), self: o.ID, cluster: o.Cluster, view: c.view, log: o.Logger, limit: c.limit}
	c.libraryLog = &libraryLog{log: o.Logger, limit: c.limit, noUDP: c.useStreams,
		missed: func(id string) { c.view.missed(time.Now(), id) }}
	c.transport = newTransport(&c.o, c.journal, c.limit)
	c.transport.offers = func(nc net.Conn) { c.takeOffer(nc, nc.RemoteAddr().String()) }
	c.transport.named = c.joiner.seeds.isNamed
	c.conf = c.configure(tags)

	c.heard.Go(c.hear)
	if c.serf, err = serf.Create(c.conf); err != nil {
		c.cancel()
		_ = c.transport.Shutdown()
		close(c.ended)
		c.heard.Wait()
		return nil, fmt.Errorf("cannot start gossip: %w", err)
	}
	c.list = c.serf.Memberlist()
	if o.Packets == nil {
		o.Logger.Warn("There is no UDP socket for gossip: all of it goes over TCP")
	}
	for _, run := range []func(context.Context){c.joiner.run, c.joiner.resyncAll, c.maintain, c.watch} {
		c.wg.Go(func() { run(c.ctx) })
	}
	for range queryWorkers {
		c.wg.Go(func() { c.answerAll(c.ctx) })
	}
	return c, nil
}

// rememberPeers has the node look for members where they were when it last ran.
func (c *Cluster) rememberPeers(now time.Time) {
	c.peers.dir = c.o.StateDir
	if c.peers.dir == "" {
		return
	}
	list, err := readPeers(c.peers.dir)
	if err != nil {
		c.o.Logger.Warn("Cannot read the list of peers", "error", err)
	}
	c.peers.list = list
	for _, p := range list {
		c.joiner.seeds.hint(p.Gossip, now.Add(peerTime))
	}
}

// hear updates the view with what the library says, and does nothing else, since the library waits for it
// with a lock held. It must call nothing of the library that takes that lock.
func (c *Cluster) hear() {
	for {
		var e serf.Event
		select {
		case e = <-c.events:
		case <-c.ended:
			// What was sent before that is worth nothing any more, and there is room for what is not.
			return
		}
		var batch []event
		for range 256 {
			batch = c.translate(batch, e)
			select {
			case e = <-c.events:
				continue
			default:
			}
			break
		}
		if len(batch) == 0 {
			continue
		}
		c.view.apply(time.Now(), batch...)
		if slices.ContainsFunc(batch, func(e event) bool { return e.kind == failed }) {
			c.joiner.nudge() // to look for it, see redial
		}
	}
}

// kinds are our names for serf's events.
var kinds = map[serf.EventType]kind{
	serf.EventMemberJoin:   joined,
	serf.EventMemberUpdate: updated,
	serf.EventMemberLeave:  left,
	serf.EventMemberFailed: failed,
	serf.EventMemberReap:   reaped,
}

// translate appends what an event means for members. A query goes to those who answer queries.
func (c *Cluster) translate(batch []event, e serf.Event) []event {
	switch e := e.(type) {
	case serf.MemberEvent:
		if k, ok := kinds[e.Type]; ok {
			for i := range e.Members {
				batch = append(batch, event{k, c.memberOf(&e.Members[i])})
			}
		}
	case *serf.Query:
		select {
		case c.queries <- e:
		default: // whoever asks sees that there is no answer
		}
	}
	return batch
}

// memberOf translates serf's idea of a member, as far as it makes sense: admission has seen it already.
func (c *Cluster) memberOf(sm *serf.Member) Member {
	m, _ := memberOf(sm)
	m.Self = m.ID == c.o.ID
	return m
}

// watch notices if the library stops by itself.
func (c *Cluster) watch(ctx context.Context) {
	select {
	case <-ctx.Done():
	case <-c.serf.ShutdownCh():
		if ctx.Err() == nil {
			c.stopped.Store(true)
			c.o.Logger.Error("Gossip has stopped by itself: this server should be restarted")
			if c.o.Stopped != nil {
				c.o.Stopped()
			}
		}
	}
}

// useStreams has packets for a member go over a stream, since UDP does not reach it.
func (c *Cluster) useStreams(id string) {
	m, ok := c.view.member(id)
	if !ok {
		return
	}
	if c.transport.pipes.prefer(m.Gossip, time.Now()) && !c.warnedOfStreams.Swap(true) {
		c.o.Logger.Warn("Gossip packets over UDP get lost, so they go over TCP; is the cluster port open for UDP?", "member", m.describe())
	}
}

// goes runs f in a goroutine that Close waits for, unless the cluster is closed.
func (c *Cluster) goes(f func(ctx context.Context)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.closed {
		c.wg.Go(func() { f(c.ctx) })
	}
}

// usable says why nothing can be done any more, if so.
func (c *Cluster) usable() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.closed:
		return errClosed
	case c.gone:
		return errHasLeft
	}
	return nil
}

// alone reports whether no other member is known to live.
func (c *Cluster) alone() bool { return c.list.NumMembers() <= 1 }

// settle waits a moment for what the library has just learned to be in the view.
func (c *Cluster) settle(ctx context.Context) {
	for range 20 {
		n := 0
		for _, m := range c.view.members() {
			if m.Lives() {
				n++
			}
		}
		if n >= c.list.NumMembers() {
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// Stream hands in a stream that somebody has opened to this node with [Options.Dial]. It returns at once.
func (c *Cluster) Stream(nc net.Conn) { c.transport.accept(nc) }

// Members returns all known members, this one included, ordered by ID: what the node believes at this
// moment. It never waits. The list is shared and must not be changed.
func (c *Cluster) Members() []Member { return c.view.members() }

// Member returns the member with that ID.
func (c *Cluster) Member(id string) (Member, bool) { return c.view.member(id) }

// Contacted reports whether this node has compared notes with another member, so that Members has all whom
// that one knew, or has no seed but itself. Changed has a value when it becomes so.
func (c *Cluster) Contacted() bool { return c.joiner.contacted.Load() }

// Changed has a value when Members has changed since the last value was taken. It is for one reader.
func (c *Cluster) Changed() <-chan struct{} { return c.view.changed }

// Join adds seeds at run time, and contacts them. It returns nil if one of them answers, and is another
// server than this one; they stay seeds in any case.
func (c *Cluster) Join(ctx context.Context, addrs []string) error {
	if err := c.usable(); err != nil {
		return err
	}
	var errs []error
	var list []string
	for _, text := range addrs {
		s, err := parseSeed(text)
		if err != nil {
			return err
		}
		found, err := s.resolve(ctx, c.joiner.seeds.resolver)
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: cannot resolve it: %w", text, err))
		}
		for _, a := range found {
			list = append(list, a.String())
		}
	}
	for _, text := range addrs {
		if err := c.joiner.seeds.add(text); err != nil {
			return err
		}
	}
	defer c.joiner.nudge()
	slices.Sort(list)
	ok := false
	for addr, err := range c.joiner.contact(ctx, slices.Compact(list)) {
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", addr, err))
		}
		ok = ok || err == nil
	}
	if ok {
		return nil
	}
	return errors.Join(errs...)
}

// ReplaceSeeds has this node try the seeds in next rather than those in old. Others stay, such as those of
// [Cluster.Join]. Nobody leaves the list of members by it.
func (c *Cluster) ReplaceSeeds(old, next []string) error {
	if err := c.usable(); err != nil {
		return err
	}
	for _, text := range next {
		if _, err := parseSeed(text); err != nil {
			return err
		}
	}
	for _, text := range old {
		if !slices.Contains(next, text) {
			c.joiner.seeds.remove(text)
		}
	}
	for _, text := range next {
		if err := c.joiner.seeds.add(text); err != nil {
			return err
		}
	}
	c.joiner.nudge()
	return nil
}

// Hint tells of an IP address and port where gossip of another member may be found, learned elsewhere. It
// is tried for a while.
func (c *Cluster) Hint(addr string) {
	if c.joiner.seeds.hint(addr, time.Now().Add(hintTime)) {
		c.joiner.nudge()
	}
}

// Forget has all members treat one that has failed as one that has left: it is not dialled any more, nor
// waited for, and vanishes from the list after a while. If it is not dead after all, it comes back.
func (c *Cluster) Forget(ctx context.Context, id string) error {
	if err := c.usable(); err != nil {
		return err
	}
	m, ok := c.view.member(id)
	if !ok {
		return errNotAMember
	}
	switch {
	case m.Lives():
		return fmt.Errorf("%s is %s", m.describe(), m.Liveness)
	case m.Liveness == Left:
		return nil
	}
	done := make(chan struct{})
	c.goes(func(context.Context) {
		defer close(done)
		// Its variant that forgets at once would also forget a member that lives, for those who see it
		// alive when they hear of it. Its only error is that it has not waited until all was sent.
		_ = c.serf.RemoveFailedNode(id)
	})
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-c.ctx.Done():
		return errClosed
	}
}

// Keyring returns what changes the keys of the cluster.
func (c *Cluster) Keyring() *Keyring { return c.keyring }

// Close ends the membership without a goodbye, unless Leave has said it, and returns when nothing of it
// runs any more. If Leave is under way, it waits for that.
func (c *Cluster) Close() error {
	c.mu.Lock()
	if c.closed {
		c.mu.Unlock()
		<-c.ended
		return nil
	}
	c.closed = true
	c.mu.Unlock()
	if !c.hasLeft() {
		c.savePeers(time.Now(), true)
	}
	c.cancel()
	c.leave.Lock()
	err := c.serf.Shutdown() // and with it the transport
	c.leave.Unlock()
	c.wg.Wait()
	close(c.ended)
	c.heard.Wait()
	return err
}

func (c *Cluster) hasLeft() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.gone
}
