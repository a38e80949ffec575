package node

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
)

// Whoever dials a cluster port has to know the cluster's password, but whoever accepts does not: a node
// may have been led to the wrong address. So a peer that asks for what changes something has proved that
// it belongs to the cluster if it was the one that dialled, and otherwise has to prove it with every such
// question. The proof shows that the sender knows the password, without telling it, for this question to
// this server; and a question whose number is not higher than those before it has been heard already.
//
// A cluster without a password trusts whoever reaches its port, here as everywhere.

// mostHeard bounds the servers whose numbers are remembered. Their IDs are fresh for every start.
const mostHeard = 4096

// prove returns the proof for a question to the server with that ID, empty if there is no password.
func (n *Node) prove(id, name string, q *question) string {
	password := n.options().Cluster.Password
	if password == "" {
		return ""
	}
	return hex.EncodeToString(proof(password, n.id, id, name, q))
}

func proof(password, from, to, name string, q *question) []byte {
	m := hmac.New(sha256.New, []byte(password))
	// Neither IDs nor names of verbs contain a blank.
	fmt.Fprintf(m, "shoal asks 1 %s %s %s %d %s", from, to, name, q.Number, q.Body)
	return m.Sum(nil)
}

// proves reports whether a question comes from a server that belongs to the cluster.
func (r *route) proves(name string, q *question) bool {
	password := r.node.options().Cluster.Password
	if password == "" || r.attempt == nil {
		return true // anybody may, or it has given the password in its CONNECT
	}
	got, err := hex.DecodeString(q.Proof)
	if err != nil || !hmac.Equal(got, proof(password, r.peer().ID, r.node.id, name, q)) {
		return false
	}
	a := &r.node.asks
	a.mu.Lock()
	defer a.mu.Unlock()
	if q.Number <= a.heard[r.peer().ID] {
		return false
	}
	if len(a.heard) >= mostHeard {
		clear(a.heard)
	}
	a.heard[r.peer().ID] = q.Number
	return true
}
