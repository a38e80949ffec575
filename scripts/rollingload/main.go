// Rollingload is the load under which scripts/rolling-upgrade replaces the nodes of a cluster: on
// every node it has subscribers, responders, a publisher and a requester, made with nats.go as
// applications make them. In the end it tells what they saw: what was received, lost or duplicated,
// how long nothing came, and which requests failed.
//
// It prints "ready" when all of it works. Then every line of standard input is the title of a step
// that begins, and the end of standard input is the end of the load. The exit status is 1 if more was
// lost than may be lost with a connection that is closed.
package main

import (
	"bufio"
	"errors"
	"flag"
	"fmt"
	"os"
	"strings"
	"time"
)

func main() {
	var o options
	servers := flag.String("servers", "", "client URLs of all nodes, separated by commas")
	flag.IntVar(&o.rate, "rate", 5000, "messages per second")
	flag.IntVar(&o.requests, "requests", 500, "requests per second")
	flag.IntVar(&o.readers, "readers", 3, "subscribers and responders on each node")
	flag.Parse()
	o.servers = strings.Split(*servers, ",")
	if err := run(o); err != nil {
		fmt.Fprintln(os.Stderr, "rollingload:", err)
		os.Exit(1)
	}
}

func run(o options) error {
	if o.rate < 1 || o.requests < 1 || o.readers < 1 || o.servers[0] == "" {
		return errors.New("--servers is needed, and every number must be positive")
	}
	l := newLoad(o)
	defer l.close()
	if err := l.start(); err != nil {
		return err
	}
	if err := l.waitUntilReady(10 * time.Second); err != nil {
		return err
	}
	fmt.Println("ready")
	steps := bufio.NewScanner(os.Stdin)
	for steps.Scan() {
		l.steps.begin(time.Now(), steps.Text())
	}
	l.finish(3 * time.Second)
	fmt.Println()
	r := l.report()
	r.write(os.Stdout)
	l.writePlaces(os.Stdout)
	return r.verdict()
}
