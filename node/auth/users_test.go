package auth

import (
	"encoding/base64"
	"errors"
	"strings"
	"testing"

	"github.com/nats-io/nkeys"
)

// key returns the key pair of a user, with its public part.
func key(t testing.TB) (nkeys.KeyPair, string) {
	t.Helper()
	pair, err := nkeys.CreateUser()
	if err != nil {
		t.Fatal(err)
	}
	public, err := pair.PublicKey()
	if err != nil {
		t.Fatal(err)
	}
	return pair, public
}

func mustUsers(t testing.TB, c Config) *Users {
	t.Helper()
	u, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func TestAuthenticate(t *testing.T) {
	pair, public := key(t)
	_, other := key(t)
	sign := func(encoding *base64.Encoding) string {
		s, err := pair.Sign([]byte("nonce"))
		if err != nil {
			t.Fatal(err)
		}
		return encoding.EncodeToString(s)
	}
	signature := sign(base64.RawURLEncoding)
	hashed := hash(t, "s3cret")

	password := Config{User: "bob", Password: "s3cret"}
	token := Config{Token: "t0ken"}
	list := Config{Users: []User{
		{Name: "plain", Password: "p"},
		{Name: "hashed", Password: hashed, Account: "A"},
		{Name: "empty"},
		{Name: "web", Password: "p", ConnectionTypes: []string{"websocket"}},
		{Name: "tcp", Password: "p", ConnectionTypes: []string{"standard"}},
		{NKey: public},
	}}
	named := func(name string, more ...User) Config {
		return Config{Users: append(more, User{Name: "plain", Password: "p"}), NoAuthUser: name}
	}
	tests := []struct {
		name   string
		config Config
		creds  Credentials
		want   string // the user, "-" for nobody
	}{
		{"right", password, Credentials{User: "bob", Password: "s3cret"}, "bob"},
		{"wrong password", password, Credentials{User: "bob", Password: "s3cre"}, "-"},
		{"wrong user", password, Credentials{User: "eve", Password: "s3cret"}, "-"},
		{"case matters", password, Credentials{User: "Bob", Password: "s3cret"}, "-"},
		{"nothing", password, Credentials{}, "-"},
		{"user without password", password, Credentials{User: "bob"}, "-"},
		{"token for a password", password, Credentials{Token: "s3cret"}, "-"},
		{"surplus token and key", password, Credentials{User: "bob", Password: "s3cret", Token: "x", NKey: "U"}, "bob"},
		{"bcrypt", Config{User: "bob", Password: hashed}, Credentials{User: "bob", Password: "s3cret"}, "bob"},
		{"bcrypt wrong", Config{User: "bob", Password: hashed}, Credentials{User: "bob", Password: "no"}, "-"},
		{"the hash is no password", Config{User: "bob", Password: hashed}, Credentials{User: "bob", Password: hashed}, "-"},

		{"token", token, Credentials{Token: "t0ken"}, ""},
		{"token with a user", token, Credentials{User: "bob", Token: "t0ken"}, ""},
		{"wrong token", token, Credentials{Token: "token"}, "-"},
		{"no token", token, Credentials{}, "-"},
		{"only a user", token, Credentials{User: "bob", Password: "t0ken"}, "-"},
		{"bcrypt token", Config{Token: hashed}, Credentials{Token: "s3cret"}, ""},
		{"bcrypt token wrong", Config{Token: hashed}, Credentials{Token: "x"}, "-"},

		{"one of many", list, Credentials{User: "plain", Password: "p"}, "plain"},
		{"one of many, wrong", list, Credentials{User: "plain", Password: "s3cret"}, "-"},
		{"one of many, bcrypt", list, Credentials{User: "hashed", Password: "s3cret"}, "hashed"},
		{"one of many, bcrypt wrong", list, Credentials{User: "hashed", Password: "p"}, "-"},
		{"unknown with the password of another", list, Credentials{User: "eve", Password: "s3cret"}, "-"},
		{"no user", list, Credentials{Password: "s3cret"}, "-"},
		{"no password", list, Credentials{User: "empty"}, "empty"},
		{"no password but one given", list, Credentials{User: "empty", Password: "x"}, "-"},
		{"wrong kind of connection", list, Credentials{User: "web", Password: "p"}, "-"},
		{"right kind of connection", list, Credentials{User: "web", Password: "p", ConnectionType: "WEBSOCKET"}, "web"},
		{"standard connection", list, Credentials{User: "tcp", Password: "p"}, "tcp"},
		{"nothing to many", list, Credentials{}, "-"},

		{"nkey", list, Credentials{NKey: public, Nonce: "nonce", Signature: signature}, public},
		{"nkey in std base64", list, Credentials{NKey: public, Nonce: "nonce", Signature: sign(base64.StdEncoding)}, public},
		{"nkey goes first", list, Credentials{User: "plain", Password: "x", NKey: public, Nonce: "nonce", Signature: signature}, public},
		{"another nonce", list, Credentials{NKey: public, Nonce: "other", Signature: signature}, "-"},
		{"no signature", list, Credentials{NKey: public, Nonce: "nonce"}, "-"},
		{"no base64", list, Credentials{NKey: public, Nonce: "nonce", Signature: "!"}, "-"},
		{"unknown nkey", list, Credentials{User: "plain", Password: "p", NKey: other, Nonce: "nonce", Signature: signature}, "-"},
		{"a signature alone says nothing", list, Credentials{User: "plain", Password: "p", Signature: "x"}, "plain"},

		{"no_auth_user", named("plain"), Credentials{}, "plain"},
		{"no_auth_user, a signature", named("plain"), Credentials{Signature: "x"}, "plain"},
		{"no_auth_user, nkey where none are", named("plain"), Credentials{NKey: other}, "plain"},
		{"no_auth_user, its password", named("plain"), Credentials{User: "plain", Password: "p"}, "plain"},
		{"no_auth_user, no password", named("plain"), Credentials{User: "plain"}, "-"},
		{"no_auth_user, wrong token", named("plain"), Credentials{Token: "x"}, "-"},
		{"no_auth_user, only a password", named("plain"), Credentials{Password: "x"}, "-"},
		{"no_auth_user with nkey", named(public, User{NKey: public}), Credentials{}, public},
		{"no_auth_user with nkey, named", named(public, User{NKey: public}), Credentials{NKey: public}, public},
		{"no_auth_user, another nkey", named(public, User{NKey: public}), Credentials{NKey: other}, "-"},
		{"no_auth_user, kind of connection", named("web", User{Name: "web", ConnectionTypes: []string{"WEBSOCKET"}}), Credentials{}, "-"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			u := mustUsers(t, tt.config)
			for range 2 { // what was remembered must not change the answer
				id, err := u.Authenticate(tt.creds)
				switch {
				case err == nil && id.User != tt.want:
					t.Fatalf("got %q, want %q", id.User, tt.want)
				case err != nil && tt.want != "-":
					t.Fatalf("got %v, want %q", err, tt.want)
				case err != nil && !errors.Is(err, ErrDenied):
					t.Fatalf("error %v tells the reason", err)
				}
				if u.Expensive(tt.creds) {
					t.Error("still expensive")
				}
			}
		})
	}
}

