package membership

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// defaultPort is the cluster port of a seed that is named without one.
const defaultPort = 6222

// lookupTime bounds the resolution of one name.
const lookupTime = 2 * time.Second

// seed is where a member may be found.
type seed struct {
	text string // as it was given
	host string // a name or an IP address
	port uint16
	srv  bool // host is the name of a SRV record
}

// parseSeed understands host, host:port, nats://host:port and srv://name.
func parseSeed(text string) (seed, error) {
	s := seed{text: text, port: defaultPort}
	hostport := text
	if strings.Contains(text, "://") {
		u, err := url.Parse(text)
		if err != nil || u.Host == "" || strings.Trim(u.Path, "/") != "" {
			return seed{}, fmt.Errorf("%q is not the address of a seed", text)
		}
		switch u.Scheme {
		case "srv":
			s.srv, s.host = true, u.Host
			return s, nil
		case "nats", "tls", "nats-route":
			hostport = u.Host
		default:
			return seed{}, fmt.Errorf("%q: a seed is host:port, nats://host:port or srv://name", text)
		}
	}
	if ip, err := netip.ParseAddr(strings.Trim(hostport, "[]")); err == nil {
		s.host = ip.String()
		return s, nil
	}
	s.host = hostport
	if strings.Contains(hostport, ":") {
		host, port, err := net.SplitHostPort(hostport)
		if err != nil {
			return seed{}, fmt.Errorf("%q is not the address of a seed", text)
		}
		n, err := strconv.ParseUint(port, 10, 16)
		if err != nil || n == 0 {
			return seed{}, fmt.Errorf("%q: %q is not a port", text, port)
		}
		s.host, s.port = host, uint16(n)
	}
	if s.host == "" || strings.ContainsAny(s.host, "/ ?#@") {
		return seed{}, fmt.Errorf("%q is not the address of a seed", text)
	}
	return s, nil
}

// SeedHost returns the host that an entry of [Options.Join] names, a name or an IP address. It is empty if the
// entry is not the address of a seed.
func SeedHost(text string) string {
	s, _ := parseSeed(text)
	return s.host
}

// resolver looks names up. [net.Resolver] is one.
type resolver interface {
	LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error)
	LookupSRV(ctx context.Context, service, proto, name string) (string, []*net.SRV, error)
}

// resolve returns every address that a seed has now. That there is none is an error: a name that is empty
// today may have addresses tomorrow.
func (s *seed) resolve(ctx context.Context, r resolver) ([]netip.AddrPort, error) {
	if ip, err := netip.ParseAddr(s.host); err == nil && !s.srv {
		return []netip.AddrPort{netip.AddrPortFrom(ip.Unmap(), s.port)}, nil
	}
	ctx, cancel := context.WithTimeout(ctx, lookupTime)
	defer cancel()
	if !s.srv {
		return lookup(ctx, r, s.host, s.port)
	}
	_, records, err := r.LookupSRV(ctx, "", "", s.host)
	if err != nil {
		return nil, err
	}
	var list []netip.AddrPort
	var errs error
	for _, rec := range records {
		addrs, err := lookup(ctx, r, strings.TrimSuffix(rec.Target, "."), rec.Port)
		errs = errors.Join(errs, err)
		list = append(list, addrs...)
	}
	if len(list) == 0 && errs == nil {
		errs = fmt.Errorf("%s has no SRV records", s.host)
	}
	if len(list) > 0 {
		errs = nil
	}
	return list, errs
}

func lookup(ctx context.Context, r resolver, host string, port uint16) ([]netip.AddrPort, error) {
	ips, err := r.LookupNetIP(ctx, "ip", host)
	if err == nil && len(ips) == 0 {
		err = fmt.Errorf("%s has no addresses", host)
	}
	list := make([]netip.AddrPort, 0, len(ips))
	for _, ip := range ips {
		list = append(list, netip.AddrPortFrom(ip.Unmap(), port))
	}
	return list, err
}

// hintTime is how long an address that was learned elsewhere is tried, and peerTime one from the file of
// peers.
const hintTime, peerTime = 10 * time.Minute, time.Hour

// mostHints bounds the addresses that were learned elsewhere.
const mostHints = 256

// seeds are the addresses where members may be found.
type seeds struct {
	resolver resolver

	mu    sync.Mutex // guards the rest
	named []seed     // by somebody who runs the cluster; tried for ever
	hints map[string]time.Time
	found map[string]bool // addresses of named, as of when they were resolved last
}

// add adds a seed.
func (s *seeds) add(text string) error {
	n, err := parseSeed(text)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if !slices.ContainsFunc(s.named, func(o seed) bool { return o.text == text }) {
		s.named = append(s.named, n)
	}
	return nil
}

// remove forgets a seed.
func (s *seeds) remove(text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.named = slices.DeleteFunc(s.named, func(o seed) bool { return o.text == text })
}

// hint adds an address, which is tried until then. It reports whether it is new.
func (s *seeds) hint(addr string, until time.Time) bool {
	if _, err := netip.ParseAddrPort(addr); err != nil {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	_, ok := s.hints[addr]
	if !ok && len(s.hints) >= mostHints {
		return false
	}
	s.hints[addr] = until
	return !ok
}

// unhint takes an address back that was learned elsewhere.
func (s *seeds) unhint(addr string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.hints, addr)
}

// addresses returns all addresses as they are now, and what could not be resolved.
func (s *seeds) addresses(ctx context.Context, now time.Time) (list []string, errs map[string]error) {
	s.mu.Lock()
	named := slices.Clone(s.named)
	for addr, until := range s.hints {
		if now.After(until) {
			delete(s.hints, addr)
			continue
		}
		list = append(list, addr)
	}
	s.mu.Unlock()
	errs = make(map[string]error)
	found := make(map[string]bool)
	for _, n := range named {
		addrs, err := n.resolve(ctx, s.resolver)
		if err != nil {
			errs[n.text] = err
		}
		for _, a := range addrs {
			list = append(list, a.String())
			found[a.String()] = true
		}
	}
	s.mu.Lock()
	s.found = found
	s.mu.Unlock()
	slices.Sort(list)
	return slices.Compact(list), errs
}

// isNamed reports whether an address is one of a seed that somebody has named.
func (s *seeds) isNamed(addr string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.found[addr]
}

// none reports whether there is nothing to try.
func (s *seeds) none() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.named) == 0 && len(s.hints) == 0
}
