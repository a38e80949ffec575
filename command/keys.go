package command

import (
	"crypto/rand"
	"encoding/base64"
	"fmt"

	"github.com/urfave/cli/v2"
)

// keysCommand is `shoal keys`: what there is to do with the keys of gossip.
func keysCommand(std streams) *cli.Command {
	return &cli.Command{
		Name:      "keys",
		Usage:     "make, list and change the keys of gossip",
		ArgsUsage: "ACTION",
		Description: "generate prints a new key, which belongs into the file of --gossip_key or into the environment as " +
			gossipKeyVariable + ".",
		Action: func(c *cli.Context) error {
			switch action := c.Args().First(); {
			case action == "":
				return fmt.Errorf("an action is missing: %s %s", c.Command.HelpName, c.Command.ArgsUsage)
			case action != "generate":
				return fmt.Errorf("%q is not an action, use generate", action)
			case c.NArg() > 1:
				return fmt.Errorf("%q is one argument too many", c.Args().Get(1))
			}
			return generateKey(std)
		},
	}
}

// keyBytes is the length of a new key, for AES-256.
const keyBytes = 32

func generateKey(std streams) error {
	key := make([]byte, keyBytes)
	rand.Read(key)
	_, err := fmt.Fprintln(std.out, base64.StdEncoding.EncodeToString(key))
	return err
}
