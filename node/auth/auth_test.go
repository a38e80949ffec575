package auth

import (
	"errors"
	"strings"
	"testing"

	"golang.org/x/crypto/bcrypt"
)

func hash(t *testing.T, secret string) string {
	t.Helper()
	h, err := bcrypt.GenerateFromPassword([]byte(secret), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	return string(h)
}

func TestSimpleAuthenticate(t *testing.T) {
	hashed := hash(t, "s3cret")
	as2b := "$2b$" + strings.TrimPrefix(hashed, "$2a$")
	as2y := "$2y$" + strings.TrimPrefix(hashed, "$2a$")

	password := Simple{User: "bob", Password: "s3cret"}
	token := Simple{Token: "t0ken"}
	tests := []struct {
		name   string
		simple Simple
		creds  Credentials
		user   string
		ok     bool
	}{
		{"right", password, Credentials{User: "bob", Password: "s3cret"}, "bob", true},
		{"wrong password", password, Credentials{User: "bob", Password: "s3cre"}, "", false},
		{"wrong user", password, Credentials{User: "eve", Password: "s3cret"}, "", false},
		{"case matters", password, Credentials{User: "Bob", Password: "s3cret"}, "", false},
		{"nothing", password, Credentials{}, "", false},
		{"user without password", password, Credentials{User: "bob"}, "", false},
		{"token for a password server", password, Credentials{Token: "s3cret"}, "", false},
		{"surplus token", password, Credentials{User: "bob", Password: "s3cret", Token: "x"}, "bob", true},

		{"bcrypt", Simple{User: "bob", Password: hashed}, Credentials{User: "bob", Password: "s3cret"}, "bob", true},
		{"bcrypt 2b", Simple{User: "bob", Password: as2b}, Credentials{User: "bob", Password: "s3cret"}, "bob", true},
		{"bcrypt 2y", Simple{User: "bob", Password: as2y}, Credentials{User: "bob", Password: "s3cret"}, "bob", true},
		{"bcrypt wrong", Simple{User: "bob", Password: hashed}, Credentials{User: "bob", Password: "nope"}, "", false},
		{"the hash is not the password", Simple{User: "bob", Password: hashed}, Credentials{User: "bob", Password: hashed}, "", false},

		{"token", token, Credentials{Token: "t0ken"}, "", true},
		{"token with a user", token, Credentials{User: "bob", Token: "t0ken"}, "", true},
		{"wrong token", token, Credentials{Token: "token"}, "", false},
		{"no token", token, Credentials{}, "", false},
		{"only a user", token, Credentials{User: "bob", Password: "t0ken"}, "", false},
		{"user on a server with both", Simple{User: "bob", Password: "s3cret", Token: "t0ken"},
			Credentials{User: "bob", Password: "s3cret"}, "", false},
		{"bcrypt token", Simple{Token: hashed}, Credentials{Token: "s3cret"}, "", true},
		{"bcrypt token wrong", Simple{Token: hashed}, Credentials{Token: "x"}, "", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			user, err := tt.simple.Authenticate(tt.creds)
			if ok := err == nil; ok != tt.ok || user != tt.user {
				t.Fatalf("got user %q, error %v; want user %q, admitted %t", user, err, tt.user, tt.ok)
			}
			if err != nil && !errors.Is(err, ErrDenied) {
				t.Errorf("error %v tells the reason", err)
			}
		})
	}
}

func TestSimpleValidate(t *testing.T) {
	good := hash(t, "x")
	tests := []struct {
		name   string
		simple Simple
		ok     bool
	}{
		{"plain", Simple{User: "bob", Password: "plain"}, true},
		{"hash", Simple{User: "bob", Password: good}, true},
		{"cut off hash", Simple{User: "bob", Password: good[:20]}, false},
		{"cut off token", Simple{Token: good[:20]}, false},
		{"impossible cost", Simple{Token: "$2a$99$" + good[7:]}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if err := tt.simple.Validate(); (err == nil) != tt.ok {
				t.Errorf("Validate() = %v, want ok %t", err, tt.ok)
			}
		})
	}
}
