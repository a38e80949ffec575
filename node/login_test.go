package node

import (
	"fmt"
	"testing"
	"time"

	"golang.org/x/crypto/bcrypt"

	"shoal/node/auth"
)

const authViolation = "-ERR 'Authorization Violation'\r\n"

func login(user, password string) string {
	return fmt.Sprintf(`CONNECT {"verbose":false,"user":%q,"pass":%q}`+"\r\n", user, password)
}

// TestRefusalsAreHeldBack has an address guess. From some point on it learns the answers late, while those
// who know the password are let in at once.
func TestRefusalsAreHeldBack(t *testing.T) {
	n := startNode(t, Options{Authenticator: users(t, auth.User{Name: "u"})})
	start := time.Now()
	var guesses []*peer
	for i := range 50 {
		guesses = append(guesses, dial(t, n, login("u", fmt.Sprint(i))))
	}
	dial(t, n, login("u", "p")).sync()
	for _, p := range guesses {
		p.wantEnd(authViolation)
	}
	// 20 are answered at once, and the last one a second after it has come.
	if took := time.Since(start); took < time.Second/2 {
		t.Errorf("50 wrong passwords were answered within %v", took)
	}
	dial(t, n, login("u", "wrong")).nc.Close() // nobody waits for that answer
	eventually(t, "the clients are gone", func() bool { return len(n.clients.all()) == 1 })
}

// TestHashesAreRationed has an address present so many different passwords that it may have no more of
// them hashed. Then it is refused without a word, even with a right password, unless that was right before.
func TestHashesAreRationed(t *testing.T) {
	hash, err := bcrypt.GenerateFromPassword([]byte("p"), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	n := startNode(t, Options{Authenticator: users(t,
		auth.User{Name: "u", Password: string(hash)}, auth.User{Name: "v", Password: string(hash)})})
	dial(t, n, login("u", "p")).sync()
	for range 20 {
		n.failures.Allow("127.0.0.1", time.Now())
	}
	dial(t, n, login("u", "wrong")).wantEnd("")
	dial(t, n, login("v", "p")).wantEnd("")
	dial(t, n, login("u", "p")).sync()
}

// TestSecondLoginThatFails has a client that is in present something wrong: what it has asked for before is
// answered, not held back.
func TestSecondLoginThatFails(t *testing.T) {
	n := startNode(t, Options{Authenticator: users(t, auth.User{Name: "u"})})
	for range 30 {
		n.failures.Failed("127.0.0.1", time.Now())
	}
	p := dial(t, n, login("u", "p")+"SUB a 1\r\nPUB a 2\r\nhi\r\n"+login("u", "wrong"))
	p.want(message("a", "1", "hi"))
	eventually(t, "nobody subscribes", func() bool { return n.accounts.len() == 0 })
	p.wantEnd(authViolation)
}
