// Package deploy tests what is in the folder deploy of the repository: that the files say what their formats
// allow, that they agree with each other and with the server, and that what they start does start.
package deploy

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"sync"
	"testing"
	"time"

	"shoal/compat/internal/broker"
)

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "deploy-build-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	broker.UseBuildDir(dir)
	return m.Run()
}

// files is the folder that is tested.
const files = "../../deploy"

func read(t *testing.T, name ...string) []byte {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(files, filepath.Join(name...)))
	must(t, err)
	return content
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// patience is how long to wait for what normally takes a moment.
const patience = 30 * time.Second

// eventually polls until something holds.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !ok(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within %v", what, patience)
		}
	}
}

// logBuffer collects what a server writes, and may be read meanwhile.
type logBuffer struct {
	mu  sync.Mutex // guards the rest
	log bytes.Buffer
}

func (b *logBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.log.Write(p)
}

func (b *logBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.log.String()
}

// process runs a command until the end of the test, and returns a channel that is closed when it has ended. Its
// log is shown if the test has failed.
func process(t *testing.T, cmd *exec.Cmd) (log *logBuffer, ended <-chan struct{}) {
	t.Helper()
	log = &logBuffer{}
	cmd.Stderr = log
	must(t, cmd.Start())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = cmd.Wait()
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		<-done
		if t.Failed() {
			t.Log(log)
		}
	})
	return log, done
}

// ends waits for a process, which has to say that all was well.
func ends(t *testing.T, cmd *exec.Cmd, ended <-chan struct{}) {
	t.Helper()
	select {
	case <-ended:
	case <-time.After(patience):
		t.Fatal("the server does not end")
	}
	if status := cmd.ProcessState.ExitCode(); status != 0 {
		t.Errorf("the server ends with status %d", status)
	}
}

// lameDuck is how long a lame duck takes at most unless flags say otherwise.
func lameDuck(t *testing.T) time.Duration {
	t.Helper()
	binary, err := broker.Shoal.Binary()
	must(t, err)
	help, err := exec.Command(binary, "--help").Output()
	must(t, err)
	found := regexp.MustCompile(`--lame_duck_duration [^\n]*\((\w+)\)`).FindSubmatch(help)
	if found == nil {
		t.Fatal("shoal --help has no default of --lame_duck_duration")
	}
	d, err := time.ParseDuration(string(found[1]))
	must(t, err)
	return d
}
