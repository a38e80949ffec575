package deploy

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"shoal/compat/internal/broker"
)

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

// TestServiceRuns does with the unit what systemd does.
func TestServiceRuns(t *testing.T) {
	m := newSite(t, 1).machines["shoal-1"]
	m.systemctl("start", "shoal")
	if out := m.run("shoal members"); !strings.Contains(out, "active") {
		t.Errorf("shoal members says\n%s", out)
	}
	m.systemctl("reload", "shoal")
	pid := m.servers["shoal"].cmd.Process.Pid
	good := string(read(t, "systemd", "shoal.conf"))
	m.configure(good + "max_paylod: 1MB\n")
	if out, err := m.command("ExecReload", pid).CombinedOutput(); err == nil || !strings.Contains(string(out), "did you mean max_payload?") {
		t.Errorf("ExecReload with a file that is wrong: %v, %s", err, out)
	}
	m.configure(good)
	m.systemctl("restart", "shoal")
	m.systemctl("stop", "shoal")
}

// TestServiceNeedsSecrets makes sure that nobody runs a server with the secrets of an example.
func TestServiceNeedsSecrets(t *testing.T) {
	binary, err := broker.Shoal.Binary()
	must(t, err)
	out, err := exec.Command(binary, "-t", "-c", filepath.Join(files, "systemd", "shoal.conf")).CombinedOutput()
	for _, want := range []string{"looks like a bcrypt hash but is damaged", "cluster.authorization.password: is empty"} {
		if err == nil || !strings.Contains(string(out), want) {
			t.Errorf("%q is missing in\n%s", want, out)
		}
	}
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
