package auth

import (
	"crypto/subtle"
	"encoding/base64"
	"time"

	"golang.org/x/crypto/bcrypt"
	"golang.org/x/crypto/blowfish" //lint:ignore SA1019 bcrypt is made of it
)

// A hash is computed in pieces of about half a millisecond, with rests in between. At a stretch it would keep
// a processor for tens of milliseconds, and the goroutines that are queued there would wait, as would messages.
// So it takes three times as long as it needs to, and a third of a processor meanwhile. For suspects it takes
// twenty times as long, and a twentieth of a processor.
const (
	hashPiece    = 10 // rounds
	suspectPiece = 1
	hashRest     = time.Millisecond
)

// A bcrypt hash is "$2a$", the cost in two digits, "$", the salt and the sum of 23 bytes, both in base64 with an
// alphabet of its own.
const (
	hashLength = 60
	saltAt     = 7
	sumAt      = 29
	sumBytes   = 23
)

var hashEncoding = base64.NewEncoding("./ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789").WithPadding(base64.NoPadding)

// isHashOf reports whether a bcrypt hash is that of a password. It says what
// [bcrypt.CompareHashAndPassword] does, but lets others work after each piece of so many rounds.
func isHashOf(hash, password string, piece int) bool {
	cost, err := bcrypt.Cost([]byte(hash))
	if err != nil || len(hash) != hashLength {
		return false
	}
	salt, err := hashEncoding.DecodeString(hash[saltAt:sumAt])
	if err != nil {
		return false
	}
	key := append([]byte(password), 0)
	c, err := blowfish.NewSaltedCipher(key, salt)
	if err != nil {
		return false
	}
	for i := range 1 << cost {
		if i%piece == piece-1 {
			time.Sleep(hashRest)
		}
		blowfish.ExpandKey(key, c)
		blowfish.ExpandKey(salt, c)
	}
	text := []byte("OrpheanBeholderScryDoubt")
	for at := 0; at < len(text); at += blowfish.BlockSize {
		for range 64 {
			c.Encrypt(text[at:], text[at:])
		}
	}
	sum := hashEncoding.EncodeToString(text[:sumBytes])
	return subtle.ConstantTimeCompare([]byte(sum), []byte(hash[sumAt:])) == 1
}
