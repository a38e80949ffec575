package node

import "shoal/subjects"

// Subscribers returns how many subscriptions of clients of this node, in a queue group if that is not
// empty, would get a message to subject, or, if it has wildcards, are to subjects within it. It reports
// whether the account has clients here.
func (n *Node) Subscribers(account, subject, queue string) (count int, ok bool) {
	a := n.accounts.get(account)
	if a == nil || a.clients.Load() == 0 {
		return 0, false
	}
	for _, c := range n.clients.all() {
		if c.home.Load() != a {
			continue
		}
		for _, s := range c.subs.all() {
			if (queue == "" || s.queue == queue) && s.isWithin(subject) {
				count++
			}
		}
	}
	return count, true
}

func (s *subscription) isWithin(subject string) bool {
	if subjects.HasWildcard(subject) {
		return subjects.Covers(subject, s.subject)
	}
	return subjects.Match(s.subject, subject)
}
