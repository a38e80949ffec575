package node

import (
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strconv"
	"sync"
)

// Shoal nodes show each other that they know the password of the cluster without telling it, by HMACs:
// in the handshake of a route (see challenge.go), and with questions that change something.
//
// The handshake proves who is at the other end of a connection. A question proves itself besides, to the
// side that has dialled: for this question, to this server, and a question whose number is not higher than
// those before it has been heard already.
//
// A cluster without a password trusts whoever reaches its port, here as everywhere.

// mostHeard bounds the servers whose numbers are remembered. Their IDs are fresh for every start.
const mostHeard = 4096

// stretching is how often a password is hashed on its way to a key: whoever gets hold of an HMAC can guess
// passwords, and this is what each guess costs. It takes some 20 ms, once.
const stretching = 100_000

// secrets are the keys that belong to passwords.
type secrets struct {
	mu   sync.Mutex // guards keys; held while one is made, so that it is made once
	keys map[[2]string][]byte
}

// key returns the key that belongs to a user and its password, which is in clear.
func (s *secrets) key(user, password string) []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	key := s.keys[[2]string{user, password}]
	if key == nil {
		var err error
		key, err = pbkdf2.Key(sha256.New, password, []byte("shoal cluster password of "+user), stretching, sha256.Size)
		if err != nil {
			// The hash and the lengths, which are all that can be wrong, are constants.
			panic(fmt.Sprintf("node: derive a key: %v", err))
		}
		if s.keys == nil {
			s.keys = make(map[[2]string][]byte)
		}
		s.keys[[2]string{user, password}] = key
	}
	return key
}

// ownKey returns the key of the node's own password, nil if it has none in clear.
func (n *Node) ownKey() []byte {
	if o := &n.options().Cluster; o.Password != "" && !o.hashed() {
		return n.secrets.key(o.User, o.Password)
	}
	return nil
}

// code returns the HMAC of some parts, of which the first says what they are.
func code(key []byte, parts ...string) []byte {
	m := hmac.New(sha256.New, key)
	for _, p := range parts {
		fmt.Fprintf(m, "%d:%s,", len(p), p)
	}
	return m.Sum(nil)
}

// isCode reports whether text is that HMAC.
func isCode(text string, want []byte) bool {
	got, err := hex.DecodeString(text)
	return err == nil && hmac.Equal(got, want)
}

// prove returns the proof for a question to the server with that ID, empty if there is no password.
func (n *Node) prove(id, name string, q *question) string {
	key := n.ownKey()
	if key == nil {
		return ""
	}
	return hex.EncodeToString(questionCode(key, n.id, id, name, q))
}

func questionCode(key []byte, from, to, name string, q *question) []byte {
	return code(key, "ask", from, to, name, strconv.FormatUint(q.Number, 10), string(q.Body))
}

// proves reports whether a question comes from a server that belongs to the cluster.
func (r *route) proves(name string, q *question) bool {
	if r.node.options().Cluster.Password == "" || r.attempt == nil {
		return true // anybody may, or it has shown with its CONNECT that it knows the password
	}
	key := r.node.ownKey()
	if key == nil || !isCode(q.Proof, questionCode(key, r.peer().ID, r.node.id, name, q)) {
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
