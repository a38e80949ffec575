package membership

import (
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-msgpack/v2/codec"
	"github.com/hashicorp/memberlist"
	"github.com/hashicorp/serf/serf"
)

// mostMembers bounds how many members are known, so that nobody can fill this node's memory with them.
const mostMembers = 1024

// admission decides who can be a member. Every node asks it about every piece of news that says that
// somebody lives, and about the whole list of whoever joins it or is joined by it, so a stranger is
// refused by both sides. It stands in the place of serf's own, which decodes all tags each time: of the news
// that reach a node while many start, nearly all are what it knows.
type admission struct {
	self    string
	cluster func() (name string, fixed bool)
	view    *view
	log     *slog.Logger
	limit   *limiter
	refused atomic.Uint64
	handle  codec.MsgpackHandle

	mu   sync.Mutex         // guards seen
	seen map[string]visitor // by ID, whoever was found to be all right
}

var (
	_ memberlist.MergeDelegate = (*admission)(nil)
	_ memberlist.AliveDelegate = (*admission)(nil)
)

// visitor is somebody who was found to be all right, but for the name of the cluster, which may change.
type visitor struct {
	meta    string // as it came
	at      netip.AddrPort
	cluster string
	fixed   bool
}

// NotifyAlive implements memberlist's AliveDelegate.
func (a *admission) NotifyAlive(n *memberlist.Node) error {
	return a.NotifyMerge([]*memberlist.Node{n})
}

// NotifyMerge implements memberlist's MergeDelegate, which calls it with locks held: it must not call back.
func (a *admission) NotifyMerge(nodes []*memberlist.Node) error {
	known := len(a.view.members())
	strangers := 0
	for _, n := range nodes {
		if n.Name == a.self || n.State == memberlist.StateLeft {
			continue
		}
		if _, ok := a.view.member(n.Name); !ok {
			strangers++
		}
		tags, err := a.check(n)
		if err == nil && known+strangers > mostMembers {
			err = fmt.Errorf("there are %d members already", mostMembers)
		}
		if err != nil {
			kind := fieldOf(err)
			err = fmt.Errorf("%s: %w", describe(clean(tags[tagName]), clean(n.Name), n.Address()), err)
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

// check says which field keeps somebody from being a member. The tags are there if something is wrong.
func (a *admission) check(n *memberlist.Node) (tags map[string]string, err error) {
	ip, ok := netip.AddrFromSlice(n.Addr)
	if !ok {
		return nil, fmt.Errorf("the address has %d bytes", len(n.Addr))
	}
	at := netip.AddrPortFrom(ip.Unmap(), n.Port)
	a.mu.Lock()
	defer a.mu.Unlock()
	v, ok := a.seen[n.Name]
	if !ok || v.meta != string(n.Meta) || v.at != at {
		if v, tags, err = a.inspect(n, at); err != nil {
			return tags, err
		}
		if len(a.seen) >= 2*mostMembers {
			clear(a.seen)
		}
		a.seen[n.Name] = v
	}
	if name, fixed := a.cluster(); fixed && v.fixed && name != v.cluster {
		if tags == nil {
			tags, _ = a.tagsOf(n.Meta)
		}
		return tags, fmt.Errorf("the cluster name is %q, ours is %q", v.cluster, name)
	}
	return tags, nil
}

// inspect looks at all that somebody says of itself.
func (a *admission) inspect(n *memberlist.Node, at netip.AddrPort) (v visitor, tags map[string]string, err error) {
	if tags, err = a.tagsOf(n.Meta); err != nil {
		return v, nil, err
	}
	if !validID(n.Name) {
		return v, tags, fmt.Errorf("the server ID is not 56 capital letters and digits")
	}
	m := Member{ID: n.Name}
	if err := decodeTags(tags, at, &m); err != nil {
		return v, tags, err
	}
	low, high, err := decodeRange(tags[tagProtocol])
	if err != nil {
		return v, tags, err
	}
	if high < protocolMin || low > protocolMax {
		return v, tags, fmt.Errorf("the protocol range is %d-%d, ours is %d-%d", low, high, protocolMin, protocolMax)
	}
	return visitor{string(n.Meta), at, m.Cluster, m.Fixed}, tags, nil
}

// tagsMark is the byte with which serf begins tags.
const tagsMark = 255

// tagsOf decodes tags as serf encodes them.
func (a *admission) tagsOf(meta []byte) (tags map[string]string, err error) {
	if len(meta) == 0 || meta[0] != tagsMark || len(meta) > memberlist.MetaMaxSize {
		return nil, errors.New("the tags are none")
	}
	if err := codec.NewDecoderBytes(meta[1:], &a.handle).Decode(&tags); err != nil {
		return nil, errors.New("the tags cannot be decoded")
	}
	return tags, nil
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
