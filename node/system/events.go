package system

import (
	"context"
	"crypto/rand"
	"sync"
	"time"

	"shoal/node"
	"shoal/node/monitor"
)

const (
	// mostEvents is how many events may wait to be told. When more happens than that, some is not told.
	mostEvents = 4096
	// The figures are told soon after the start, to be known, and then less and less often.
	firstStatsz, everyStatsz = 250 * time.Millisecond, 10 * time.Second
	// Changes of the number of clients are told when some more may have come together, and repeated.
	settleTime, everyConns = 100 * time.Millisecond, 30 * time.Second
)

// events are what has happened and is not yet told. Whoever adds to them does not wait.
type events struct {
	service *Service
	queue   chan func()   // each tells one
	changed chan struct{} // has a value when accounts does, or lost is not 0

	mu       sync.Mutex // guards the rest
	accounts map[string]bool
	lost     int // events that found the queue full
}

func (e *events) init(s *Service) {
	e.service = s
	e.queue = make(chan func(), mostEvents)
	e.changed = make(chan struct{}, 1)
	e.accounts = make(map[string]bool)
}

// add has an event told if anybody listens.
func (e *events) add(subject string, make func() any) {
	e.push(func() { e.service.publish(subject, make) })
}

// push has an event told, and reports whether there was room for it.
func (e *events) push(tell func()) bool {
	select {
	case e.queue <- tell:
		return true
	default:
		e.lose()
		return false
	}
}

// lose notes that an event is not told.
func (e *events) lose() {
	e.mu.Lock()
	e.lost++
	e.mu.Unlock()
	e.wake()
}

// wake has what has changed told soon.
func (e *events) wake() {
	select {
	case e.changed <- struct{}{}:
	default:
	}
}

// change notes that the number of clients of an account has changed.
func (e *events) change(account string) {
	e.mu.Lock()
	e.accounts[account] = true
	e.mu.Unlock()
	e.wake()
}

// run tells events until ctx ends.
func (e *events) run(ctx context.Context) {
	s := e.service
	interval := firstStatsz
	statsz := time.NewTimer(interval)
	defer statsz.Stop()
	settled := time.NewTimer(0) // finds nothing
	defer settled.Stop()
	settling := true
	again := time.NewTicker(everyConns)
	defer again.Stop()
	for {
		select {
		case <-ctx.Done():
			e.finish()
			return
		case tell := <-e.queue:
			tell()
		case <-statsz.C:
			s.tellStatsz(s.statszSubject())
			interval = min(2*interval, everyStatsz)
			statsz.Reset(interval)
		case <-e.changed:
			if !settling {
				settling = true
				settled.Reset(settleTime)
			}
		case <-settled.C:
			settling = false
			e.tellChanges()
		case <-again.C:
			e.tellAccounts()
		}
	}
}

// finish tells what is left.
func (e *events) finish() {
	for {
		select {
		case tell := <-e.queue:
			tell()
		default:
			return
		}
	}
}

// tellChanges tells of the accounts whose clients have come or gone, and logs if events were lost.
func (e *events) tellChanges() {
	e.mu.Lock()
	accounts, lost := e.accounts, e.lost
	e.accounts, e.lost = make(map[string]bool), 0
	e.mu.Unlock()
	if lost > 0 {
		e.service.log.Warn("Clients came and went, or messages were traced, too fast for all of that to be told", "untold", lost)
	}
	for account := range accounts {
		e.tellConns(account)
	}
}

// tellAccounts tells of all accounts with clients, for who has missed it.
func (e *events) tellAccounts() {
	for _, a := range e.service.node.Accounts() {
		if a.Connections > 0 {
			e.tellConns(a.Name)
		}
	}
}

// tellConns tells how many clients an account has here, under the subject for tools and that by which
// nats-servers tell each other.
func (e *events) tellConns(account string) {
	s := e.service
	if account == node.GlobalAccount {
		return // nobody has asked for it to be told, and it has no limits
	}
	for _, subject := range []string{"$SYS.ACCOUNT." + account + ".SERVER.CONNS", "$SYS.SERVER.ACCOUNT." + account + ".CONNS"} {
		if s.client.Wanted(subject) {
			stat, _ := s.conns(account)
			s.tellConns(subject, stat)
		}
	}
}

