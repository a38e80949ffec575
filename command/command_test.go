package command

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// patience is how long a test waits for what should happen at once. It is long, since a machine
// that runs tests may have other things to do.
const patience = 20 * time.Second

// binary is the shoal that the process tests run.
var binary string

func TestMain(m *testing.M) {
	os.Exit(func() int {
		// The environment of whoever runs the tests must not decide their outcome.
		for _, name := range []string{"SHOAL_URL", "NATS_URL", "SHOAL_USER", "SHOAL_PASS", "SHOAL_AUTH", gossipKeyVariable, "SHOAL_NODE",
			"NOTIFY_SOCKET"} {
			os.Unsetenv(name)
		}
		// Nor must servers of theirs be mistaken for those of the tests.
		dir, err := os.MkdirTemp("", "shoal")
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer os.RemoveAll(dir)
		os.Setenv("XDG_RUNTIME_DIR", dir)
		// A name that nobody else uses: `shoal --signal` looks for processes of the same name.
		binary = filepath.Join(dir, fmt.Sprintf("shoal-test-%d", os.Getpid()))
		build := exec.Command("go", "build", "-o", binary, "..")
		build.Stderr = os.Stderr
		if err := build.Run(); err != nil {
			fmt.Fprintln(os.Stderr, "building shoal:", err)
			return 1
		}
		return m.Run()
	}())
}

// buffer is a bytes.Buffer that may be read while somebody writes.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// runCommand runs a command line in this process.
func runCommand(stdin string, args ...string) (status int, stdout, stderr string) {
	var out, errs buffer
	status = run(append([]string{"shoal"}, args...), streams{strings.NewReader(stdin), &out, &errs})
	return status, out.String(), errs.String()
}

// process is a shoal that runs as a process of its own.
type process struct {
	t      *testing.T
	cmd    *exec.Cmd
	out    buffer
	err    buffer
	exited chan struct{}
	status int // valid after exited
}

// startProcess starts a shoal; the end of the test kills it.
func startProcess(t *testing.T, args ...string) *process {
	t.Helper()
	p := &process{t: t, cmd: exec.Command(binary, args...), exited: make(chan struct{})}
	p.cmd.Stdout, p.cmd.Stderr = &p.out, &p.err
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(p.exited)
		err := p.cmd.Wait()
		var exit *exec.ExitError
		if err != nil && !errors.As(err, &exit) {
			p.status = -1
			return
		}
		p.status = p.cmd.ProcessState.ExitCode()
	}()
	t.Cleanup(func() {
		_ = p.cmd.Process.Kill()
		<-p.exited
		if t.Failed() {
			t.Logf("%s\nstdout: %s\nstderr: %s", strings.Join(args, " "), p.out.String(), p.err.String())
		}
	})
	return p
}

func (p *process) signal(s syscall.Signal) {
	p.t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil {
		p.t.Fatal(err)
	}
}

// wait returns the exit status.
func (p *process) wait() int {
	p.t.Helper()
	select {
	case <-p.exited:
		return p.status
	case <-time.After(patience):
		p.t.Fatal("the process does not end")
		return 0
	}
}

// eventually waits until what holds.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(patience)
	for !holds() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatal("waited in vain: " + what)
		}
	}
}

func readFile(t *testing.T, path string) string {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}
