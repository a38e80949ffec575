package node

import (
	"crypto/tls"
	"encoding/binary"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"shoal/node/certs"
)

// proxyHead returns a header of the second version.
func proxyHead(command, family byte, rest string) string {
	b := append([]byte(proxySignature), command, family)
	b = binary.BigEndian.AppendUint16(b, uint16(len(rest)))
	return string(b) + rest
}

const (
	proxied4 = "\xc0\x00\x02\x07\xc0\x00\x02\x08\x12\x34\x10\x7e"
	proxied6 = "\x20\x01\x0d\xb8\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x07" +
		"\x20\x01\x0d\xb8\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x08\x12\x34\x10\x7e"
	mapped = "\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\xff\xff\xc0\x00\x02\x07"
)

// proxyHeaders are headers, and the addresses in them or what is wrong.
var proxyHeaders = []struct{ name, header, want, err string }{
	{"IPv4", "PROXY TCP4 192.0.2.7 192.0.2.8 4660 4222\r\n", "192.0.2.7:4660", ""},
	{"IPv6", "PROXY TCP6 2001:db8::7 2001:db8::8 4660 4222\r\n", "[2001:db8::7]:4660", ""},
	{"IPv4 in IPv6", "PROXY TCP6 ::ffff:192.0.2.7 ::ffff:192.0.2.8 4660 4222\r\n", "192.0.2.7:4660", ""},
	{"unknown", "PROXY UNKNOWN\r\n", "invalid AddrPort", ""},
	{"unknown with addresses", "PROXY UNKNOWN a b c d e f\r\n", "invalid AddrPort", ""},
	{"a long line", "PROXY TCP4 192.0.2.7 192.0.2.8 4660 4222" + strings.Repeat(" ", 65) + "\r\n", "192.0.2.7:4660", ""},
	{"too long", "PROXY TCP4 192.0.2.7 192.0.2.8 4660 4222" + strings.Repeat(" ", 66) + "\r\n", "", "longer than 107 bytes"},
	{"nothing in it", "PROXY \r\n", "", "want UNKNOWN, or TCP4 or TCP6"},
	{"another protocol", "PROXY UDP4 192.0.2.7 192.0.2.8 4660 4222\r\n", "", "want UNKNOWN, or TCP4 or TCP6"},
	{"too few", "PROXY TCP4 192.0.2.7 192.0.2.8 4660\r\n", "", "want UNKNOWN, or TCP4 or TCP6"},
	{"IPv6 as IPv4", "PROXY TCP4 2001:db8::7 192.0.2.8 4660 4222\r\n", "", `"2001:db8::7" is no address for TCP4`},
	{"IPv4 as IPv6", "PROXY TCP6 2001:db8::7 192.0.2.8 4660 4222\r\n", "", `"192.0.2.8" is no address for TCP6`},
	{"a zone", "PROXY TCP6 fe80::1%eth0 fe80::2 4660 4222\r\n", "", `"fe80::1%eth0" is no address for TCP6`},
	{"no address", "PROXY TCP4 localhost 192.0.2.8 4660 4222\r\n", "", `"localhost" is no address for TCP4`},
	{"no port", "PROXY TCP4 192.0.2.7 192.0.2.8 65536 4222\r\n", "", `"65536" is no port`},
	{"binary, IPv4", proxyHead(0x21, 0x11, proxied4), "192.0.2.7:4660", ""},
	{"binary, IPv4 with more", proxyHead(0x21, 0x11, proxied4+"\x04\x00\x01x"), "192.0.2.7:4660", ""},
	{"binary, IPv6", proxyHead(0x21, 0x21, proxied6), "[2001:db8::7]:4660", ""},
	{"binary, IPv4 in IPv6", proxyHead(0x21, 0x21, mapped+mapped+"\x12\x34\x10\x7e"), "192.0.2.7:4660", ""},
	{"binary, local", proxyHead(0x20, 0x00, ""), "invalid AddrPort", ""},
	{"binary, local with addresses", proxyHead(0x20, 0x11, proxied4), "invalid AddrPort", ""},
	{"binary, unspecified", proxyHead(0x21, 0x01, "xyz"), "invalid AddrPort", ""},
	{"binary, long", proxyHead(0x21, 0x11, proxied4+strings.Repeat("x", 65000)), "192.0.2.7:4660", ""},
	{"binary, another version", proxyHead(0x31, 0x11, proxied4), "", "version and command 0x31"},
	{"binary, another command", proxyHead(0x22, 0x11, proxied4), "", "version and command 0x22"},
	{"binary, datagrams", proxyHead(0x21, 0x12, proxied4), "", "family and protocol 0x12"},
	{"binary, Unix", proxyHead(0x21, 0x31, strings.Repeat("x", 216)), "", "family and protocol 0x31"},
	{"binary, too short", proxyHead(0x21, 0x11, proxied4[1:]), "", "11 bytes are too few"},
	{"binary, IPv6 too short", proxyHead(0x21, 0x21, proxied4), "", "12 bytes are too few"},
}

