package membership

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

func TestJoin(t *testing.T) {
	for _, n := range []int{3, 10} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			t.Parallel()
			nodes := startCluster(t, newNetwork(), n)
			together(t, nodes)
			m, _ := nodes[0].Member(nodes[1].o.ID)
			if m.Name != "n1" || m.Cluster != "test" || !m.Fixed || m.State != Joining || m.Self || m.Version != "1.0" ||
				m.Gossip != nodes[1].addr || m.Route != nodes[1].addr || m.Client != "127.0.0.1:4222" || m.Monitor != "127.0.0.1:8222" ||
				time.Since(m.Boot) > time.Minute || time.Since(m.Since) > time.Minute {
				t.Errorf("%+v", m)
			}
			if me, _ := nodes[0].Member(nodes[0].o.ID); !me.Self || me.Name != "n0" {
				t.Errorf("%+v", me)
			}
			h := nodes[0].Health()
			if h.Alive != n || !h.Joined || h.Unread != 0 || h.Refused != 0 || h.Stuck || h.Drift != 0 {
				t.Errorf("%+v", h)
			}
		})
	}
}

func TestALoneNodeIsAMember(t *testing.T) {
	t.Parallel()
	nw := newNetwork()
	n := prepare(t, nw, "127.0.0.1:0")
	n.start("lone", []string{n.addr, "localhost:" + n.addr[strings.LastIndex(n.addr, ":")+1:]})
	eventually(t, "itself", func() string { return sees([]*testNode{n}, []*testNode{n}) })
	if h := n.Health(); h.Joined {
		t.Errorf("joined to itself: %+v", h)
	}
	if err := n.SetState(context.Background(), Active); err != nil {
		t.Error(err)
	}
	if err := n.Leave(context.Background()); err != nil {
		t.Error(err)
	}
	if err := n.SetTag("xy", "z"); err == nil {
		t.Error("a node that has left can be changed")
	}
}

// TestASeedThatIsTheNodeItself checks that a node waits for nobody when its only seed is its own address, as in
// a StatefulSet whose first pod looks its Service up, also when another has found it meanwhile.
func TestASeedThatIsTheNodeItself(t *testing.T) {
	t.Parallel()
	nw := newNetwork()
	a := prepare(t, nw, "127.0.0.1:0")
	a.start("a", []string{a.addr})
	b := startNode(t, nw, "b", []string{a.addr})
	for _, n := range []*testNode{a, b} {
		eventually(t, "contacted", func() string {
			if !n.Contacted() {
				return n.o.Name + " still waits for its seeds"
			}
			return ""
		})
	}
}

func TestCrashAndLeave(t *testing.T) {
	t.Parallel()
	nodes := startCluster(t, newNetwork(), 4)
	together(t, nodes)
	if err := nodes[3].Leave(context.Background()); err != nil {
		t.Error(err)
	}
	liveness(t, nodes[:3], nodes[3], Left)
	nodes[3].kill()
	nodes[2].kill()
	liveness(t, nodes[:2], nodes[2], Failed)
	liveness(t, nodes[:2], nodes[3], Left)
	if err := nodes[0].Forget(context.Background(), nodes[1].o.ID); err == nil {
		t.Error("a member that lives was forgotten")
	}
	if err := nodes[0].Forget(context.Background(), nodes[2].o.ID); err != nil {
		t.Error(err)
	}
	liveness(t, nodes[:2], nodes[2], Left)
}

// TestHalfAGoodbye has either of the two messages get lost of which a goodbye consists, for everybody: whoever
// has left has not failed.
func TestHalfAGoodbye(t *testing.T) {
	for lost, mark := range map[string]string{"serf's": "Prune", "memberlist's": "From"} {
		t.Run(lost, func(t *testing.T) {
			t.Parallel()
			nw := newNetwork()
			nodes := startCluster(t, nw, 3)
			together(t, nodes)
			rest, gone := nodes[:2], nodes[2]
			nw.set(func(nw *network) {
				nw.noTCP = true // an exact exchange would tell it all
				nw.drops = func(packet []byte) bool {
					return bytes.Contains(packet, []byte(mark)) && bytes.Contains(packet, []byte(gone.o.ID))
				}
			})
			if err := gone.Leave(t.Context()); err != nil {
				t.Fatal(err)
			}
			gone.kill()
			nw.set(func(nw *network) { nw.drops = nil })
			eventually(t, "it has left", func() string {
				for _, n := range rest {
					switch m, _ := n.Member(gone.o.ID); m.Liveness {
					case Failed:
						t.Fatalf("%s thinks that it has failed", n.o.Name)
					case Left:
					default:
						return n.o.Name
					}
				}
				return ""
			})
		})
	}
}

