package node

import (
	"slices"
	"strings"
)

// AccountInfo describes an account at one moment.
type AccountInfo struct {
	Name string
	// System says that it is the account for traffic about the servers themselves.
	System bool
	// Connections is the number of its clients, Subscriptions that of theirs and of what peers tell.
	Connections, Subscriptions int
	// InMsgs to OutBytes are what its clients, also those that left, have sent and received.
	InMsgs, InBytes, OutMsgs, OutBytes uint64
	// RouteInMsgs to RouteOutBytes are its messages that came from peers and went to them.
	RouteInMsgs, RouteInBytes, RouteOutMsgs, RouteOutBytes uint64
	// SlowConsumers counts clients that were cut because they read too slowly.
	SlowConsumers uint64
	// Options are what is configured, nil if nothing is.
	Options *AccountOptions
}

// Accounts describes the accounts that are configured, by name.
func (n *Node) Accounts() []AccountInfo {
	opts := n.options()
	traffic := n.clients.byAccount()
	var list []AccountInfo
	for name, a := range n.accounts.all() {
		if !a.configured.Load() {
			continue
		}
		t := traffic[a]
		info := AccountInfo{
			Name:          name,
			System:        a == n.accounts.system,
			Connections:   int(a.clients.Load()),
			Subscriptions: a.index.Len(),
			InMsgs:        t.inMsgs,
			InBytes:       t.inBytes,
			OutMsgs:       t.outMsgs,
			OutBytes:      t.outBytes,
			RouteInMsgs:   a.routed.inMsgs.Load(),
			RouteInBytes:  a.routed.inBytes.Load(),
			RouteOutMsgs:  a.routed.outMsgs.Load(),
			RouteOutBytes: a.routed.outBytes.Load(),
			SlowConsumers: a.slowConsumers.Load(),
		}
		if i := slices.IndexFunc(opts.Accounts, func(o AccountOptions) bool { return o.Name == name }); i >= 0 {
			info.Options = &opts.Accounts[i]
		}
		list = append(list, info)
	}
	slices.SortFunc(list, func(a, b AccountInfo) int { return strings.Compare(a.Name, b.Name) })
	return list
}