func TestPermissionsOfUsers(t *testing.T) {
	narrow := &Permissions{Publish: SubjectRules{Allow: []string{"a"}}}
	u := mustUsers(t, Config{Permissions: narrow, Users: []User{
		{Name: "default"},
		{Name: "free", Permissions: &Permissions{}},
		{Name: "own", Account: "A", Permissions: &Permissions{Publish: SubjectRules{Allow: []string{"b"}}}},
	}})
	for _, tt := range []struct {
		user, account, may, mayNot string
	}{{"default", "", "a", "b"}, {"own", "A", "b", "a"}} {
		id, err := u.Authenticate(Credentials{User: tt.user})
		if err != nil {
			t.Fatal(err)
		}
		if id.Account != tt.account || !id.Rules.MayPublish(tt.may) || id.Rules.MayPublish(tt.mayNot) {
			t.Errorf("%s: got %+v", tt.user, id)
		}
	}
	if id, err := u.Authenticate(Credentials{User: "free"}); err != nil || id.Rules != nil {
		t.Errorf("free: got %+v, %v", id, err)
	}
	sole := mustUsers(t, Config{Token: "t", Permissions: narrow})
	if id, err := sole.Authenticate(Credentials{Token: "t"}); err != nil || id.Rules.MayPublish("b") {
		t.Errorf("token: got %+v, %v", id, err)
	}
}

