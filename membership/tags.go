package membership

import (
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// What a member says of itself travels as a map of short strings, its tags, with every piece of news about
// it and in every exact comparison. The map must fit 512 bytes encoded, and a packet holds the fewer news
// the longer it is, so the keys of this package are one letter each. Keys of two letters and more are for
// the caller.
const (
	tagName     = "n"
	tagCluster  = "c" // preceded by '~' if nobody has configured it
	tagVersion  = "v"
	tagProtocol = "p" // the range of versions of these tags and queries, "1-2"
	tagState    = "s" // one of stateLetters
	tagRoute    = "r" // ":port" is at the member's own IP address
	tagClient   = "u"
	tagMonitor  = "m"
	tagBoot     = "b" // milliseconds since 1970, base 36
	tagRing     = "k" // generation of the member's keys, base 36
)

// Versions of what members tell each other that this build understands.
const protocolMin, protocolMax = 1, 1

const (
	// startTags is how long tags may be at the start, in bytes. It leaves room for those that are set
	// later, and for those that a newer version will add.
	startTags = 400
	// mostTags is how long they may ever be: memberlist's limit is 512.
	mostTags = 500
	// longestValue is the longest value of a caller's tag, and longestKey of its key.
	longestValue, longestKey = 64, 8
)

// caps are the longest values of this package's tags.
var caps = map[string]int{
	tagName: 64, tagCluster: 64, tagVersion: 24, tagProtocol: 8, tagState: 1,
	tagRoute: 72, tagClient: 72, tagMonitor: 72, tagBoot: 13, tagRing: 13,
}

// tagNames are what these tags are called in messages.
var tagNames = map[string]string{
	tagName: "server name", tagCluster: "cluster name", tagVersion: "version", tagProtocol: "protocol range",
	tagState: "state", tagRoute: "route address", tagClient: "client address", tagMonitor: "monitor address",
	tagBoot: "boot time", tagRing: "key generation",
}

// tagLabel says which tag that is.
func tagLabel(key string) string {
	if name := tagNames[key]; name != "" {
		return name
	}
	return "tag " + strconv.Quote(key)
}

// tagSize is how many bytes tags take: a byte in front, and a msgpack map. It may be a few too many.
func tagSize(tags map[string]string) int {
	size := 1 + 3
	for k, v := range tags {
		size += textSize(k) + textSize(v)
	}
	return size
}

func textSize(s string) int {
	if len(s) < 32 {
		return 1 + len(s)
	}
	return 3 + len(s)
}

// checkTags says why tags may not be gossiped, if so: one is too long for itself, or all are too long
// together.
func checkTags(tags map[string]string, most int) error {
	for k, v := range tags {
		if limit, ok := caps[k]; ok && len(v) > limit {
			return fmt.Errorf("the %s is %d bytes long, %d are allowed: %q", tagLabel(k), len(v), limit, v)
		}
	}
	if size := tagSize(tags); size > most {
		longest := ""
		for k, v := range tags {
			if longest == "" || len(v) > len(tags[longest]) || len(v) == len(tags[longest]) && k < longest {
				longest = k
			}
		}
		return fmt.Errorf("what this server tells of itself takes %d bytes, %d are allowed; the longest is the %s: %q",
			size, most, tagLabel(longest), tags[longest])
	}
	return nil
}

// checkTag says why the caller may not set a tag, if so.
func checkTag(key, value string) error {
	switch {
	case len(key) < 2 || len(key) > longestKey:
		return fmt.Errorf("the key of a tag has 2 to %d letters, not %q", longestKey, key)
	case len(value) > longestValue:
		return fmt.Errorf("tag %q is %d bytes long, %d are allowed", key, len(value), longestValue)
	case !printable(key) || !printable(value):
		return fmt.Errorf("tag %q has characters that cannot be printed", key)
	}
	return nil
}

// encodeCluster is the tag of a cluster's name.
func encodeCluster(name string, fixed bool) string {
	if fixed {
		return name
	}
	return "~" + name
}

// encodeTime is the tag of a time.
func encodeTime(t time.Time) string { return strconv.FormatInt(t.UnixMilli(), 36) }

// decodeTags fills in what a member says of itself, whose gossip address is at. The error says which tag
// makes no sense. It trusts nothing: whoever can send a packet may have written them.
func decodeTags(tags map[string]string, at netip.AddrPort, m *Member) error {
	for k, v := range tags {
		limit, ok := caps[k]
		if !ok {
			limit = mostTags
		}
		if len(v) > limit {
			return fmt.Errorf("%s is %d bytes long", tagLabel(k), len(v))
		}
		if !printable(k) || !printable(v) {
			return fmt.Errorf("%s cannot be printed", tagLabel(k))
		}
	}
	m.Name, m.Version = tags[tagName], tags[tagVersion]
	m.Cluster, m.Fixed = strings.TrimPrefix(tags[tagCluster], "~"), !strings.HasPrefix(tags[tagCluster], "~")
	state := strings.Index(stateLetters, tags[tagState])
	if len(tags[tagState]) != 1 || state < 0 {
		return fmt.Errorf("state %q is unknown", tags[tagState])
	}
	m.State = State(state)
	for k, to := range map[string]*string{tagRoute: &m.Route, tagClient: &m.Client, tagMonitor: &m.Monitor} {
		addr, err := decodeAddress(tags[k], at.Addr())
		if err != nil {
			return fmt.Errorf("%s %q: %w", tagLabel(k), tags[k], err)
		}
		*to = addr
	}
	if b := tags[tagBoot]; b != "" {
		ms, err := strconv.ParseInt(b, 36, 64)
		if err != nil || ms < 0 {
			return fmt.Errorf("boot time %q is not a time", b)
		}
		m.Boot = time.UnixMilli(ms)
	}
	m.ring = 0
	if k := tags[tagRing]; k != "" {
		gen, err := strconv.ParseInt(k, 36, 64)
		if err != nil || gen < 0 {
			return fmt.Errorf("key generation %q is not a number", k)
		}
		m.ring = gen
	}
	if _, _, err := decodeRange(tags[tagProtocol]); err != nil {
		return err
	}
	m.Tags = make(map[string]string)
	for k, v := range tags {
		if len(k) > 1 {
			m.Tags[k] = v
		}
	}
	return nil
}

// decodeAddress returns host:port for the tag of an address.
func decodeAddress(tag string, ip netip.Addr) (string, error) {
	if tag == "" {
		return "", nil
	}
	host, port, err := net.SplitHostPort(tag)
	if err != nil {
		return "", fmt.Errorf("it is not host:port")
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
		return "", fmt.Errorf("port %q is not one", port)
	}
	if host == "" {
		host = ip.Unmap().String()
	}
	if strings.ContainsAny(host, " /@?#%\"'\\<>") {
		return "", fmt.Errorf("host %q is not one", host)
	}
	return net.JoinHostPort(host, port), nil
}

// decodeRange returns the lowest and the highest version of a protocol.
func decodeRange(tag string) (low, high int, err error) {
	a, b, ok := strings.Cut(tag, "-")
	low, err1 := strconv.Atoi(a)
	high, err2 := strconv.Atoi(b)
	if !ok || err1 != nil || err2 != nil || low < 1 || high < low {
		return 0, 0, fmt.Errorf("protocol range %q makes no sense", tag)
	}
	return low, high, nil
}

func printable(s string) bool {
	if !utf8.ValidString(s) {
		return false
	}
	for _, r := range s {
		if !unicode.IsPrint(r) {
			return false
		}
	}
	return true
}

// validID reports whether s is a server ID: 56 capital letters and digits.
func validID(s string) bool {
	if len(s) != 56 {
		return false
	}
	for i := range len(s) {
		if c := s[i]; (c < 'A' || c > 'Z') && (c < '0' || c > '9') {
			return false
		}
	}
	return true
}
