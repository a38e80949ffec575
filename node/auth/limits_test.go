package auth

import (
	"encoding/base64"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
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
	const ip = "192.0.2.1"
	f := NewFailures()
	now := time.Now()
	for range hashBurst {
		if !f.Allow(ip, now) {
			t.Error("the burst is not allowed")
		}
		if hold := f.Failed(ip, now); hold != 0 {
			t.Errorf("the answer is held back for %v", hold)
		}
	}
	if f.Allow("::ffff:"+ip, now) {
		t.Error("more than the burst is allowed")
	}
	if !f.Allow("192.0.2.2", now) {
		t.Error("somebody else is refused")
	}
	allowed := 0
	for range 100 { // in ten seconds
		now = now.Add(100 * time.Millisecond)
		if f.Allow(ip, now) {
			allowed++
		}
	}
	if allowed < 10*hashRate-1 || allowed > 10*hashRate {
		t.Errorf("%d hashes were allowed in ten seconds", allowed)
	}
	for range 10_000 {
		f.Failed(ip, now)
	}
	if hold := f.Failed(ip, now); hold != maxHold {
		t.Errorf("is held back for %v", hold)
	}
	if !f.Suspects(ip, now) || f.Suspects("192.0.2.2", now) {
		t.Error("not the one who guesses is suspect, or somebody else is")
	}
	// An hour later nothing is left of it.
	if f.Suspects(ip, now.Add(time.Hour)) {
		t.Error("is suspect after an hour")
	}
	if hold := f.Failed(ip, now.Add(time.Hour)); hold != 0 {
		t.Errorf("is held back for %v after an hour", hold)
	}
}

// TestTry has many try at the same time, of whom no more are to be looked at than may be if all fail.
func TestTry(t *testing.T) {
	const ip = "192.0.2.1"
	for _, tt := range []struct {
		name      string
		outcome   error
		expensive bool
		more      int // that are looked at after all have ended
	}{
		{"right", nil, true, hashBurst},
		{"wrong", ErrDenied, true, 0},
		{"without a look", ErrBusy, true, hashBurst},
		{"cheap", ErrDenied, false, 2 * hashBurst},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := NewFailures()
			// try has some try at once, and returns how many were looked at.
			try := func() int {
				var looked atomic.Int64
				enough := make(chan struct{})
				var tries, refused sync.WaitGroup
				refused.Add(2 * hashBurst)
				for range 2 * hashBurst {
					tries.Go(func() {
						var once sync.Once
						_, err := f.Try(ip, tt.expensive, func() error {
							looked.Add(1)
							once.Do(refused.Done)
							<-enough
							return tt.outcome
						})
						once.Do(refused.Done)
						if err != tt.outcome && err != ErrBusy {
							t.Errorf("got %v", err)
						}
					})
				}
				refused.Wait()
				close(enough)
				tries.Wait()
				return int(looked.Load())
			}
			first := hashBurst
			if !tt.expensive {
				first = 2 * hashBurst
			}
			start := time.Now()
			// check wants so many, or what has come back meanwhile in addition.
			check := func(when string, n, want int) {
				t.Helper()
				if back := int(time.Since(start).Seconds()*hashRate) + 1; n < want || n > want+back {
					t.Errorf("%s: %d were looked at, want %d", when, n, want)
				}
			}
			check("at first", try(), first)
			check("afterwards", try(), tt.more)
		})
	}
}

