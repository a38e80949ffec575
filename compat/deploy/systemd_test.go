package deploy

import (
	"bytes"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/coreos/go-systemd/v22/unit"

	"shoal/compat/internal/broker"
)

// installed is where the unit expects the program.
const installed = "/usr/local/bin/shoal"

// service are the settings of shoal.service, by name; the last value of each counts.
func service(t *testing.T) map[string]string {
	t.Helper()
	options, err := unit.DeserializeOptions(bytes.NewReader(read(t, "systemd", "shoal.service")))
	must(t, err)
	settings := map[string]string{}
	for _, o := range options {
		settings[o.Name] = o.Value
	}
	return settings
}

// environment is what shoal.env sets.
func environment(t *testing.T) map[string]string {
	t.Helper()
	variables := map[string]string{}
	for line := range strings.Lines(string(read(t, "systemd", "shoal.env"))) {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		name, value, ok := strings.Cut(line, "=")
		if !ok || strings.ContainsAny(value, `"'\`) {
			t.Fatalf("shoal.env: %q is not NAME=value in plain words", line)
		}
		variables[name] = value
	}
	return variables
}

func TestServiceTimes(t *testing.T) {
	s := service(t)
	stop, err := strconv.Atoi(s["TimeoutStopSec"])
	must(t, err)
	if least := lameDuck(t) + 10*time.Second; time.Duration(stop)*time.Second < least {
		t.Errorf("TimeoutStopSec is %d s, a lame duck takes up to %v", stop, least)
	}
	if s["Type"] != "notify" || s["WatchdogSec"] == "" {
		t.Errorf("the unit does not listen to the server: %v", s)
	}
}

// TestServiceRuns does with the unit what systemd does, but for what needs root.
func TestServiceRuns(t *testing.T) {
	binary, err := broker.Shoal.Binary()
	must(t, err)
	dir := t.TempDir()
	key, err := exec.Command(binary, "keys", "generate").Output()
	must(t, err)
	must(t, os.WriteFile(filepath.Join(dir, "gossip.key"), key, 0o600))
	// The folders that systemd would make, and ports that nobody has.
	local := strings.NewReplacer(installed, binary, "/run/shoal", dir, "/var/lib/shoal", dir,
		"-m 8222", "-m -1", "0.0.0.0:6222", "127.0.0.1:-1", "shoal-1,shoal-2,shoal-3", "127.0.0.1:1")
	s, env := service(t), environment(t)
	command := func(name, pid string) *exec.Cmd {
		line := strings.NewReplacer("$MAINPID", pid, "$SHOAL_FLAGS", env["SHOAL_FLAGS"]).Replace(s[name])
		words := strings.Fields(local.Replace(line))
		return exec.Command(words[0], words[1:]...)
	}

	socket := filepath.Join(dir, "notify")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: socket, Net: "unixgram"})
	must(t, err)
	defer conn.Close()
	told := func(want string) {
		t.Helper()
		must(t, conn.SetReadDeadline(time.Now().Add(patience)))
		buf := make([]byte, 4096)
		for {
			n, err := conn.Read(buf)
			if err != nil {
				t.Fatalf("systemd is not told %s: %v", want, err)
			}
			if slices.Contains(strings.Split(string(buf[:n]), "\n"), want) {
				return
			}
		}
	}

	server := command("ExecStart", "")
	server.Args = append(server.Args, "-a", "127.0.0.1", "-p", "-1", "--ready_timeout", "1s")
	server.Env = append(os.Environ(), "NOTIFY_SOCKET="+socket)
	_, ended := process(t, server)
	pid := strconv.Itoa(server.Process.Pid)
	told("READY=1")
	if got, err := os.ReadFile(filepath.Join(dir, "pid")); err != nil || string(got) != pid {
		t.Errorf("the pid file has %q, %v", got, err)
	}
	if out, err := exec.Command(binary, "members", "--node", filepath.Join(dir, "admin.sock")).CombinedOutput(); err != nil {
		t.Errorf("shoal members: %s", out)
	}
	if out, err := command("ExecReload", pid).CombinedOutput(); err != nil {
		t.Fatalf("ExecReload: %v, %s", err, out)
	}
	told("RELOADING=1")
	told("READY=1")
	if out, err := command("ExecStop", pid).CombinedOutput(); err != nil {
		t.Fatalf("ExecStop: %v, %s", err, out)
	}
	told("STOPPING=1")
	ends(t, server, ended)
}

func TestServiceVerify(t *testing.T) {
	if _, err := exec.LookPath("systemd-analyze"); err != nil {
		t.Skip("systemd-analyze is not installed")
	}
	binary, err := broker.Shoal.Binary()
	must(t, err)
	path := filepath.Join(t.TempDir(), "shoal.service")
	content := strings.ReplaceAll(string(read(t, "systemd", "shoal.service")), installed, binary)
	must(t, os.WriteFile(path, []byte(content), 0o600))
	if out, err := exec.Command("systemd-analyze", "verify", path).CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("systemd-analyze verify: %v\n%s", err, out)
	}
	out, err := exec.Command("systemd-analyze", "security", "--offline=true", "--no-pager", path).CombinedOutput()
	if err != nil {
		t.Skipf("systemd-analyze security: %v\n%s", err, out)
	}
	found := regexp.MustCompile(`exposure level for shoal\.service: (\d+\.\d+)`).FindSubmatch(out)
	if found == nil {
		t.Fatalf("systemd-analyze security says\n%s", out)
	}
	if level, err := strconv.ParseFloat(string(found[1]), 64); err != nil || level > 2 {
		t.Errorf("the unit is exposed at level %s of 10, more than 2", found[1])
	}
}
