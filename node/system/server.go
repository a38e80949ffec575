package system

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	"shoal/node"
	"shoal/node/monitor"
)

// serverEndpoints are what a server can be asked about itself, by the last token of the subject.
var serverEndpoints = map[string]endpoint{
	"VARZ":     about(func(s *Service, _ *request, _ struct{}) (any, error) { return s.documents.Varz(), nil }),
	"SUBSZ":    about(func(s *Service, _ *request, o monitor.SubszOptions) (any, error) { return s.documents.Subsz(o) }),
	"CONNZ":    about(func(s *Service, _ *request, o monitor.ConnzOptions) (any, error) { return s.documents.Connz(o) }),
	"ROUTEZ":   about(func(s *Service, _ *request, o monitor.RoutezOptions) (any, error) { return s.documents.Routez(o), nil }),
	"GATEWAYZ": about(func(s *Service, _ *request, _ struct{}) (any, error) { return s.documents.Gatewayz(), nil }),
	"LEAFZ":    about(func(s *Service, _ *request, _ struct{}) (any, error) { return s.documents.Leafz(), nil }),
	"ACCOUNTZ": about(func(s *Service, _ *request, o monitor.AccountzOptions) (any, error) { return s.documents.Accountz(o) }),
	"JSZ":      about(func(s *Service, _ *request, _ struct{}) (any, error) { return s.documents.Jsz(), nil }),
	"HEALTHZ": about(func(s *Service, _ *request, o monitor.HealthzOptions) (any, error) {
		return s.documents.Healthz(o), nil
	}),
	"EXPVARZ": about(func(s *Service, _ *request, _ struct{}) (any, error) { return s.documents.Expvarz(), nil }),
	// There are no queues to look at, and no Raft groups.
	"IPQUEUESZ": about(func(*Service, *request, struct{}) (any, error) { return struct{}{}, nil }),
	"RAFTZ":     about(func(*Service, *request, struct{}) (any, error) { return struct{}{}, nil }),

	"PROFILEZ": {answer: profilez, long: true},
	"RELOAD": {direct: true, long: true, answer: func(ctx context.Context, s *Service, _ *request) (any, error) {
		if s.reload == nil {
			return nil, &failure{http.StatusNotImplemented, "this server has no configuration file to read again"}
		}
		return nil, s.reload(ctx)
	}},
	"KICK": direct(about(func(s *Service, _ *request, o clientOptions) (any, error) { return nil, s.node.Disconnect(o.CID) })),
	"LDM":  direct(about(func(s *Service, _ *request, o clientOptions) (any, error) { return nil, s.node.SendAway(o.CID) })),
}

// clientOptions say which client is meant.
type clientOptions struct {
	CID uint64 `json:"cid"`
}

func direct(e endpoint) endpoint {
	e.direct = true
	return e
}

// serverRequest takes a request to all servers, or to this one.
func (s *Service) serverRequest(m *node.SystemMessage) {
	rest := strings.TrimPrefix(m.Subject, "$SYS.REQ.SERVER.")
	to, what, _ := strings.Cut(rest, ".")
	r := &request{SystemMessage: m}
	switch what {
	case "", "STATSZ":
		s.statszRequest(r)
		return
	case "IDZ":
		s.publish(m.Reply, func() any { return s.identity() })
		return
	}
	e, ok := serverEndpoints[what]
	if !ok || e.direct && to != s.node.ID() {
		e = endpoint{answer: unknown}
	}
	s.answer(e, r)
}

func unknown(_ context.Context, _ *Service, r *request) (any, error) {
	return nil, &failure{http.StatusNotFound, fmt.Sprintf("this server does not answer %.100q", r.Subject)}
}

// identity is the answer of IDZ.
type identity struct {
	Name string `json:"name"`
	Host string `json:"host"`
	ID   string `json:"id"`
}

func (s *Service) identity() identity {
	return identity{s.node.Name(), s.node.Options().Host, s.node.ID()}
}

// statszMessage has the figures of a server. Unlike other answers, it has a key of its own for them.
type statszMessage struct {
	Server server  `json:"server"`
	Statsz *statsz `json:"statsz"`
}

