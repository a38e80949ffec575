package compat

import (
	"bufio"
	"bytes"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"shoal/compat/internal/broker"
)

// nodeLibraries are the client libraries that nodejs/package.json names.
var nodeLibraries = []string{"nats", "@nats-io/transport-node"}

// nodeTimeout bounds a run of the program, which takes about a second.
const nodeTimeout = 2 * time.Minute

// TestNode runs programs written with the client libraries for Node.js.
func TestNode(t *testing.T) {
	installNodeLibraries(t)
	for _, library := range nodeLibraries {
		t.Run(filepath.Base(library), func(t *testing.T) {
			t.Parallel()
			compareRuns(t, nil, func(t *testing.T, server *broker.Server, note func(string, ...any)) {
				runNode(t, note, library, server.URL())
			})
		})
	}
}

// runNode runs the program and notes what it prints.
func runNode(t *testing.T, note func(string, ...any), arguments ...string) {
	t.Helper()
	output, wait := startNode(t, arguments...)
	text, err := io.ReadAll(output)
	must(t, err)
	wait()
	for line := range strings.Lines(string(text)) {
		note("%s", strings.TrimSuffix(line, "\n"))
	}
}

// TestNodeReconnect ends the server of such a program and starts it again.
func TestNodeReconnect(t *testing.T) {
	installNodeLibraries(t)
	for _, library := range nodeLibraries {
		for _, kind := range []broker.Kind{broker.Oracle, subject()} {
			t.Run(filepath.Base(library)+"/"+kind.Name, func(t *testing.T) {
				t.Parallel()
				settings := broker.Settings{"port": quietPort(t)}
				server, err := broker.Start(kind, settings)
				must(t, err)
				output, wait := startNode(t, library, server.URL(), "reconnect")
				var got []string
				for lines := bufio.NewScanner(output); lines.Scan(); {
					got = append(got, lines.Text())
					if lines.Text() == "subscribed" {
						must(t, server.Kill())
						startServer(t, kind, settings)
					}
				}
				wait()
				want := []string{"# reconnect", "subscribed", "again.1 ", "again.2 hello", "done"}
				if !slices.Equal(got, want) {
					t.Errorf("the program printed %q, not %q", got, want)
				}
			})
		}
	}
}

// installNodeLibraries has npm install what the lock file names, unless that is done. Without
// Node.js the test is skipped, but not where CI runs.
func installNodeLibraries(t *testing.T) {
	t.Helper()
	for _, name := range []string{"node", "npm"} {
		if _, err := exec.LookPath(name); err != nil {
			if os.Getenv("CI") == "true" {
				t.Fatalf("CI needs Node.js: %v", err)
			}
			t.Skipf("Node.js is not installed: %v", err)
		}
	}
	// npm keeps a copy of what it has installed.
	wanted, err := os.Stat("nodejs/package-lock.json")
	must(t, err)
	installed, err := os.Stat("nodejs/node_modules/.package-lock.json")
	if err == nil && installed.ModTime().After(wanted.ModTime()) {
		return
	}
	install := exec.Command("npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts")
	install.Dir = "nodejs"
	if output, err := install.CombinedOutput(); err != nil {
		t.Fatalf("npm ci: %v\n%s", err, output)
	}
}

// startNode runs the program. Call wait when its output has ended; the test fails if the program
// did, or takes too long.
func startNode(t *testing.T, arguments ...string) (output io.Reader, wait func()) {
	t.Helper()
	command := exec.Command("node", append([]string{"--experimental-websocket", "run.mjs"}, arguments...)...)
	command.Dir = "nodejs"
	var complaints bytes.Buffer
	command.Stderr = &complaints
	output, err := command.StdoutPipe()
	must(t, err)
	must(t, command.Start())
	timer := time.AfterFunc(nodeTimeout, func() { _ = command.Process.Kill() })
	return output, func() {
		t.Helper()
		err := command.Wait()
		if !timer.Stop() {
			t.Fatalf("node has not ended in %v", nodeTimeout)
		}
		if err != nil {
			t.Fatalf("node: %v\n%s", err, complaints.String())
		}
	}
}