// TestAllLeaveAtOnce has nobody stay who could hear a goodbye: nobody waits for that.
func TestAllLeaveAtOnce(t *testing.T) {
	t.Parallel()
	nodes := startCluster(t, newNetwork(), 4)
	together(t, nodes)
	nodes[3].kill()
	liveness(t, nodes[:3], nodes[3], Failed)
	var all sync.WaitGroup
	began := time.Now()
	for _, n := range nodes[:3] {
		n.conf.BroadcastTimeout, n.timing.leavePropagate = patience, patience
		all.Go(func() {
			if err := n.Leave(context.Background()); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if took := time.Since(began); took > patience/2 {
		t.Errorf("took %v", took)
	}
}

func TestStateAndTags(t *testing.T) {
	t.Parallel()
	nodes := startCluster(t, newNetwork(), 3)
	together(t, nodes)
	for len(nodes[1].Changed()) > 0 {
		<-nodes[1].Changed()
	}
	if err := nodes[0].SetState(context.Background(), LameDuck); err != nil {
		t.Fatal(err)
	}
	select {
	case <-nodes[1].Changed():
	case <-time.After(patience):
		t.Fatal("no change was signalled")
	}
	for i := range 50 {
		if err := nodes[0].SetTag("rd", fmt.Sprint("digest", i)); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, "the last tags", func() string {
		for _, n := range nodes {
			if m, _ := n.Member(nodes[0].o.ID); m.State != LameDuck || m.Tags["rd"] != "digest49" {
				return fmt.Sprintf("%s: %s %v", n.o.Name, m.State, m.Tags)
			}
		}
		return ""
	})
	for key, value := range map[string]string{"x": "y", "toolongakey": "x", "ab": strings.Repeat("x", 65), "cd": "\x1b[2J"} {
		if err := nodes[0].SetTag(key, value); err == nil {
			t.Errorf("tag %q was set to %q", key, value)
		}
	}
}

func TestSuspect(t *testing.T) {
	t.Parallel()
	for name, keys := range map[string][][]byte{"plain": nil, "sealed": {bytes.Repeat([]byte{7}, 32)}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			nw := newNetwork()
			nodes := startCluster(t, nw, 4, func(o *Options) { o.Profile, o.Keys = LAN, keys })
			together(t, nodes)
			for len(nodes[0].Changed()) > 0 {
				<-nodes[0].Changed()
			}
			nw.put(1, nodes[3])
			began := time.Now()
			liveness(t, nodes[:3], nodes[3], Suspect)
			t.Logf("suspected everywhere after %v", time.Since(began).Round(time.Millisecond))
			select {
			case <-nodes[0].Changed():
			case <-time.After(patience):
				t.Fatal("no change was signalled")
			}
			nw.put(0, nodes[3])
			began = time.Now()
			together(t, nodes)
			t.Logf("alive everywhere %v after it was back", time.Since(began).Round(time.Millisecond))
			if m, _ := nodes[0].Member(nodes[3].o.ID); m.Incarnation == 0 {
				t.Error("it is alive again without having said so")
			}
			for _, n := range nodes {
				if h := n.Health(); h.Unread != 0 || h.Drift != 0 {
					t.Errorf("%s: %+v", n.o.Name, h)
				}
			}
		})
	}
}

func TestSplitIsHealed(t *testing.T) {
	t.Parallel()
	nw := newNetwork()
	nodes := startCluster(t, nw, 6)
	together(t, nodes)
	a, b := nodes[:3], nodes[3:]
	nw.put(1, b...)
	eventually(t, "two islands", func() string { return sees(a, a) + sees(b, b) })
	for _, m := range b {
		liveness(t, a, m, Failed)
	}
	// The library would forget them after a while; then only seeds can heal.
	for _, n := range a {
		for _, m := range b {
			if err := n.Forget(context.Background(), m.o.ID); err != nil && err != errNotAMember {
				t.Error(err)
			}
		}
	}
	nw.put(0, b...)
	began := time.Now()
	together(t, nodes)
	t.Logf("healed in %v", time.Since(began).Round(time.Millisecond))
}

func TestRestartOfAllFromTheFilesOfPeers(t *testing.T) {
	t.Parallel()
	nw := newNetwork()
	nodes := startCluster(t, nw, 4, func(o *Options) { o.StateDir = t.TempDir() })
	together(t, nodes)
	for _, n := range nodes {
		n.kill() // writes nothing but what Close does
	}
	if err := os.WriteFile(nodes[3].o.StateDir+"/"+peersName, []byte("garbage"), 0o600); err != nil {
		t.Fatal(err)
	}
	var again []*testNode
	for _, n := range nodes {
		again = append(again, prepare(t, nw, n.addr))
	}
	began := time.Now()
	var wg sync.WaitGroup
	for i, n := range again {
		wg.Go(func() {
			_ = n.tryStart(fmt.Sprint("n", i), nil, func(o *Options) { o.StateDir = nodes[i].o.StateDir })
		})
	}
	wg.Wait()
	together(t, again)
	t.Logf("together %v after the start of the first", time.Since(began).Round(time.Millisecond))
	again[3].logs("list of peers", "WARN")
}

func TestMismatches(t *testing.T) {
	t.Parallel()
	key1, key2 := bytes.Repeat([]byte{1}, 32), bytes.Repeat([]byte{2}, 32)
	named := func(name string, fixed bool) func(*Options) {
		return func(o *Options) { o.Cluster = func() (string, bool) { return name, fixed } }
	}
	keyed := func(keys ...[]byte) func(*Options) { return func(o *Options) { o.Keys = keys } }
	for _, tt := range []struct {
		name     string
		old, new func(*Options)
		oldLogs  []string
		newLogs  []string
	}{
		{"cluster name", named("A", true), named("B", true), []string{"new", `\"B\"`, `\"A\"`, "cluster name"}, []string{"old", `\"A\"`, "cluster name"}},
		{"key", keyed(key1), keyed(key2), []string{"another gossip key"}, []string{"gossip key"}},
		{"no key there", keyed(), keyed(key1), []string{"has a gossip key, and this server has none"}, []string{"it has no gossip key, and this server has one"}},
		{"no key here", keyed(key1), keyed(), []string{"has no gossip key, and this server has one"}, []string{"has a gossip key, and this server has none"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			nw := newNetwork()
			old := startNode(t, nw, "old", nil, tt.old)
			n := startNode(t, nw, "new", []string{old.addr}, tt.new)
			n.logs(append([]string{"Cannot join", old.addr}, tt.newLogs...)...)
			old.logs(tt.oldLogs...)
			if s := sees([]*testNode{old}, []*testNode{old}) + sees([]*testNode{n}, []*testNode{n}); s != "" {
				t.Error(s)
			}
			if n.Health().LastJoin == "" || n.Join(context.Background(), []string{old.addr}) == nil {
				t.Errorf("%+v", n.Health())
			}
		})
	}
	t.Run("a name that nobody has configured fits any", func(t *testing.T) {
		t.Parallel()
		nw := newNetwork()
		a := startNode(t, nw, "a", nil, named("A", true))
		b := startNode(t, nw, "b", []string{a.addr}, named("random", false))
		together(t, []*testNode{a, b})
	})
}

func TestDuplicateNames(t *testing.T) {
	t.Parallel()
	nw := newNetwork()
	told := make(chan Member, 2)
	tell := func(o *Options) { o.Duplicate = func(m Member) { told <- m } }
	old := startNode(t, nw, "twin", nil, tell)
	time.Sleep(2 * time.Millisecond) // which is older is told in milliseconds
	n := startNode(t, nw, "twin", []string{old.addr}, tell)
	select {
	case m := <-told:
		if m.ID != old.o.ID || m.Gossip != old.addr {
			t.Errorf("%+v", m)
		}
	case <-time.After(patience):
		t.Fatal("nobody was told")
	}
	old.logs("has this server's name")
	n.kill()

	// Whoever takes the place of one that has died is no duplicate, and is remembered alone.
	old.kill()
	a := startNode(t, nw, "a", nil)
	dying := startNode(t, nw, "b", []string{a.addr})
	together(t, []*testNode{a, dying})
	dying.kill()
	again := startNode(t, nw, "b", []string{a.addr}, tell)
	liveness(t, []*testNode{a}, dying, Failed)
	eventually(t, "the dead is forgotten", func() string {
		if m, ok := a.Member(dying.o.ID); ok {
			return m.Liveness.String()
		}
		return ""
	})
	together(t, []*testNode{a, again})
	select {
	case m := <-told:
		t.Errorf("told of %+v", m)
	default:
	}
}

func TestKeyRotation(t *testing.T) {
	t.Parallel()
	nw := newNetwork()
	key1, key2 := bytes.Repeat([]byte{1}, 32), bytes.Repeat([]byte{2}, 32)
	nodes := startCluster(t, nw, 4, func(o *Options) { o.Keys = [][]byte{key1} })
	together(t, nodes)
	ctx := context.Background()
	rest, away := nodes[:3], nodes[3]
	nw.put(1, away)
	liveness(t, rest, away, Failed)

	k := nodes[1].Keyring()
	if err := k.Install(ctx, key2); err != nil {
		t.Fatal(err)
	}
	if err := nodes[0].Keyring().Use(ctx, Fingerprint(key2)); err != nil {
		t.Fatal(err)
	}
	err := k.Remove(ctx, Fingerprint(key1))
	if err == nil || !strings.Contains(err.Error(), away.o.Name) {
		t.Fatalf("a key was removed that %s still needs: %v", away.o.Name, err)
	}
	if err := k.Remove(ctx, Fingerprint(key2)); err == nil {
		t.Error("the key in use was removed")
	}
	nw.put(0, away)
	together(t, nodes) // although it has missed the key that the others seal with
	eventually(t, "the key that was missed", func() string {
		if got := away.Keyring().Keys(); len(got) != 2 || !bytes.Equal(got[0], key2) {
			return fmt.Sprintf("%d keys", len(got))
		}
		return ""
	})
	if err := nodes[2].Keyring().Remove(ctx, Fingerprint(key1)[:6]); err != nil {
		t.Fatal(err)
	}
	list, err := away.Keyring().List(ctx)
	if err != nil || len(list.Silent) != 0 || len(list.Keys) != 1 {
		t.Fatalf("%+v %v", list, err)
	}
	if k := list.Keys[0]; k.Fingerprint != Fingerprint(key2) || len(k.Holders) != 4 || len(k.Primary) != 4 {
		t.Errorf("%+v", k)
	}
	together(t, nodes)
	if err := startNode(t, newNetwork(), "plain", nil).Keyring().Install(ctx, key1); err != ErrPlaintext {
		t.Error(err)
	}
}

func TestQuery(t *testing.T) {
	t.Parallel()
	nodes := startCluster(t, newNetwork(), 5, func(o *Options) {
		id := o.ID
		o.Answer = func(name, from string, body []byte) []byte {
			if name != "echo" {
				return nil
			}
			return []byte(from[:4] + string(body) + id[:4])
		}
	})
	together(t, nodes)
	answers, err := nodes[2].Query(context.Background(), "echo", []byte(" hello "))
	if err != nil || len(answers) != 5 {
		t.Fatalf("%v %v", answers, err)
	}
	for _, a := range answers {
		if want := nodes[2].o.ID[:4] + " hello " + a.From[:4]; string(a.Body) != want {
			t.Errorf("%q, not %q", a.Body, want)
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	if answers, err := nodes[0].Query(ctx, "nothing", nil); err != nil || len(answers) != 0 {
		t.Errorf("%v %v", answers, err)
	}
	if _, err := nodes[0].Query(context.Background(), "long", make([]byte, 2000)); err == nil {
		t.Error("a query that is too long was sent")
	}
	eventually(t, "an answer in time", func() string { // which is a tenth of a second
		if d, err := nodes[0].Ping(context.Background(), nodes[4].o.ID); err != nil || d <= 0 {
			return fmt.Sprint(d, err)
		}
		return ""
	})
	if _, err := nodes[0].Ping(context.Background(), newID()); err == nil {
		t.Error("nobody has answered")
	}
	eventually(t, "an estimated round trip", func() string {
		if _, ok := nodes[0].RTT(nodes[0].o.ID, nodes[1].o.ID); !ok {
			return "none"
		}
		return ""
	})
}

func TestWithoutUDP(t *testing.T) {
	for _, how := range []string{"no socket", "blocked"} {
		t.Run(how, func(t *testing.T) {
			t.Parallel()
			nw := newNetwork()
			nodes := startCluster(t, nw, 4, func(o *Options) {
				o.Answer = func(string, string, []byte) []byte { return []byte{1} }
				if how == "no socket" {
					o.Packets = nil
				}
			})
			nw.set(func(nw *network) { nw.noUDP = true })
			together(t, nodes)
			nodes[0].logs("UDP", "TCP")
			eventually(t, "all answers", func() string {
				answers, err := nodes[0].Query(context.Background(), "anything", nil)
				if err != nil || len(answers) != 4 {
					return fmt.Sprint(len(answers), err)
				}
				return ""
			})
			nodes[3].kill()
			liveness(t, nodes[:3], nodes[3], Failed)
			if h := nodes[0].Health(); h.Drift != 0 || h.NoUDP != (how == "no socket") {
				t.Errorf("%+v", h)
			}
		})
	}
}

func TestLossOfPackets(t *testing.T) {
	t.Parallel()
	nw := newNetwork()
	nw.loss = 0.3
	nodes := startCluster(t, nw, 5, func(o *Options) { o.Profile = LAN })
	together(t, nodes)
	for range 4 {
		if err := nodes[1].SetState(context.Background(), Active); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, "the state", func() string {
		for _, n := range nodes {
			if m, _ := n.Member(nodes[1].o.ID); m.State != Active {
				return n.o.Name
			}
		}
		return ""
	})
	// Somebody may be suspected for a moment, and objects, but nobody is given up.
	for _, n := range nodes {
		for _, m := range n.Members() {
			if m.Liveness > Suspect {
				t.Errorf("%s thinks that %s has %s", n.o.Name, m.Name, m.Liveness)
			}
		}
	}
	together(t, nodes)
}

func TestRuntimeJoin(t *testing.T) {
	t.Parallel()
	nw := newNetwork()
	a, b, c := startNode(t, nw, "a", nil), startNode(t, nw, "b", nil), startNode(t, nw, "c", nil)
	if err := a.Join(context.Background(), []string{"nats://" + b.addr}); err != nil {
		t.Error(err)
	}
	together(t, []*testNode{a, b})
	a.Hint(c.addr)
	a.Hint("nonsense")
	together(t, []*testNode{a, b, c})
	if err := a.Join(context.Background(), []string{a.addr}); err == nil {
		t.Error("joined itself")
	}
	if err := a.Join(context.Background(), []string{"http://x"}); err == nil {
		t.Error("joined a web site")
	}
}

// TestWhoHasLeftIsNotLookedFor checks that an address that was learned elsewhere is given up when the member
// there has said goodbye, as each server does in an upgrade.
func TestWhoHasLeftIsNotLookedFor(t *testing.T) {
	t.Parallel()
	nw := newNetwork()
	a, b := startNode(t, nw, "a", nil), startNode(t, nw, "b", nil)
	a.Hint(b.addr)
	together(t, []*testNode{a, b})
	if err := b.Leave(context.Background()); err != nil {
		t.Fatal(err)
	}
	eventually(t, "b has left", func() string {
		if m, _ := a.Member(b.o.ID); m.Liveness != Left {
			return fmt.Sprintf("it is %v", m.Liveness)
		}
		return ""
	})
	b.kill()
	a.joiner.nudge()
	eventually(t, "b is not looked for", func() string {
		if list, _ := a.joiner.seeds.addresses(context.Background(), time.Now()); len(list) > 0 {
			return fmt.Sprint("it looks for ", list)
		}
		return ""
	})
	if h := a.Health(); h.LastJoin != "" {
		t.Error(h.LastJoin)
	}
}

// TestProtocolMismatch has a server that speaks a later protocol meet one that lives.
func TestProtocolMismatch(t *testing.T) {
	t.Parallel()
	nw := newNetwork()
	a := startNode(t, nw, "a", nil)
	b := startNode(t, nw, "later", nil)
	if err := b.setTags(map[string]string{tagProtocol: "7-9"}); err != nil {
		t.Fatal(err)
	}
	// It would refuse the other one as well if it really spoke a later protocol.
	if err := b.Join(context.Background(), []string{a.addr}); err != nil {
		t.Fatal(err)
	}
	a.logs("Refused a member", "later", "the protocol range is 7-9, ours is 1-1")
	if s := sees([]*testNode{a}, []*testNode{a}); s != "" {
		t.Error(s)
	}
}

// TestGossipStops has the library stop by itself.
func TestGossipStops(t *testing.T) {
	t.Parallel()
	told := make(chan struct{})
	a := startNode(t, newNetwork(), "a", nil, func(o *Options) { o.Stopped = func() { close(told) } })
	if err := a.serf.Shutdown(); err != nil {
		t.Fatal(err)
	}
	select {
	case <-told:
	case <-time.After(patience):
		t.Fatal("nobody was told")
	}
	if !a.Health().Stopped {
		t.Error("it does not count as stopped")
	}
}

func TestHostileInput(t *testing.T) {
	t.Parallel()
	nw := newNetwork()
	nodes := startCluster(t, nw, 3, func(o *Options) { o.Profile = LAN })
	together(t, nodes)
	before := slices.Clone(nodes[0].Members())
	udp, err := net.Dial("udp", nodes[0].addr)
	if err != nil {
		t.Fatal(err)
	}
	defer udp.Close()
	stranger := startNode(t, newNetwork(), "stranger", nil, func(o *Options) { o.Keys = [][]byte{bytes.Repeat([]byte{9}, 32)} })
	_ = stranger
	// A million of them takes SHOAL_DATAGRAMS=1000000.
	datagrams := 20000
	if n, err := strconv.Atoi(os.Getenv("SHOAL_DATAGRAMS")); err == nil {
		datagrams = n
	}
	for i := range datagrams {
		b := randomBytes(1 + i%1600)
		switch i % 4 {
		case 1: // the right label
			b = append(slices.Clone(labelHeader), b...)
		case 2: // and the type of a message
			b = append(append(slices.Clone(labelHeader), byte(i/4%16)), b...)
		case 3: // another label
			b = append([]byte("\xf4\x05other"), b...)
		}
		_, _ = udp.Write(b)
		if i%50 == 0 {
			time.Sleep(time.Millisecond) // or the kernel drops most of them
		}
	}
	streams := [][]byte{
		nil, []byte("GET / HTTP/1.0\r\n\r\n"), labelHeader[:3], labelHeader, append(slices.Clone(labelHeader), 6, 0x83),
		[]byte("\xf4\x05other\x06"), append(slices.Clone(labelHeader), 10, 0xff, 0xff, 0xff, 0xff), {pipeMark, 0xff, 0xff},
		append([]byte{pipeMark, 0, 9}, "not gossip"...), {offerMark, 0, 5, 1, 2, 3, 4, 5, 0, 0}, {offerMark, 0xff, 0xff},
		append(slices.Clone(labelHeader), 9, 0x81),
	}
	for range 20 {
		for _, b := range streams {
			nc, err := net.Dial("tcp", nodes[0].addr)
			if err != nil {
				t.Fatal(err)
			}
			_, _ = nc.Write(b)
			nc.Close()
		}
	}
	eventually(t, "refused", func() string {
		if n := nodes[0].Health().Refused; n < 100 {
			return fmt.Sprint(n)
		}
		return ""
	})
	together(t, nodes)
	if now := nodes[0].Members(); !slices.EqualFunc(before, now, func(a, b Member) bool {
		a.Since, b.Since = time.Time{}, time.Time{} // a flood on a busy machine may have made somebody wait
		return a.sameNews(&b)
	}) {
		t.Errorf("the members have changed:\n%+v\n%+v", before, now)
	}
	if n := strings.Count(nodes[0].log.String(), "Refused"); n > 8 {
		t.Errorf("%d lines:\n%s", n, nodes[0].log)
	}
}
