package node

import (
	"slices"

	"shoal/subjects"
	"shoal/wire"
)

// remoteSID names the interest that an operation is about, as no other interest of that peer is named.
// Subjects and names of queue groups contain no blank.
func remoteSID(op *wire.Op) string {
	if len(op.Origin) == 0 && len(op.Queue) == 0 && string(op.Account) == GlobalAccount {
		return string(op.Subject)
	}
	return string(op.Subject) + " " + string(op.Queue) + " " + string(op.Origin) + " " + string(op.Account)
}

// accountOf returns the account that an operation is about. The interest of accounts that the node does
// not have is remembered too, for they may be configured later.
func (r *route) accountOf(op *wire.Op) *account {
	if a := r.lastAccount; a != nil && a.name == string(op.Account) {
		return a
	}
	a := r.node.accounts.obtainForPeer(string(op.Account))
	if a != nil {
		r.lastAccount = a
	}
	return a
}

// addInterest carries out RS+ and LS+.
func (r *route) addInterest(op *wire.Op) {
	account := r.accountOf(op)
	if account == nil {
		return
	}
	subject := string(op.Subject)
	if !subjects.Valid(subject) {
		// The reference answers with an error, but would itself close a route that sends one.
		return
	}
	sid := remoteSID(op)
	if s := r.subs.get([]byte(sid)); s != nil {
		s.weight.Store(int32(op.Max))
		return
	}
	changing := &r.node.accounts.changing
	changing.RLock()
	defer changing.RUnlock()
	rules := r.node.routeRules.Load()
	if !r.exports(rules, subject) {
		return
	}
	if sid == subject {
		sid = subject // shares the memory
	}
	s := &subscription{
		conn:    &r.conn,
		account: account,
		subject: subject,
		queue:   string(op.Queue),
		sid:     sid,
		leaf:    len(op.Origin) > 0,
	}
	s.weight.Store(int32(op.Max))
	s.filterBy(rules)
	r.subs.add(s)
	account.index.Insert(s.subject, s.queue, s)
}

// removeInterest carries out RS- and LS-.
func (r *route) removeInterest(op *wire.Op) {
	if s := r.subs.get([]byte(remoteSID(op))); s != nil {
		r.endSubscription(s)
		if n := r.node; s.queue != "" && n.sendsAway() {
			n.interest.reconsider(&n.buffers, topicKey{s.account, s.subject, s.queue}, n.hasMembersElsewhere)
		}
	}
}

// hasMembersElsewhere reports whether a queue group has members at a peer that does not leave.
func (n *Node) hasMembersElsewhere(key topicKey) bool {
	sid := []byte(remoteSID(&wire.Op{
		Account: []byte(key.account.name),
		Subject: []byte(key.subject),
		Queue:   []byte(key.queue),
	}))
	for _, r := range n.routes.registered() {
		if !r.leaving.Load() && r.subs.has(sid) {
			return true
		}
	}
	return false
}

// deliver carries out RMSG, HMSG and LMSG: the message goes to all subscriptions of clients that are
// in no queue group, and to one member of each group that the sender has chosen.
func (r *route) deliver(w *work, op *wire.Op) {
	w.msgs++
	w.bytes += uint64(len(op.Payload))
	account := r.accountOf(op)
	if account == nil {
		return
	}
	w.cache.enter(account)
	w.cache.routed.inMsgs++
	w.cache.routed.inBytes += uint64(len(op.Payload))
	w.unserved = w.unserved[:0]
	e := w.cache.lookup(op.Subject)
	if reply, subject, ok := unpackPush(op.Reply); ok {
		w.deliverPushed(e, op, reply, subject)
	} else {
		w.deliver(e, op)
	}
	replies := e.detour != nil && e.detour.reply // e may be used again for another subject
	if len(w.unserved) > 0 {
		r.bounce(w, op)
	}
	if replies {
		w.answer(op)
	}
}

// bounce sends a message on that was meant for queue groups which have lost their last member on
// this node since it was sent. It is the only case in which a message takes a second hop. It goes
// to another peer with a member, or back to the one it came from, if nobody else has any.
//
// Peers who see the group as this node's again would send the message back, for ever. So they are
// told first that it is not.
func (r *route) bounce(w *work, op *wire.Op) {
	n := r.node
	w.batch.flushPart()
	n.interest.announce(&n.buffers)
	w.cache.index.Match(op.Subject, &w.cache.result)
	type share struct {
		to     *conn
		queues [][]byte
	}
	var shares []share
	for _, name := range w.unserved {
		to := r.alternative(w.cache.result.Members(string(name)), op.Subject)
		if to == nil {
			continue
		}
		i := slices.IndexFunc(shares, func(s share) bool { return s.to == to })
		if i < 0 {
			i = len(shares)
			shares = append(shares, share{to: to})
		}
		shares[i].queues = append(shares[i].queues, name)
	}
	for _, s := range shares {
		again := *op
		again.Verb, again.Origin, again.Queues = wire.RMsg, nil, s.queues
		if s.to.dedicated() {
			again.Account = nil
		}
		if op.HasHeaders() && op.HeaderLen > 0 {
			again.Verb = wire.RHMsg
			if !s.to.headers.Load() {
				again.Verb, again.HeaderText, again.SizeText = wire.RMsg, nil, nil
				again.Payload = op.Payload[op.HeaderLen:]
			}
		}
		w.cache.routed.sent(1, len(again.Payload))
		s.to.send(&stream{buf: again.Append(nil), msgs: 1, bytes: uint64(len(again.Payload))})
	}
}

// alternative returns the peer to which a message for a queue group with these members is to be passed on,
// nil if there is none.
func (r *route) alternative(members []*subscription, subject []byte) (to *conn) {
	for _, s := range members {
		if s.conn.isRoute && !s.keeps(subject) && (to == nil || to == &r.conn) {
			to = s.conn
		}
	}
	return to
}
