// Command shoal is a message broker that speaks the NATS protocol; see `shoal --help`.
package main

import (
	"os"

	"shoal/command"
)

func main() { os.Exit(command.Main()) }
