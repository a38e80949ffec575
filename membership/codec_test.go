package membership

import (
	"crypto/rand"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/memberlist"
	"github.com/hashicorp/serf/serf"
)

func randomBytes(n int) []byte {
	b := make([]byte, n)
	rand.Read(b)
	return b
}

func TestTagSizeIsWhatTheLibraryCounts(t *testing.T) {
	for _, n := range []int{0, 1, 31, 32, 100, 255, 256, 480} {
		for k := range 20 {
			tags := map[string]string{"n": strings.Repeat("x", n)}
			for i := range k {
				tags[strings.Repeat("k", i+2)] = ""
			}
			got := tagSize(tags)
			// The library refuses what is longer than 512 bytes, which is the only thing it tells.
			tags["n"] += strings.Repeat("x", max(0, memberlist.MetaMaxSize-got))
			if size := tagSize(tags); size < memberlist.MetaMaxSize || !fits(t, tags) && size <= memberlist.MetaMaxSize {
				t.Errorf("%d bytes and %d tags: counted %d", n, k, size)
			}
		}
	}
}

// fits reports whether the library takes tags.
func fits(t *testing.T, tags map[string]string) bool {
	t.Helper()
	c := serf.DefaultConfig()
	c.NodeName, c.Tags, c.ProtocolVersion = "x", tags, 5
	c.MemberlistConfig.Transport = new(memberlist.MockNetwork).NewTransport("x")
	c.LogOutput, c.MemberlistConfig.LogOutput = discard{}, discard{}
	s, err := serf.Create(c)
	if err != nil {
		return false
	}
	if err := s.Shutdown(); err != nil {
		t.Error(err)
	}
	return true
}

type discard struct{}

func (discard) Write(p []byte) (int, error) { return len(p), nil }

func TestTags(t *testing.T) {
	at := netip.MustParseAddrPort("10.1.2.3:6222")
	good := map[string]string{"n": "a", "c": "x", "p": "1-1", "s": "a"}
	with := func(kv ...string) map[string]string {
		tags := make(map[string]string)
		for k, v := range good {
			tags[k] = v
		}
		for i := 0; i < len(kv); i += 2 {
			tags[kv[i]] = kv[i+1]
		}
		return tags
	}
	for _, tt := range []struct {
		tags map[string]string
		err  string // a part of it; "" is none
		want Member
	}{
		{good, "", Member{Name: "a", Cluster: "x", Fixed: true, State: Active}},
		{with("c", "~x", "s", "d"), "", Member{Name: "a", Cluster: "x", State: Draining}},
		{with("r", ":6222", "u", "example.org:4222"), "", Member{Name: "a", Cluster: "x", Fixed: true, State: Active, Route: "10.1.2.3:6222", Client: "example.org:4222"}},
		{with("r", "[::1]:6222", "k", "zz"), "", Member{Name: "a", Cluster: "x", Fixed: true, State: Active, Route: "[::1]:6222", ring: 1295}},
		{with("rd", "x", "ϕϕ", "future"), "", Member{Name: "a", Cluster: "x", Fixed: true, State: Active, Tags: map[string]string{"rd": "x", "ϕϕ": "future"}}},
		{with("b", "zz"), "", Member{Name: "a", Cluster: "x", Fixed: true, State: Active, Boot: time.UnixMilli(1295)}},
		{with("s", ""), "state", Member{}},
		{with("s", "q"), "state", Member{}},
		{with("s", "al"), "state", Member{}},
		{with("p", ""), "protocol", Member{}},
		{with("p", "2-1"), "protocol", Member{}},
		{with("p", "0-1"), "protocol", Member{}},
		{with("r", "6222"), "route", Member{}},
		{with("r", ":0"), "route", Member{}},
		{with("u", "a b:1"), "client", Member{}},
		{with("m", "x:99999"), "monitor", Member{}},
		{with("b", "-5"), "boot", Member{}},
		{with("b", "!"), "boot", Member{}},
		{with("k", "-1"), "key generation", Member{}},
		{with("n", "\x1b[31m"), "server name", Member{}},
		{with("n", strings.Repeat("x", 65)), "server name", Member{}},
		{with("zz", "\xff"), "printed", Member{}},
		{map[string]string{"role": "web"}, "state", Member{}},
	} {
		var m Member
		err := decodeTags(tt.tags, at, &m)
		if tt.err != "" {
			if err == nil || !strings.Contains(err.Error(), tt.err) {
				t.Errorf("%v: %v, not one with %q", tt.tags, err, tt.err)
			}
			continue
		}
		if err != nil || !m.sameNews(&tt.want) {
			t.Errorf("%v: %+v %v", tt.tags, m, err)
		}
	}
}

