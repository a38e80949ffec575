package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// serveRoutez is a node whose /routez shows one page after the other, the
// last one for ever.
func serveRoutez(t *testing.T, pages ...string) (*server, *atomic.Int32) {
	t.Helper()
	asked := &atomic.Int32{}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/routez" {
			http.NotFound(w, r)
			return
		}
		i := min(int(asked.Add(1)), len(pages)) - 1
		fmt.Fprint(w, pages[i])
	}))
	t.Cleanup(s.Close)
	return &server{name: "fake", monitor: s.Listener.Addr().(*net.TCPAddr).Port}, asked
}

func TestAwaitMesh(t *testing.T) {
	t.Parallel()
	const one = `{"routes":[{"remote_id":"B"}]}`
	a, asked := serveRoutez(t, `{"routes":[]}`, `{"routes":null}`, one, `{"routes":[{"remote_id":"B"},{"remote_id":"B"}]}`)
	b, _ := serveRoutez(t, `{"routes":[{"remote_id":"A"}]}`)
	began := time.Now()
	if err := (cluster{a, b}).awaitMesh(t.Context()); err != nil {
		t.Fatal(err)
	}
	// A look takes long on a busy machine, and then there are few.
	if took := time.Since(began); asked.Load() < 5 || took < meshCalm {
		t.Errorf("satisfied after %d looks in %v, before the routes were at rest", asked.Load(), took)
	}
}

// What the system account of nats-server subscribes to is not counted.
func TestClientSubs(t *testing.T) {
	t.Parallel()
	var r routez
	page := `{"num_routes":3,"routes":[{"remote_id":"A","subscriptions":55,"account":"$SYS"},
		{"remote_id":"A","subscriptions":7},{"remote_id":"A","subscriptions":100000}]}`
	if err := json.Unmarshal([]byte(page), &r); err != nil {
		t.Fatal(err)
	}
	if r.clientSubs() != 100007 || r.peers() != 1 {
		t.Errorf("%d subscriptions of clients, %d peers", r.clientSubs(), r.peers())
	}
}

func TestRouteURLs(t *testing.T) {
	t.Parallel()
	got := cluster{{routes: 1}, {routes: 22}}.routeURLs()
	if got != "nats://127.0.0.1:1,nats://127.0.0.1:22" {
		t.Error(got)
	}
}

func TestFreePorts(t *testing.T) {
	t.Parallel()
	ports, err := freePorts(50)
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(ports)
	if len(slices.Compact(ports)) != 50 {
		t.Errorf("some ports came twice: %v", ports)
	}
}

func TestLoadgenPorts(t *testing.T) {
	b := testBench(t)
	t.Parallel()
	for _, ports := range []string{"", ",", "1,", "1,,2", "1,x", "1,70000", "0", strings.Repeat("1,", 16) + "1"} {
		err := exec.CommandContext(t.Context(), b.loadgen, "flood", "--port", ports).Run()
		var exit *exec.ExitError
		if !errors.As(err, &exit) || exit.ExitCode() != exitUsage {
			t.Errorf("--port %q: %v", ports, err)
		}
	}
}

// The proof behind "announced" must find every wrong delivery.
func TestHolder(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ spoil, want string }{
		{"", ""}, {"double", "duplicate"}, {"change", "corrupt"}, {"lose", "lost"},
	} {
		t.Run(c.spoil, func(t *testing.T) {
			t.Parallel()
			b := &fakeBroker{spoil: c.spoil}
			first, second := b.listen(t), b.listen(t)
			h, err := hold(first, 1000)
			if err != nil {
				t.Fatal(err)
			}
			defer h.close()
			h.patience = 2 * time.Second
			err = h.prove(t.Context(), second)
			var bad *faultError
			switch {
			case c.want == "" && err != nil:
				t.Fatal(err)
			case c.want != "" && (!errors.As(err, &bad) || bad.kind != c.want):
				t.Fatalf("got %v, want %s", err, c.want)
			}
			b.mu.Lock()
			defer b.mu.Unlock()
			if got := b.ports[second.port]; got.subs != 0 || c.want == "" && got.pubs != 1000 {
				t.Errorf("at the second server: %+v", *got)
			}
		})
	}
}

// Rows over several nodes are left out of the headline, which is about single
// servers, and have the bars that the project set.
func TestMeshRows(t *testing.T) {
	t.Parallel()
	seen := 0
	for _, s := range scenarios {
		if s.nodes == 0 {
			continue
		}
		seen++
		if s.headline() {
			t.Errorf("%s counts in the headline", s.name)
		}
		withBar := strings.HasPrefix(s.name, "relay, ") || s.kind == announce
		for _, f := range s.figures() {
			if !withBar && f.bar != (bar{}) {
				t.Errorf("%s has a bar for %s", s.name, f.key)
			}
		}
	}
	if seen != 6 {
		t.Errorf("%d rows over several nodes", seen)
	}
}

// announced makes an announcement row that took so many times nats-server's
// time.
func announced(ratio float64) *rowResult {
	for _, s := range scenarios {
		if s.kind == announce {
			nats := sample{Delivered: 100_000, Seconds: 0.2, CPU: 3e8, CPUTicks: 3e8, PeakRSS: 1 << 18}
			shoal := nats
			shoal.Seconds *= ratio
			r := &rowResult{scenario: s}
			r.add([2]sample{iShoal: shoal, iNats: nats})
			return r
		}
	}
	panic("no such row")
}

func TestAnnounceReport(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		ratio float64
		exit  int
		shows string
	}{{1.25, exitOK, "1.25x"}, {1.6, exitMissed, "MISS"}} {
		r := report{rows: []*rowResult{announced(c.ratio)}, versions: map[string]string{}}
		if got, _ := r.verdict(); got != c.exit {
			t.Errorf("%vx: exit %d", c.ratio, got)
		}
		var text, js strings.Builder
		if err := r.write(&text); err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(text.String(), c.shows) || strings.Contains(text.String(), "headline") {
			t.Errorf("%vx: %s", c.ratio, text.String())
		}
		if err := r.rows[0].writeJSON(&js); err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(js.String(), `"ms":{`) {
			t.Errorf("%vx: %s", c.ratio, js.String())
		}
	}
}
