package monitor

import (
	"slices"

	"shoal/node"
)

// AccountStatzOptions are what is asked about the traffic of accounts.
type AccountStatzOptions struct {
	// Accounts are the names of those that are wanted, nil are all.
	Accounts []string `json:"accounts"`
	// IncludeUnused asks also for those without clients.
	IncludeUnused bool `json:"include_unused"`
}

// AccountStatz is the answer of /accstatz.
type AccountStatz struct {
	header
	Accounts []AccountStat `json:"account_statz"`
}

// AccountStat is the traffic of an account.
type AccountStat struct {
	Account          string  `json:"acc"`
	Name             string  `json:"name"`
	Connections      int     `json:"conns"`
	LeafNodes        int     `json:"leafnodes"`
	TotalConnections int     `json:"total_conns"`
	Subscriptions    int     `json:"num_subscriptions"`
	Sent             Volumes `json:"sent"`
	Received         Volumes `json:"received"`
	SlowConsumers    uint64  `json:"slow_consumers"`
}

// Volumes are all messages, and those of them that are not a client's.
type Volumes struct {
	Volume
	Gateways Volume `json:"gateways"` // there are none
	Routes   Volume `json:"routes"`
	Leafs    Volume `json:"leafs"` // there are none
}

// volumes returns the messages of clients and those over routes.
func volumes(clients, routes Volume) Volumes {
	return Volumes{Volume: Volume{clients.Msgs + routes.Msgs, clients.Bytes + routes.Bytes}, Routes: routes}
}

// Volume is an amount of messages.
type Volume struct {
	Msgs  uint64 `json:"msgs"`
	Bytes uint64 `json:"bytes"` // of payload
}

// AccountStatz describes the traffic of accounts.
func (m *Monitor) AccountStatz(o AccountStatzOptions) AccountStatz {
	z := AccountStatz{header: m.header(), Accounts: []AccountStat{}}
	for _, a := range m.source.Node().Accounts() {
		if o.isAbout(&a) {
			z.Accounts = append(z.Accounts, AccountStat{
				Account:          a.Name,
				Name:             a.Name,
				Connections:      a.Connections,
				TotalConnections: a.Connections,
				Subscriptions:    a.Subscriptions,
				Sent:             volumes(Volume{a.OutMsgs, a.OutBytes}, Volume{a.RouteOutMsgs, a.RouteOutBytes}),
				Received:         volumes(Volume{a.InMsgs, a.InBytes}, Volume{a.RouteInMsgs, a.RouteInBytes}),
				SlowConsumers:    a.SlowConsumers,
			})
		}
	}
	return z
}

func (o *AccountStatzOptions) isAbout(a *node.AccountInfo) bool {
	if !o.IncludeUnused && a.Connections == 0 {
		return false
	}
	return len(o.Accounts) == 0 || slices.Contains(o.Accounts, a.Name)
}
