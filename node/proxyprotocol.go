package node

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"time"
)

// The PROXY protocol: what a proxy sends ahead of the bytes of a client, to tell where these come from. The
// first version is a line of text, the second one is binary. See
// https://www.haproxy.org/download/3.0/doc/proxy-protocol.txt.

const (
	// proxyTime bounds how long a proxy may take for that, as in nats-server.
	proxyTime = 5 * time.Second

	proxyLineBegin = "PROXY "
	maxProxyLine   = 107 // with its end
	proxySignature = "\r\n\r\n\x00\r\nQUIT\n"
	proxyHeadSize  = len(proxySignature) + 4
)

var (
	// errIncomplete says that more has to come before it is clear what a connection begins with.
	errIncomplete = errors.New("the header of the PROXY protocol is incomplete")
	// errDirect says that a connection does not begin with such a header.
	errDirect = errors.New("there is no header of the PROXY protocol")
)

// parseProxy reads the header that b begins with, and returns its length and where the client is. That is
// not valid if the connection is one of the proxy itself.
func parseProxy(b []byte) (size int, from netip.AddrPort, err error) {
	switch {
	case begins(b, proxyLineBegin):
		return parseProxyLine(b)
	case begins(b, proxySignature):
		return parseProxyHead(b)
	}
	return 0, from, errDirect
}

// begins reports whether b begins with the text, as far as it goes.
func begins(b []byte, text string) bool {
	n := min(len(b), len(text))
	return string(b[:n]) == text[:n]
}

// parseProxyLine reads the first version.
func parseProxyLine(b []byte) (size int, from netip.AddrPort, err error) {
	end := bytes.Index(b[:min(len(b), maxProxyLine)], []byte("\r\n"))
	switch {
	case end < 0 && len(b) < maxProxyLine:
		return 0, from, errIncomplete
	case end < 0:
		return 0, from, fmt.Errorf("PROXY line: it is longer than %d bytes", maxProxyLine)
	}
	size = end + len("\r\n")
	fields := strings.Fields(string(b[len(proxyLineBegin):end]))
	if len(fields) > 0 && fields[0] == "UNKNOWN" {
		return size, from, nil
	}
	if len(fields) != 5 || fields[0] != "TCP4" && fields[0] != "TCP6" {
		return 0, from, errors.New("PROXY line: want UNKNOWN, or TCP4 or TCP6 with two addresses and two ports")
	}
	var ports [2]uint64
	var addrs [2]netip.Addr
	for i := range addrs {
		if addrs[i], err = netip.ParseAddr(fields[1+i]); err != nil || addrs[i].Zone() != "" || addrs[i].Is4() != (fields[0] == "TCP4") {
			return 0, from, fmt.Errorf("PROXY line: %q is no address for %s", fields[1+i], fields[0])
		}
		if ports[i], err = strconv.ParseUint(fields[3+i], 10, 16); err != nil {
			return 0, from, fmt.Errorf("PROXY line: %q is no port", fields[3+i])
		}
	}
	return size, netip.AddrPortFrom(addrs[0].Unmap(), uint16(ports[0])), nil
}

// parseProxyHead reads the second version.
func parseProxyHead(b []byte) (size int, from netip.AddrPort, err error) {
	if len(b) < proxyHeadSize {
		return 0, from, errIncomplete
	}
	head := b[len(proxySignature):proxyHeadSize]
	command, family := head[0], head[1]
	length := int(binary.BigEndian.Uint16(head[2:]))
	size = proxyHeadSize + length
	var ip int // length of an address
	switch {
	case command != 0x20 && command != 0x21:
		return 0, from, fmt.Errorf("PROXY header: version and command %#02x, want 0x20 or 0x21", command)
	case command == 0x20 || family == 0x01: // of the proxy itself, or from somewhere it does not say
	case family == 0x11:
		ip = 4
	case family == 0x21:
		ip = 16
	default:
		return 0, from, fmt.Errorf("PROXY header: family and protocol %#02x, want TCP over IPv4 or IPv6", family)
	}
	if length < 2*(ip+2) && ip > 0 {
		return 0, from, fmt.Errorf("PROXY header: %d bytes are too few for two addresses and ports", length)
	}
	if len(b) < size {
		return 0, from, errIncomplete
	}
	if ip > 0 {
		addr, _ := netip.AddrFromSlice(b[proxyHeadSize : proxyHeadSize+ip])
		port := binary.BigEndian.Uint16(b[proxyHeadSize+2*ip:])
		from = netip.AddrPortFrom(addr.Unmap(), port)
	}
	return size, from, nil
}

// throughProxy reads what a proxy may send ahead of a new client. Whoever sends something else has come
// without one.
func (c *client) throughProxy() error {
	deadline := time.Now().Add(proxyTime)
	for {
		size, from, err := parseProxy(c.in.unread())
		switch {
		case err == nil:
			c.in.advance(size)
			if from.IsValid() {
				addr := from.String()
				c.proxied.Store(&addr)
			}
			return nil
		case err == errDirect:
			return nil
		case err != errIncomplete:
			return &ending{reason: reasonProtocol, err: err}
		}
		had := len(c.in.unread())
		if err := c.awaitMore(time.Until(deadline)); err != nil {
			return err
		}
		if len(c.in.unread()) == had {
			return &ending{reason: reasonProtocol, err: fmt.Errorf("%w after %v", err, proxyTime)}
		}
	}
}
