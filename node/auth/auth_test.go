package auth

import (
	"errors"
	"strings"
	"testing"

	"golang.org/x/crypto/bcrypt"
)

func hash(t testing.TB, secret string) string {
	t.Helper()
	h, err := bcrypt.GenerateFromPassword([]byte(secret), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	return string(h)
}

func TestSimple(t *testing.T) {
	hashed := hash(t, "s3cret")
	plain := Simple{User: "bob", Password: "s3cret"}
	tests := []struct {
		name   string
		simple Simple
		creds  Credentials
		ok     bool
	}{
		{"right", plain, Credentials{User: "bob", Password: "s3cret"}, true},
		{"wrong password", plain, Credentials{User: "bob", Password: "s3cre"}, false},
		{"wrong user", plain, Credentials{User: "eve", Password: "s3cret"}, false},
		{"nothing", plain, Credentials{}, false},
		{"bcrypt", Simple{User: "bob", Password: hashed}, Credentials{User: "bob", Password: "s3cret"}, true},
		{"bcrypt wrong", Simple{User: "bob", Password: hashed}, Credentials{User: "bob", Password: "nope"}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			err := tt.simple.Authenticate(tt.creds)
			if tt.ok != (err == nil) || err != nil && !errors.Is(err, ErrDenied) {
				t.Fatalf("got %v, want admitted %t", err, tt.ok)
			}
		})
	}
}

// The variants of the prefix that other programs write are the same hash.
func TestHashVariants(t *testing.T) {
	hashed := hash(t, "s3cret")
	nobody := func() bool { return false } // is suspect
	for _, prefix := range []string{"$2a$", "$2b$", "$2x$", "$2y$"} {
		if h := prefix + strings.TrimPrefix(hashed, "$2a$"); !matches(h, "s3cret", nobody) || matches(h, h, nobody) {
			t.Errorf("the password does not match %s…", prefix)
		}
	}
}
