package membership

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/memberlist"
)

// mostKeys bounds a ring: each key that a packet was not sealed with costs an attempt to open it.
const mostKeys = 8

// ErrPlaintext is what the operations of a keyring return while gossip is not sealed.
var ErrPlaintext = errors.New("gossip is not encrypted: no server was started with a gossip key")

// ring is a set of keys at some time. Of two rings, that of the higher generation counts, which is the
// time when somebody has made it; so it does not matter how often, in which order or by whom a member is
// told of a ring, and a member that was away catches up.
type ring struct {
	Generation int64 // milliseconds since 1970; 0 is what a node was started with
	Keys       [][]byte
	Primary    int // index in Keys of the one that seals
}

func (r *ring) primary() []byte { return r.Keys[r.Primary] }

// find returns the index of the key with that fingerprint or the beginning of it, -1 if there is none.
func (r *ring) find(fingerprint string) (int, error) {
	found := -1
	for i, key := range r.Keys {
		if fingerprint != "" && strings.HasPrefix(Fingerprint(key), strings.ToLower(fingerprint)) {
			if found >= 0 {
				return -1, fmt.Errorf("several keys begin with %q", fingerprint)
			}
			found = i
		}
	}
	if found < 0 {
		return -1, fmt.Errorf("no key has the fingerprint %q", fingerprint)
	}
	return found, nil
}

// Fingerprint names a key without telling it.
func Fingerprint(key []byte) string {
	sum := sha256.Sum256(append([]byte("shoal gossip key "), key...))
	return hex.EncodeToString(sum[:8])
}

// KeyInfo is a key of the cluster.
type KeyInfo struct {
	Fingerprint string
	Holders     []string // IDs of members that have it
	Primary     []string // IDs of members that seal with it
}

// KeyList is which member has which keys.
type KeyList struct {
	Keys   []KeyInfo        // ordered by fingerprint
	Silent map[string]error // members that were not reached, by ID, and why
}

// Keyring changes the keys of the whole cluster: install a new one everywhere, use it to seal, and when no
// member needs the old one, remove it. Each step is done by telling every member directly over a stream,
// which it confirms, so the outcome is known for each. Who was not there is told when it is back.
type Keyring struct {
	c    *Cluster
	keys *memberlist.Keyring // nil if gossip is not sealed
	gen  atomic.Int64        // generation of the ring

	op sync.Mutex // held during an operation on the whole cluster

	keep sync.Mutex // held while the keys are stored

	mu   sync.Mutex // guards the rest; held for no call but those into keys
	ring ring
}

func newKeyring(keys [][]byte) (*Keyring, error) {
	k := &Keyring{}
	if len(keys) == 0 {
		return k, nil
	}
	for _, key := range keys {
		if !slices.ContainsFunc(k.ring.Keys, func(o []byte) bool { return bytes.Equal(o, key) }) {
			k.ring.Keys = append(k.ring.Keys, bytes.Clone(key))
		}
	}
	if len(k.ring.Keys) > mostKeys {
		return nil, fmt.Errorf("there are %d gossip keys, %d are possible", len(k.ring.Keys), mostKeys)
	}
	var err error
	k.keys, err = memberlist.NewKeyring(k.ring.Keys, k.ring.primary())
	return k, err
}

// current returns the ring.
func (k *Keyring) current() ring {
	k.mu.Lock()
	defer k.mu.Unlock()
	r := k.ring
	r.Keys = slices.Clone(r.Keys)
	return r
}