// statsz are the figures of a server.
type statsz struct {
	Start               time.Time       `json:"start"`
	Mem                 int64           `json:"mem"`
	Cores               int             `json:"cores"`
	CPU                 float64         `json:"cpu"`
	Connections         uint64          `json:"connections"`
	TotalConnections    uint64          `json:"total_connections"`
	ActiveAccounts      int             `json:"active_accounts"` // with clients
	Subscriptions       int             `json:"subscriptions"`
	Sent                monitor.Volume  `json:"sent"`
	SentToClients       monitor.Volume  `json:"sent_to_clients"`
	Received            monitor.Volume  `json:"received"`
	ReceivedFromClients monitor.Volume  `json:"received_from_clients"`
	SlowConsumers       uint64          `json:"slow_consumers"`
	SlowByKind          *monitor.ByKind `json:"slow_consumer_stats,omitempty"`
	StaleConnections    uint64          `json:"stale_connections,omitempty"`
	StaleByKind         *monitor.ByKind `json:"stale_connection_stats,omitempty"`
	StalledClients      uint64          `json:"stalled_clients,omitempty"`
	Routes              []routeStat     `json:"routes,omitempty"`
	ActiveServers       int             `json:"active_servers,omitempty"` // of the cluster, as this one sees it
	MemLimit            int64           `json:"gomemlimit,omitempty"`
	MaxProcs            int             `json:"gomaxprocs,omitempty"`
}

// routeStat is the traffic of a route.
type routeStat struct {
	ID       uint64         `json:"rid"`
	Name     string         `json:"name,omitempty"`
	Sent     monitor.Volume `json:"sent"`
	Received monitor.Volume `json:"received"`
	Pending  int            `json:"pending"`
}

func (s *Service) statsz() *statsz {
	v := s.documents.Varz()
	z := &statsz{
		Start:               v.Start,
		Mem:                 v.Mem,
		Cores:               v.Cores,
		CPU:                 v.CPU,
		Connections:         v.Connections,
		TotalConnections:    v.TotalConnections,
		Subscriptions:       v.Subscriptions,
		Sent:                monitor.Volume{Msgs: v.OutMsgs, Bytes: v.OutBytes},
		SentToClients:       monitor.Volume{Msgs: v.OutClientMsgs, Bytes: v.OutClientBytes},
		Received:            monitor.Volume{Msgs: v.InMsgs, Bytes: v.InBytes},
		ReceivedFromClients: monitor.Volume{Msgs: v.InClientMsgs, Bytes: v.InClientBytes},
		SlowConsumers:       v.SlowConsumers,
		StaleConnections:    v.StaleConnections,
		StalledClients:      v.StalledClients,
		ActiveServers:       v.Remotes + 1,
		MemLimit:            v.MemLimit,
		MaxProcs:            v.MaxProcs,
	}
	if v.SlowConsumers > 0 {
		z.SlowByKind = &v.SlowByKind
	}
	if v.StaleConnections > 0 {
		z.StaleByKind = &v.StaleByKind
	}
	for _, a := range s.node.Accounts() {
		if a.Connections > 0 {
			z.ActiveAccounts++
		}
	}
	for _, r := range s.node.Routes() {
		z.Routes = append(z.Routes, routeStat{
			ID:       r.ID,
			Name:     r.RemoteName,
			Sent:     monitor.Volume{Msgs: r.OutMsgs, Bytes: r.OutBytes},
			Received: monitor.Volume{Msgs: r.InMsgs, Bytes: r.InBytes},
			Pending:  r.Pending,
		})
	}
	return z
}

// statszRequest answers with the figures, or tells them everybody if there is nobody to reply to.
func (s *Service) statszRequest(r *request) {
	var f filter
	to := r.Reply
	if to == "" {
		to = s.statszSubject()
	}
	if err := r.decode(&f); err != nil {
		s.respond(&request{SystemMessage: &node.SystemMessage{Reply: to}}, nil, &failure{http.StatusBadRequest, err.Error()})
		return
	}
	if f.matches(s) {
		s.tellStatsz(to)
	}
}

func (s *Service) statszSubject() string { return "$SYS.SERVER." + s.node.ID() + ".STATSZ" }

func (s *Service) tellStatsz(to string) {
	s.publish(to, func() any { return statszMessage{s.self(), s.statsz()} })
}
