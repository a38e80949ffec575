package node

import (
	"context"
	"net"
	"net/netip"
	"time"

	"shoal/membership"
)

// outwardTime bounds the search for the address that leads to peers.
const outwardTime = 5 * time.Second

// outward returns the address of this machine from which packets to a peer would be sent, for a node that
// listens on all of them. A seed may be this node itself, and on many machines their own name is that of a
// loopback address, which no other machine could use. So loopback addresses count only if all seeds are
// given as such: then the cluster is on this machine. It reports whether the address is any good: a machine
// that has just been switched on may have no network yet.
func outward(ctx context.Context, o *ClusterOptions) (host string, ok bool) {
	ctx, cancel := context.WithTimeout(ctx, outwardTime)
	defer cancel()
	hosts := make([]string, 0, len(o.Join)+len(o.Routes))
	for _, seed := range o.Join {
		hosts = append(hosts, membership.SeedHost(seed))
	}
	for _, u := range o.Routes {
		hosts = append(hosts, u.Hostname())
	}
	var loopback []string
	for _, host := range hosts {
		source, err := sourceFor(ctx, host)
		switch {
		case err != nil:
		case !source.IsLoopback():
			return source.String(), true
		case isLoopback(host):
			loopback = append(loopback, source.String())
		}
	}
	if len(loopback) > 0 && len(loopback) == len(hosts) {
		return loopback[0], true
	}
	host = ReachableHosts(o.Host)[0]
	return host, !isLoopback(host)
}

// sourceFor returns the address of this machine from which packets to host would be sent.
func sourceFor(ctx context.Context, host string) (netip.Addr, error) {
	// Connecting a UDP socket sends nothing, but chooses an address.
	nc, err := new(net.Dialer).DialContext(ctx, "udp", net.JoinHostPort(host, "9"))
	if err != nil {
		return netip.Addr{}, err
	}
	defer nc.Close()
	return nc.LocalAddr().(*net.UDPAddr).AddrPort().Addr().Unmap(), nil
}

// isLoopback reports whether a host is given as a loopback address.
func isLoopback(host string) bool {
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.Unmap().IsLoopback()
}