// adopt makes r the ring if it is newer. It reports whether it was.
func (k *Keyring) adopt(r ring) (changed bool, err error) {
	if len(r.Keys) == 0 || len(r.Keys) > mostKeys || r.Primary < 0 || r.Primary >= len(r.Keys) {
		return false, errors.New("the ring makes no sense")
	}
	for _, key := range r.Keys {
		if err := memberlist.ValidateKey(key); err != nil {
			return false, err
		}
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if r.Generation <= k.ring.Generation {
		return false, nil
	}
	// First what can be understood grows, then what is said changes, and last it shrinks.
	for _, key := range r.Keys {
		if err := k.keys.AddKey(key); err != nil {
			return false, err
		}
	}
	if err := k.keys.UseKey(r.primary()); err != nil {
		return false, err
	}
	for _, key := range k.keys.GetKeys() {
		if !slices.ContainsFunc(r.Keys, func(o []byte) bool { return bytes.Equal(o, key) }) {
			if err := k.keys.RemoveKey(key); err != nil {
				return false, err
			}
		}
	}
	k.ring = r
	k.gen.Store(r.Generation)
	return true, nil
}

// next returns the ring as it would be after change, with a generation of its own.
func (k *Keyring) next(change func(*ring) error) (ring, error) {
	r := k.current()
	if err := change(&r); err != nil {
		return r, err
	}
	r.Generation = max(time.Now().UnixMilli(), r.Generation+1)
	return r, nil
}

// Keys returns the keys of this node, the one that seals first, for whoever wants to keep them.
func (k *Keyring) Keys() [][]byte {
	r := k.current()
	if len(r.Keys) == 0 {
		return nil
	}
	list := [][]byte{r.primary()}
	for i, key := range r.Keys {
		if i != r.Primary {
			list = append(list, key)
		}
	}
	return list
}

// List asks all members which keys they have.
func (k *Keyring) List(ctx context.Context) (*KeyList, error) {
	if k.keys == nil {
		return nil, ErrPlaintext
	}
	list := &KeyList{Silent: make(map[string]error)}
	byPrint := make(map[string]*KeyInfo)
	note := func(id string, prints []string, primary int) {
		for i, fp := range prints {
			info := byPrint[fp]
			if info == nil {
				info = &KeyInfo{Fingerprint: fp}
				byPrint[fp] = info
			}
			info.Holders = append(info.Holders, id)
			if i == primary {
				info.Primary = append(info.Primary, id)
			}
		}
	}
	r := k.current()
	note(k.c.o.ID, fingerprints(&r), r.Primary)
	replies := k.c.offerAll(ctx, k.others(false), offer{})
	for id, a := range replies {
		if a.err != nil {
			list.Silent[id] = a.err
			continue
		}
		note(id, a.Keys, a.Primary)
	}
	for _, info := range byPrint {
		slices.Sort(info.Holders)
		slices.Sort(info.Primary)
		list.Keys = append(list.Keys, *info)
	}
	slices.SortFunc(list.Keys, func(a, b KeyInfo) int { return strings.Compare(a.Fingerprint, b.Fingerprint) })
	return list, nil
}

func fingerprints(r *ring) []string {
	list := make([]string, len(r.Keys))
	for i, key := range r.Keys {
		list[i] = Fingerprint(key)
	}
	return list
}

// Install gives all members a key that they are to understand. The error says who could not be told; they
// are when they are back, so the key stays installed.
func (k *Keyring) Install(ctx context.Context, key []byte) error {
	if err := memberlist.ValidateKey(key); err != nil {
		return fmt.Errorf("the key is %d bytes long; 16, 24 and 32 are possible", len(key))
	}
	return k.change(ctx, func(r *ring) error {
		switch {
		case slices.ContainsFunc(r.Keys, func(o []byte) bool { return bytes.Equal(o, key) }):
			return nil // told again, for those that have missed it
		case len(r.Keys) >= mostKeys:
			return fmt.Errorf("there are %d keys already, remove one", len(r.Keys))
		}
		r.Keys = append(r.Keys, bytes.Clone(key))
		return nil
	})
}

// Use has all members seal with the key of that fingerprint, or of one that begins so. It refuses while a
// member that lives has not confirmed that it has the key.
func (k *Keyring) Use(ctx context.Context, fingerprint string) error {
	return k.changeIf(ctx, false, func(r *ring) error {
		i, err := r.find(fingerprint)
		r.Primary = i
		return err
	})
}

// Remove has all members forget the key of that fingerprint, or of one that begins so. It refuses while a
// known member, be it one that has failed, has not confirmed the key that is used instead: it could not
// come back. [Cluster.Forget] is for one that will not.
func (k *Keyring) Remove(ctx context.Context, fingerprint string) error {
	return k.changeIf(ctx, true, func(r *ring) error {
		i, err := r.find(fingerprint)
		if err != nil {
			return err
		}
		if i == r.Primary {
			return errors.New("that key is in use, use another one first")
		}
		r.Keys = slices.Delete(r.Keys, i, i+1)
		if r.Primary > i {
			r.Primary--
		}
		return nil
	})
}

// Become has all members have these keys and seal with the first, step by step: nothing is removed or used
// that a member could not follow. It does nothing if this node has just them.
func (k *Keyring) Become(ctx context.Context, keys [][]byte) error {
	if len(keys) == 0 || slices.EqualFunc(keys, k.Keys(), bytes.Equal) {
		return nil
	}
	for _, key := range keys {
		if !slices.ContainsFunc(k.Keys(), func(o []byte) bool { return bytes.Equal(o, key) }) {
			if err := k.Install(ctx, key); err != nil {
				return err
			}
		}
	}
	if !bytes.Equal(k.Keys()[0], keys[0]) {
		if err := k.Use(ctx, Fingerprint(keys[0])); err != nil {
			return err
		}
	}
	for _, old := range k.Keys() {
		if !slices.ContainsFunc(keys, func(o []byte) bool { return bytes.Equal(o, old) }) {
			if err := k.Remove(ctx, Fingerprint(old)); err != nil {
				return err
			}
		}
	}
	return nil
}

// changeIf changes the ring once all members have confirmed the one that there is.
func (k *Keyring) changeIf(ctx context.Context, failedToo bool, change func(*ring) error) error {
	if k.keys == nil {
		return ErrPlaintext
	}
	k.op.Lock()
	defer k.op.Unlock()
	if _, err := k.next(change); err != nil {
		return err
	}
	if k.gen.Load() == 0 {
		// What members were started with may differ, so make it something that can be confirmed.
		same, err := k.next(func(*ring) error { return nil })
		if err == nil {
			_, err = k.adopt(same)
		}
		if err != nil {
			return err
		}
		k.publish()
	}
	if err := k.confirm(ctx, k.current(), k.others(failedToo)); err != nil {
		return fmt.Errorf("refused, since not every member has confirmed the keys that it is to have: %w", err)
	}
	return k.apply(ctx, change)
}

// change changes the ring, here and everywhere.
func (k *Keyring) change(ctx context.Context, change func(*ring) error) error {
	if k.keys == nil {
		return ErrPlaintext
	}
	k.op.Lock()
	defer k.op.Unlock()
	return k.apply(ctx, change)
}

// apply changes the ring, here and everywhere. The caller holds op.
func (k *Keyring) apply(ctx context.Context, change func(*ring) error) error {
	if err := k.c.usable(); err != nil {
		return err
	}
	r, err := k.next(change)
	if err != nil {
		return err
	}
	if _, err := k.adopt(r); err != nil {
		return err
	}
	k.publish()
	if err := k.confirm(ctx, r, k.others(false)); err != nil {
		return fmt.Errorf("done, but not everywhere yet: %w", err)
	}
	return nil
}

// publish has the others see which ring this node has, and keeps it for the next start.
func (k *Keyring) publish() {
	if k.c.o.KeepKeys != nil {
		k.keep.Lock()
		err := k.c.o.KeepKeys(k.Keys())
		k.keep.Unlock()
		if err != nil {
			k.c.o.Logger.Error("Cannot keep the gossip keys, put them where the next start finds them", "error", err)
		}
	}
	_ = k.c.setTags(map[string]string{tagRing: strconv.FormatInt(k.gen.Load(), 36)})
}

// others returns the members that live, and if wanted those that have failed and may come back.
func (k *Keyring) others(failedToo bool) []Member {
	var list []Member
	all := k.c.view.members()
	for _, m := range all {
		if !m.Self && (m.Lives() || failedToo && m.Liveness == Failed && !superseded(&m, all)) {
			list = append(list, m)
		}
	}
	return list
}

// confirm tells members a ring, and returns who has not confirmed that he has it or a newer one.
func (k *Keyring) confirm(ctx context.Context, r ring, members []Member) error {
	var errs []error
	replies := k.c.offerAll(ctx, members, offer{Ring: &r})
	for _, m := range members {
		a := replies[m.ID]
		switch {
		case a.err != nil:
			errs = append(errs, fmt.Errorf("%s: %w", m.describe(), a.err))
		case a.Generation < r.Generation:
			errs = append(errs, fmt.Errorf("%s has kept other keys", m.describe()))
		}
	}
	return errors.Join(errs...)
}

// catchUp tells the ring to members that have an older one. Of those that have it, the one with the lowest
// ID does that.
func (k *Keyring) catchUp(ctx context.Context, tried map[string]time.Time, now time.Time) {
	gen := k.gen.Load()
	if gen == 0 {
		return
	}
	var behind []Member
	for _, m := range k.c.view.members() {
		switch g := m.ring; {
		case m.Self, m.Liveness == Left:
		case g > gen, g == gen && m.Lives() && m.ID < k.c.o.ID:
			return
		case g < gen && now.Sub(tried[m.ID]) >= offerEvery:
			tried[m.ID] = now
			behind = append(behind, m)
		}
	}
	if len(behind) == 0 {
		return
	}
	if len(tried) > mostMembers {
		clear(tried)
	}
	r := k.current()
	for id, a := range k.c.offerAll(ctx, behind, offer{Ring: &r}) {
		if a.err == nil && a.changed {
			k.c.o.Logger.Info("Gave a member the gossip keys that it had missed", "id", id)
		}
	}
}
