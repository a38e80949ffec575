package node

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"shoal/membership"
)

// The servers of a cluster should be configured alike, or a client finds that what one accepts another
// refuses. Every node gossips short digests of what should be the same, so that a difference is seen; what
// differs, a node tells when it is asked. No secret is in a digest: it could be guessed from it.
const (
	driftTag = "dg"
	// digestLength is the number of hexadecimal digits of each digest.
	digestLength = 8
	// driftAfter is how long a difference has to last before it is logged.
	driftAfter = 10 * time.Second
)

// driftVersion is the section that has no digest, since members gossip it as it is.
const driftVersion = "version"

// digested are the sections that have a digest, in the order in which they are gossiped. A later version
// may append others.
var digested = [...]string{"limits", "auth", "cluster", "flags"}

// settings returns the settings in which the servers of a cluster should not differ.
func (n *Node) settings() map[string]map[string]string {
	o, c := n.options(), &n.options().Cluster
	onOff := func(on bool) string {
		if on {
			return "on"
		}
		return "off"
	}
	return map[string]map[string]string{
		driftVersion: {"version": Version},
		"limits": {
			"max_connections":         strconv.Itoa(o.MaxConnections),
			"max_subscriptions":       strconv.Itoa(o.MaxSubscriptions),
			"max_subscription_tokens": strconv.Itoa(o.MaxSubscriptionTokens),
			"max_control_line":        strconv.Itoa(o.MaxControlLine),
			"max_payload":             strconv.Itoa(o.MaxPayload),
			"max_pending":             strconv.Itoa(o.MaxPending),
			"ping_interval":           o.PingInterval.String(),
			"ping_max":                strconv.Itoa(o.MaxPingsOut),
		},
		"auth": {"authentication of clients": onOff(o.Authenticator != nil)},
		"cluster": {
			"authentication of routes": onOff(c.User != "" || c.Password != ""),
			"gossip_profile":           c.GossipProfile.String(),
			"pool_size":                strconv.Itoa(c.PoolSize),
			"compression":              c.Compression,
			"no_advertise":             onOff(c.NoAdvertise),
		},
		"flags": {
			"no_header_support":      onOff(o.NoHeaders),
			"no_fast_producer_stall": onOff(o.NoFastProducerStall),
		},
	}
}

// digests returns the tag with the digests of settings.
func digests(settings map[string]map[string]string) string {
	var b strings.Builder
	for _, section := range digested {
		h := sha256.New()
		for _, name := range slices.Sorted(maps.Keys(settings[section])) {
			fmt.Fprintf(h, "%s=%s\n", name, settings[section][name])
		}
		b.WriteString(hex.EncodeToString(h.Sum(nil))[:digestLength])
	}
	return b.String()
}

// Drift is a section of settings in which members that live differ.
type Drift struct {
	Section string
	// Values are the names of members, by what they have: a version, or a digest.
	Values map[string][]string
}

// drifts finds the sections in which members differ.
func drifts(all []membership.Member) []Drift {
	list := []Drift{{driftVersion, make(map[string][]string)}}
	for _, section := range digested {
		list = append(list, Drift{section, make(map[string][]string)})
	}
	note := func(d *Drift, value, name string) { d.Values[value] = append(d.Values[value], name) }
	for i := range all {
		m := &all[i]
		if m.Liveness != membership.Alive {
			continue
		}
		note(&list[0], m.Version, m.Name)
		tag := m.Tags[driftTag]
		for k := range digested {
			if at := k * digestLength; len(tag) >= at+digestLength { // otherwise it is yet to be told
				note(&list[k+1], tag[at:at+digestLength], m.Name)
			}
		}
	}
	list = slices.DeleteFunc(list, func(d Drift) bool { return len(d.Values) < 2 })
	for _, d := range list {
		for _, names := range d.Values {
			slices.Sort(names)
		}
	}
	return list
}

// Drift returns in what members of the cluster differ that live, as far as gossip tells it.
func (n *Node) Drift() []Drift {
	if c := n.members.cluster.Load(); c != nil {
		return drifts(c.Members())
	}
	return nil
}

// driftLog logs each difference once.
type driftLog struct {
	mu    sync.Mutex // guards the rest
	since map[string]time.Time
	told  map[string]string
}

// update looks for differences.
func (l *driftLog) update(n *Node, all []membership.Member, now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.since == nil {
		l.since, l.told = make(map[string]time.Time), make(map[string]string)
	}
	found := make(map[string]bool)
	for _, d := range drifts(all) {
		found[d.Section] = true
		since, ok := l.since[d.Section]
		if !ok {
			l.since[d.Section] = now
			continue
		}
		if now.Sub(since) < driftAfter {
			continue
		}
		// Whoever joins with what others have is no news; somebody with something else is.
		if values := strings.Join(slices.Sorted(maps.Keys(d.Values)), " "); l.told[d.Section] != values {
			l.told[d.Section] = values
			n.log.Warn("The servers of the cluster differ, see shoal members --drift", "in", d.Section, "servers", d.String())
		}
	}
	for section := range l.since {
		if !found[section] {
			if l.told[section] != "" {
				n.log.Info("The servers of the cluster no longer differ", "in", section)
			}
			delete(l.since, section)
			delete(l.told, section)
		}
	}
}

// String lists who has what.
func (d *Drift) String() string {
	var parts []string
	for _, value := range slices.Sorted(maps.Keys(d.Values)) {
		parts = append(parts, value+": "+strings.Join(d.Values[value], ", "))
	}
	return strings.Join(parts, "; ")
}