func TestTagsThatAreTooLongNameTheLongest(t *testing.T) {
	o := Options{
		ID: newID(), Name: strings.Repeat("n", 64), Version: strings.Repeat("v", 24), Advertise: netip.MustParseAddrPort("1.2.3.4:5"),
		Cluster: func() (string, bool) { return strings.Repeat("c", 64), true },
		Route:   strings.Repeat("r", 60) + ":1", Client: strings.Repeat("u", 66) + ":1", Monitor: strings.Repeat("m", 60) + ":1",
	}
	if _, err := o.tags(time.Now()); err != nil {
		t.Errorf("these are just short enough: %v", err)
	}
	err := checkTags(map[string]string{"aa": strings.Repeat("x", 250), "bb": strings.Repeat("y", 200)}, startTags)
	if err == nil || !strings.Contains(err.Error(), `"aa"`) {
		t.Error(err)
	}
	o.Name = strings.Repeat("n", 65)
	if _, err := o.tags(time.Now()); err == nil || !strings.Contains(err.Error(), "server name") {
		t.Error(err)
	}
}

func FuzzDecodeTags(f *testing.F) {
	f.Add("n", "a", "s", "a", "p", "1-1", "r", ":1")
	f.Add("b", "zz", "k", "1", "c", "~", "u", "[::1]:1")
	at := netip.MustParseAddrPort("10.1.2.3:6222")
	f.Fuzz(func(t *testing.T, k1, v1, k2, v2, k3, v3, k4, v4 string) {
		tags := map[string]string{k1: v1, k2: v2, k3: v3, k4: v4}
		var m Member
		if decodeTags(tags, at, &m) != nil {
			return
		}
		for _, s := range []string{m.Name, m.Cluster, m.Version, m.Route, m.Client, m.Monitor} {
			if !printable(s) {
				t.Errorf("%q", s)
			}
		}
		for _, addr := range []string{m.Route, m.Client, m.Monitor} {
			if _, _, err := net.SplitHostPort(addr); addr != "" && err != nil {
				t.Errorf("%q: %v", addr, err)
			}
		}
		if m.State > Draining || m.ring < 0 || tagSize(tags) <= 0 {
			t.Errorf("%+v", m)
		}
	})
}

func FuzzJournal(f *testing.F) {
	f.Add([]byte{typeSuspect, 0x83})
	f.Add([]byte{typeCompound, 1, 0, 2, typeAlive, 0x80})
	f.Add([]byte{typeCompressed, 0x82, 0xa4, 'A', 'l', 'g', 'o', 0, 0xa3, 'B', 'u', 'f', 0xa1, 'x'})
	f.Add([]byte{typeChecksum, 0, 0, 0, 0, typeAlive})
	f.Fuzz(func(t *testing.T, b []byte) {
		j := &journal{view: newView()}
		j.sent(append(slices.Clone(labelHeader), b...), time.Now())
		j.received(append(slices.Clone(labelHeader), b...), time.Now())
		if len(j.view.members()) != 0 {
			t.Error("members out of nothing")
		}
	})
}

