package node

import (
	"bufio"
	"crypto/tls"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nkeys"
	"golang.org/x/crypto/bcrypt"

	"shoal/node/auth"
	"shoal/node/certs"
	"shoal/wire"
)

// visit connects, with the CONNECT that credentials returns for a nonce, and has a client ask itself
// something and leave. It returns why that has not worked.
func visit(addr, subject string, secure *tls.Config, credentials func(nonce string) string) error {
	nc, err := net.DialTimeout("tcp", addr, patience)
	if err != nil {
		return err
	}
	defer nc.Close()
	nc.SetDeadline(time.Now().Add(patience))
	r := bufio.NewReader(nc)
	line, err := r.ReadString('\n')
	if err != nil {
		return fmt.Errorf("INFO: %w", err)
	}
	info, err := wire.ParseInfo([]byte(strings.TrimPrefix(line, "INFO ")))
	if err != nil {
		return fmt.Errorf("%q: %w", line, err)
	}
	if secure != nil {
		t := tls.Client(nc, secure)
		if err := t.Handshake(); err != nil {
			return err
		}
		nc, r = t, bufio.NewReader(t)
	}
	inbox := "inbox." + subject
	for _, step := range []struct{ send, want string }{
		{credentials(info.Nonce) + "PING\r\n", "PONG\r\n"},
		{"SUB " + subject + " 1\r\nSUB " + inbox + " 2\r\nPUB " + subject + " " + inbox + " 2\r\nhi\r\n",
			"MSG " + subject + " 1 " + inbox + " 2\r\nhi\r\n"},
		{"PUB " + inbox + " 2\r\nyo\r\n", message(inbox, "2", "yo")},
	} {
		if _, err := io.WriteString(nc, step.send); err != nil {
			return err
		}
		got := make([]byte, len(step.want))
		if n, err := io.ReadFull(r, got); err != nil || string(got) != step.want {
			return fmt.Errorf("got %q (%v), want %q", got[:n], err, step.want)
		}
	}
	return nil
}

