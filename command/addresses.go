package command

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"syscall"

	"shoal/node"
)

// listenerURLs returns the URLs at which somebody reaches a listener on host and port.
func listenerURLs(scheme, host string, port int) []string {
	hosts := node.ReachableHosts(host)
	urls := make([]string, len(hosts))
	for i, h := range hosts {
		urls[i] = scheme + "://" + net.JoinHostPort(h, strconv.Itoa(port))
	}
	return urls
}

// portOf returns the port that a listener was given.
func portOf(addr net.Addr) int {
	if tcp, ok := addr.(*net.TCPAddr); ok {
		return tcp.Port
	}
	return 0
}

// startError explains why a node could not be started.
func startError(err error, o *node.Options) error {
	var cluster *node.ClusterListenError
	if errors.As(err, &cluster) {
		return listenError(err, "--cluster", "--cluster", o.Cluster.Host, o.Cluster.Port)
	}
	var web *node.WebSocketListenError
	if errors.As(err, &web) {
		return listenError(err, "--ws_host", "--ws_port", cmp.Or(o.WebSocket.Host, o.Host), o.WebSocket.Port)
	}
	if text, ok := strings.CutPrefix(err.Error(), "gossip: "); ok {
		return errors.New("--join: cannot gossip: " + text)
	}
	return listenError(err, "--addr", "--port", o.Host, o.Port)
}

// listenError explains why a listener could not be opened, in terms of the flags that chose its
// address. Other errors are returned as they are.
func listenError(err error, hostFlag, portFlag, host string, port int) error {
	var op *net.OpError
	if !errors.As(err, &op) || op.Op != "listen" {
		return err
	}
	var dns *net.DNSError
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return fmt.Errorf("%s: %d is in use on %s, stop what listens there or take another port", portFlag, port, host)
	case errors.Is(err, syscall.EACCES):
		return fmt.Errorf("%s: %d needs privileges, take a port above 1023", portFlag, port)
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return fmt.Errorf("%s: %s is not an address of this machine", hostFlag, host)
	case errors.As(err, &dns):
		return fmt.Errorf("%s: %s cannot be resolved to an address", hostFlag, host)
	}
	return fmt.Errorf("%s: cannot listen on %s: %w", portFlag, net.JoinHostPort(host, strconv.Itoa(port)), op.Err)
}
