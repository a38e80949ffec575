package monitor

import (
	"fmt"
	"strings"

	"shoal/node"
	"shoal/subjects"
)

// SubszOptions are what is asked about subscriptions.
type SubszOptions struct {
	// Subscriptions asks for a list of them.
	Subscriptions bool `json:"subscriptions"`
	// Offset and Limit are the part of the list that is wanted; a Limit below 1 is 1024.
	Offset int `json:"offset"`
	Limit  int `json:"limit"`
	// Account is the only account that is wanted.
	Account string `json:"account,omitempty"`
	// Test is a subject without wildcards. The list has those that a message on it matches.
	Test string `json:"test,omitempty"`
}

// Subsz is the answer of /subsz.
type Subsz struct {
	header
	SublistStats
	Total         int            `json:"total"` // of the list in all its parts
	Offset        int            `json:"offset"`
	Limit         int            `json:"limit"`
	Subscriptions []Subscription `json:"subscriptions_list,omitempty"`
}

// SublistStats describe how messages find subscriptions.
type SublistStats struct {
	Subscriptions int     `json:"num_subscriptions"` // of clients and of peers
	Cached        int     `json:"num_cache"`         // subjects whose receivers publishers remember
	Inserts       uint64  `json:"num_inserts"`
	Removes       uint64  `json:"num_removes"`
	Matches       uint64  `json:"num_matches"`    // messages whose receivers were wanted
	HitRate       float64 `json:"cache_hit_rate"` // share of those that were remembered
	MaxFanOut     uint64  `json:"max_fanout"`     // most receivers of a message
	MeanFanOut    float64 `json:"avg_fanout"`     // receivers of a message on average
}

// Subscription describes a subscription.
type Subscription struct {
	Account    string `json:"account,omitempty"`
	AccountTag string `json:"account_tag,omitempty"` // the same, as tools expect it
	Subject    string `json:"subject"`
	Queue      string `json:"qgroup,omitempty"`
	SID        string `json:"sid"`
	Msgs       int64  `json:"msgs"`
	Max        int64  `json:"max,omitempty"`
	Connection uint64 `json:"cid"`
}

// Subsz describes subscriptions.
func (m *Monitor) Subsz(o SubszOptions) (Subsz, error) {
	if o.Test != "" && (!subjects.Publishable(o.Test) || subjects.HasWildcard(o.Test)) {
		return Subsz{}, fmt.Errorf("test: %.40q is not a subject to publish to", o.Test)
	}
	z := Subsz{header: m.header(), Offset: max(o.Offset, 0), Limit: o.Limit}
	if z.Limit <= 0 {
		z.Limit = defaultLimit
	}
	if !m.source.Started() {
		return z, nil
	}
	z.SublistStats = m.sublist(o.Account)
	if !o.Subscriptions {
		return z, nil
	}
	page, total := m.source.Node().Subscriptions(node.SubscriptionQuery{
		Offset: z.Offset, Limit: z.Limit, Account: o.Account, Subject: o.Test,
	})
	z.Total = total
	z.Subscriptions = make([]Subscription, len(page))
	for i := range page {
		z.Subscriptions[i] = subscription(&page[i])
		z.Subscriptions[i].Account, z.Subscriptions[i].AccountTag = page[i].Account, page[i].Account
	}
	return z, nil
}

// sublist describes how messages find subscriptions in an account, or in all if it is empty.
func (m *Monitor) sublist(account string) SublistStats {
	n := m.source.Node()
	index := n.Index(account)
	z := SublistStats{
		Subscriptions: index.Subscriptions,
		Cached:        index.Cached,
		Inserts:       index.Inserted,
		Removes:       index.Removed,
	}
	if account != "" {
		return z // the rest is only known of all
	}
	stats := n.Stats()
	if z.Matches = stats.FanOut.Count(); z.Matches > 0 {
		z.HitRate = 1 - float64(min(stats.Resolved, z.Matches))/float64(z.Matches)
		z.MeanFanOut = float64(stats.FanOut.Sum) / float64(z.Matches)
		z.MaxFanOut = stats.FanOut.Most
	}
	return z
}

func subscription(s *node.Subscription) Subscription {
	return Subscription{
		Subject: s.Subject, Queue: s.Queue, SID: s.SID, Msgs: s.Msgs, Max: s.Max, Connection: s.Connection,
	}
}

// subscribed describes subscriptions of one connection, by all that is known or only by subject.
func subscribed(list []node.Subscription, all bool) (names []string, detail []Subscription) {
	if all {
		detail = make([]Subscription, len(list))
		for i := range list {
			detail[i] = subscription(&list[i])
		}
		return nil, detail
	}
	names = make([]string, len(list))
	for i := range list {
		names[i] = list[i].Subject
	}
	return names, nil
}

func join(names []string) string { return strings.Join(names, ", ") }
