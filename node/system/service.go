// Package system serves the account of the system: it answers the requests by which tools of NATS look at
// servers and change them, and tells there what happens on a node. The documents are those of package
// monitor.
package system

import (
	"context"
	"encoding/json"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"shoal/node"
	"shoal/node/monitor"
)

// Service is what works in the account of the system. Make it with [New].
type Service struct {
	node      *node.Node
	client    *node.SystemClient
	documents *monitor.Monitor
	reload    func(context.Context) error
	log       *slog.Logger

	numbered atomic.Uint64 // messages so far
	traced   atomic.Int64  // size of the traces that wait
	events   events
	long     longWork
	asking   asking
}

// New attaches a service to a node that has not been started. reload has the server read its configuration
// again; nil refuses.
func New(n *node.Node, documents *monitor.Monitor, reload func(context.Context) error, log *slog.Logger) *Service {
	s := &Service{node: n, documents: documents, reload: reload, log: log}
	s.events.init(s)
	s.asking.waiting = make(map[string]chan []byte)
	s.client = n.Attach(s)
	return s
}

// Serve implements [node.SystemService].
func (s *Service) Serve(ctx context.Context) {
	s.long.begin(ctx)
	id := s.node.ID()
	s.client.Subscribe("$SYS.REQ.SERVER.PING", false, s.serverRequest)
	s.client.Subscribe("$SYS.REQ.SERVER.PING.*", false, s.serverRequest)
	s.client.Subscribe("$SYS.REQ.SERVER."+id+".*", false, s.serverRequest)
	s.client.Subscribe("$SYS.REQ.ACCOUNT.*.*", false, s.accountRequest)
	s.client.Subscribe("$SYS.REQ.ACCOUNT.NSUBS", false, s.countRequest)
	s.client.Subscribe("$SYS.DEBUG.SUBSCRIBERS", true, s.debugRequest)
	s.client.Subscribe(s.inbox()+"*", false, s.answered)
	s.events.run(ctx)
	s.long.end()
}

// server says in a message which server it comes from.
type server struct {
	Name      string            `json:"name"`
	Host      string            `json:"host"`
	ID        string            `json:"id"`
	Cluster   string            `json:"cluster,omitempty"`
	Version   string            `json:"ver"` // whose protocol it speaks, as tools compare it
	Tags      []string          `json:"tags,omitempty"`
	Metadata  map[string]string `json:"metadata,omitempty"`
	JetStream bool              `json:"jetstream"`
	Flags     uint64            `json:"flags"` // of what shoal does not do
	Number    uint64            `json:"seq"`   // ascending
	Time      time.Time         `json:"time"`
}

// self describes this server for the next message. It must be called within [node.SystemClient.Publish], so
// that messages leave in the order of their numbers.
func (s *Service) self() server {
	opts := s.node.Options()
	return server{
		Name:     s.node.Name(),
		Host:     opts.Host,
		ID:       s.node.ID(),
		Cluster:  s.cluster(),
		Version:  node.ProtocolVersion,
		Tags:     opts.Tags,
		Metadata: opts.Metadata,
		Number:   s.numbered.Add(1),
		Time:     time.Now().UTC(),
	}
}

// cluster returns the name of the cluster, empty if the node is to stay alone.
func (s *Service) cluster() string {
	if s.node.Options().Cluster.Port == 0 {
		return ""
	}
	return s.node.ClusterName()
}

// publish sends what make returns as JSON.
func (s *Service) publish(subject string, make func() any) bool {
	return s.client.Publish(subject, nil, func() []byte { return s.encode(make()) })
}

func (s *Service) encode(v any) []byte {
	text, err := json.Marshal(v)
	if err != nil {
		s.log.Error("A message about the server could not be made", "error", err)
	}
	return text
}

// userInfo is what a client learns that asks who it is.
type userInfo struct {
	User        string       `json:"user"`
	Account     string       `json:"account"`
	AccountName string       `json:"account_name,omitempty"`
	Permissions *permissions `json:"permissions,omitempty"`
}

// permissions are what a user may do.
type permissions struct {
	Publish   subjectRules  `json:"publish"`
	Subscribe subjectRules  `json:"subscribe"`
	Responses *responseRule `json:"responses,omitempty"`
}

type subjectRules struct {
	Allow []string `json:"allow,omitempty"`
	Deny  []string `json:"deny,omitempty"`
}

type responseRule struct {
	Max     int           `json:"max"`
	Expires time.Duration `json:"ttl"`
}

// UserInfo implements [node.SystemService].
func (s *Service) UserInfo(a node.Asker) []byte {
	info := userInfo{User: a.User, Account: a.Account, AccountName: a.Account}
	if p := a.Permissions; p != nil {
		info.Permissions = &permissions{Publish: subjectRules(p.Publish), Subscribe: subjectRules(p.Subscribe)}
		if p.Responses != nil {
			info.Permissions.Responses = &responseRule{p.Responses.Max, p.Responses.Expires}
		}
	}
	return s.encode(response{Server: s.self(), Data: info})
}

// longWork is requests that take long, each in a goroutine of its own.
type longWork struct {
	mu    sync.Mutex // guards the rest
	ctx   context.Context
	busy  int
	group sync.WaitGroup
}

// mostLongWork is how many of them are carried out at once.
const mostLongWork = 2

func (l *longWork) begin(ctx context.Context) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ctx = ctx
}

// start has f run, and reports whether that was possible.
func (l *longWork) start(f func(context.Context)) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.busy >= mostLongWork || l.ctx.Err() != nil {
		return false
	}
	l.busy++
	l.group.Go(func() {
		f(l.ctx)
		l.mu.Lock()
		defer l.mu.Unlock()
		l.busy--
	})
	return true
}

// end waits for all of them. The context has ended, so that none begins any more.
func (l *longWork) end() { l.group.Wait() }
