package deploy

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
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

// password is what the hash in the configuration file is one of, and that of the cluster.
const password = "0123456789abcdef0123456789abcdef"

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

// site is a group of machines, on which commands run that are written for real ones. What tells them apart is
// replaced in commands and files: each has a folder of its own, and an address on the loopback interface.
type site struct {
	t        *testing.T
	service  map[string]string
	machines map[string]*machine
	hash     string // of the password
	key      string // what the last key is called that was installed
}

// machine is one of them.
type machine struct {
	*site
	name, dir string
	local     *strings.Replacer
	servers   map[string]*running // by the name of the service
}

// running is a server.
type running struct {
	cmd   *exec.Cmd
	log   *logBuffer
	ended <-chan struct{}
	told  func(want string) // waits until systemd is told so
}

// newSite returns machines that are called shoal-1 and so on, with shoal installed and configured.
func newSite(t *testing.T, count int) *site {
	t.Helper()
	if runtime.GOOS != "linux" {
		t.Skip("only Linux has so many addresses on its loopback interface")
	}
	s := &site{t: t, service: service(t), machines: map[string]*machine{}}
	var common []string
	for _, port := range []string{"4222", "6222", "8222"} {
		free, err := broker.FreePort()
		must(t, err)
		common = append(common, port, free)
	}
	common = append(common, "chown shoal:", "true", "chown root:shoal", "true", "-g shoal ", "") // nobody has made the user
	for i := range 9 {
		// Between quotes it is an address to join, whose port is not the usual one.
		name := fmt.Sprintf("shoal-%d", i+1)
		common = append(common, `"`+name+`"`, `"`+address(i)+":"+common[3]+`"`, name, address(i))
	}
	binary, err := broker.Shoal.Binary()
	must(t, err)
	hash, err := exec.Command("sh", "-c", "echo "+password+" | "+binary+" passwd --cost 4").Output()
	must(t, err)
	s.hash = strings.TrimSpace(string(hash))
	key, err := exec.Command(binary, "keys", "generate").Output()
	must(t, err)
	for i := range count {
		m := &machine{site: s, name: fmt.Sprintf("shoal-%d", i+1), dir: t.TempDir(), servers: map[string]*running{}}
		own := []string{"0.0.0.0", address(i), "127.0.0.1", address(i), "%H", address(i)}
		for _, dir := range []string{"/etc", "/run", "/var/lib", "/usr/local/bin"} {
			must(t, os.MkdirAll(m.dir+dir, 0o700))
			for _, program := range []string{"/shoal", "/nats"} {
				own = append(own, dir+program, m.dir+dir+program)
			}
		}
		m.local = strings.NewReplacer(append(own, common...)...)
		must(t, os.Mkdir(m.dir+"/run/shoal", 0o700))
		must(t, os.Symlink(binary, m.dir+installed))
		m.write("/var/lib/shoal/gossip.key", string(key))
		m.configure(string(read(t, "systemd", "shoal.conf")))
		s.machines[m.name] = m
	}
	return s
}

// address is that of a machine. Nothing else should use it.
func address(i int) string {
	return fmt.Sprintf("127.%d.%d.%d", 64+os.Getpid()/256%64, os.Getpid()%256, i+1)
}

// write writes a file on the machine, in which all names are the real ones.
func (m *machine) write(path, content string) {
	m.t.Helper()
	must(m.t, os.MkdirAll(m.dir+filepath.Dir(path), 0o700))
	must(m.t, os.WriteFile(m.dir+path, []byte(m.local.Replace(content)), 0o600))
}

// configure gives the server a configuration file, in which the passwords are filled in. Of edits, pairs of texts,
// the first of each is replaced by the second.
func (m *machine) configure(file string, edits ...string) {
	m.t.Helper()
	edits = append(edits, "$2a$11$REPLACE-ME", m.hash, `password: ""`, `password: "`+password+`"`)
	m.write("/etc/shoal/shoal.conf", strings.NewReplacer(edits...).Replace(file))
}

var (
	systemctl   = regexp.MustCompile(`^systemctl (\w+)( --now)? (\S+)$`)
	installs    = regexp.MustCompile(`^All servers know ([0-9a-f]{16})`)
	fingerprint = regexp.MustCompile(`\b[0-9a-f]{16}\b`)
)

