package node_test

import (
	"context"
	"fmt"
	"log"

	"github.com/nats-io/nats.go"

	"shoal/node"
)

// A program runs a broker inside itself and connects to it without a socket. Others may connect
// under its URL at the same time.
func Example() {
	ctx := context.Background()
	n, err := node.New(node.Options{Host: "127.0.0.1", Port: node.RandomPort})
	if err != nil {
		log.Fatal(err)
	}
	if err := n.Start(ctx); err != nil {
		log.Fatal(err)
	}
	defer n.Shutdown(ctx)

	inside, err := nats.Connect("", nats.InProcessServer(n))
	if err != nil {
		log.Fatal(err)
	}
	defer inside.Close()
	if _, err := inside.Subscribe("greet", func(m *nats.Msg) {
		m.Respond([]byte("hello, " + string(m.Data)))
	}); err != nil {
		log.Fatal(err)
	}
	if err := inside.Flush(); err != nil {
		log.Fatal(err)
	}

	outside, err := nats.Connect(n.ClientURL())
	if err != nil {
		log.Fatal(err)
	}
	defer outside.Close()
	answer, err := outside.Request("greet", []byte("shoal"), nats.DefaultTimeout)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(string(answer.Data))
	// Output: hello, shoal
}
