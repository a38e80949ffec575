package auth

import (
	"strings"
	"testing"

	"golang.org/x/crypto/bcrypt"
)

// TestIsHashOf compares with the library, which decides what is a hash of what.
func TestIsHashOf(t *testing.T) {
	long := strings.Repeat("z", 72) // as much as counts
	for i, password := range []string{"", "p", "pässword", "with\x00zero", strings.Repeat("x", 56), long} {
		made, err := bcrypt.GenerateFromPassword([]byte(password), bcrypt.MinCost+i%2)
		if err != nil {
			t.Fatal(err)
		}
		hash := string(made)
		end := len(hash) - 1
		for _, tt := range []struct{ hash, password string }{
			{hash, password},
			{"$2b$" + hash[4:], password},
			{"$2y$" + hash[4:], password},
			{hash, password + "x"},
			{hash, "other"},
			{hash[:end] + string(hash[end]^1), password},
			{hash[:saltAt] + "!" + hash[saltAt+1:], password},
			{hash[:end], password},
			{"$2a$10$", password},
		} {
			want := bcrypt.CompareHashAndPassword([]byte(tt.hash), []byte(tt.password)) == nil
			if got := isHashOf(tt.hash, tt.password, []int{suspectPiece, hashPiece}[i%2]); got != want {
				t.Errorf("%q is one of %q: %t, want %t", tt.hash, tt.password, got, want)
			}
		}
	}
}
