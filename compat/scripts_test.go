package compat

import (
	"errors"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"shoal/compat/internal/broker"
	"shoal/compat/internal/script"
)

var (
	update = flag.Bool("update", false, "write what nats-server answers into testdata/scripts")
	seed   = flag.Uint64("seed", 0, "where to cut the scripts' bytes, 0 for random places")
)

// randomCuts is how often a script is replayed cut at random places.
const randomCuts = 3

// TestScripts replays each script against nats-server, and then in several cuts against the server
// under test, which has to send the very same.
func TestScripts(t *testing.T) { playFiles(t, "testdata/scripts/*.txt") }

// TestRouteScripts does so with scripts in which other servers take part.
func TestRouteScripts(t *testing.T) { playFiles(t, "testdata/routes/*.txt") }

// TestAuthScripts does so with scripts whose servers have a configuration file.
func TestAuthScripts(t *testing.T) { playFiles(t, "testdata/auth/*.txt") }

func playFiles(t *testing.T, pattern string) {
	files, err := filepath.Glob(pattern)
	if err != nil || len(files) == 0 {
		t.Fatal("no scripts found", err)
	}
	for _, file := range files {
		scripts, err := script.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if *update {
			updateFile(t, file, scripts)
			continue
		}
		topic := strings.TrimSuffix(filepath.Base(file), ".txt")
		for _, s := range scripts {
			t.Run(topic+"/"+s.Name, func(t *testing.T) {
				t.Parallel()
				compare(t, s)
			})
		}
	}
}

// TestScriptsOverWebSocket replays the scripts for clients over WebSocket, where both servers have to send
// what they send over TCP.
func TestScriptsOverWebSocket(t *testing.T) {
	files, err := filepath.Glob("testdata/scripts/*.txt")
	must(t, err)
	for _, file := range files {
		scripts, err := script.ReadFile(file)
		must(t, err)
		topic := strings.TrimSuffix(filepath.Base(file), ".txt")
		for _, s := range scripts {
			if s.HalfCloses() || s.Timed() || s.Routed() {
				continue
			}
			t.Run(topic+"/"+s.Name, func(t *testing.T) {
				t.Parallel()
				got, err := replayOverWebSocket(subject(), s)
				must(t, err)
				oracle, err := replayOverWebSocket(broker.Oracle, s)
				if err != nil && strings.Contains(err.Error(), "'Unknown Protocol Operation'") {
					return // which nats-server does not send over WebSocket
				}
				must(t, err)
				if s.Differs == "" && oracle.Diff(got) != "" {
					t.Error(oracle.Diff(got))
				}
			})
		}
	}
}

func replayOverWebSocket(kind broker.Kind, s *script.Script) (transcript script.Transcript, err error) {
	settings := maps.Clone(s.Settings)
	if settings == nil {
		settings = broker.Settings{}
	}
	settings.AddConfig("websocket { listen: \"127.0.0.1:-1\", no_tls: true }\n")
	server, err := broker.Start(kind, settings)
	if err != nil {
		return transcript, err
	}
	_, addr, _ := strings.Cut(server.WebSocket, "://")
	transcript, err = s.Play(script.Target{Kind: kind.Name, Client: addr, WebSocket: true}, script.Whole)
	return transcript, errors.Join(err, server.Stop())
}

// compare runs all replays of a script.
func compare(t *testing.T, s *script.Script) {
	oracle, err := replay(broker.Oracle, s, script.Whole)
	if err != nil {
		t.Fatalf("nats-server does not answer as the script says: %v", err)
	}
	all := cuts()
	switch {
	case s.Torn() && subject().Name == broker.Oracle.Name:
		all = all[:1]
	case s.Timed():
		all = all[:2]
	case s.Routed():
		all = all[:3]
	}
	for _, cut := range all {
		got, err := replay(subject(), s, cut)
		switch {
		case err != nil:
			t.Fatalf("%s: %v", cut.Name, err)
		case s.Differs == "" && oracle.Diff(got) != "":
			t.Fatalf("%s: %s", cut.Name, oracle.Diff(got))
		}
	}
}

// cuts are the ways to cut what is sent to the server under test.
func cuts() []script.Cut {
	base := *seed
	if base == 0 {
		base = rand.Uint64N(1e9)
	}
	all := []script.Cut{script.Whole, script.Bytewise(base)}
	for i := range uint64(randomCuts) {
		all = append(all, script.Random(base+i))
	}
	return all
}

// replay plays a script against a server that was started for it alone, so that scripts cannot
// disturb each other. The server must survive it.
func replay(kind broker.Kind, s *script.Script, cut script.Cut) (transcript script.Transcript, err error) {
	server, err := broker.Start(kind, s.Settings)
	if err != nil {
		return transcript, err
	}
	transcript, err = s.Play(target(server), cut)
	if stopErr := server.Stop(); stopErr != nil {
		return transcript, fmt.Errorf("%w\n%v", stopErr, err)
	}
	return transcript, err
}

func target(server *broker.Server) script.Target {
	return script.Target{Kind: server.Kind.Name, Client: server.Addr, Cluster: server.Cluster}
}

// updateFile replaces the expectations in a file.
func updateFile(t *testing.T, file string, scripts []*script.Script) {
	var out strings.Builder
	if content, err := os.ReadFile(file); err == nil && len(scripts) > 0 {
		lines := strings.SplitAfter(string(content), "\n")
		out.WriteString(strings.Join(lines[:scripts[0].Line-1], ""))
	}
	for _, s := range scripts {
		server, err := broker.Start(broker.Oracle, s.Settings)
		if err != nil {
			t.Fatal(err)
		}
		text, err := s.Record(target(server))
		if err != nil {
			t.Fatalf("%s: %v", s.Name, err)
		}
		if err := server.Stop(); err != nil {
			t.Fatal(err)
		}
		out.WriteString(text)
	}
	if err := os.WriteFile(file, []byte(out.String()), 0o644); err != nil {
		t.Fatal(err)
	}
}
