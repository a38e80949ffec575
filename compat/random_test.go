package compat

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"testing"

	"shoal/compat/internal/script"
)

var conversations = flag.Int("conversations", 100, "how many random conversations to compare")

// TestRandomConversations compares conversations that nobody wrote down. One that fails can be
// repeated with -seed, and its text can become a script.
func TestRandomConversations(t *testing.T) { converse(t, *conversations, script.Generate) }

// TestRandomRoutes does so with conversations in which other servers take part.
func TestRandomRoutes(t *testing.T) { converse(t, *conversations/4, script.GenerateRoutes) }

// TestRandomPermissions does so with users who may not do everything.
func TestRandomPermissions(t *testing.T) { converse(t, *conversations, script.GeneratePermissions) }

func converse(t *testing.T, count int, generate func(seed uint64) (*script.Script, error)) {
	first := *seed
	if first == 0 {
		first = rand.Uint64N(1e9)
	}
	for i := range uint64(count) {
		conversation, err := generate(first + i)
		if err != nil {
			t.Fatal(err)
		}
		t.Run(fmt.Sprint(first+i), func(t *testing.T) {
			t.Parallel()
			t.Cleanup(func() {
				if t.Failed() {
					t.Logf("the conversation is\n%s", conversation)
				}
			})
			compare(t, conversation)
		})
	}
}