func TestAnonymous(t *testing.T) {
	_, public := key(t)
	users := []User{{Name: "a"}, {Name: "web", ConnectionTypes: []string{"WEBSOCKET"}}, {NKey: public}}
	for _, tt := range []struct {
		config Config
		want   string
	}{
		{Config{Token: "t"}, ""},
		{Config{Users: users}, ""},
		{Config{Users: users, NoAuthUser: "a"}, "a"},
		{Config{Users: users, NoAuthUser: public}, public},
		{Config{Users: users, NoAuthUser: "web"}, ""},
		{Config{Users: users, NoAuthUser: "a", MapCertificates: true}, ""},
	} {
		u := mustUsers(t, tt.config)
		id := u.Anonymous(standardConnection)
		if got := ""; id != nil && id.User != tt.want || id == nil && tt.want != got {
			t.Errorf("%+v: got %+v", tt.config, id)
		}
		if u.Challenges() != (len(tt.config.Users) > 0) {
			t.Errorf("%+v: challenges %t", tt.config, u.Challenges())
		}
	}
}

func TestRenew(t *testing.T) {
	pair, public := key(t)
	signature, err := pair.Sign([]byte("n"))
	if err != nil {
		t.Fatal(err)
	}
	bob := Credentials{User: "bob", Password: "p"}
	signer := Credentials{NKey: public, Nonce: "n", Signature: base64.StdEncoding.EncodeToString(signature)}
	one := func(u User) Config { return Config{Users: []User{u}} }
	wide := &Permissions{Publish: SubjectRules{Allow: []string{"new"}}}
	tests := []struct {
		name     string
		old, new Config
		creds    Credentials
		ok       bool
	}{
		{"the same", one(User{Name: "bob", Password: "p"}), one(User{Name: "bob", Password: "p", Permissions: wide}), bob, true},
		{"another password", one(User{Name: "bob", Password: "p"}), one(User{Name: "bob", Password: "q"}), bob, false},
		{"another account", one(User{Name: "bob", Password: "p"}), one(User{Name: "bob", Password: "p", Account: "A"}), bob, false},
		{"removed", one(User{Name: "bob", Password: "p"}), one(User{Name: "eve", Password: "p"}), bob, false},
		{"kind of connection", one(User{Name: "bob", Password: "p"}),
			one(User{Name: "bob", Password: "p", ConnectionTypes: []string{"WEBSOCKET"}}), bob, false},
		{"alone, then one of many", Config{User: "bob", Password: "p"}, one(User{Name: "bob", Password: "p", Permissions: wide}), bob, true},
		{"alone, another password", Config{User: "bob", Password: "p"}, Config{User: "bob", Password: "q"}, bob, false},
		{"token", Config{Token: "t"}, Config{Token: "t", Permissions: wide}, Credentials{Token: "t"}, true},
		{"another token", Config{Token: "t"}, Config{Token: "u"}, Credentials{Token: "t"}, false},
		{"token, then users", Config{Token: "t"}, one(User{Name: "bob"}), Credentials{Token: "t"}, false},
		{"nkey", one(User{NKey: public}), one(User{NKey: public, Permissions: wide}), signer, true},
		{"nkey removed", one(User{NKey: public}), one(User{Name: "bob"}), signer, false},
		{"certificates from then on", one(User{Name: "bob", Password: "p"}),
			Config{Users: []User{{Name: "bob", Password: "p"}}, MapCertificates: true}, bob, false},
		{"no_auth_user", Config{Users: []User{{Name: "bob", Password: "p"}}, NoAuthUser: "bob"},
			Config{Users: []User{{Name: "bob", Password: "q", Permissions: wide}}, NoAuthUser: "bob"}, Credentials{}, true},
		{"no_auth_user no more", Config{Users: []User{{Name: "bob", Password: "p"}}, NoAuthUser: "bob"},
			one(User{Name: "bob", Password: "p"}), Credentials{}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			id, err := mustUsers(t, tt.old).Authenticate(tt.creds)
			if err != nil {
				t.Fatal(err)
			}
			got := mustUsers(t, tt.new).Renew(id)
			if (got != nil) != tt.ok {
				t.Fatalf("got %+v", got)
			}
			if got != nil && (got.User != id.User || !got.Rules.MayPublish("new") || got.Rules.MayPublish("old")) {
				t.Errorf("got %+v", got)
			}
		})
	}
	if mustUsers(t, Config{Token: "t"}).Renew(&Identity{}) != nil {
		t.Error("somebody unknown was renewed")
	}
}

