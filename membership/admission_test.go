package membership

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/go-msgpack/v2/codec"
	"github.com/hashicorp/memberlist"
)

func TestAdmission(t *testing.T) {
	good := map[string]string{"n": "a", "c": "x", "p": "1-1", "s": "a"}
	with := func(k, v string) map[string]string {
		tags := maps.Clone(good)
		tags[k] = v
		return tags
	}
	log := new(logBuffer)
	v := newView()
	a := &admission{
		seen: make(map[string]visitor), self: newID(), cluster: func() (string, bool) { return "x", true }, view: v, limit: &limiter{every: time.Hour},
		log: slog.New(slog.NewTextHandler(log, nil)),
	}
	member := func(tags map[string]string) *memberlist.Node {
		var meta []byte
		codec.NewEncoderBytes(&meta, new(codec.MsgpackHandle)).MustEncode(tags)
		return &memberlist.Node{Name: newID(), Addr: net.IPv4(10, 0, 0, 1), Port: 6222, Meta: append([]byte{tagsMark}, meta...)}
	}
	named := func(name string) *memberlist.Node {
		m := member(good)
		m.Name = name
		return m
	}
	for name, tt := range map[string]struct {
		m   *memberlist.Node
		err string // a part of it; "" is none
	}{
		"good":            {member(good), ""},
		"future protocol": {member(with("p", "1-9")), ""},
		"unfixed name":    {member(with("c", "~y")), ""},
		"other name":      {member(with("c", "y")), `a (`},
		"field":           {member(with("c", "y")), `the cluster name is "y", ours is "x"`},
		"new protocol":    {member(with("p", "2-3")), "the protocol range is 2-3, ours is 1-1"},
		"no tags":         {member(nil), "state"},
		"absurd tag":      {member(with("\x00\xff", "x")), "printed"},
		"absurd name":     {member(with("n", "\x1b]0;owned\a")), "server name"},
		"other ID":        {named("web-1"), "server ID"},
		"no meta":         {&memberlist.Node{Name: newID(), Addr: net.IPv4(10, 0, 0, 1)}, "tags are none"},
		"torn tags":       {&memberlist.Node{Name: newID(), Addr: net.IPv4(10, 0, 0, 1), Meta: []byte{255, 0x81, 0xa9, 'x'}}, "decoded"},
		"no address":      {&memberlist.Node{Name: newID()}, "the address has 0 bytes"},
		"one that left":   {&memberlist.Node{Name: "web-1", State: memberlist.StateLeft}, ""},
		"itself":          {&memberlist.Node{Name: a.self}, ""},
	} {
		err := a.NotifyMerge([]*memberlist.Node{member(good), tt.m})
		if tt.err == "" && err != nil || tt.err != "" && (err == nil || !strings.Contains(err.Error(), tt.err)) {
			t.Errorf("%s: %v", name, err)
		}
		if err != nil && !printable(err.Error()) {
			t.Errorf("%s: %q", name, err)
		}
	}
	// What is known is compared with the name of the cluster each time, and what has changed is looked at.
	same := member(with("c", "~x"))
	for _, tags := range []map[string]string{good, with("c", "y")} {
		changed := member(tags)
		changed.Name = same.Name
		for range 2 {
			if err := a.NotifyAlive(same); err != nil {
				t.Error(err)
			}
			if err := a.NotifyAlive(changed); (err != nil) != (tags["c"] == "y") {
				t.Errorf("%v: %v", tags, err)
			}
		}
	}
	if a.refused.Load() == 0 {
		t.Error("nothing was counted")
	}
	var events []event
	for range mostMembers {
		events = append(events, event{joined, Member{ID: newID()}})
	}
	v.apply(time.Now(), events...)
	known := member(good)
	known.Name = events[0].m.ID
	if err := a.NotifyMerge([]*memberlist.Node{known}); err != nil {
		t.Error(err)
	}
	for range 1000 {
		if a.NotifyMerge([]*memberlist.Node{member(good)}) == nil {
			t.Fatal("one more than there may be")
		}
	}
	if n := strings.Count(log.String(), "\n"); n > 10 {
		t.Errorf("%d lines:\n%s", n, log)
	}
}

// names is a resolver that knows a few names, which can change.
type names struct {
	hosts   map[string][]netip.Addr
	targets []*net.SRV
}

func (n *names) LookupNetIP(_ context.Context, _, host string) ([]netip.Addr, error) {
	if list, ok := n.hosts[host]; ok {
		return list, nil
	}
	return nil, errors.New("no such host")
}

func (n *names) LookupSRV(_ context.Context, _, _, name string) (string, []*net.SRV, error) {
	if name != "_shoal._tcp.example.org" {
		return "", nil, errors.New("no such host")
	}
	return name, n.targets, nil
}

func TestSeedsAreResolvedEveryTime(t *testing.T) {
	r := &names{hosts: map[string][]netip.Addr{"a": {netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("fd00::1")}, "b.": nil}}
	s := &seeds{resolver: r, hints: make(map[string]time.Time)}
	for _, text := range []string{"a:7", "a:7", "b", "srv://_shoal._tcp.example.org", "10.0.0.9"} {
		if err := s.add(text); err != nil {
			t.Fatal(err)
		}
	}
	now := time.Now()
	s.hint("10.0.0.8:1", now.Add(time.Minute))
	check := func(now time.Time, bad int, want ...string) {
		t.Helper()
		list, errs := s.addresses(context.Background(), now)
		if len(errs) != bad || !slices.Equal(list, want) {
			t.Errorf("%v %v", list, errs)
		}
	}
	check(now, 2, "10.0.0.1:7", "10.0.0.8:1", "10.0.0.9:6222", "[fd00::1]:7")
	r.hosts["b"] = []netip.Addr{netip.MustParseAddr("10.0.0.2")}
	r.hosts["c.example.org"] = r.hosts["b"]
	r.targets = []*net.SRV{{Target: "c.example.org.", Port: 5}, {Target: "gone.", Port: 5}}
	r.hosts["a"] = nil
	check(now.Add(time.Hour), 1, "10.0.0.2:5", "10.0.0.2:6222", "10.0.0.9:6222")
}

func TestLinesOfTheLibrary(t *testing.T) {
	log := new(logBuffer)
	var noUDP, missed []string
	l := &libraryLog{
		log: slog.New(slog.NewTextHandler(log, nil)), limit: &limiter{every: time.Hour},
		noUDP:  func(id string) { noUDP = append(noUDP, id) },
		missed: func(id string) { missed = append(missed, id) },
	}
	out := l.logger()
	out.Print("[DEBUG] memberlist: Stream connection from=1")
	out.Print("[WARN] memberlist: Was able to connect to NX over TCP but UDP probes failed, network may be misconfigured")
	out.Print("[INFO] memberlist: Suspect NY has failed, no acks received")
	for range 100 {
		out.Print("[ERR] memberlist: Decrypt packet failed: no installed keys could decrypt the message from=1.2.3.4:5")
	}
	out.Print("[ERR] serf: something\n\t* on several\n\n lines")
	if !slices.Equal(noUDP, []string{"NX"}) || !slices.Equal(missed, []string{"NY"}) || l.refused.Load() != 100 {
		t.Error(noUDP, missed, l.refused.Load())
	}
	got := log.String()
	if strings.Count(got, "\n") != 2 || !strings.Contains(got, "another gossip key") || !strings.Contains(got, "something * on several lines") {
		t.Error(got)
	}
}
