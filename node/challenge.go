package node

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"shoal/node/auth"
	"shoal/wire"
)

// How two shoal nodes prove to each other that they know the password of the cluster, which never crosses
// the wire:
//
//	accepts: INFO     {"server_id":"A","auth_required":true,"shoal":{"nonce":"a"}}
//	dials:   CONNECT  {"name":"D","cluster":"c","shoal_nonce":"d","shoal_proof":HMAC(dial, a, d, A, D, c)}
//	dials:   INFO     {"server_id":"D"}
//	accepts: INFO     {"server_id":"A","shoal":{"proof":HMAC(accept, a, d, A, D, c)}}
//
// The last INFO is the one with which a compressed stream begins; without compression it is there for this
// alone. Until it has come, the dialling side listens to nothing else, and sends neither interest nor
// messages. Whoever has been told by gossip where a peer is has come to the right place only then.
//
// Neither proof is one for the other direction, or for other servers, or a second time; with TLS, neither
// is one for another connection, such as those of somebody in between. The dialling side
// proves itself first, because anybody can dial, but few are dialled: so what an HMAC gives away, a chance
// to guess the password, is for those to whom the cluster has been led.
//
// nats-server has nothing of that, and gets the password itself; so does a shoal node that knows its
// password only as a hash. But both get it only where somebody has configured a route, and a nats-server
// also where a peer that belongs to the cluster has said that there is one.

// challenge is what one side of a connection knows of the proofs. It belongs to the reader.
type challenge struct {
	nonce    string // of the accepting side
	dialler  string // ID with which the dialling side has proved itself, empty if it has not
	answer   string // proof that the accepting side owes
	expected []byte // proof that the dialling side waits for, nil if none
}

// newNonce returns a number that nobody has seen before.
func newNonce() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	return hex.EncodeToString(b[:])
}

// proofs returns the proofs of the two sides of a handshake. binding is what ties them to an encrypted
// connection.
func proofs(key []byte, acceptsNonce, dialsNonce, acceptsID, dialsID, cluster, binding string) (dials, accepts []byte) {
	of := func(what string) []byte {
		parts := []string{what, acceptsNonce, dialsNonce, acceptsID, dialsID, cluster}
		if binding != "" {
			parts = append(parts, binding)
		}
		return code(key, parts...)
	}
	return of("dial"), of("accept")
}

// hashed reports whether the password is known only as a hash, by which nothing can be proved.
func (o *ClusterOptions) hashed() bool { return auth.IsHash(o.Password) }

// challenge returns a nonce for whoever has connected, empty if this node could not prove anything.
func (r *route) challenge() string {
	if r.node.ownKey() != nil {
		r.proof.nonce = newNonce()
	}
	return r.proof.nonce
}

// authenticate decides whether whoever has connected may become a peer. Its address pays for what is
// refused, as that of a client does.
func (r *route) authenticate(o *wire.ConnectOptions) error {
	expensive := o.ShoalProof == "" && r.node.options().Cluster.hashed()
	hold, err := r.node.peerFailures.Try(r.ip(), expensive, func() error { return r.examine(o) })
	if err != nil {
		return refusedLogin(err, hold)
	}
	return nil
}

// suspect reports whether whoever is at the address of the route is likely to guess.
func (r *route) suspect() bool { return r.node.peerFailures.Suspects(r.ip(), time.Now()) }

