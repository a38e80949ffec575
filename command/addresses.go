package command

import (
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"syscall"
)

// listenerURLs returns the URLs at which somebody reaches a listener on host and port. A wildcard
// host stands for the addresses of this machine, or for loopback if it has no others.
func listenerURLs(scheme, host string, port int) []string {
	hosts := []string{host}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		hosts = machineAddresses()
	}
	urls := make([]string, len(hosts))
	for i, h := range hosts {
		urls[i] = scheme + "://" + net.JoinHostPort(h, strconv.Itoa(port))
	}
	return urls
}

// machineAddresses returns the addresses of the interfaces that reach beyond this machine, those
// of IPv4 first. Link-local ones are left out: they mean nothing without the name of the interface.
func machineAddresses() []string {
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		addrs = nil
	}
	var v4, v6 []string
	for _, addr := range addrs {
		network, ok := addr.(*net.IPNet)
		switch {
		case !ok || !network.IP.IsGlobalUnicast():
		case network.IP.To4() != nil:
			v4 = append(v4, network.IP.String())
		default:
			v6 = append(v6, network.IP.String())
		}
	}
	if all := slices.Concat(v4, v6); len(all) > 0 {
		return all
	}
	return []string{"127.0.0.1"}
}

// portOf returns the port that a listener was given.
func portOf(addr net.Addr) int {
	if tcp, ok := addr.(*net.TCPAddr); ok {
		return tcp.Port
	}
	return 0
}

// listenError explains why a listener could not be opened, in terms of the flags that chose its
// address. Other errors are returned as they are.
func listenError(err error, portFlag, host string, port int) error {
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
		return fmt.Errorf("--addr: %s is not an address of this machine", host)
	case errors.As(err, &dns):
		return fmt.Errorf("--addr: %s cannot be resolved to an address", host)
	}
	return fmt.Errorf("%s: cannot listen on %s: %w", portFlag, net.JoinHostPort(host, strconv.Itoa(port)), op.Err)
}