func TestSeeds(t *testing.T) {
	for text, want := range map[string]seed{
		"a":                    {host: "a", port: 6222},
		"a.b.c:7":              {host: "a.b.c", port: 7},
		"1.2.3.4":              {host: "1.2.3.4", port: 6222},
		"::1":                  {host: "::1", port: 6222},
		"[::1]:9":              {host: "::1", port: 9},
		"nats://a:1":           {host: "a", port: 1},
		"nats://a":             {host: "a", port: 6222},
		"nats://u:p@a:1":       {host: "a", port: 1},
		"nats://[fe80::1]:1/":  {host: "fe80::1", port: 1},
		"srv://_shoal._tcp.ex": {host: "_shoal._tcp.ex", port: 6222, srv: true},
	} {
		want.text = text
		if got, err := parseSeed(text); err != nil || got != want {
			t.Errorf("%q: %+v %v", text, got, err)
		}
	}
	for _, text := range []string{"", ":1", "a:b", "a:0", "a:99999", "http://a", "nats://", "a/b", "nats://a/b", "a b", "u@a"} {
		if got, err := parseSeed(text); err == nil {
			t.Errorf("%q: %+v", text, got)
		}
	}
}

func TestPeers(t *testing.T) {
	dir := t.TempDir()
	now := time.Now()
	if list, err := readPeers(dir); len(list) != 0 || err != nil {
		t.Error(list, err)
	}
	var members []Member
	for i := range 70 {
		members = append(members, Member{ID: newID(), Gossip: netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, 0, byte(i)}), 6222).String()})
	}
	members[0].Self = true
	members[1].Liveness = Failed
	old := []peer{
		{ID: "gone", Gossip: "10.9.9.9:6222", Seen: now.Add(-time.Hour)},
		{ID: "too old", Gossip: "10.9.9.8:6222", Seen: now.Add(-8 * 24 * time.Hour)},
		{ID: "replaced", Gossip: members[2].Gossip, Seen: now.Add(-time.Hour)},
	}
	list := mergePeers(old, members[:10], now)
	if len(list) != 9 || list[8].ID != "gone" {
		t.Errorf("%+v", list)
	}
	f := peersFile{dir: dir}
	if err := f.update(members, now, false); err != nil || len(f.list) != 0 {
		t.Error("it was written at once", err)
	}
	if err := f.update(members, now.Add(peersSettle), false); err != nil || len(f.list) != mostPeers {
		t.Error(len(f.list), err)
	}
	if got, err := readPeers(dir); err != nil || len(got) != mostPeers {
		t.Error(len(got), err)
	}
	// A cluster in which nobody comes and goes for long knows when it was last seen.
	later := now.Add(peersSettle + peersAgain)
	for range 2 {
		if err := f.update(members, later, false); err != nil {
			t.Error(err)
		}
		later = later.Add(peersSettle)
	}
	if got, err := readPeers(dir); err != nil || got[0].Seen.Before(now.Add(peersAgain)) {
		t.Error(got[0], err)
	}
}

// TestPeersOfAnyAge checks that a file is of use after the cluster was off for weeks, or with a clock that was
// wrong.
func TestPeersOfAnyAge(t *testing.T) {
	dir := t.TempDir()
	now := time.Now()
	old := []peer{
		{ID: "ahead", Gossip: "10.9.9.9:6222", Seen: now.Add(10 * 365 * 24 * time.Hour)},
		{ID: "behind", Gossip: "10.9.9.8:6222", Seen: time.Unix(0, 0)},
	}
	if err := writePeers(dir, old); err != nil {
		t.Fatal(err)
	}
	got, err := readPeers(dir)
	if err != nil || len(got) != len(old) {
		t.Errorf("%+v, %v", got, err)
	}
	// Whoever is there now is remembered rather than one that seems to come from the future.
	list := mergePeers(got, []Member{{ID: "alive", Gossip: "10.9.9.7:6222"}}, now.Add(time.Second))
	if len(list) != 2 || list[0].Seen.Before(list[1].Seen) || list[1].ID != "ahead" && list[0].ID != "ahead" {
		t.Errorf("%+v", list)
	}
	if list = mergePeers(list, nil, now.Add(peersAge+time.Minute)); len(list) != 0 {
		t.Errorf("%+v", list)
	}
}
