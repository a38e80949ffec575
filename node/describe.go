package node

import "slices"

// ClusterName returns the name of the cluster that the node belongs to at this moment. A node without
// a configured name may take over another one when it meets peers.
func (n *Node) ClusterName() string {
	name, _ := n.cluster.get()
	return name
}

// ConnectURLs returns the host:port of every server of the cluster as clients are told them, first
// those of this node. There are none while it has no peers, and if they are not to be told.
func (n *Node) ConnectURLs() []string { return slices.Clone(n.urls.get(false)) }

// WebSocketConnectURLs is the same for WebSocket clients.
func (n *Node) WebSocketConnectURLs() []string { return slices.Clone(n.urls.get(true)) }

// Options returns what the node is configured with at this moment, defaults included. It has secrets,
// and nothing in it may be changed.
func (n *Node) Options() Options { return *n.options() }
