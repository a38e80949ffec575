package script

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"regexp"
	"strings"

	"github.com/nats-io/nkeys"
)

// noteNonce takes from an INFO what a client may have to sign.
func (c *conn) noteNonce(op string) {
	var info struct{ Nonce string }
	if json.Unmarshal([]byte(strings.TrimPrefix(op, "INFO ")), &info) == nil && info.Nonce != "" {
		c.mutex.Lock()
		c.nonce = info.Nonce
		c.mutex.Unlock()
	}
}

var keyForm = regexp.MustCompile(`@(nkey|sig|stdsig)\((\w+)\)`)

// keyOf returns the nkey of a user, who has always the same one.
func keyOf(name string) nkeys.KeyPair {
	seed := sha256.Sum256([]byte(name))
	pair, err := nkeys.FromRawSeed(nkeys.PrefixByteUser, seed[:])
	if err != nil {
		panic(err) // it is a seed of the right length
	}
	return pair
}

// fillKeys puts in what @nkey(name), @sig(name) and the like stand for. The standard encoding of a
// signature is @stdsig(name).
func fillKeys(data []byte, nonce string) []byte {
	return keyForm.ReplaceAllFunc(data, func(found []byte) []byte {
		match := keyForm.FindSubmatch(found)
		pair := keyOf(string(match[2]))
		if string(match[1]) == "nkey" {
			public, err := pair.PublicKey()
			if err != nil {
				panic(err) // it has a public key
			}
			return []byte(public)
		}
		signature, err := pair.Sign([]byte(nonce))
		if err != nil {
			panic(err) // it has a private key
		}
		if string(match[1]) == "stdsig" {
			return []byte(base64.StdEncoding.EncodeToString(signature))
		}
		return []byte(base64.RawURLEncoding.EncodeToString(signature))
	})
}
