package broker

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
)

// Kind is a program that speaks the protocol.
type Kind struct {
	// Name is what reports call it.
	Name string
	// binaryEnv names the environment variable that can hold a ready binary's path.
	binaryEnv string
	// buildIn is the folder of the module to build in, relative to that of compat's go.mod.
	buildIn string
	// buildPackage is what to build there.
	buildPackage string
	// arguments are the command line that starts it with settings, given a directory for files.
	arguments func(s Settings, dir string) ([]string, error)
}

// Oracle is nats-server, whose behaviour is right by definition.
var Oracle = Kind{
	Name:      "nats-server",
	binaryEnv: "NATS_SERVER_BIN",
	buildIn:   ".", buildPackage: "github.com/nats-io/nats-server/v2",
	arguments: func(s Settings, dir string) ([]string, error) {
		if len(s) == 0 {
			return nil, nil
		}
		return configFile(dir, s.config())
	},
}

// Shoal is the broker of this repository.
var Shoal = Kind{
	Name:      "shoal",
	binaryEnv: "SHOAL_BIN",
	buildIn:   "..", buildPackage: ".",
	arguments: func(s Settings, dir string) ([]string, error) {
		if s[configKey] == "" {
			return s.flags(), nil
		}
		flags, err := configFile(dir, s[configKey])
		return append(flags, s.flags()...), err
	},
}

// configFile writes a configuration file, and returns the flags for it.
func configFile(dir, text string) ([]string, error) {
	file := filepath.Join(dir, "server.conf")
	return []string{"-c", file}, os.WriteFile(file, []byte(text), 0o600)
}

var (
	buildDir   string
	buildMutex sync.Mutex
	binaries   = map[string]string{}
)

// UseBuildDir sets the directory that binaries are built into. Call it before the first Start.
func UseBuildDir(dir string) { buildDir = dir }

// Binary returns the path of the kind's program. The first call in a process builds it, unless
// the environment names one.
func (k Kind) Binary() (string, error) {
	buildMutex.Lock()
	defer buildMutex.Unlock()
	if path := binaries[k.Name]; path != "" {
		return path, nil
	}
	path := os.Getenv(k.binaryEnv)
	if path == "" {
		path = filepath.Join(buildDir, k.Name)
		if err := k.buildTo(path); err != nil {
			return "", err
		}
	}
	binaries[k.Name] = path
	return path, nil
}

// buildTo builds the kind's program. The folder to build in depends on where go.mod is, since each
// package's tests run in a folder of their own.
func (k Kind) buildTo(path string) error {
	gomod, err := exec.Command("go", "env", "GOMOD").Output()
	if err != nil {
		return fmt.Errorf("find go.mod: %w", err)
	}
	folder := filepath.Join(filepath.Dir(strings.TrimSpace(string(gomod))), k.buildIn)
	build := exec.Command("go", "build", "-C", folder, "-o", path, k.buildPackage)
	if output, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("build %s: %w\n%s", k.Name, err, output)
	}
	return nil
}
