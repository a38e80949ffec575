package membership

import (
	"fmt"
	"log/slog"
	"net/netip"
	"strings"
	"sync/atomic"
	"time"

	"github.com/hashicorp/serf/serf"
)

// mostMembers bounds how many members are known, so that nobody can fill this node's memory with them.
const mostMembers = 1024

// admission decides who can be a member. Every node asks it about every piece of news that says that
// somebody lives, and about the whole list of whoever joins it or is joined by it, so a stranger is
// refused by both sides.
type admission struct {
	self    string
	cluster func() (name string, fixed bool)
	view    *view
	log     *slog.Logger
	limit   *limiter
	refused atomic.Uint64
}

// NotifyMerge implements serf's MergeDelegate. memberlist calls it with locks held: it must not call back.
func (a *admission) NotifyMerge(members []*serf.Member) error {
	known := a.view.members()
	strangers := 0
	for _, sm := range members {
		if sm.Name == a.self || sm.Status == serf.StatusLeft {
			continue
		}
		if _, ok := a.view.member(sm.Name); !ok {
			strangers++
		}
		err := a.check(sm)
		if err == nil && len(known)+strangers > mostMembers {
			err = fmt.Errorf("there are %d members already", mostMembers)
		}
		if err != nil {
			at := netip.AddrPortFrom(ipOf(sm), sm.Port).String()
			kind := fieldOf(err)
			err = fmt.Errorf("%s: %w", describe(clean(sm.Tags[tagName]), clean(sm.Name), at), err)
			a.refused.Add(1)
			if held, ok := a.limit.allow("refused "+kind, time.Now()); ok {
				a.log.Warn("Refused a member", "error", err, "repeated", held)
			}
			return err
		}
	}
	return nil
}

// fieldOf returns the beginning of an error of check, which is the same for all errors of one field.
func fieldOf(err error) string {
	words := strings.Fields(err.Error())
	if words[0] == "tag" {
		return "tag"
	}
	return strings.Join(words[:min(2, len(words))], " ")
}

// check says which field keeps somebody from being a member.
func (a *admission) check(sm *serf.Member) error {
	if !validID(sm.Name) {
		return fmt.Errorf("the server ID is not 56 capital letters and digits")
	}
	m, err := memberOf(sm)
	if err != nil {
		return err
	}
	low, high, err := decodeRange(sm.Tags[tagProtocol])
	if err != nil {
		return err
	}
	if high < protocolMin || low > protocolMax {
		return fmt.Errorf("the protocol range is %d-%d, ours is %d-%d", low, high, protocolMin, protocolMax)
	}
	name, fixed := a.cluster()
	if fixed && m.Fixed && name != m.Cluster {
		return fmt.Errorf("the cluster name is %q, ours is %q", m.Cluster, name)
	}
	return nil
}

// memberOf translates serf's idea of a member. Liveness is left for whoever knows.
func memberOf(sm *serf.Member) (Member, error) {
	at := netip.AddrPortFrom(ipOf(sm), sm.Port)
	m := Member{ID: sm.Name, Gossip: at.String()}
	err := decodeTags(sm.Tags, at, &m)
	return m, err
}

func ipOf(sm *serf.Member) netip.Addr {
	ip, _ := netip.AddrFromSlice(sm.Addr)
	return ip.Unmap()
}

// clean makes what a stranger has sent fit for a line.
func clean(s string) string {
	if !printable(s) {
		return fmt.Sprintf("%.64q", s)
	}
	if len(s) > 64 {
		return s[:64]
	}
	return s
}