// typed is how events begin.
type typed struct {
	Type string    `json:"type"`
	ID   string    `json:"id"`
	Time time.Time `json:"timestamp"`
}

func newTyped(kind string) typed { return typed{kind, rand.Text(), time.Now().UTC()} }

const (
	typeConnect    = "io.nats.server.advisory.v1.client_connect"
	typeDisconnect = "io.nats.server.advisory.v1.client_disconnect"
)

// client describes a client.
type client struct {
	Start   time.Time     `json:"start"`
	Host    string        `json:"host,omitempty"`
	ID      uint64        `json:"id"`
	Account string        `json:"acc"`
	User    string        `json:"user,omitempty"`
	Name    string        `json:"name,omitempty"`
	Lang    string        `json:"lang,omitempty"`
	Version string        `json:"ver,omitempty"`
	RTT     time.Duration `json:"rtt,omitempty"`
	Stop    *time.Time    `json:"stop,omitempty"`
	NameTag string        `json:"name_tag,omitempty"` // the account again, as tools expect it
	Kind    string        `json:"kind"`
	Type    string        `json:"client_type"`
}

func describe(c *node.Connection) client {
	v := client{
		Start:   c.Start.UTC(),
		Host:    c.IP,
		ID:      c.ID,
		Account: c.Account,
		User:    c.User,
		Name:    c.Name,
		Lang:    c.Lang,
		Version: c.Version,
		NameTag: c.Account,
		Kind:    "Client",
		Type:    "nats",
	}
	if c.WebSocket {
		v.Type = "websocket"
	}
	if !c.Stop.IsZero() {
		stop := c.Stop.UTC()
		v.Stop, v.RTT = &stop, c.RTT
	}
	return v
}

// connected tells of a client that has come.
type connected struct {
	typed
	Server server `json:"server"`
	Client client `json:"client"`
}

// disconnected tells of a client that has gone.
type disconnected struct {
	connected
	Sent     monitor.Volume `json:"sent"`     // by the client
	Received monitor.Volume `json:"received"` // by the client
	Reason   string         `json:"reason"`
}

// Connected implements [node.SystemService].
func (s *Service) Connected(account string, about func() node.Connection) {
	s.events.change(account)
	subject := "$SYS.ACCOUNT." + account + ".CONNECT"
	if !s.client.Wanted(subject) {
		return
	}
	c, begin := about(), newTyped(typeConnect)
	s.events.add(subject, func() any { return connected{begin, s.self(), describe(&c)} })
}

// Disconnected implements [node.SystemService].
func (s *Service) Disconnected(account string, about func() node.Connection) {
	s.events.change(account)
	s.tellEnd("$SYS.ACCOUNT."+account+".DISCONNECT", about)
}

// Refused implements [node.SystemService].
func (s *Service) Refused(about func() node.Connection) {
	s.tellEnd("$SYS.SERVER."+s.node.ID()+".CLIENT.AUTH.ERR", about)
}

func (s *Service) tellEnd(subject string, about func() node.Connection) {
	if !s.client.Wanted(subject) {
		return
	}
	c, begin := about(), newTyped(typeDisconnect)
	s.events.add(subject, func() any {
		return disconnected{
			connected: connected{begin, s.self(), describe(&c)},
			Sent:      monitor.Volume{Msgs: c.InMsgs, Bytes: c.InBytes},
			Received:  monitor.Volume{Msgs: c.OutMsgs, Bytes: c.OutBytes},
			Reason:    c.Reason,
		}
	})
}

// LeavesSoon implements [node.SystemService].
func (s *Service) LeavesSoon() {
	s.publish("$SYS.SERVER."+s.node.ID()+".LAMEDUCK", func() any { return s.self() })
}

// Leaves implements [node.SystemService].
func (s *Service) Leaves() {
	s.publish("$SYS.SERVER."+s.node.ID()+".SHUTDOWN", func() any { return s.self() })
}
