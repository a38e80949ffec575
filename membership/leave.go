package membership

import (
	"context"
	"math/rand/v2"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/hashicorp/serf/serf"
)

// goodbyeEvery is the time between two pings that carry the goodbye.
const goodbyeEvery = 10 * time.Millisecond

// Leave says goodbye, and stays for a moment to answer those who have not heard of it yet, half a second
// with most profiles. When no other member is left that does not leave as well, it returns at once; when
// the others do not answer, it takes no longer than that and twice the time that the profile gives to
// broadcasts. The node is no member any more then; Close is still needed. The file of peers stays, since a
// server that is started again is to find its cluster.
func (c *Cluster) Leave(ctx context.Context) error {
	c.mu.Lock()
	if c.closed {
		c.mu.Unlock()
		return errClosed
	}
	first := !c.gone
	c.gone = true
	done := make(chan error, 1)
	c.wg.Go(func() {
		c.leave.Lock()
		defer c.leave.Unlock()
		if !first || c.serf.State() != serf.SerfAlive {
			done <- nil
			return
		}
		c.savePeers(time.Now(), true)
		done <- c.sayGoodbye()
	})
	c.mu.Unlock()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// sayGoodbye tells the others, and stays as long as that is of use to somebody.
func (c *Cluster) sayGoodbye() error {
	told := make(chan struct{})
	var carrying sync.WaitGroup
	carrying.Go(func() { c.carryGoodbye(told) })
	err := c.serf.Leave()
	close(told)
	for began := time.Now(); time.Since(began) < c.timing.leavePropagate && c.isMissed(); {
		time.Sleep(goodbyeEvery)
	}
	carrying.Wait()
	return err
}

// carryGoodbye pings members until told is closed. The library waits until the goodbye has been sent as
// often as news are, which takes several intervals of gossip, and for ever if nobody is left to send it to.
// Every ping carries news, one of this node itself as well.
func (c *Cluster) carryGoodbye(told <-chan struct{}) {
	ticker := time.NewTicker(goodbyeEvery)
	defer ticker.Stop()
	var pings sync.WaitGroup
	defer pings.Wait()
	for {
		for _, m := range c.listeners() {
			if addr, err := netip.ParseAddrPort(m.Gossip); err == nil {
				pings.Go(func() { _, _ = c.list.Ping(m.ID, net.UDPAddrFromAddrPort(addr)) })
			}
		}
		select {
		case <-told:
			return
		case <-ticker.C:
		}
	}
}

// listeners returns some members that live, chosen at random, or this one if there is no other.
func (c *Cluster) listeners() (some []Member) {
	all := c.view.members()
	var self []Member
	for _, i := range rand.Perm(len(all)) {
		switch m := all[i]; {
		case m.Self:
			self = append(self, m)
		case m.Lives() && len(some) < c.timing.gossipNodes:
			some = append(some, m)
		}
	}
	if len(some) == 0 {
		return self
	}
	return some
}

// isMissed reports whether there is another member that goes on to live.
func (c *Cluster) isMissed() bool {
	for _, m := range c.serf.Members() {
		if m.Status == serf.StatusAlive && m.Name != c.o.ID {
			return true
		}
	}
	return false
}
