package node

import (
	"cmp"
	"slices"
	"strings"

	"shoal/subjects"
)

// Subscription describes a subscription at one moment.
type Subscription struct {
	// Account is the name of the account, Subject may have wildcards, Queue is empty outside of queue
	// groups, and SID is how the other side calls it.
	Account, Subject, Queue, SID string
	// Msgs is how many messages it got, Max after how many it ends, 0 if it does not.
	Msgs, Max int64
	// Connection is the number of the connection.
	Connection uint64
}

func (s *subscription) describe() Subscription {
	return Subscription{
		Account:    s.account.name,
		Subject:    s.subject,
		Queue:      s.queue,
		SID:        s.sid,
		Msgs:       s.delivered.Load(),
		Max:        s.limit.Load(),
		Connection: s.conn.id,
	}
}

// subscribed describes the subscriptions of a connection.
func (c *conn) subscribed() []Subscription {
	all := c.subs.all()
	list := make([]Subscription, len(all))
	for i, s := range all {
		list[i] = s.describe()
	}
	slices.SortFunc(list, func(a, b Subscription) int {
		// They are numbers, most of the time.
		return cmp.Or(cmp.Compare(len(a.SID), len(b.SID)), strings.Compare(a.SID, b.SID))
	})
	return list
}

// SubscriptionQuery says which subscriptions of clients are of interest. A zero field makes no difference.
type SubscriptionQuery struct {
	// Offset and Limit are the part of the subscriptions that is returned. A Limit of 0 is all.
	Offset, Limit int
	// Account is the name of the account.
	Account string
	// Subject has the subscriptions be those that messages on it match.
	Subject string
}

// Subscriptions returns the subscriptions of clients that q asks for, in the order of the connections,
// and how many there are in all parts.
func (n *Node) Subscriptions(q SubscriptionQuery) (page []Subscription, total int) {
	all := n.clients.all()
	if q.Subject == "" {
		most := 0
		for _, c := range all {
			most += c.subs.len()
		}
		if q.Limit > 0 {
			most = min(most, q.Limit)
		}
		page = make([]Subscription, 0, most) // which may be very many: growing costs as much again
	}
	for _, c := range all {
		if q.Account != "" && c.home.Load().name != q.Account {
			continue
		}
		if q.Subject == "" && (total+c.subs.len() <= q.Offset || q.Limit > 0 && len(page) >= q.Limit) {
			total += c.subs.len()
			continue
		}
		for _, s := range c.subscribed() {
			if q.Subject != "" && !subjects.Match(s.Subject, q.Subject) {
				continue
			}
			if total >= q.Offset && (q.Limit == 0 || len(page) < q.Limit) {
				page = append(page, s)
			}
			total++
		}
	}
	return page, total
}

// IndexStats describe the subscriptions of clients and peers, and how messages find them.
type IndexStats struct {
	// Subscriptions is their number.
	Subscriptions int
	// Inserted and Removed are how many came and went.
	Inserted, Removed uint64
	// Cached is the number of subjects whose receivers are known.
	Cached int
}

// Index describes the subscriptions of an account, or of all if its name is empty. What is known of
// subjects is only known of all accounts together.
func (n *Node) Index(account string) IndexStats {
	var s IndexStats
	for name, a := range n.accounts.all() {
		if account != "" && name != account {
			continue
		}
		inserted, live := a.index.Inserted(), a.index.Len()
		s.Subscriptions += live
		s.Inserted += inserted
		s.Removed += inserted - min(inserted, uint64(live))
	}
	if account == "" {
		s.Cached = int(n.cached.Load())
	}
	return s
}