// TestReloadCutsNobodyWhoLogsIn has clients come and go whose user is the same in all configurations between
// which the node changes.
func TestReloadCutsNobodyWhoLogsIn(t *testing.T) {
	hash, err := bcrypt.GenerateFromPassword([]byte("p"), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	pair, err := nkeys.CreateUser()
	if err != nil {
		t.Fatal(err)
	}
	key, err := pair.PublicKey()
	if err != nil {
		t.Fatal(err)
	}
	const visitors, reloads = 50, 50
	p := newPKI(t)
	secure := p.client("")
	calmly := func(f *certs.Files) { f.Timeout = patience }
	encrypted := [2]*TLSOptions{p.options(calmly)}
	p.server = p.issue("another")
	encrypted[1] = p.options(calmly)
	accounts := [2][]AccountOptions{
		{{Name: "A"}, {Name: "G"}},
		{{Name: "A"}, {Name: "B"}, {Name: "G", Limits: AccountLimits{MaxConnections: 999}}},
	}
	system := auth.Config{Users: []auth.User{{Name: "sys", Password: "s", Account: SystemAccount}}}
	byPassword := func(string) string { return login("u", "p") }
	named := auth.User{Name: "u", Password: "p", Account: "A"}
	guests := []string{"guest.*", "inbox.guest.*"}
	guest := auth.User{Name: "guest", Password: "g", Account: "G", Permissions: only(guests, guests)}
	other := auth.User{Name: "other", Password: "o", Account: "B", Permissions: only([]string{"x"}, []string{"y"})}
	for _, tt := range []struct {
		name        string
		users       [2]*auth.Config // nil if nobody has to log in
		few         bool            // there is a user of the system beside those
		tls         bool
		credentials func(nonce string) string
		subjects    string
	}{
		{name: "password", users: [2]*auth.Config{
			{Users: []auth.User{named, guest}},
			{Users: []auth.User{named, other}},
		}, credentials: byPassword},
		{name: "hash", users: [2]*auth.Config{
			{Users: []auth.User{{Name: "u", Password: string(hash), Account: "A"}, guest}},
			{Users: []auth.User{{Name: "u", Password: string(hash), Account: "A"}, other}},
		}, credentials: byPassword},
		{name: "nkey", users: [2]*auth.Config{
			{Users: []auth.User{{NKey: key, Account: "A"}, guest}},
			{Users: []auth.User{{NKey: key, Account: "A"}, other}},
		}, credentials: func(nonce string) string {
			signature, err := pair.Sign([]byte(nonce))
			if err != nil {
				panic(err)
			}
			return fmt.Sprintf(`CONNECT {"verbose":false,"nkey":%q,"sig":%q}`+"\r\n", key, base64.RawURLEncoding.EncodeToString(signature))
		}},
		{name: "TLS", tls: true, users: [2]*auth.Config{
			{Users: []auth.User{named, guest}},
			{Users: []auth.User{named, other}},
		}, credentials: byPassword},
		{name: "guest", users: [2]*auth.Config{
			{Users: []auth.User{named, guest}, NoAuthUser: "guest"},
			{Users: []auth.User{guest, other}, NoAuthUser: "guest"},
		}, subjects: "guest.", credentials: func(string) string { return quiet }},
		{name: "user beside a guest", users: [2]*auth.Config{
			{Users: []auth.User{named, guest}, NoAuthUser: "guest"},
			{Users: []auth.User{named, guest, other}, NoAuthUser: "guest"},
		}, credentials: byPassword},
		{name: "user beside a guest who comes and goes", users: [2]*auth.Config{
			{Users: []auth.User{named, guest}, NoAuthUser: "guest"},
			{Users: []auth.User{named, guest}},
		}, credentials: byPassword},
		{name: "user beside a user of the system", few: true, users: [2]*auth.Config{
			{Users: []auth.User{named, guest}},
			{Users: []auth.User{named, other}},
		}, credentials: byPassword},
		{name: "anybody beside a user of the system", few: true, users: [2]*auth.Config{nil, nil},
			credentials: func(string) string { return quiet }},
		{name: "only user", users: [2]*auth.Config{
			{User: "u", Password: "p"},
			{Users: []auth.User{{Name: "u", Password: "p"}, other}},
		}, credentials: byPassword},
	} {
		t.Run(tt.name, func(t *testing.T) {
			configure := func(o *Options, i int) {
				o.Accounts = slices.Clone(accounts[i])
				o.Authenticator = nil
				o.MaxConnections = 1000 + i
				o.MaxPayload = 1000 + i
				var rest *auth.Users
				if c := tt.users[i]; c != nil {
					rest = mustUsers(t, *c)
					o.Authenticator = rest
				}
				if tt.few {
					o.Authenticator = auth.NewBesides(mustUsers(t, system), rest)
				}
				if tt.tls {
					o.TLS = encrypted[i]
				}
			}
			o := Options{AuthTimeout: patience}
			configure(&o, 0)
			n := startNode(t, o)
			var config *tls.Config
			if tt.tls {
				config = secure
			}
			// Whatever has to be hashed is hashed once, so that nobody has to wait.
			if err := visit(n.Addr().String(), tt.subjects+"0", config, tt.credentials); err != nil {
				t.Fatal(err)
			}
			stop := make(chan struct{})
			var wg sync.WaitGroup
			for i := range visitors {
				wg.Go(func() {
					for {
						select {
						case <-stop:
							return
						default:
						}
						if err := visit(n.Addr().String(), tt.subjects+fmt.Sprint(i), config, tt.credentials); err != nil {
							t.Error(err)
							return
						}
					}
				})
			}
			for i := range reloads {
				reload(t, n, func(o *Options) { configure(o, (i+1)%2) })
				time.Sleep(time.Millisecond) // for somebody to come
			}
			close(stop)
			wg.Wait()
			eventually(t, "nobody is left", func() bool { return n.clients.count() == 0 })
			for name, a := range n.accounts.all() {
				eventually(t, "account "+name+" counts no clients", func() bool { return a.clients.Load() == 0 })
			}
		})
	}
}

// TestReloadBeforeLogin has the node change between the moment at which a client connects and that at which it
// says who it is.
func TestReloadBeforeLogin(t *testing.T) {
	user := auth.User{Name: "u", Password: "p", Account: "A", Permissions: only([]string{"a"}, []string{"a"})}
	guest := auth.User{Name: "guest", Password: "g", Account: "G"}
	open := (*auth.Config)(nil)
	closed := &auth.Config{Users: []auth.User{user, guest}}
	guests := &auth.Config{Users: []auth.User{user, guest}, NoAuthUser: "guest"}
	const denied = "Permissions Violation for Publish to \"b\""
	for _, tt := range []struct {
		name          string
		before, after *auth.Config
		send, want    string
	}{
		{"user, guests no more", guests, closed, login("u", "p"), "-ERR '" + denied + "'\r\nPONG\r\n"},
		{"guest, guests no more", guests, closed, quiet, authViolation},
		{"guest without CONNECT, guests no more", guests, closed, "PING\r\n", authViolation},
		{"silence, guests no more", guests, closed, "", "-ERR 'Authentication Timeout'\r\n"},
		{"user, from now on", open, closed, login("u", "p"), "-ERR '" + denied + "'\r\nPONG\r\n"},
		{"nobody, from now on", open, closed, quiet, authViolation},
		{"user, with guests from now on", open, guests, login("u", "p"), "-ERR '" + denied + "'\r\nPONG\r\n"},
		{"guest, from now on", closed, guests, quiet, "PONG\r\n"},
		{"guest without CONNECT, from now on", closed, guests, "PUB c 0\r\n\r\n", "+OK\r\n+OK\r\nPONG\r\n"},
		{"user, no more", closed, open, login("u", "p"), "PONG\r\n"},
		{"nobody, no more", closed, open, quiet, "PONG\r\n"},
		{"guest, no more", guests, open, quiet, "PONG\r\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			configure := func(o *Options, c *auth.Config) {
				o.Accounts = []AccountOptions{{Name: "A"}, {Name: "G"}}
				o.Authenticator = nil
				if c != nil {
					o.Authenticator = mustUsers(t, *c)
				} else {
					o.Accounts = nil
				}
			}
			o := Options{AuthTimeout: patience}
			if tt.send == "" {
				o.AuthTimeout = 50 * time.Millisecond
			}
			configure(&o, tt.before)
			n := startNode(t, o)
			p := dial(t, n, "")
			eventually(t, "the client has begun", func() bool {
				all := n.clients.all()
				return len(all) == 1 && all[0].begun.Load()
			})
			c := n.clients.all()[0]
			reload(t, n, func(o *Options) { configure(o, tt.after) })
			n.alarms.mu.Lock()
			limited := !c.login.at.IsZero()
			n.alarms.mu.Unlock()
			if want := tt.after == closed; limited != want && tt.send != "" {
				t.Errorf("that the client has to log in in time is %t", limited)
			}
			p.send(tt.send)
			if !strings.Contains(tt.want, "PONG") {
				p.wantEnd(tt.want)
				return
			}
			p.send("PUB b 0\r\n\r\nPING\r\n")
			p.want(tt.want)
		})
	}
}

func mustUsers(t testing.TB, c auth.Config) *auth.Users {
	t.Helper()
	u, err := auth.New(c)
	if err != nil {
		t.Fatal(err)
	}
	return u
}
