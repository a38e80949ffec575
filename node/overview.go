package node

import (
	"cmp"
	"context"
	"encoding/json"
	"slices"
	"sync"
	"time"

	"shoal/membership"
)

// Figures are what a server tells of itself to one that shows the whole cluster.
type Figures struct {
	Version       string        `json:"version"`
	Start         int64         `json:"start"` // in Unix milliseconds
	Connections   uint64        `json:"connections"`
	Subscriptions int           `json:"subscriptions"`
	SlowConsumers uint64        `json:"slow_consumers"` // since the start
	Pending       int64         `json:"pending"`        // bytes that wait for clients and peers
	Samples       []Sample      `json:"samples"`        // of the last ten minutes, or the last one
	Routes        []RouteFigure `json:"routes"`
	Subjects      []SubjectRate `json:"subjects"` // those with the most messages
	// Settings are those in which servers should not differ, by section and name, if some do.
	Settings map[string]map[string]string `json:"settings,omitempty"`
	// Slow are clients that could not follow, or cannot.
	Slow []ClientFigures `json:"slow"`
}

// RouteFigure is a route as the server at one end of it sees it.
type RouteFigure struct {
	To    string  `json:"to"`     // ID of the other one
	RTT   float64 `json:"rtt_ms"` // 0 if it is not known yet
	Msgs  float64 `json:"msgs"`   // both ways, per second
	Bytes float64 `json:"bytes"`
	Pend  int     `json:"pending"` // bytes that wait to be written
}

// ClusterServer is a server of the cluster, as this node sees it, and what it tells of itself.
type ClusterServer struct {
	ID   string `json:"id"`
	Name string `json:"name"`
	Self bool   `json:"self,omitempty"`
	// Foreign says that it is no shoal node.
	Foreign bool `json:"foreign,omitempty"`
	// Liveness and State are those of the member; a server that does not gossip is alive while there is a
	// route to it.
	Liveness string  `json:"liveness"`
	State    string  `json:"state,omitempty"`
	Since    int64   `json:"since,omitempty"` // when liveness has changed, in Unix milliseconds
	Version  string  `json:"version,omitempty"`
	Client   string  `json:"client,omitempty"` // address for clients
	Route    string  `json:"route,omitempty"`  // and for servers
	RTT      float64 `json:"rtt_ms,omitempty"`
	// Figures are nil if the server was not asked, or has not answered, for which Silent says why.
	Figures *Figures `json:"figures,omitempty"`
	Silent  string   `json:"silent,omitempty"`
}

// isThere reports whether the server has not said goodbye.
func (s *ClusterServer) isThere() bool { return s.Liveness != membership.Left.String() }

// verbFigures asks a server for its figures.
const verbFigures = "figures"

// figuresTime bounds how long a server may take to tell its figures.
const figuresTime = time.Second

// figuresQuery says which figures are wanted.
type figuresQuery struct {
	History  bool `json:"history"`
	Settings bool `json:"settings"`
}

// figures returns what this node tells of itself.
func (n *Node) figures(q figuresQuery) *Figures {
	s := n.Stats()
	f := &Figures{
		Version:       Version,
		Start:         s.Start.UnixMilli(),
		Connections:   s.Connections,
		Subscriptions: s.Subscriptions,
		SlowConsumers: s.SlowConsumers,
		Pending:       s.PendingBytes,
		Samples:       n.history.get(q.History),
		Routes:        []RouteFigure{},
		Subjects:      n.history.ofSubjects(time.Now()),
		Slow:          n.slowClients(),
	}
	if q.Settings {
		f.Settings = n.settings()
	}
	at := make(map[string]int) // there may be several connections to a server
	for _, r := range n.routes.registered() {
		id := r.peer().ID
		i, ok := at[id]
		if !ok {
			i = len(f.Routes)
			at[id] = i
			f.Routes = append(f.Routes, RouteFigure{To: id, RTT: milliseconds(r.liveness.roundTrip())})
		}
		rate := n.history.ofRoute(r.id)
		f.Routes[i].Msgs += rate.msgs
		f.Routes[i].Bytes += rate.bytes
		f.Routes[i].Pend += r.out.waiting()
	}
	return f
}

// answerFigures answers the question of another server for figures.
func (n *Node) answerFigures(_ context.Context, _ string, body json.RawMessage) (any, error) {
	var q figuresQuery
	if err := json.Unmarshal(body, &q); err != nil {
		return nil, err
	}
	return n.figures(q), nil
}

func milliseconds(d time.Duration) float64 {
	return float64(d.Round(time.Microsecond)) / float64(time.Millisecond)
}

// Overview returns all servers of the cluster, and asks each how it is doing, with what it remembers of the
// last ten minutes if history. It takes a second at most.
func (n *Node) Overview(ctx context.Context, history bool) []ClusterServer {
	ctx, cancel := context.WithTimeout(ctx, figuresTime)
	defer cancel()
	list := n.servers()
	q := figuresQuery{History: history, Settings: len(n.Drift()) > 0}
	var wg sync.WaitGroup
	for i := range list {
		s := &list[i]
		if s.Foreign || !s.isThere() {
			continue
		}
		wg.Go(func() {
			var f Figures
			if err := n.ask(ctx, s.ID, verbFigures, q, &f); err != nil {
				s.Silent = err.Error()
				return
			}
			s.Figures = &f
		})
	}
	wg.Wait()
	return list
}

// servers returns the members of the cluster, and the servers without gossip that there is a route to.
func (n *Node) servers() []ClusterServer {
	var list []ClusterServer
	known := make(map[string]bool)
	for _, m := range n.Members() {
		known[m.ID] = true
		list = append(list, ClusterServer{
			ID: m.ID, Name: m.Name, Self: m.Self, Liveness: m.Liveness.String(), State: m.State.String(),
			Since: m.Since.UnixMilli(), Version: m.Version, Client: m.Client, Route: m.Route, RTT: milliseconds(m.RTT),
		})
	}
	if !known[n.id] {
		list = append(list, ClusterServer{
			ID: n.id, Name: n.name, Self: true, Liveness: membership.Alive.String(), Version: Version,
		})
	}
	for _, r := range n.routes.list() {
		peer := r.peer()
		if known[peer.ID] {
			continue
		}
		known[peer.ID] = true
		list = append(list, ClusterServer{
			ID: peer.ID, Name: peer.Name, Foreign: !isShoal(peer), Liveness: membership.Alive.String(),
			Version: peer.Version, Route: r.conn.remote, RTT: milliseconds(r.liveness.roundTrip()),
		})
	}
	slices.SortFunc(list, func(a, b ClusterServer) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.ID, b.ID))
	})
	return list
}