// examine looks at the credentials or the proof of whoever has connected, and returns why they are no good, if so.
func (r *route) examine(o *wire.ConnectOptions) error {
	own := &r.node.options().Cluster
	p := &r.proof
	byCertificate := own.TLS.decides()
	if byCertificate && !own.recognize(r.certificate()) {
		return errors.New("its certificate neither names the user of --cluster nor a host of routes or join, as far as these count here")
	}
	switch {
	case !own.wantsPassword(), byCertificate && o.ShoalProof == "":
		return nil
	case o.ShoalProof == "":
		want := auth.Simple{User: own.User, Password: own.Password}
		return want.Authenticate(auth.Credentials{User: o.User, Password: o.Pass, Suspect: r.suspect})
	case p.nonce == "":
		return errors.New("it proves to know a password that is not known here, or only as a hash")
	}
	binding, err := r.binding()
	if err != nil {
		return err
	}
	dials, accepts := proofs(r.node.ownKey(), p.nonce, o.ShoalNonce, r.node.id, o.Name, o.Cluster, binding)
	if o.Name == "" || o.Name == r.node.id || !isCode(o.ShoalProof, dials) {
		return errors.New("its proof is wrong, it does not know the user and the password of --cluster here")
	}
	p.dialler, p.answer = o.Name, hex.EncodeToString(accepts)
	return nil
}

// refusedLogin is how a connection ends whose login is refused, which it is told after a while. While too many
// wait to be looked at it is told nothing, or it might not come again.
func refusedLogin(err error, hold time.Duration) *ending {
	refused := &ending{reason: reasonAuthFailure, err: err, hold: hold}
	if !errors.Is(err, auth.ErrBusy) {
		refused.text = wire.TextAuthorization
	}
	return refused
}

// credentials puts into the CONNECT for a server that was dialled what is to convince it, or says why
// there should be none.
func (r *route) credentials(o *wire.ConnectOptions, info *wire.ServerInfo) error {
	own, a := &r.node.options().Cluster, r.attempt
	user, password := own.User, own.Password
	given := a.url != nil && a.url.User != nil
	if given {
		user = a.url.User.Username()
		password, _ = a.url.User.Password()
	}
	// As between nats-servers, what a peer has said of such a server counts, not only what it says itself.
	foreign := a.foreign && !r.isShoal
	switch {
	case !a.configured && !foreign && !r.belongsByCertificate():
		return r.distrust(info, "has a certificate by which it would be refused here")
	case !info.AuthRequired && own.wantsPassword() && !a.configured && !foreign:
		// Somebody has said that there is a peer, and it takes everybody: it is none of this cluster.
		return r.distrust(info, "asks for no password")
	case !info.AuthRequired && (r.isShoal || !given && !foreign), user == "" && password == "":
		return nil
	case !given && own.hashed():
		return r.distrust(info, "asks for the password, of which this node has only a hash; its --cluster needs it in clear")
	case r.isShoal && info.Shoal.Nonce != "":
		nonce := newNonce()
		binding, err := r.binding()
		if err != nil {
			return refusedLogin(err, 0)
		}
		dials, accepts := proofs(r.node.secrets.key(user, password), info.Shoal.Nonce, nonce, info.ID, r.node.id, o.Cluster, binding)
		o.ShoalNonce, o.ShoalProof = nonce, hex.EncodeToString(dials)
		r.proof.expected = accepts
		return nil
	case a.configured, foreign:
		o.User, o.Pass = user, password
		return nil
	case r.isShoal:
		return r.distrust(info, "offers no proof that it knows the password; its --cluster needs it in clear")
	}
	return r.distrust(info, "asks for the password, but is no shoal node, and only gossip has told of it")
}

// distrust returns why the node does not introduce itself to a server that was dialled.
func (r *route) distrust(info *wire.ServerInfo, why string) error {
	return &ending{reason: reasonAuthFailure,
		err: fmt.Errorf("%q at %s %s, so it is no peer unless it is named in --routes", info.Name, r.conn.remote, why)}
}

// verify checks, in the second INFO of a server that was dialled, that it knows the password as well.
func (r *route) verify(info *wire.ServerInfo) error {
	want := r.proof.expected
	if want == nil {
		return nil
	}
	if info.Shoal == nil || !isCode(info.Shoal.Proof, want) {
		return &ending{reason: reasonAuthFailure,
			err: fmt.Errorf("%q at %s has not proved that it knows the password of the cluster", info.Name, r.conn.remote)}
	}
	r.proof.expected = nil
	return nil
}
