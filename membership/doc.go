// Package membership knows who is in the cluster: a node gossips with a few others, and each ends up with
// the same list of members and an opinion on whether they live.
//
// The protocol is SWIM, as hashicorp/memberlist and hashicorp/serf implement it; this package gives them
// sockets, settings and a memory, and hides them behind a small interface. What a caller gets is a level,
// not a stream of events: [Cluster.Members] is what is believed now, and [Cluster.Changed] says that it is
// worth looking again. Nothing a caller does, or fails to do, can hold up the gossip.
//
// Gossip only nominates. A member of the list is an address that is worth dialling; whether it may be
// talked to is for the connection that is made to find out.
package membership
