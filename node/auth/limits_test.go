package auth

import (
	"encoding/base64"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"testing"
	"time"

	"golang.org/x/crypto/bcrypt"
)

func base64url(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

func TestResponses(t *testing.T) {
	start := time.Now()
	at := func(seconds int) time.Time { return start.Add(time.Duration(seconds) * time.Second) }
	use := func(r *Responses, subject string, now time.Time, want bool) {
		t.Helper()
		if got := r.Use(subject, now); got != want {
			t.Errorf("use of %s after %v: got %t", subject, now.Sub(start), got)
		}
	}

	r := NewResponses(ResponseRule{Max: 2, Expires: 10 * time.Second})
	use(r, "a", at(0), false)
	r.Track("a", at(0))
	use(r, "b", at(0), false)
	use(r, "a", at(1), true)
	use(r, "a", at(10), true)
	use(r, "a", at(10), false)
	r.Track("a", at(10))
	use(r, "a", at(21), false)
	r.Track("a", at(30)) // two requests with one reply subject
	r.Track("a", at(31))
	for range 4 {
		use(r, "a", at(32), true)
	}
	use(r, "a", at(32), false)

	free := NewResponses(ResponseRule{Max: -1, Expires: -1})
	free.Track("a", at(0))
	for i := range 5 {
		use(free, "a", at(i*1000), true)
	}
}

func TestResponsesAreBounded(t *testing.T) {
	r := NewResponses(ResponseRule{Max: 1, Expires: time.Minute})
	now := time.Now()
	check := func(most int) {
		t.Helper()
		if len(r.open) > most || len(r.order) > 2*most+64 || r.bytes > maxResponseBytes {
			t.Fatalf("holds %d, in order %d, bytes %d", len(r.open), len(r.order), r.bytes)
		}
	}
	r.Track("old", now) // stays, and must not keep the others in memory
	for i := range 100_000 {
		s := fmt.Sprint(i)
		r.Track(s, now)
		if !r.Use(s, now) {
			t.Fatal("a fresh one cannot be used")
		}
	}
	check(1)
	if !r.Use("old", now) {
		t.Error("the old one was forgotten")
	}
	for i := range 200_000 {
		r.Track(fmt.Sprint(i), now)
	}
	check(maxResponseBytes / responseOverhead)
	if !r.Use("199999", now) || r.Use("0", now) {
		t.Error("not the oldest were forgotten")
	}
	r.Track("late", now.Add(time.Hour))
	check(1)
}

func TestFailures(t *testing.T) {
	f := NewFailures()
	now := time.Now()
	if _, ok := f.Allow("192.0.2.1", now); !ok {
		t.Error("somebody new is refused")
	}
	for range hashBurst {
		if hold := f.Failed("192.0.2.1", true, now); hold != 0 {
			t.Errorf("the answer is held back for %v", hold)
		}
	}
	wait, ok := f.Allow("::ffff:192.0.2.1", now)
	if ok || wait <= 0 || wait > time.Second {
		t.Errorf("after the burst: %v, %t", wait, ok)
	}
	if _, ok := f.Allow("192.0.2.2", now); !ok {
		t.Error("somebody else is refused")
	}
	if _, ok := f.Allow("192.0.2.1", now.Add(wait)); !ok {
		t.Error("is refused after the wait")
	}
	for range 10_000 {
		f.Failed("192.0.2.1", true, now.Add(wait))
	}
	if hold := f.Failed("192.0.2.1", false, now.Add(wait)); hold != maxHold {
		t.Errorf("is held back for %v", hold)
	}
	if wait, _ := f.Allow("192.0.2.1", now.Add(wait)); wait > 10*time.Second {
		t.Errorf("is locked out for %v", wait)
	}
	// An hour later nothing is left of it.
	if hold := f.Failed("192.0.2.1", true, now.Add(time.Hour)); hold != 0 {
		t.Errorf("is held back for %v after an hour", hold)
	}
}

func TestNetwork(t *testing.T) {
	for _, tt := range []struct {
		a, b string
		same bool
	}{
		{"2001:db8::1", "2001:db8::ffff:1", true},
		{"2001:db8:0:1::1", "2001:db8::1", false},
		{"fe80::1%eth0", "fe80::2%eth1", true},
		{"192.0.2.1", "192.0.2.2", false},
		{"192.0.2.1", "::ffff:192.0.2.1", true},
		{"", "what", true},
	} {
		if (network(tt.a) == network(tt.b)) != tt.same {
			t.Errorf("%s and %s: same %t", tt.a, tt.b, !tt.same)
		}
	}
}

func TestFailuresAreBounded(t *testing.T) {
	f := NewFailures()
	now := time.Now()
	for range hashBurst + 10 {
		f.Failed("192.0.2.1", true, now)
	}
	for i := range 4 * maxAddresses {
		f.Failed(fmt.Sprintf("10.%d.%d.%d", i>>16, i>>8&255, i&255), true, now)
	}
	if len(f.addresses) > maxAddresses {
		t.Errorf("%d addresses", len(f.addresses))
	}
	if _, ok := f.Allow("192.0.2.1", now); ok {
		t.Error("the one who owes most was forgotten")
	}
}

func TestMemoryIsBounded(t *testing.T) {
	var m memory
	kept := digest{31: 1}
	m.add(kept)
	for i := range 10 * generation {
		m.add(digest{byte(i), byte(i >> 8), byte(i >> 16)})
		if i%1000 == 0 && !m.has(kept) {
			t.Fatalf("forgets after %d what is asked for", i)
		}
	}
	if n := len(m.young) + len(m.old); n > 2*generation+1 {
		t.Errorf("remembers %d", n)
	}
	if m.has(digest{}) {
		t.Error("remembers the first")
	}
}

// Whoever is unknown costs a hash as others do, and nobody costs one twice.
func TestUnknownUsersCostTheSame(t *testing.T) {
	u := mustUsers(t, Config{Users: []User{{Name: "plain", Password: "p"}, {Name: "hashed", Password: hash(t, "s")}}})
	for _, c := range []Credentials{
		{User: "plain", Password: "x"}, {User: "hashed", Password: "x"}, {User: "eve", Password: "x"}, {User: "mallory", Password: "x"}, {User: "hashed", Password: "s"},
	} {
		if !u.Expensive(c) {
			t.Errorf("%s: costs nothing", c.User)
		}
		if _, err := u.Authenticate(c); (err == nil) != (c.Password == "s") {
			t.Errorf("%s: %v", c.User, err)
		}
		if u.Expensive(c) {
			t.Errorf("%s: costs something again", c.User)
		}
	}
	if u.Expensive(Credentials{User: "plain", Password: "p"}) {
		t.Error("a password in clear needs a hash")
	}
	if mustUsers(t, Config{Users: []User{{Name: "plain"}}}).Expensive(Credentials{User: "eve"}) {
		t.Error("needs a hash where there is none")
	}
}

// With all places taken, more are turned away without a verdict.
func TestHashesAreQueued(t *testing.T) {
	u := mustUsers(t, Config{User: "bob", Password: hash(t, "p")})
	p := u.passwords
	for range cap(p.queued) {
		p.queued <- struct{}{}
	}
	if _, err := u.Authenticate(Credentials{User: "bob", Password: "p"}); !errors.Is(err, ErrBusy) || errors.Is(err, ErrDenied) {
		t.Errorf("got %v", err)
	}
	for range cap(p.queued) {
		<-p.queued
	}
	// Many that want the same need one hash.
	var group sync.WaitGroup
	for range cap(p.queued) {
		group.Go(func() {
			if _, err := u.Authenticate(Credentials{User: "bob", Password: "p"}); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	if len(p.right.young) != 1 || len(p.queued) != 0 || len(p.running) != 0 {
		t.Errorf("%d outcomes, %d queued, %d running", len(p.right.young), len(p.queued), len(p.running))
	}
	if want := max(1, runtime.GOMAXPROCS(0)/2); cap(p.running) != want {
		t.Errorf("%d at once, want %d", cap(p.running), want)
	}
}

func BenchmarkAuthenticateRemembered(b *testing.B) {
	h, err := bcrypt.GenerateFromPassword([]byte("p"), bcrypt.MinCost)
	if err != nil {
		b.Fatal(err)
	}
	u := mustUsers(b, Config{User: "bob", Password: string(h)})
	for b.Loop() {
		if _, err := u.Authenticate(Credentials{User: "bob", Password: "p"}); err != nil {
			b.Fatal(err)
		}
	}
}