func TestNewRefuses(t *testing.T) {
	_, public := key(t)
	hashed := hash(t, "x")
	one := func(u User) Config { return Config{Users: []User{u}} }
	publish := func(rule string) *Permissions { return &Permissions{Publish: SubjectRules{Allow: []string{rule}}} }
	subscribe := func(rule string) *Permissions { return &Permissions{Subscribe: SubjectRules{Deny: []string{rule}}} }
	tests := []struct {
		config Config
		want   string // has to be in the error
	}{
		{Config{}, "neither a user nor a token"},
		{Config{Password: "hush"}, "neither a user nor a token"},
		{Config{User: "bob", Password: "hush", Token: "hush"}, "token and a user"},
		{Config{Token: "hush", Users: []User{{Name: "bob"}}}, "token and a list"},
		{Config{User: "bob", Users: []User{{Name: "bob"}}}, "single user and a list"},
		{Config{User: "bob", Password: "hush", NoAuthUser: "bob"}, "no_auth_user"},
		{Config{Users: []User{{Name: "bob"}}, NoAuthUser: "eve"}, `no user "eve"`},
		{Config{User: "bob", Password: hashed[:20]}, `password of user "bob"`},
		{Config{Token: hashed[:20]}, "token: looks like"},
		{Config{Token: "$2a$99$" + hashed[7:]}, "token: looks like"},
		{one(User{Name: "bob", Password: hashed + "hush"}), `user "bob": password`},
		{one(User{Password: "hush"}), "number 1"},
		{Config{Users: []User{{Name: "bob"}, {Name: "bob"}}}, `user "bob": is there twice`},
		{Config{Users: []User{{NKey: public}, {NKey: public}}}, "is there twice"},
		{one(User{NKey: "hush"}), "number 1"},
		{one(User{NKey: "N" + public[1:]}), "number 1"},
		{one(User{NKey: public, Name: "bob"}), "has a name"},
		{one(User{Name: "bob", ConnectionTypes: []string{"PIGEON"}}), `user "bob": allowed connection types: "PIGEON"`},
		{one(User{Name: "bob", Permissions: publish("a..b")}), `user "bob": permissions: publish allow: "a..b"`},
		{one(User{Name: "bob", Permissions: publish("a b")}), `publish allow: "a b"`},
		{one(User{Name: "bob", Permissions: publish("")}), `publish allow: ""`},
		{one(User{Name: "bob", Permissions: subscribe("a b c")}), `subscribe deny: "a b c"`},
		{one(User{Name: "bob", Permissions: subscribe("a q..x")}), "queue group"},
		{one(User{Name: "bob", Permissions: subscribe("a >.b")}), "queue group"},
		{one(User{Name: "bob", Permissions: subscribe(" a")}), `" a"`},
		{one(User{Name: "bob", Permissions: subscribe("a ")}), "queue group"},
		{one(User{Name: "bob", Permissions: subscribe(">.a")}), `">.a"`},
		{Config{Token: "t", Permissions: publish("..")}, "default permissions: publish allow"},
	}
	for _, tt := range tests {
		_, err := New(tt.config)
		switch {
		case err == nil:
			t.Errorf("%+v was accepted, want %q", tt.config, tt.want)
		case !strings.Contains(err.Error(), tt.want):
			t.Errorf("got %q, want %q", err, tt.want)
		case strings.Contains(err.Error(), "hush") || strings.Contains(err.Error(), "$2a$"):
			t.Errorf("%q has a secret", err)
		}
	}
}
