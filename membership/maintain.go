package membership

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"time"

	"github.com/hashicorp/serf/serf"
)

const (
	// tick is how often the node looks after what nobody tells it of.
	tick = time.Second
	// suspectsAtOnce bounds how many suspects are asked in one tick.
	suspectsAtOnce = 16
	// measureEvery is how often estimated round trips are brought up to date.
	measureEvery = 5 * time.Second
	// checkEvery is how often the list of members is compared with the library's, and checkTime how long
	// the library may take to tell: it is stuck if it takes longer.
	checkEvery, checkTime = 30 * time.Second, 2 * time.Second
	// checkAgain is how long a difference must last. News are on their way for microseconds, and for longer
	// on a busy machine.
	checkAgain = time.Second
	// supersededTime is how long a member is remembered that has failed and whose place another one has
	// taken: long enough that news of it have died down.
	supersededTime = 10 * time.Second
)

// maintain does, until ctx ends, what has to be done now and then.
func (c *Cluster) maintain(ctx context.Context) {
	ticker := time.NewTicker(tick)
	defer ticker.Stop()
	var measured time.Time
	checked := time.Now()
	offered := make(map[string]time.Time)
	reported := make(map[string]bool)
	count := 0
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		now := time.Now()
		c.tellLate(now)
		c.askSuspects(ctx, now)
		if n := c.view.expire(now, c.timing.longestSuspicion(len(c.view.members()))); n > 0 {
			c.drift.Add(uint64(n))
		}
		if now.Sub(measured) >= measureEvery {
			c.view.measure(func(id string) time.Duration {
				d, _ := c.RTT(c.o.ID, id)
				return d
			})
			measured = now
		}
		c.keyring.catchUp(ctx, offered, now)
		c.findDuplicates(ctx, reported)
		c.savePeers(now, false)
		if n := len(c.view.members()); now.Sub(checked) >= checkEvery || n != count {
			c.compare(ctx)
			checked, count = time.Now(), n
		}
	}
}

// askSuspects asks members whether they live that have been suspects for a while. That they have denied it
// can have gone unseen, see journal; and whoever answers is one to send messages to, whatever others say.
func (c *Cluster) askSuspects(ctx context.Context, now time.Time) {
	asked := 0
	for _, m := range c.view.members() {
		if m.Liveness != Suspect || now.Sub(m.Since) < tick/2 || asked == suspectsAtOnce {
			continue
		}
		asked++
		c.goes(func(context.Context) {
			if _, err := c.Ping(ctx, m.ID); err == nil {
				c.view.answers(time.Now(), m.ID)
			}
		})
	}
}

// compare compares the list of members with the library's, and repairs it if they differ for a while. The
// events that it is made of cannot be lost as far as is known; this is for what is not known.
func (c *Cluster) compare(ctx context.Context) {
	// What differs may be on its way, or was when the library was asked: whatever has an event from here on
	// until the time is over is left alone.
	noted := c.view.revisions()
	theirs, ok := c.ask(ctx)
	if !ok {
		return
	}
	events := c.differences(theirs)
	if len(events) == 0 {
		return
	}
	select {
	case <-ctx.Done():
		return
	case <-time.After(checkAgain):
	}
	if n := c.view.repair(time.Now(), noted, events); n > 0 {
		c.drift.Add(uint64(n))
		c.o.Logger.Warn("The list of members was out of date", "members", n)
	}
}

// ask returns the library's members. It notices if the library does not answer any more: the others would
// go on to see this node alive.
func (c *Cluster) ask(ctx context.Context) (list []serf.Member, ok bool) {
	if c.asking.Swap(true) {
		return nil, false // the last question is still open
	}
	answer := make(chan []serf.Member, 1)
	// If the library is stuck for good, nothing can end this goroutine; there is one at most.
	go func() {
		answer <- c.serf.Members()
		c.asking.Store(false)
		c.stuck.Store(false)
	}()
	select {
	case list := <-answer:
		return list, true
	case <-ctx.Done():
	case <-time.After(checkTime):
		c.stuck.Store(true)
		c.o.Logger.Error("Gossip is stuck: this server should be restarted")
	}
	return nil, false
}

// differences returns the events that would make the list of members the library's.
func (c *Cluster) differences(theirs []serf.Member) (events []event) {
	seen := make(map[string]bool)
	for i := range theirs {
		sm := &theirs[i]
		seen[sm.Name] = true
		m := c.memberOf(sm)
		ours, ok := c.view.member(sm.Name)
		k := updated
		switch sm.Status {
		case serf.StatusFailed:
			if !ok || ours.Liveness != Failed && (ours.Liveness != Left || !ours.goodbye) {
				k = failed
			}
		case serf.StatusLeft:
			if !ok || ours.Liveness != Left {
				k = left
			}
		default: // a member that is leaving still lives
			if !ok || !ours.Lives() {
				k = joined
			}
		}
		m.Liveness, m.Since = ours.Liveness, ours.Since
		if k != updated || !ours.sameNews(&m) {
			events = append(events, event{k, m})
		}
	}
	for _, m := range c.view.members() {
		if !seen[m.ID] {
			events = append(events, event{reaped, m})
		}
	}
	return events
}

