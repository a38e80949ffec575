package compat

import (
	"flag"
	"fmt"
	"os"
	"syscall"
	"testing"

	"shoal/compat/internal/broker"
)

func TestMain(m *testing.M) {
	if what := os.Getenv(guesserEnv); what != "" {
		os.Exit(guess(what))
	}
	flag.Parse()
	if !flagGiven("test.parallel") {
		// Most tests wait for servers and timers most of the time.
		_ = flag.Set("test.parallel", "6")
	}
	os.Exit(run(m))
}

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "compat-build-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	broker.UseBuildDir(dir)
	raiseFileLimit()
	return m.Run()
}

// raiseFileLimit makes room for thousands of connections, here and in the servers started.
func raiseFileLimit() {
	var limit syscall.Rlimit
	if syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit) == nil {
		limit.Cur = limit.Max
		_ = syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit)
	}
}

func flagGiven(name string) bool {
	given := false
	flag.Visit(func(f *flag.Flag) { given = given || f.Name == name })
	return given
}

// subject is the kind of server under test.
func subject() broker.Kind {
	if os.Getenv("COMPAT_SELF") != "" {
		return broker.Oracle
	}
	return broker.Shoal
}

// startServer runs a server until the end of the test, which fails if the server does not last
// until then.
func startServer(t *testing.T, kind broker.Kind, settings broker.Settings) *broker.Server {
	t.Helper()
	server, err := broker.Start(kind, settings)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Stop(); err != nil {
			t.Error(err)
		}
	})
	return server
}