func TestParseProxy(t *testing.T) {
	for _, tt := range proxyHeaders {
		t.Run(tt.name, func(t *testing.T) {
			size, from, err := parseProxy([]byte(tt.header + "CONNECT"))
			if tt.err != "" {
				if err == nil || !strings.Contains(err.Error(), tt.err) {
					t.Errorf("got error %v, want %s", err, tt.err)
				}
				return
			}
			if err != nil || size != len(tt.header) || from.String() != tt.want {
				t.Errorf("got %d bytes, %v, %v; want %d, %s", size, from, err, len(tt.header), tt.want)
			}
			for n := range len(tt.header) {
				if _, _, err := parseProxy([]byte(tt.header[:n])); err != errIncomplete {
					t.Fatalf("%d bytes of it: %v", n, err)
				}
			}
		})
	}
	for _, direct := range []string{"CONNECT {}\r\n", "PING\r\n", "\r\nPING\r\n", "PROXX", "\x16\x03\x01"} {
		if _, _, err := parseProxy([]byte(direct)); err != errDirect {
			t.Errorf("%q: %v", direct, err)
		}
	}
}

func FuzzProxyHeader(f *testing.F) {
	for _, h := range proxyHeaders {
		f.Add([]byte(h.header))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		size, from, err := parseProxy(b)
		if err != nil && (size != 0 || from.IsValid()) || err == nil && (size == 0 || size > len(b)) {
			t.Fatalf("%d bytes, %v, %v", size, from, err)
		}
		for n := range min(len(b), 300) {
			s, a, e := parseProxy(b[:n])
			switch {
			case e == errIncomplete:
			case err == nil && n < size:
				t.Fatalf("%d bytes of %d are enough: %v, %v", n, size, a, e)
			case s != size || a != from || e == nil != (err == nil):
				t.Fatalf("%d bytes give %d, %v, %v, all of them %d, %v, %v", n, s, a, e, size, from, err)
			}
		}
	})
}

