// Package deploy tests what is in the folder deploy of the repository: that the files say what their formats
// allow, that they agree with each other and with the server, and that what they start does start.
package deploy

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
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