// run runs a command as root of the machine would, and returns what it writes.
func (m *machine) run(command string) string {
	m.t.Helper()
	if words := systemctl.FindStringSubmatch(command); words != nil {
		m.systemctl(words[1], words[3])
		return ""
	}
	out, err := m.try(command)
	if err != nil {
		m.t.Fatalf("%s# %s: %v\n%s", m.name, command, err, out)
	}
	if found := installs.FindStringSubmatch(out); found != nil {
		m.key = found[1]
	}
	return out
}

// try runs a command that may fail.
func (m *machine) try(command string) (string, error) {
	cmd := exec.Command("bash", "-c", fingerprint.ReplaceAllString(m.local.Replace(command), m.key))
	cmd.Dir = m.dir
	cmd.Env = append(os.Environ(), "PATH="+m.dir+"/usr/local/bin:"+os.Getenv("PATH"),
		"SHOAL_NODE="+m.dir+"/run/shoal/admin.sock", "SHOAL_USER=app", "SHOAL_PASS="+password)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// systemctl does what systemd would do, but for what needs root.
func (m *machine) systemctl(action, service string) {
	m.t.Helper()
	switch action {
	case "start", "enable":
		m.start(service)
	case "stop", "disable":
		m.stop(service)
	case "restart":
		m.stop(service)
		m.start(service)
	case "reload":
		r := m.servers[service]
		if out, err := m.command("ExecReload", r.cmd.Process.Pid).CombinedOutput(); err != nil {
			m.t.Fatalf("ExecReload: %v, %s", err, out)
		}
		r.told("RELOADING=1")
		r.told("READY=1")
	default:
		m.t.Fatalf("no test knows what systemctl %s is", action)
	}
}

// command returns the command of the unit that has the name.
func (m *machine) command(name string, pid int) *exec.Cmd {
	line := strings.NewReplacer("$MAINPID", strconv.Itoa(pid), "$SHOAL_FLAGS", "").Replace(m.service[name])
	words := strings.Fields(m.local.Replace(line))
	return exec.Command(words[0], words[1:]...)
}

func (m *machine) start(service string) {
	m.t.Helper()
	if service == "nats-server" {
		m.startOther()
		return
	}
	socket := filepath.Join(m.t.TempDir(), "notify")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: socket, Net: "unixgram"})
	must(m.t, err)
	m.t.Cleanup(func() { conn.Close() })
	r := &running{cmd: m.command("ExecStart", 0), told: func(want string) {
		m.t.Helper()
		must(m.t, conn.SetReadDeadline(time.Now().Add(patience)))
		buf := make([]byte, 4096)
		for {
			n, err := conn.Read(buf)
			if err != nil {
				m.t.Fatalf("systemd on %s is not told %s: %v", m.name, want, err)
			}
			if slices.Contains(strings.Split(string(buf[:n]), "\n"), want) {
				return
			}
		}
	}}
	r.cmd.Env = append(os.Environ(), "NOTIFY_SOCKET="+socket)
	r.log, r.ended = process(m.t, r.cmd)
	m.servers[service] = r
	r.told("READY=1")
}

// startOther starts a nats-server, which tells nobody when it is ready.
func (m *machine) startOther() {
	m.t.Helper()
	binary, err := broker.Oracle.Binary()
	must(m.t, err)
	r := &running{cmd: exec.Command(binary, "-c", m.dir+"/etc/nats/nats.conf")}
	r.log, r.ended = process(m.t, r.cmd)
	m.servers["nats-server"] = r
	eventually(m.t, "nats-server is ready", func() bool { return strings.Contains(r.log.String(), "Server is ready") })
}

func (m *machine) stop(service string) {
	m.t.Helper()
	r := m.servers[service]
	if r == nil {
		m.t.Fatalf("%s does not run on %s", service, m.name)
	}
	if service == "nats-server" {
		must(m.t, r.cmd.Process.Signal(os.Interrupt))
	} else if out, err := m.command("ExecStop", r.cmd.Process.Pid).CombinedOutput(); err != nil {
		m.t.Fatalf("ExecStop: %v, %s", err, out)
	} else {
		r.told("STOPPING=1")
	}
	ends(m.t, r.cmd, r.ended)
	delete(m.servers, service)
}
