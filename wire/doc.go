// Package wire is the NATS text protocol: bytes to operations and back.
//
// It knows clients, routes (the connections between the servers of a cluster) and what a server
// sends to a client. It has no sockets, no locks and no idea of a broker; [Parser] works in place
// on the caller's buffer and allocates nothing per operation.
//
// The protocol is described at https://docs.nats.io/reference/reference-protocols/nats-protocol.
// Where that page and the servers in the field disagree, the servers are followed.
package wire