func TestSuccessLeavesNothing(t *testing.T) {
	f := NewFailures()
	if _, err := f.Try("192.0.2.1", true, func() error { return nil }); err != nil || len(f.addresses) > 0 {
		t.Errorf("%v, %d addresses are remembered", err, len(f.addresses))
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
	for range hashBurst {
		f.Allow("192.0.2.1", now)
		f.Failed("192.0.2.1", now)
	}
	for i := range 4 * maxAddresses {
		f.Failed(fmt.Sprintf("10.%d.%d.%d", i>>16, i>>8&255, i&255), now)
	}
	if len(f.addresses) > maxAddresses {
		t.Errorf("%d addresses", len(f.addresses))
	}
	if f.Allow("192.0.2.1", now) {
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
	p := u.passwords.hashing.Load()
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
	if want := max(1, runtime.GOMAXPROCS(0)*3/2); cap(p.running) != want {
		t.Errorf("%d at once, want %d", cap(p.running), want)
	}
}

// Many that come at once with one password, as after a restart, cost their address one hash.
func TestOneHashForMany(t *testing.T) {
	u := mustUsers(t, Config{User: "bob", Password: hash(t, "p")})
	h := u.passwords.hashing.Load()
	c := Credentials{User: "bob", Password: "p"}
	for range cap(h.running) {
		h.running <- struct{}{} // so that the first one waits
	}
	f := NewFailures()
	var group sync.WaitGroup
	try := func() {
		group.Go(func() {
			_, err := f.Try("192.0.2.1", u.Expensive(c), func() error {
				_, err := u.Authenticate(c)
				return err
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	try()
	for deadline := time.Now().Add(10 * time.Second); u.Expensive(c); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("others would cost a hash as well")
		}
	}
	for range 10 * hashBurst {
		try()
	}
	for range cap(h.running) {
		<-h.running
	}
	group.Wait()
	if len(h.right.young) != 1 || len(h.under.ends) != 0 {
		t.Errorf("%d outcomes, %d under way", len(h.right.young), len(h.under.ends))
	}
}

// Whoever is likely to guess has one hash at a time, and keeps no place from others: neither one who was
// suspect before, nor one who became it while waiting.
func TestSuspectsKeepNoPlaceFromOthers(t *testing.T) {
	u := mustUsers(t, Config{User: "bob", Password: hash(t, "p")})
	p := u.passwords.hashing.Load()
	always := func() bool { return true }
	asked := 0
	meanwhile := func() bool { asked++; return asked > 1 }
	p.suspected <- struct{}{} // is being hashed
	for _, suspect := range []func() bool{always, meanwhile} {
		if _, err := u.Authenticate(Credentials{User: "bob", Password: "x", Suspect: suspect}); !errors.Is(err, ErrBusy) {
			t.Errorf("got %v", err)
		}
		if len(p.queued)+len(p.running) != 0 {
			t.Error("takes the place of others")
		}
	}
	if _, err := u.Authenticate(Credentials{User: "bob", Password: "x", Suspect: func() bool { return false }}); err != ErrDenied {
		t.Errorf("somebody else: %v", err)
	}
	<-p.suspected
	if _, err := u.Authenticate(Credentials{User: "bob", Password: "p", Suspect: always}); err != nil || len(p.suspected) != 0 {
		t.Errorf("with the right password: %v", err)
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

// TestInherit has users know what those before them have found out of passwords, but nothing of who may come.
func TestInherit(t *testing.T) {
	hashed := hash(t, "p")
	one := func(name string) Config { return Config{Users: []User{{Name: name, Password: hashed}}} }
	bob := Credentials{User: "bob", Password: "p"}
	old := mustUsers(t, one("bob"))
	if _, err := old.Authenticate(bob); err != nil || old.Expensive(bob) {
		t.Fatalf("it costs a hash again, %v", err)
	}
	again := mustUsers(t, one("bob"))
	if !again.Expensive(bob) {
		t.Fatal("something is known already")
	}
	again.Inherit(old)
	if _, err := again.Authenticate(bob); err != nil || again.Expensive(bob) {
		t.Errorf("it costs a hash again, %v", err)
	}
	beside := NewBesides(mustUsers(t, one("eve")), again)
	next := NewBesides(mustUsers(t, one("eve")), mustUsers(t, one("bob")))
	next.Inherit(beside)
	if next.Expensive(bob) {
		t.Error("it costs a hash beside others")
	}
	gone := mustUsers(t, one("eve"))
	gone.Inherit(old)
	if _, err := gone.Authenticate(bob); err == nil {
		t.Error("somebody who is no user any more was let in")
	}
}
