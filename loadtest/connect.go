package loadtest

import (
	"context"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"sync"

	"shoal/wire"
)

// atOnce is how many clients connect at the same time: enough for a server that is far away, and
// few enough for its queue of new connections.
const atOnce = 16

// connect makes all clients. When it returns, subscribers are subscribed.
func (r *run) connect(ctx context.Context) error {
	cfg := &r.config
	names := make([]string, 0, cfg.Pubs+cfg.Subs)
	publisher, subscriber := "publisher", "subscriber"
	if cfg.Mode == Request {
		publisher, subscriber = "requester", "responder"
	}
	for i := range cfg.Pubs {
		names = append(names, fmt.Sprintf("%s %d", publisher, i+1))
	}
	for i := range cfg.Subs {
		names = append(names, fmt.Sprintf("%s %d", subscriber, i+1))
	}
	// Inboxes are unique to a run: an answer of an earlier one is not taken for one of this.
	inboxes := make([]string, cfg.Pubs)
	if cfg.Mode == Request {
		var id [8]byte
		for i := range inboxes {
			for j := range id {
				id[j] = byte(rand.Uint32())
			}
			inboxes[i] = "_INBOX." + hex.EncodeToString(id[:]) + "."
		}
	}
	err := r.dialAll(ctx, names, func(i int, c *conn) error {
		switch {
		case i >= cfg.Pubs:
			group := ""
			if cfg.Mode != PubSub {
				group = cfg.Group
			}
			return c.subscribe(group, cfg.Timeout, r.subjects()...)
		case cfg.Mode == Request:
			return c.subscribe("", cfg.Timeout, inboxes[i]+"*")
		}
		return c.subscribe("", cfg.Timeout) // nothing, but that clears the deadline
	})
	if err != nil {
		return err
	}
	for i := range cfg.Pubs {
		r.pubs = append(r.pubs, r.newPublisher(i, inboxes[i]))
	}
	r.assign()
	return nil
}

// dialAll makes a client for each name, and has each prepared. The first failure ends it.
func (r *run) dialAll(ctx context.Context, names []string, prepare func(int, *conn) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	conns := make([]*conn, len(names))
	var dialling sync.WaitGroup
	slots := make(chan struct{}, atOnce)
	for i, name := range names {
		slots <- struct{}{}
		if ctx.Err() != nil {
			break
		}
		r.watch(Progress{Phase: "connecting", Done: float64(i) / float64(len(names))})
		dialling.Go(func() {
			defer func() { <-slots }()
			c, err := dial(ctx, r.config.Targets[i%len(r.config.Targets)], name, r.config.Timeout, r.clock)
			if err == nil {
				conns[i] = c
				err = prepare(i, c)
			}
			if err != nil {
				cancel(err)
			}
		})
	}
	dialling.Wait()
	for _, c := range conns {
		if c != nil {
			r.conns = append(r.conns, c)
		}
	}
	return context.Cause(ctx)
}

func (r *run) subjects() []string {
	subjects := make([]string, max(r.config.Subjects, 1))
	for i := range subjects {
		subjects[i] = r.config.subject(i)
	}
	return subjects
}

func (r *run) newPublisher(i int, inbox string) *publisher {
	cfg := &r.config
	p := &publisher{
		index:  i,
		run:    r,
		conn:   r.conns[i],
		credit: newCredit(i, cfg.window(), r.clock),
		late:   r.lateness.recorder(i),
	}
	for _, subject := range r.subjects() {
		p.forms = append(p.forms, newForm(subject, inbox, cfg.Size))
	}
	if cfg.Msgs > 0 {
		p.quota = uint64(cfg.Msgs / cfg.Pubs)
		if i < cfg.Msgs%cfg.Pubs {
			p.quota++
		}
	}
	return p
}

// assign gives the clients their parts, and the publishers the ledgers of who gets their messages.
func (r *run) assign() {
	cfg := &r.config
	wake := func(publisher int) { r.pubs[publisher].credit.wake() }
	receive := func(c *conn, l *ledger, read func(*wire.Op, uint16) (stamp, bool)) {
		r.receivers = append(r.receivers, newReceiver(r, len(r.receivers), l, read))
		r.readers = append(r.readers, c)
	}
	subs := r.conns[cfg.Pubs:]
	if cfg.Mode == Queue {
		r.ledgers = append(r.ledgers, newLedger(0, cfg.Pubs, wake))
	}
	for i, p := range r.pubs {
		if cfg.Mode == Request {
			r.ledgers = append(r.ledgers, newLedger(i, 1, wake))
			receive(p.conn, r.ledgers[i], subjectStamp)
		}
	}
	for _, c := range subs {
		switch cfg.Mode {
		case Request:
			r.responders = append(r.responders, &responder{conn: c, from: &r.from})
			r.readers = append(r.readers, c)
		case Queue:
			receive(c, r.ledgers[0], payloadStamp)
		case PubSub:
			r.ledgers = append(r.ledgers, newLedger(0, cfg.Pubs, wake))
			receive(c, r.ledgers[len(r.ledgers)-1], payloadStamp)
		}
	}
	for _, p := range r.pubs {
		for _, l := range r.ledgers {
			if l.covers(p.index) {
				p.credit.ledgers = append(p.credit.ledgers, l)
			}
		}
	}
}
