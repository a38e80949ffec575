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
// gets ten per second for each of its connections. Nobody with a right password waits for that.
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
// Try does what is to be done around [Users.Authenticate]: it asks Allow, if the credentials are
// [Users.Expensive], and calls Failed after ErrDenied and ErrBusy.
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

// Allow reports whether the hash of a password may be computed for an address, and otherwise how long
// it has to wait for that. Refuse it without looking at its credentials, as [ErrBusy] says.
func (f *Failures) Allow(ip string, now time.Time) (wait time.Duration, ok bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	d := f.addresses[network(ip)]
	if d == nil {
		return 0, true
	}
	d.settle(now)
	if d.hashes <= hashBurst-1 {
		return 0, true
	}
	return seconds((d.hashes - (hashBurst - 1)) / hashRate), false
}

// Failed counts a login that was refused, and reports for how long that answer should be held back.
// With expensive, it has cost a hash.
func (f *Failures) Failed(ip string, expensive bool, now time.Time) (hold time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	at := network(ip)
	d := f.addresses[at]
	if d == nil {
		if len(f.addresses) >= maxAddresses {
			f.forget(now)
		}
		d = &debts{at: now}
		f.addresses[at] = d
	}
	d.settle(now)
	if expensive {
		// Those that were at it when the last one was spent may exceed the burst, but are not to
		// keep the address out for longer than a few seconds.
		d.hashes = min(d.hashes+1, 2*hashBurst)
	}
	d.refusals = min(d.refusals+1, refusalBurst+refusalRate*maxHold.Seconds())
	return seconds((d.refusals - refusalBurst) / refusalRate)
}

// Try has an address try a login, which returns why it is refused, if it is. With expensive, it costs a
// hash, and unless the address may have one, that is [ErrBusy] without a try. hold is for how long the answer
// should be held back.
func (f *Failures) Try(ip string, expensive bool, login func() error) (hold time.Duration, err error) {
	err = ErrBusy
	if _, ok := f.Allow(ip, time.Now()); ok || !expensive {
		err = login()
	}
	if err == nil {
		return 0, nil
	}
	hashed := expensive && !errors.Is(err, ErrBusy)
	return f.Failed(ip, hashed, time.Now()), err
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
