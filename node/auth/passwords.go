package auth

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/binary"
	"runtime"
	"strings"
	"sync/atomic"

	"golang.org/x/crypto/bcrypt"
)

// maxQueued is how many passwords may wait to be hashed for each that is being hashed. The last one
// waits for about two seconds with the usual cost, which is as long as clients have to log in.
const maxQueued = 6

// passwords compares passwords. Hashes with bcrypt cost a tenth of a second each by design, so few
// are computed at once, and what came out is remembered: the thousands of clients that come back
// after a restart of the network, with passwords that were right before, cost one HMAC each.
//
// Somebody who does not exist takes as long as somebody with a wrong password: there is always
// something to compare with.
type passwords struct {
	decoy string // a hash of the highest cost in use, empty if there is none
	// hashing is replaced by that of the users before, see [Users.Inherit].
	hashing atomic.Pointer[hashing]
}

// hashing computes hashes and remembers what came out. That depends on no configuration.
type hashing struct {
	key   [32]byte
	right memory
	wrong memory
	// under are the hashes under way.
	under flights
	// running has a token for each hash that is computed, queued for those and for each that waits. Suspects
	// wait for nothing, and have one hash at a time, in suspected, so that they keep no place from others.
	running, queued, suspected chan struct{}
}

// newPasswords returns what compares with the secrets, of which some may be hashes.
func newPasswords(secrets []string) *passwords {
	// Each takes a third of a processor, and half of all are left to the messages at any time.
	slots := max(1, runtime.GOMAXPROCS(0)*3/2)
	h := &hashing{
		running: make(chan struct{}, slots),
		queued:  make(chan struct{}, slots*(1+maxQueued)),

		suspected: make(chan struct{}, 1),
	}
	rand.Read(h.key[:])
	p := new(passwords)
	p.hashing.Store(h)
	most := 0
	for _, s := range secrets {
		if cost, err := bcrypt.Cost([]byte(s)); err == nil && cost > most && IsHash(s) {
			// It needs no password that anybody knows: the outcome is ignored.
			most, p.decoy = cost, s
		}
	}
	return p
}

// verify compares the configured secret of the user that a client names, nil if there is none, with
// the one presented, perhaps by a suspect.
func (p *passwords) verify(name string, secret *string, presented string, suspect func() bool) error {
	if secret != nil && !IsHash(*secret) && equal(*secret, presented) {
		return nil
	}
	against := p.decoy
	if secret != nil && IsHash(*secret) {
		against = *secret
	}
	if against == "" {
		if secret == nil {
			equal(presented, presented)
		}
		return ErrDenied
	}
	match, err := p.hashing.Load().compare(against, name, presented, suspect)
	if err != nil {
		return err
	}
	// If it was compared with the decoy, it was right for somebody else, if at all.
	if !match || secret == nil || against != *secret {
		return ErrDenied
	}
	return nil
}

// compare computes the hash of a password, unless it is known how that ends.
func (h *hashing) compare(hash, name, presented string, suspect func() bool) (bool, error) {
	id := h.id(hash, name, presented)
	if match, known := h.recall(id); known {
		return match, nil
	}
	end := h.under.begin(id)
	if end == nil {
		match, known := h.recall(id)
		if !known {
			return false, ErrBusy // as the other one was told
		}
		return match, nil
	}
	defer end()
	// Another client may have presented the same just before.
	if match, known := h.recall(id); known {
		return match, nil
	}
	piece, leave, err := h.turn(suspect)
	if err != nil {
		return false, err
	}
	defer leave()
	match := isHashOf(hash, presented, piece)
	if match {
		h.right.add(id)
	} else {
		h.wrong.add(id)
	}
	return match, nil
}

// turn waits until a hash may be computed, and returns in which pieces. leave has to be called after it.
func (h *hashing) turn(suspect func() bool) (piece int, leave func(), err error) {
	if !suspect() {
		select {
		case h.queued <- struct{}{}:
		default:
			return 0, nil, ErrBusy
		}
		h.running <- struct{}{}
		leave = func() { <-h.running; <-h.queued }
		if !suspect() { // still, after it has waited
			return hashPiece, leave, nil
		}
		leave()
	}
	select {
	case h.suspected <- struct{}{}:
		return suspectPiece, func() { <-h.suspected }, nil
	default:
		return 0, nil, ErrBusy
	}
}

// expensive reports whether verify would compute a hash.
func (p *passwords) expensive(name string, secret *string, presented string) bool {
	against := p.decoy
	switch {
	case against == "":
		return false
	case secret != nil && IsHash(*secret):
		against = *secret
	case secret != nil && equal(*secret, presented):
		return false
	}
	h := p.hashing.Load()
	id := h.id(against, name, presented)
	if h.under.has(id) {
		return false
	}
	_, known := h.recall(id)
	return !known
}

// id returns under what an outcome is remembered. Without the key, which never leaves the process,
// no password can be guessed from it. The name belongs to it: else, of two names with one password,
// the second would be answered at once if neither exists, which tells who does.
func (h *hashing) id(hash, name, presented string) digest {
	mac := hmac.New(sha256.New, h.key[:])
	mac.Write([]byte(hash)) // has a fixed length
	mac.Write(binary.BigEndian.AppendUint64(nil, uint64(len(name))))
	mac.Write([]byte(name))
	mac.Write([]byte(presented))
	return digest(mac.Sum(nil))
}

func (h *hashing) recall(id digest) (match, known bool) {
	if h.right.has(id) {
		return true, true
	}
	return false, h.wrong.has(id)
}

// equal compares in constant time. The digests have one length, so not even the length leaks.
func equal(a, b string) bool {
	x, y := sha256.Sum256([]byte(a)), sha256.Sum256([]byte(b))
	return subtle.ConstantTimeCompare(x[:], y[:]) == 1
}

// IsHash reports whether a configured secret is a bcrypt hash. The variants are taken for the same: 2a is the historic one, 2b
// the current one, 2y what PHP and Apache's htpasswd write, 2x what PHP called the hashes of an old fault with letters beyond
// ASCII. Whoever has such a hash must not be able to log in with the hash itself.
func IsHash(secret string) bool {
	return len(secret) > 3 && secret[:2] == "$2" && strings.IndexByte("abxy", secret[2]) >= 0 && secret[3] == '$'
}
