package auth_test

import (
	"testing"

	"shoal/node/auth"
)

func newUsers(t *testing.T, c auth.Config) *auth.Users {
	t.Helper()
	u, err := auth.New(c)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func TestBesides(t *testing.T) {
	few := newUsers(t, auth.Config{Users: []auth.User{{Name: "sys", Password: "s", Account: "$SYS"}}})
	token := newUsers(t, auth.Config{Token: "t"})
	list := newUsers(t, auth.Config{Users: []auth.User{{Name: "a", Password: "p", Account: "A"}}, NoAuthUser: "a"})
	for _, tt := range []struct {
		name      string
		rest      *auth.Users
		show      auth.Credentials
		user      string
		account   string
		admitted  bool
		anonymous bool
	}{
		{"system", nil, auth.Credentials{User: "sys", Password: "s"}, "sys", "$SYS", true, true},
		{"system with a wrong password", nil, auth.Credentials{User: "sys", Password: "x"}, "", "", false, true},
		{"nobody", nil, auth.Credentials{}, "", "", true, true},
		{"anybody", nil, auth.Credentials{User: "x", Password: "y"}, "", "", true, true},
		{"any token", nil, auth.Credentials{Token: "y"}, "", "", true, true},
		{"system beside a token", token, auth.Credentials{User: "sys", Password: "s"}, "sys", "$SYS", true, false},
		{"the token", token, auth.Credentials{Token: "t"}, "", "", true, false},
		{"another token", token, auth.Credentials{Token: "s"}, "", "", false, false},
		{"one of a list", list, auth.Credentials{User: "a", Password: "p"}, "a", "A", true, true},
		{"none of a list", list, auth.Credentials{User: "b", Password: "p"}, "", "", false, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := auth.NewBesides(few, tt.rest)
			id, err := b.Authenticate(tt.show)
			if admitted := err == nil; admitted != tt.admitted {
				t.Fatalf("got %v, %v", id, err)
			}
			if id != nil && (id.User != tt.user || id.Account != tt.account) {
				t.Errorf("got %q of %q", id.User, id.Account)
			}
			if anonymous := b.Anonymous("STANDARD") != nil; anonymous != tt.anonymous {
				t.Errorf("who presents nothing is let in: %v", anonymous)
			}
			if again := b.Renew(id); tt.admitted && (again == nil || again.User != tt.user) {
				t.Errorf("renewed as %v", again)
			}
		})
	}
}

// A configuration may begin or cease to have a system user while clients are connected.
func TestBesidesChange(t *testing.T) {
	few := newUsers(t, auth.Config{Users: []auth.User{{Name: "sys", Password: "s", Account: "$SYS"}}})
	other := newUsers(t, auth.Config{Users: []auth.User{{Name: "sys", Password: "new", Account: "$SYS"}}})
	list := newUsers(t, auth.Config{Users: []auth.User{{Name: "a", Password: "p"}}})
	open, closed := auth.NewBesides(few, nil), auth.NewBesides(few, list)
	system, _ := open.Authenticate(auth.Credentials{User: "sys", Password: "s"})
	stranger, _ := open.Authenticate(auth.Credentials{User: "x"})
	a, _ := list.Authenticate(auth.Credentials{User: "a", Password: "p"})
	for _, tt := range []struct {
		name string
		now  *auth.Besides
		id   *auth.Identity
		stay bool
	}{
		{"system", closed, system, true},
		{"system with a new password", auth.NewBesides(other, nil), system, false},
		{"a stranger", closed, stranger, false},
		{"a stranger from before", open, nil, true},
		{"nobody where users are needed", closed, nil, false},
		{"a user that stays", closed, a, true},
		{"a user that is none any more", open, a, false},
	} {
		if got := tt.now.Renew(tt.id); (got != nil) != tt.stay {
			t.Errorf("%s: got %v", tt.name, got)
		}
	}
}