func TestThroughProxy(t *testing.T) {
	n := startNode(t, Options{ProxyProtocol: true})
	for _, tt := range proxyHeaders {
		if tt.err != "" {
			nc := bare(t, n)
			if first := readInfo(t, nc); first.ClientIP != "" {
				t.Errorf("%s: the first INFO says %s", tt.name, first.ClientIP)
			}
			asPeer(t, nc, tt.header).wantEnd("")
			eventually(t, "it is gone", func() bool { return n.Stats().Connections == 0 })
			continue
		}
		for _, cut := range []int{0, 3, len(tt.header) - 1, len(tt.header)} { // all at once, and in two parts
			nc := bare(t, n)
			readInfo(t, nc)
			p := asPeer(t, nc, tt.header[:cut])
			p.send(tt.header[cut:] + `CONNECT {"verbose":false,"protocol":1}` + "\r\nPING\r\nSUB a 1\r\nPING\r\n")
			want, err := netip.ParseAddrPort(tt.want)
			if err != nil {
				want = netip.MustParseAddrPort(nc.LocalAddr().String())
			}
			p.want("PONG\r\n")
			if line := p.line(); !strings.Contains(line, fmt.Sprintf(`"client_ip":"%s"`, want.Addr())) {
				t.Errorf("%s: the client is told %s, want %s", tt.name, line, want)
			}
			p.want("PONG\r\n")
			c := n.clients.all()[0]
			if ip, port := c.from(); ip != want.Addr().String() || port != int(want.Port()) {
				t.Errorf("%s: it is shown with %s and %d, want %s", tt.name, ip, port, want)
			}
			if addr := c.LogValue().Group()[0].Value.String(); addr != want.String() {
				t.Errorf("%s: the log says %s, want %s", tt.name, addr, want)
			}
			nc.Close()
			eventually(t, "it is gone", func() bool { return n.Stats().Connections == 0 })
		}
	}
	// Whoever sends none has come without a proxy.
	p := dial(t, n, quiet)
	p.sync()
	reload(t, n, func(o *Options) { o.ProxyProtocol = false })
	nc := bare(t, n)
	if first := readInfo(t, nc); first.ClientIP != "127.0.0.1" {
		t.Errorf("without the protocol the first INFO says %q", first.ClientIP)
	}
	asPeer(t, nc, proxyHeaders[0].header).wantEnd("-ERR 'Unknown Protocol Operation'\r\n")
	p.sync()
}

// The header comes before TLS, whichever way that begins.
func TestThroughProxyWithTLS(t *testing.T) {
	pki := newPKI(t)
	for name, tune := range map[string]func(*certs.Files){
		"required":      func(*certs.Files) {},
		"available":     func(f *certs.Files) { f.AllowPlain = true },
		"first":         func(f *certs.Files) { f.HandshakeFirst = true },
		"perhaps first": func(f *certs.Files) { f.HandshakeFirst, f.HandshakeDelay = true, patience },
	} {
		t.Run(name, func(t *testing.T) {
			o := pki.options(tune)
			n := startNode(t, Options{ProxyProtocol: true, TLS: o})
			nc := bare(t, n)
			if !o.HandshakeFirst {
				readInfo(t, nc)
			}
			asPeer(t, nc, proxyHeaders[0].header)
			secure := tls.Client(nc, pki.client(""))
			if o.HandshakeFirst {
				if first := readInfo(t, secure); first.ClientIP != "192.0.2.7" {
					t.Errorf("INFO says %q", first.ClientIP)
				}
			}
			asPeer(t, secure, quiet).sync()
			if ip, _ := n.clients.all()[0].from(); ip != "192.0.2.7" {
				t.Errorf("the client is at %s", ip)
			}
		})
	}
}

// A proxy that sends only a part of a header is not waited for for ever, and neither does it hold up the end.
func TestSilentProxy(t *testing.T) {
	n := startNode(t, Options{ProxyProtocol: true})
	nc := bare(t, n)
	readInfo(t, nc)
	p := asPeer(t, nc, "PROXY TCP4 ")
	eventually(t, "the client is there", func() bool { return n.clients.count() == 1 })
	c := n.clients.all()[0]
	c.sock.nc.SetReadDeadline(time.Unix(1, 0)) // as if the time were up
	p.wantEnd("")
	eventually(t, "it is gone", func() bool { return n.Stats().Connections == 0 })

	nc = bare(t, n)
	readInfo(t, nc)
	p = asPeer(t, nc, "PROXY TCP4 ")
	began := time.Now()
	if err := n.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(began); took > proxyTime/2 {
		t.Errorf("the end took %v", took)
	}
	p.wantEnd("")
}
