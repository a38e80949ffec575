package system

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"shoal/node"
	"shoal/node/monitor"
)

// everyAccount is the name of an account in a subject that stands for all of them.
const everyAccount = "PING"

// accountEndpoints are what can be asked about an account, by the last token of the subject.
var accountEndpoints = map[string]endpoint{
	"SUBSZ": about(func(s *Service, r *request, o monitor.SubszOptions) (any, error) {
		o.Account, o.Subscriptions = r.account, true
		return s.documents.Subsz(o)
	}),
	"CONNZ": about(func(s *Service, r *request, o monitor.ConnzOptions) (any, error) {
		o.Account = r.account
		return s.documents.Connz(o)
	}),
	"LEAFZ": about(func(s *Service, _ *request, _ struct{}) (any, error) { return s.documents.Leafz(), nil }),
	"JSZ": about(func(*Service, *request, struct{}) (any, error) {
		return nil, errors.New("this server has no JetStream")
	}),
	"INFO": about(func(s *Service, r *request, _ struct{}) (any, error) {
		z, err := s.documents.Accountz(monitor.AccountzOptions{Account: r.account})
		return z.Account, err
	}),
	"STATZ": about(func(s *Service, r *request, o monitor.AccountStatzOptions) (any, error) {
		if r.account != "" {
			o.Accounts = []string{r.account}
		}
		z := s.documents.AccountStatz(o)
		if len(z.Accounts) == 0 && !o.IncludeUnused {
			return nil, errSilent
		}
		return z, nil
	}),
}

// accountRequest takes a request about an account, or about all of them.
func (s *Service) accountRequest(m *node.SystemMessage) {
	account, what, _ := strings.Cut(strings.TrimPrefix(m.Subject, "$SYS.REQ.ACCOUNT."), ".")
	r := &request{SystemMessage: m, account: account}
	if account == everyAccount {
		r.account = ""
	}
	if what == "CONNS" {
		s.connsRequest(r)
	} else if e, ok := accountEndpoints[what]; ok {
		s.answer(e, r)
	} else {
		s.answer(endpoint{answer: unknown}, r)
	}
}

// accountConns tells how many clients of an account are connected to a server.
type accountConns struct {
	typed
	Server server `json:"server"`
	monitor.AccountStat
}

// conns returns the figures of an account, if it has clients.
func (s *Service) conns(account string) (monitor.AccountStat, bool) {
	z := s.documents.AccountStatz(monitor.AccountStatzOptions{Accounts: []string{account}, IncludeUnused: true})
	if len(z.Accounts) == 0 {
		return monitor.AccountStat{}, false
	}
	return z.Accounts[0], z.Accounts[0].Connections > 0
}

func (s *Service) tellConns(to string, stat monitor.AccountStat) {
	s.publish(to, func() any {
		return accountConns{newTyped("io.nats.server.advisory.v1.account_connections"), s.self(), stat}
	})
}

// connsRequest answers another server that wants to know about an account it has clients of.
func (s *Service) connsRequest(r *request) {
	var o struct {
		Account string `json:"acc"`
	}
	if r.Reply == "" || r.decode(&o) != nil || o.Account != "" && o.Account != r.account {
		return
	}
	if stat, ok := s.conns(r.account); ok {
		s.tellConns(r.Reply, stat)
	}
}

// countOptions say which subscriptions are counted.
type countOptions struct {
	Account string `json:"acc"`
	Subject string `json:"subject"`
	Queue   []byte `json:"queue,omitempty"`
}

// countRequest answers another server that counts who would get a message.
func (s *Service) countRequest(m *node.SystemMessage) {
	var o countOptions
	if m.Reply == "" || (&request{SystemMessage: m}).decode(&o) != nil || o.Subject == "" {
		return
	}
	if n, ok := s.node.Subscribers(o.Account, o.Subject, string(o.Queue)); ok {
		s.client.Publish(m.Reply, nil, func() []byte { return strconv.AppendInt(nil, int64(n), 10) })
	}
}

// countTime is how long other servers may take to count.
const countTime = 500 * time.Millisecond

// debugRequest answers how many subscriptions match a subject, on all servers: those of the account that
// asks.
func (s *Service) debugRequest(m *node.SystemMessage) {
	subject, queue, _ := strings.Cut(strings.TrimSpace(string(m.Payload)), " ")
	if m.Reply == "" || subject == "" {
		return
	}
	account := s.asker(m)
	n, _ := s.node.Subscribers(account, subject, queue)
	answer := func() {
		s.client.Publish(m.Reply, nil, func() []byte { return strconv.AppendInt(nil, int64(n), 10) })
	}
	peers := s.node.Stats().Remotes
	if peers == 0 {
		answer()
		return
	}
	ask := func(ctx context.Context) {
		ctx, cancel := context.WithTimeout(ctx, countTime)
		defer cancel()
		question := countOptions{Account: account, Subject: subject, Queue: []byte(queue)}
		for _, reply := range s.ask(ctx, "$SYS.REQ.ACCOUNT.NSUBS", question, peers) {
			more, _ := strconv.Atoi(string(reply))
			n += more
		}
		answer()
	}
	if !s.long.start(ask) {
		s.respond(&request{SystemMessage: m}, nil, &failure{http.StatusServiceUnavailable, "the server is busy, ask again"})
	}
}

// asker returns the account that a request comes from. The server that a client has sent it to has noted
// that in a header; without one it is that of the system.
func (s *Service) asker(m *node.SystemMessage) string {
	var info struct {
		Account string `json:"acc"`
		Through string `json:"svc"`
	}
	if value := headerValue(m.Header, "Nats-Request-Info"); value != "" && json.Unmarshal([]byte(value), &info) != nil {
		return ""
	}
	return cmp.Or(info.Through, info.Account, s.node.Options().SystemAccount)
}
