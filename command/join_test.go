package command

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"shoal/node/monitor"
)

// startMember runs a server that finds the others through seeds. Gossip on one machine is fast.
func startMember(t *testing.T, name string, seeds []*server, args ...string) *server {
	t.Helper()
	own := []string{"--cluster", "nats://127.0.0.1:-1", "-m", "-1", "-n", name, "--gossip_profile", "local"}
	for _, s := range seeds {
		own = append(own, "--join", s.urls.Cluster[0])
	}
	return startServer(t, append(own, args...)...)
}

func (s *server) clusterz() (z monitor.Clusterz) {
	s.t.Helper()
	s.page("/clusterz", &z)
	return z
}

func TestJoin(t *testing.T) {
	first := startMember(t, "a", nil)
	second := startMember(t, "b", []*server{first})
	third := startMember(t, "c", []*server{second}, "--cluster_name", "east")
	servers := []*server{first, second, third}
	for _, s := range servers {
		eventually(t, "the servers are a mesh", func() bool { return len(s.routes()) == 2 })
		eventually(t, "all are active members", func() bool {
			z := s.clusterz()
			active := 0
			for _, m := range z.Members {
				if m.State == "active" && m.Liveness == "alive" && m.HasRoute {
					active++
				}
			}
			return active == 3 && len(z.Degraded) == 0 && z.Gossip.Joined && z.Gossip.Alive == 3
		})
	}
	third.signal(syscall.SIGTERM)
	if status := third.wait(); status != 0 {
		t.Errorf("status %d", status)
	}
	eventually(t, "the member has left", func() bool {
		for _, m := range first.clusterz().Members {
			if m.Name == "c" && m.Liveness == "left" {
				return true
			}
		}
		return false
	})
}

// TestStateDir checks that a cluster whose servers have all been killed finds together without a seed.
func TestStateDir(t *testing.T) {
	dirs := []string{filepath.Join(t.TempDir(), "a", "state"), filepath.Join(t.TempDir(), "b")}
	a := startMember(t, "a", nil, "--state_dir", dirs[0])
	b := startMember(t, "b", []*server{a}, "--state_dir", dirs[1])
	eventually(t, "there is a route", func() bool { return len(a.routes()) == 1 && len(b.routes()) == 1 })
	info, err := os.Stat(dirs[0])
	if err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("the directory has mode %v, %v", info, err)
	}
	eventually(t, "both have written down the other", func() bool {
		for i, other := range []*server{b, a} {
			text, _ := os.ReadFile(filepath.Join(dirs[i], "peers.jsonl"))
			if !strings.Contains(string(text), strings.TrimPrefix(other.urls.Cluster[0], "nats://")) {
				return false
			}
		}
		return true
	})
	cluster := a.urls.Cluster[0]
	for _, s := range []*server{a, b} {
		s.signal(syscall.SIGKILL)
		s.wait()
	}
	a = startServer(t, "--cluster", cluster, "-m", "-1", "-n", "a", "--gossip_profile", "local", "--state_dir", dirs[0])
	b = startMember(t, "b", nil, "--state_dir", dirs[1])
	eventually(t, "there is a route again", func() bool { return len(a.routes()) == 1 && len(b.routes()) == 1 })
}

func TestGossipKeys(t *testing.T) {
	keys := make([]string, 2)
	for i := range keys {
		status, stdout, stderr := runCommand("", "keys", "generate")
		if status != 0 || len(stdout) != 45 {
			t.Fatalf("status %d, %q, %s", status, stdout, stderr)
		}
		keys[i] = stdout
	}
	write := func(text string) string {
		path := filepath.Join(t.TempDir(), "keys")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	a := startMember(t, "a", nil, "--gossip_key", write("# in use\n"+keys[0]+keys[1]))
	t.Setenv(gossipKeyVariable, strings.TrimSpace(keys[1])+",")
	b := startMember(t, "b", nil)
	t.Setenv(gossipKeyVariable, strings.TrimSpace(keys[0]))
	c := startMember(t, "c", []*server{a})
	eventually(t, "the server with the key has joined", func() bool { return len(c.routes()) == 1 })
	if z := a.clusterz(); !z.Gossip.Encrypted {
		t.Error("gossip is not encrypted")
	}
	t.Setenv(gossipKeyVariable, "")
	d := startMember(t, "d", []*server{a}, "--ready_timeout", "100ms")
	eventually(t, "the server without a key hears why", func() bool { return d.clusterz().Gossip.LastJoinError != "" })
	for _, s := range []*server{b, d} {
		if got := s.routes(); len(got) != 0 {
			t.Errorf("there are routes: %v", got)
		}
	}
	if log := a.err.String(); strings.Contains(log, strings.TrimSpace(keys[0])) {
		t.Error("a key is in the log")
	}
}

// TestDuplicateName has a server start under the name of another one.
func TestDuplicateName(t *testing.T) {
	first := startMember(t, "same", nil)
	p := startProcess(t, "-a", "127.0.0.1", "-p", "-1", "--cluster", "nats://127.0.0.1:-1", "-n", "same",
		"--gossip_profile", "local", "--join", first.urls.Cluster[0], "--logtime=false")
	if status := p.wait(); status != 1 {
		t.Errorf("status %d", status)
	}
	addr := strings.TrimPrefix(first.urls.Cluster[0], "nats://")
	want := `shoal: --name: "same" is the name of the server at ` + addr + " already, give this one at 127.0.0.1:"
	lines := strings.Split(strings.TrimSpace(p.err.String()), "\n")
	if last := lines[len(lines)-1]; !strings.HasPrefix(last, want) {
		t.Errorf("the last line is\n%s\nwant\n%s…", last, want)
	}
	if status, _ := fetch(t, first.urls.Monitoring[0]+"/healthz"); status != http.StatusOK {
		t.Errorf("the older server: status %d", status)
	}
}

func TestNoGossip(t *testing.T) {
	s := startMember(t, "a", nil, "--no_gossip")
	_, body := fetch(t, s.urls.Monitoring[0]+"/clusterz")
	var z map[string]any
	if err := json.Unmarshal([]byte(body), &z); err != nil || z["gossip"] != nil {
		t.Errorf("%v in %s", err, body)
	}
}
