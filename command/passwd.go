package command

import (
	"bufio"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/urfave/cli/v2"
	"golang.org/x/crypto/bcrypt"
	"golang.org/x/term"
)

const (
	// defaultCost is what nats-servers' tools use as well: a tenth of a second for each login.
	defaultCost = 11
	// highestCost takes more than ten seconds, and clients have two.
	highestCost = 17
	// longestPassword is what bcrypt takes into account.
	longestPassword = 72
)

// passwdCommand is `shoal passwd`.
func passwdCommand(std streams) *cli.Command {
	p := passwd{streams: std, cost: defaultCost}
	return &cli.Command{
		Name:  "passwd",
		Usage: "make the bcrypt hash of a password",
		Description: "It prints the hash, which a server takes in place of a password or token. A terminal asks for the " +
			"password twice, without showing it; otherwise it is the only line of standard input. --generate makes a " +
			"new password and prints it before its hash.",
		Flags: []cli.Flag{
			&cli.GenericFlag{Name: "cost", Usage: "one more doubles the time of each login, and of each guess, `N`",
				DefaultText: fmt.Sprint(defaultCost), Value: numberValue{number: &p.cost, min: bcrypt.MinCost, max: highestCost}},
			&cli.BoolFlag{Name: "generate", Usage: "make a random password", Destination: &p.generate},
		},
		Action: func(c *cli.Context) error {
			if c.Args().Present() {
				// Without the argument, which may be the password.
				return errors.New("passwd: takes no arguments, which everybody on this machine may see; it asks for the password")
			}
			return p.run()
		},
	}
}

// passwd makes hashes.
type passwd struct {
	streams
	cost     int
	generate bool
}

func (p *passwd) run() error {
	password, err := p.password()
	if err != nil {
		return fmt.Errorf("passwd: %w", err)
	}
	hash, err := bcrypt.GenerateFromPassword([]byte(password), p.cost)
	if err != nil {
		return fmt.Errorf("passwd: %w", err)
	}
	if p.generate {
		fmt.Fprintln(p.out, password)
	}
	_, err = fmt.Fprintln(p.out, string(hash))
	return err
}

func (p *passwd) password() (string, error) {
	if p.generate {
		return rand.Text(), nil // 130 bits
	}
	password, err := p.read()
	switch {
	case err != nil:
		return "", err
	case password == "":
		return "", errors.New("the password is empty")
	case len(password) > longestPassword:
		return "", fmt.Errorf("the password has %d bytes, of which bcrypt would ignore all after %d", len(password), longestPassword)
	}
	return password, nil
}

func (p *passwd) read() (string, error) {
	if file, ok := p.in.(*os.File); ok && isTerminal(file) {
		return p.askTwice(int(file.Fd()))
	}
	const longest = 4096 // long enough to tell how much too long a password is
	in := bufio.NewReader(io.LimitReader(p.in, longest))
	line, err := in.ReadString('\n')
	if err != nil && err != io.EOF {
		return "", fmt.Errorf("cannot read standard input: %w", reason(err))
	}
	if _, err := in.ReadByte(); err == nil {
		return "", errors.New("standard input has more than one line, only one password is hashed at a time")
	}
	return strings.TrimSuffix(strings.TrimSuffix(line, "\n"), "\r"), nil
}

// askTwice reads a password from a terminal. The questions do not go to the output, which may be a
// file for the hash.
func (p *passwd) askTwice(terminal int) (string, error) {
	var answers [2]string
	for i, question := range []string{"Password: ", "Once more: "} {
		fmt.Fprint(p.err, question)
		answer, err := term.ReadPassword(terminal)
		fmt.Fprintln(p.err)
		if err != nil {
			return "", fmt.Errorf("cannot read from the terminal: %w", reason(err))
		}
		answers[i] = string(answer)
	}
	if answers[0] != answers[1] {
		return "", errors.New("these were two different passwords, try again")
	}
	return answers[0], nil
}
