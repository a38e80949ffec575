package command

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"strings"
	"syscall"
	"testing"

	"shoal/loadtest"
)

// benchJSON runs `shoal bench --json` and returns what it measured.
func benchJSON(t *testing.T, args ...string) loadtest.Result {
	t.Helper()
	stdout, stderr := mustRun(t, "", append([]string{"bench", "--json"}, args...)...)
	if stderr != "" {
		t.Errorf("standard error has %q", stderr)
	}
	var r loadtest.Result
	decoder := json.NewDecoder(strings.NewReader(stdout))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&r); err != nil {
		t.Fatalf("%v in %s", err, stdout)
	}
	return r
}

func TestBench(t *testing.T) {
	s := startServer(t)
	t.Setenv("SHOAL_URL", s.url())
	const msgs = 1000
	for _, tt := range []struct {
		args        string
		mode        loadtest.Mode
		subscribers int
		delivered   uint64
	}{
		{"", loadtest.PubSub, 1, msgs},
		{"--subs 3 --pubs 2", loadtest.PubSub, 3, 3 * msgs},
		{"--subs 0", loadtest.PubSub, 0, 0},
		{"--subs 3 --pubs 2 --queue workers", loadtest.Queue, 3, msgs},
		{"--request --subs 2 --pubs 2", loadtest.Request, 2, msgs},
		{"--request --in_flight 10", loadtest.Request, 1, msgs},
		{"--rate 20000 --pubs 2", loadtest.PubSub, 1, msgs},
		{"--subjects 10 --size 10KB my.subject", loadtest.PubSub, 1, msgs},
	} {
		t.Run(tt.args, func(t *testing.T) {
			r := benchJSON(t, append(strings.Fields(tt.args), "--msgs", fmt.Sprint(msgs), "--warmup", "50ms")...)
			if r.Mode != tt.mode || r.Subscribers != tt.subscribers || r.Published.Messages != msgs || r.Delivered.Messages != tt.delivered {
				t.Errorf("got %+v", r)
			}
			if r.Checks != (loadtest.Checks{}) || r.Error != "" || r.Interrupted || len(r.Servers) != 1 || r.Servers[0] != s.url() {
				t.Errorf("got %+v", r)
			}
			l := r.Latency
			if l.Count != int64(tt.delivered) || l.P50 > l.P90 || l.P90 > l.P99 || l.P99 > l.P999 || l.P999 > l.Max {
				t.Errorf("latencies are %+v", l)
			}
		})
	}
}

func TestBenchReport(t *testing.T) {
	s := startServer(t, "--user", "alice", "--pass", "pw")
	stdout, stderr := mustRun(t, "", "bench", "--duration", "300ms", "--warmup", "0",
		"-s", strings.Replace(s.url(), "//", "//alice:pw@", 1))
	for _, part := range []string{"1 publisher, 1 subscriber, 128 bytes per message, full speed", "\n" + s.url() + "\n",
		"published ", "delivered ", "p99.9", " # ", "Every message arrived once and in order."} {
		if !strings.Contains(strings.ReplaceAll(stdout, "##", " # "), part) {
			t.Errorf("the report lacks %q:\n%s", part, stdout)
		}
	}
	if stderr != "" || strings.Contains(stdout, "pw") {
		t.Errorf("got %s and %q", stdout, stderr)
	}
}

func TestBenchOfAService(t *testing.T) {
	s := startServer(t, "--auth", "t0ken")
	t.Setenv("SHOAL_URL", s.url())
	t.Setenv("SHOAL_AUTH", "t0ken")
	bench := []string{"bench", "time", "--request", "--subs", "0", "--msgs", "10", "--warmup", "0", "--json"}

	status, _, stderr := runCommand("", append(bench, "--timeout", "200ms")...)
	if want := "shoal: nobody answers requests on time (no responders)\n"; status != 1 || stderr != want {
		t.Errorf("status %d, %q, want %q", status, stderr, want)
	}
	service := startProcess(t, "reply", "time", "noon")
	service.waitFor("Answering requests on time")
	if stdout, _ := mustRun(t, "", bench...); !strings.Contains(stdout, `"messages": 10,`) {
		t.Errorf("got %s", stdout)
	}
}

func TestBenchCSV(t *testing.T) {
	s := startServer(t)
	stdout, _ := mustRun(t, "", "bench", "--csv", "--msgs", "10", "--warmup", "0", "-s", s.url())
	records, err := csv.NewReader(strings.NewReader(stdout)).ReadAll()
	if err != nil || len(records) != 2 {
		t.Fatalf("%v in %s", err, stdout)
	}
	got := map[string]string{}
	for i, name := range records[0] {
		got[name] = records[1][i]
	}
	for name, want := range map[string]string{"mode": "pubsub", "servers": s.url(), "published": "10", "delivered": "10", "lost": "0",
		"size": "128", "client_is_limit": "false", "error": ""} {
		if got[name] != want {
			t.Errorf("%s is %q, want %q", name, got[name], want)
		}
	}
}

func TestBenchWithoutServer(t *testing.T) {
	s := startServer(t)
	s.signal(syscall.SIGKILL)
	s.wait()
	status, stdout, stderr := runCommand("", "bench", "-s", s.url())
	if want := "shoal: cannot connect to " + s.url() + ": connection refused; is a server running there?\n"; status != 1 || stdout != "" || stderr != want {
		t.Errorf("status %d, %q, %q, want %q", status, stdout, stderr, want)
	}
}

// startBench starts a long run, and returns when the server has delivered so many of its messages.
// The first of them is a greeting, which is not measured.
func startBench(t *testing.T, s *server, messages int, args ...string) *process {
	t.Helper()
	sub := startProcess(t, "sub", "a", "--count", fmt.Sprint(messages), "--raw", "-s", s.url())
	sub.waitFor("Subscribed")
	p := startProcess(t, append([]string{"bench", "a", "--duration", "1h", "--warmup", "0", "-s", s.url()}, args...)...)
	sub.wait()
	return p
}

func TestBenchServerDies(t *testing.T) {
	s := startServer(t)
	p := startBench(t, s, 1)
	s.signal(syscall.SIGKILL)
	if status := p.wait(); status != 1 || strings.Count(p.err.String(), "\n") != 1 || !strings.Contains(p.err.String(), "closed the connection of ") {
		t.Errorf("status %d, %q", status, p.err.String())
	}
}

func TestBenchServerStops(t *testing.T) {
	s := startServer(t)
	p := startBench(t, s, 100, "--timeout", "1s")
	s.signal(syscall.SIGSTOP)
	if status := p.wait(); status != 1 || strings.Count(p.err.String(), "\n") != 1 || !strings.Contains(p.err.String(), "no message arrived for 1s: ") {
		t.Errorf("status %d, %q", status, p.err.String())
	}
}

func TestBenchInterrupted(t *testing.T) {
	s := startServer(t)
	p := startBench(t, s, 200, "--json", "--rate", "1000")
	p.signal(syscall.SIGINT)
	if status := p.wait(); status != 0 || !strings.Contains(p.out.String(), `"interrupted": true`) {
		t.Errorf("status %d, %q", status, p.err.String())
	}
}
