package auth

import (
	"errors"
	"net/netip"
	"sync"
	"time"
)

// What one address may cost. The numbers protect two things.
//
// Hashes: two per second with the usual cost are a fifth of a core. A person or a program that was
// configured wrongly stays below that, and whoever guesses gets 170,000 guesses a day.
// Since [Users] remember outcomes, thousands of clients behind one address with one wrong password
// are one hash, not thousands, and those with right ones that were in before need none.
//
// Connections: who is refused comes back at once, and the server does nothing but accept. From the
// twentieth refusal on, within a second or two, a refusal is held back for so long that an address
// gets ten per second for each of its connections. Nobody with a right password waits for that. An address
// that goes on like this is suspect: its hashes are computed one by one and slowly, so that messages do not
// wait for them. Who has a right password there that is new here comes in at a later attempt, as it is
// remembered by then.
const (
	hashBurst    = 10
	hashRate     = 2 // per second
	refusalBurst = 20
	refusalRate  = 10 // per second
	// maxHold is for how long a refusal is held back at most. A client that waits for the answer
	// gives up after two seconds.
	maxHold = time.Second
)

// maxAddresses is how many addresses are remembered. Beyond that, those that have done least are
// forgotten: whoever has that many is held in check by the number of hashes at once alone.
const maxAddresses = 16384

// Failures count failed logins for each remote address, which is a network of /64 with IPv6. It is
// safe for concurrent use.
//
// Try does what is to be done around [Users.Authenticate], if the credentials are [Users.Expensive] with Allow.
type Failures struct {
	// mu guards what follows.
	mu        sync.Mutex
	addresses map[netip.Addr]*debts
}

// debts are what an address has spent and not got back.
type debts struct {
	hashes, refusals float64
	at               time.Time
}

// NewFailures returns the count of an empty start.
func NewFailures() *Failures {
	return &Failures{addresses: make(map[netip.Addr]*debts)}
}

// Allow reports whether the hash of a password may be computed for an address, which is charged for it at
// once: else as many as come while the first is computed would cost one each. Otherwise it is to be refused
// without a look at its credentials, as [ErrBusy] says.
func (f *Failures) Allow(ip string, now time.Time) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	d := f.of(network(ip), now)
	if d.hashes > hashBurst-1 {
		return false
	}
	d.hashes++
	return true
}

// giveBack returns what Allow has charged.
func (f *Failures) giveBack(ip string, now time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	at := network(ip)
	d := f.of(at, now)
	d.hashes = max(0, d.hashes-1)
	if d.hashes+d.refusals == 0 {
		delete(f.addresses, at)
	}
}

// Failed counts a login that was refused, and reports for how long that answer should be held back.
func (f *Failures) Failed(ip string, now time.Time) (hold time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	d := f.of(network(ip), now)
	d.refusals = min(d.refusals+1, refusalBurst+refusalRate*maxHold.Seconds())
	return seconds((d.refusals - refusalBurst) / refusalRate)
}

// Suspects reports whether an address has had so many refusals that it is likely to guess: those that wait for
// an answer are being held back.
func (f *Failures) Suspects(ip string, now time.Time) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	d := f.addresses[network(ip)]
	if d == nil {
		return false
	}
	d.settle(now)
	return d.refusals >= refusalBurst
}

// of returns what an address owes now. The caller holds mu.
func (f *Failures) of(at netip.Addr, now time.Time) *debts {
	d := f.addresses[at]
	if d == nil {
		if len(f.addresses) >= maxAddresses {
			f.forget(now)
		}
		d = &debts{at: now}
		f.addresses[at] = d
	}
	d.settle(now)
	return d
}

// Try has an address try a login, which returns why it is refused, if it is. With expensive, it costs a
// hash, and unless the address may have one, that is [ErrBusy] without a try. hold is for how long the answer
// should be held back.
func (f *Failures) Try(ip string, expensive bool, login func() error) (hold time.Duration, err error) {
	if expensive && !f.Allow(ip, time.Now()) {
		return f.Failed(ip, time.Now()), ErrBusy
	}
	err = login()
	if expensive && (err == nil || errors.Is(err, ErrBusy)) {
		f.giveBack(ip, time.Now())
	}
	if err == nil {
		return 0, nil
	}
	return f.Failed(ip, time.Now()), err
}

// settle gives back what the time since the last call is worth.
func (d *debts) settle(now time.Time) {
	passed := max(0, now.Sub(d.at).Seconds())
	d.hashes = max(0, d.hashes-passed*hashRate)
	d.refusals = max(0, d.refusals-passed*refusalRate)
	d.at = now
}

// forget makes room: of a few addresses, the one that owes least goes. A map is walked from a random
// place, so this costs the same whatever its size.
func (f *Failures) forget(now time.Time) {
	var least netip.Addr
	owed, looked := 0.0, 0
	for at, d := range f.addresses {
		d.settle(now)
		if owes := d.hashes + d.refusals; looked == 0 || owes < owed {
			least, owed = at, owes
		}
		if looked++; looked == 8 {
			break
		}
	}
	delete(f.addresses, least)
}

// network returns what an address counts as. All that cannot be read count as one.
func network(ip string) netip.Addr {
	addr, err := netip.ParseAddr(ip)
	if err != nil {
		return netip.Addr{}
	}
	addr = addr.Unmap().WithZone("")
	if addr.Is6() {
		// One who has an IPv6 address usually has 2^64 of them.
		prefix, err := addr.Prefix(64)
		if err == nil {
			return prefix.Addr()
		}
	}
	return addr
}

func seconds(s float64) time.Duration {
	return time.Duration(max(0, s) * float64(time.Second))
}
