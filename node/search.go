package node

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
)

// ConnectionSearch says which clients of a cluster are of interest.
type ConnectionSearch struct {
	// Sort is one of [ConnectionOrders] that makes sense for clients that are there.
	Sort string `json:"sort"`
	// Filter is part of the name, user, account, address or library.
	Filter string `json:"filter"`
	// Server is the ID of the only server that is asked.
	Server string `json:"server"`
}

// FoundConnections are clients of a cluster.
type FoundConnections struct {
	Connections []ClientFigures `json:"connections"` // the first ones
	Total       int             `json:"total"`       // those that were found
	Silent      []string        `json:"silent"`      // names of servers that did not answer
}

// ClientFigures describe a client for one that shows the whole cluster. Times are in Unix milliseconds.
type ClientFigures struct {
	Server        string  `json:"server,omitempty"`
	ID            uint64  `json:"cid"`
	Name          string  `json:"name,omitempty"`
	IP            string  `json:"ip,omitempty"`
	Port          int     `json:"port,omitempty"`
	Account       string  `json:"account"`
	User          string  `json:"user,omitempty"`
	Lang          string  `json:"lang,omitempty"`
	Version       string  `json:"version,omitempty"`
	Subscriptions int     `json:"subscriptions"`
	InMsgs        uint64  `json:"in_msgs"`
	OutMsgs       uint64  `json:"out_msgs"`
	InBytes       uint64  `json:"in_bytes"`
	OutBytes      uint64  `json:"out_bytes"`
	Pending       int     `json:"pending"`
	RTT           float64 `json:"rtt_ms"`
	Start         int64   `json:"start"`
	Last          int64   `json:"last"`
	Stop          int64   `json:"stop,omitempty"` // 0 while it is there
	Reason        string  `json:"reason,omitempty"`
}

// mostFound bounds the clients that a search returns.
const mostFound = 100

// longestShown bounds every text that a client has chosen, in bytes.
const longestShown = 128

const verbConnections = "connections"

// searchOrders sort clients of several servers, as [Node.Connections] does those of one.
var searchOrders = map[string]func(a, b *ClientFigures) int{
	"cid":        func(a, b *ClientFigures) int { return cmp.Compare(a.ID, b.ID) },
	"subs":       func(a, b *ClientFigures) int { return cmp.Compare(b.Subscriptions, a.Subscriptions) },
	"pending":    func(a, b *ClientFigures) int { return cmp.Compare(b.Pending, a.Pending) },
	"msgs_to":    func(a, b *ClientFigures) int { return cmp.Compare(b.OutMsgs, a.OutMsgs) },
	"msgs_from":  func(a, b *ClientFigures) int { return cmp.Compare(b.InMsgs, a.InMsgs) },
	"bytes_to":   func(a, b *ClientFigures) int { return cmp.Compare(b.OutBytes, a.OutBytes) },
	"bytes_from": func(a, b *ClientFigures) int { return cmp.Compare(b.InBytes, a.InBytes) },
	"idle":       func(a, b *ClientFigures) int { return cmp.Compare(a.Last, b.Last) },
	"uptime":     func(a, b *ClientFigures) int { return cmp.Compare(b.Start, a.Start) },
	"rtt":        func(a, b *ClientFigures) int { return cmp.Compare(b.RTT, a.RTT) },
}

// FindConnections asks all servers of the cluster, or one, for their clients. It takes a second at most.
func (n *Node) FindConnections(ctx context.Context, search ConnectionSearch) (FoundConnections, error) {
	found := FoundConnections{Connections: []ClientFigures{}, Silent: []string{}}
	if search.Sort == "" {
		search.Sort = "cid"
	}
	order := searchOrders[search.Sort]
	if order == nil {
		return found, fmt.Errorf("sort: %q is nothing that clients of a cluster can be sorted by", search.Sort)
	}
	ctx, cancel := context.WithTimeout(ctx, figuresTime)
	defer cancel()
	var mu sync.Mutex
	var wg sync.WaitGroup
	for _, s := range n.servers() {
		if s.Foreign || search.Server != "" && s.ID != search.Server || !s.isThere() {
			continue
		}
		wg.Go(func() {
			var part FoundConnections
			err := n.ask(ctx, s.ID, verbConnections, search, &part)
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				found.Silent = append(found.Silent, s.Name)
				return
			}
			for i := range part.Connections {
				part.Connections[i].Server = s.Name
			}
			found.Connections = append(found.Connections, part.Connections...)
			found.Total += part.Total
		})
	}
	wg.Wait()
	slices.SortFunc(found.Connections, func(a, b ClientFigures) int {
		return cmp.Or(order(&a, &b), cmp.Compare(a.Server, b.Server), cmp.Compare(a.ID, b.ID))
	})
	found.Connections = part(found.Connections, 0, mostFound)
	slices.Sort(found.Silent)
	return found, nil
}

// answerConnections answers the question of another server for clients of this one.
func (n *Node) answerConnections(_ context.Context, _ string, body json.RawMessage) (any, error) {
	var search ConnectionSearch
	if err := json.Unmarshal(body, &search); err != nil {
		return nil, err
	}
	all, _ := n.Connections(ConnectionQuery{Sort: search.Sort})
	var found FoundConnections
	wanted := strings.ToLower(search.Filter)
	for i := range all {
		c := &all[i]
		if !c.contains(wanted) {
			continue
		}
		if found.Total++; found.Total <= mostFound {
			found.Connections = append(found.Connections, c.figures())
		}
	}
	return found, nil
}

// contains reports whether a text in lower case is part of what people know the client by.
func (v *Connection) contains(text string) bool {
	if text == "" {
		return true
	}
	for _, s := range []string{v.Name, v.User, v.Account, v.IP, v.Lang} {
		if strings.Contains(strings.ToLower(s), text) {
			return true
		}
	}
	return false
}

func (v *Connection) figures() ClientFigures {
	short := func(s string) string { return strings.ToValidUTF8(s[:min(len(s), longestShown)], "") }
	f := ClientFigures{
		ID: v.ID, Name: short(v.Name), IP: v.IP, Port: v.Port, Account: short(v.Account), User: short(v.User),
		Lang: short(v.Lang), Version: short(v.Version), Subscriptions: v.Subscriptions,
		InMsgs: v.InMsgs, OutMsgs: v.OutMsgs, InBytes: v.InBytes, OutBytes: v.OutBytes, Pending: v.Pending,
		RTT: milliseconds(v.RTT), Start: v.Start.UnixMilli(), Last: v.LastActivity.UnixMilli(), Reason: v.Reason,
	}
	if !v.Stop.IsZero() {
		f.Stop = v.Stop.UnixMilli()
	}
	return f
}

// slowShown is how many slow consumers a server tells, and crowdedFrom from how many waiting bytes on a
// client counts as one.
const (
	slowShown   = 10
	crowdedFrom = 1 << 20
)

// slowClients are the clients that were closed last because they did not read fast enough, and those that
// are about to be.
func (n *Node) slowClients() []ClientFigures {
	list := []ClientFigures{}
	crowded, _ := n.Connections(ConnectionQuery{Sort: "pending", Limit: slowShown})
	for i := range crowded {
		if c := &crowded[i]; c.Pending >= crowdedFrom {
			list = append(list, c.figures())
		}
	}
	closed := n.closed.all()
	for i := range slices.Backward(closed) {
		c := &closed[i]
		if len(list) == 2*slowShown {
			break
		}
		if c.Reason == string(reasonSlowPending) || c.Reason == string(reasonSlowWrite) {
			list = append(list, c.figures())
		}
	}
	return list
}