// superseded reports whether another member has taken the place of one that is not there: it has its
// address or its name, and has started later.
func superseded(m *Member, all []Member) bool {
	if m.Lives() {
		return false
	}
	for i := range all {
		o := &all[i]
		if o.ID != m.ID && o.Lives() && !o.Boot.Before(m.Boot) && (o.Gossip == m.Gossip || o.Name != "" && o.Name == m.Name) {
			return true
		}
	}
	return false
}

// supersededTimeout is a [serf.ReconnectTimeoutOverrider]. The library calls it with its locks held.
type supersededTimeout struct{ view *view }

// ReconnectTimeout returns how long a member that has failed or left is remembered and dialled.
func (s supersededTimeout) ReconnectTimeout(sm *serf.Member, timeout time.Duration) time.Duration {
	m, ok := s.view.member(sm.Name)
	if ok && superseded(&m, s.view.members()) {
		return min(timeout, supersededTime)
	}
	return timeout
}

// findDuplicates looks for members with this node's name that have started before it, and tells the caller
// of those that answer. One that does not answer has died a moment ago, and this node takes its place.
func (c *Cluster) findDuplicates(ctx context.Context, reported map[string]bool) {
	me, ok := c.view.member(c.o.ID)
	if !ok {
		return
	}
	for _, m := range c.view.members() {
		if m.Self || m.Name != c.o.Name || !m.Lives() || reported[m.ID] {
			continue
		}
		if older := m.Boot.Before(me.Boot) || m.Boot.Equal(me.Boot) && m.ID < me.ID; !older {
			// The newer one stops, not this one.
			if _, ok := c.limit.allow("duplicate "+m.ID, time.Now()); ok {
				c.o.Logger.Warn("Another server has this server's name", "other", m.describe())
			}
			continue
		}
		if _, err := c.Ping(ctx, m.ID); err == nil {
			if len(reported) < mostMembers {
				reported[m.ID] = true
			}
			c.o.Logger.Error("An older server has this server's name, and answers", "other", m.describe())
			c.o.Duplicate(m)
		}
	}
}

// savePeers keeps the file of peers up to date.
func (c *Cluster) savePeers(now time.Time, last bool) {
	c.peersMu.Lock()
	err := c.peers.update(c.view.members(), now, last)
	c.peersMu.Unlock()
	if err != nil {
		if held, ok := c.limit.allow("peers file", now); ok {
			c.o.Logger.Warn("Cannot write the list of peers", "error", err, "repeated", held)
		}
	}
}

// compareWithSome compares notes with n random members that live.
func (c *Cluster) compareWithSome(n int) {
	list := c.view.members()
	for _, i := range rand.Perm(len(list)) {
		if n == 0 {
			return
		}
		if m := &list[i]; m.Liveness == Alive && !m.Self {
			n--
			_, _ = c.list.Join([]string{m.ID + "/" + m.Gossip})
		}
	}
}

// Ping sends a member a packet, and returns how long its answer has taken. Only the process with that ID
// answers, not another one at its address. The wait is that of a probe, 1.5 s at most.
func (c *Cluster) Ping(ctx context.Context, id string) (time.Duration, error) {
	if err := c.usable(); err != nil {
		return 0, err
	}
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	m, ok := c.view.member(id)
	if !ok {
		return 0, fmt.Errorf("no member has the ID %q", id)
	}
	addr, err := netip.ParseAddrPort(m.Gossip)
	if err != nil {
		return 0, err
	}
	d, err := c.list.Ping(id, net.UDPAddrFromAddrPort(addr))
	if err != nil {
		return 0, fmt.Errorf("%s does not answer", m.describe())
	}
	return max(d, 0), nil // the library looks at the clock after it has sent
}

// RTT returns the estimated round trip between two members, given their IDs, from where their network
// coordinates place them. These take some minutes to settle.
func (c *Cluster) RTT(a, b string) (time.Duration, bool) {
	from, ok1 := c.serf.GetCachedCoordinate(a)
	to, ok2 := c.serf.GetCachedCoordinate(b)
	if !ok1 || !ok2 || !from.IsCompatibleWith(to) {
		return 0, false
	}
	if a == b {
		return 0, true
	}
	return from.DistanceTo(to), true
}
