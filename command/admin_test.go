package command

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// port returns the client port of a server, by which commands find its admin socket.
func (s *server) port() string {
	s.t.Helper()
	_, address, _ := strings.Cut(s.url(), "://")
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		s.t.Fatal(err)
	}
	return port
}

// order runs a command that talks to the admin socket, which must succeed, and returns what it writes.
func (s *server) order(args ...string) string {
	s.t.Helper()
	status, stdout, stderr := runCommand("", append(args, "--node", s.port())...)
	if status != 0 {
		s.t.Fatalf("%v: %s", args, stderr)
	}
	return stdout
}

// refused runs one that must fail, and returns why it does.
func (s *server) refused(args ...string) string {
	s.t.Helper()
	status, stdout, stderr := runCommand("", append(args, "--node", s.port())...)
	if status != 1 || strings.Count(stderr, "\n") != 1 {
		s.t.Fatalf("%v: status %d, %s%s", args, status, stdout, stderr)
	}
	return stderr
}

func (s *server) memberList() (list memberList) {
	s.t.Helper()
	if err := json.Unmarshal([]byte(s.order("members", "--json", "--all")), &list); err != nil {
		s.t.Fatal(err)
	}
	return list
}

// startMembers runs servers that find each other by gossip, and waits until they know each other.
func startMembers(t *testing.T, n int, args ...string) []*server {
	t.Helper()
	var servers []*server
	for i := range n {
		servers = append(servers, startMember(t, string(rune('a'+i)), servers[:min(i, 1)], args...))
	}
	for _, s := range servers {
		eventually(t, "all are active members with a route", func() bool {
			active := 0
			for _, m := range s.memberList().Members {
				if m.State == "active" && m.Liveness == "alive" && m.HasRoute && m.Connections != nil {
					active++
				}
			}
			return active == n
		})
	}
	return servers
}

func TestMembers(t *testing.T) {
	servers := startMembers(t, 3)
	connect(t, servers[1], "x")
	lines := strings.Split(strings.TrimSpace(servers[0].order("members")), "\n")
	if len(lines) != 4 {
		t.Fatalf("got\n%s", strings.Join(lines, "\n"))
	}
	rows := make(map[string][]string)
	for _, line := range lines[1:] {
		fields := strings.Fields(line)
		rows[fields[0]] = fields[1:]
	}
	if fields := strings.Fields(lines[0]); strings.Join(fields, " ") != "NAME STATE ADDRESS VERSION RTT CONNECTIONS SINCE" {
		t.Errorf("the head is %q", lines[0])
	}
	if row := rows["b"]; len(row) < 6 || row[0] != "active" || row[1] != strings.TrimPrefix(servers[1].urls.Cluster[0], "nats://") ||
		row[4] != "1" {
		t.Errorf("the row of b is %q", row)
	}
	if row := rows["a"]; row[0] != "*" {
		t.Errorf("the row of a is %q", row)
	}
	servers[2].signal(syscall.SIGTERM)
	servers[2].wait()
	eventually(t, "the member has left", func() bool { return !strings.Contains(servers[0].order("members"), "\nc ") })
	if all := servers[0].order("members", "--all"); !strings.Contains(all, " left ") {
		t.Errorf("--all shows\n%s", all)
	}
	if got := servers[0].order("rtt", "a", "a"); got != "a to a: 0s, estimated\n" {
		t.Errorf("rtt: %q", got)
	}
	eventually(t, "the round trip is known", func() bool {
		status, stdout, _ := runCommand("", "rtt", "a", "b", "--node", servers[1].port())
		return status == 0 && strings.HasPrefix(stdout, "a to b: ")
	})
	if got := servers[0].refused("rtt", "a", "z"); !strings.Contains(got, `no server of the cluster is called "z"`) {
		t.Errorf("rtt: %q", got)
	}
}

// TestMembersWithoutGossip lists servers that know each other by routes.
func TestMembersWithoutGossip(t *testing.T) {
	servers := startCluster(t, 2, "--no_gossip")
	list := servers[0].memberList()
	if list.Gossips || len(list.Members) != 2 || list.Members[1].Name != "s2" || list.Members[1].Connections == nil {
		t.Errorf("got %+v", list)
	}
	if got := servers[0].refused("join", "127.0.0.1"); !strings.Contains(got, "does not gossip") {
		t.Errorf("join: %q", got)
	}
	servers[0].order("drain", "s2")
	if got := servers[1].refused("drain", "s1"); !strings.Contains(got, "s2 drains") && !strings.Contains(got, "no other") {
		t.Errorf("drain: %q", got)
	}
	servers[0].order("undrain", "s2")
}

func TestDrainCommand(t *testing.T) {
	servers := startMembers(t, 3, "--lame_duck_duration", "300ms", "--lame_duck_grace_period", "100ms")
	a, b := servers[0], servers[1]
	stay, leave := connect(t, a, "x"), connect(t, b, "x")
	address := strings.TrimPrefix(b.url(), "nats://")
	if got := a.order("drain", "b", "--wait"); got != "b has no clients any more, shoal undrain b takes it back\n" {
		t.Errorf("drain says %q", got)
	}
	if info := leave.await(`"ldm":true`); strings.Contains(info, `"`+address+`"`) {
		t.Errorf("the client is told to come back: %s", info)
	}
	leave.awaitEnd()
	for info := stay.await("INFO"); strings.Contains(info, `"`+address+`"`); {
		info = stay.await("INFO")
	}
	if status, body := fetch(t, b.urls.Monitoring[0]+"/healthz"); status != http.StatusServiceUnavailable || !strings.Contains(body, "drains") {
		t.Errorf("/healthz says %d %s", status, body)
	}
	// A client that comes nevertheless turns to the next server.
	if status, _, stderr := runCommand("", "pub", "x", "hi", "-s", b.url()+","+a.url()); status != 0 {
		t.Errorf("pub: %s", stderr)
	}
	stay.await("hi")
	if got := servers[2].refused("drain", "c"); !strings.Contains(got, "b drains or leaves already") {
		t.Errorf("a second one: %q", got)
	}
	eventually(t, "everybody knows", func() bool { return strings.Contains(servers[2].order("members"), "draining") })
	if got := servers[2].order("undrain", "b"); got != "b takes clients again\n" {
		t.Errorf("undrain says %q", got)
	}
	for info := stay.await("INFO"); !strings.Contains(info, `"`+address+`"`); {
		info = stay.await("INFO")
	}
	connect(t, b, "x")
	if status, _ := fetch(t, b.urls.Monitoring[0]+"/healthz"); status != http.StatusOK {
		t.Errorf("/healthz says %d", status)
	}
	if got := a.refused("undrain", "b"); !strings.Contains(got, "b: the server does not drain") {
		t.Errorf("undrain: %q", got)
	}
	if got := a.refused("drain", "nobody"); !strings.Contains(got, `"nobody"`) {
		t.Errorf("drain: %q", got)
	}
}

func TestJoinAndLeaveCommands(t *testing.T) {
	a, b := startMember(t, "a", nil), startMember(t, "b", nil, "--lame_duck_duration", "200ms", "--lame_duck_grace_period", "100ms")
	if got := b.refused("drain", "b"); !strings.Contains(got, "no other server") {
		t.Errorf("drain: %q", got)
	}
	if got := b.refused("join", fmt.Sprintf("127.0.0.1:%d", freePort(t))); !strings.Contains(got, "refused") {
		t.Errorf("join: %q", got)
	}
	b.order("join", a.urls.Cluster[0])
	eventually(t, "there is a route", func() bool { return len(a.routes()) == 1 })
	c := connect(t, b, "x")
	socket := socketOf(adminDir(), portOfServer(t, b))
	if got := a.refused("leave", "nobody"); !strings.Contains(got, "nobody") {
		t.Errorf("leave: %q", got)
	}
	if got := a.order("leave", "b"); got != "b leaves, and sends its 1 client elsewhere\n" {
		t.Errorf("leave says %q", got)
	}
	c.awaitEnd()
	if status := b.wait(); status != 0 {
		t.Errorf("status %d", status)
	}
	if exists(socket) {
		t.Error("the socket is still there")
	}
	if got := a.order("leave", "--now"); !strings.HasPrefix(got, "a stops") {
		t.Errorf("leave says %q", got)
	}
	if status := a.wait(); status != 0 {
		t.Errorf("status %d", status)
	}
}

func portOfServer(t *testing.T, s *server) (port int) {
	t.Helper()
	if _, err := fmt.Sscan(s.port(), &port); err != nil {
		t.Fatal(err)
	}
	return port
}

func TestKeysCommands(t *testing.T) {
	write := func() string {
		status, stdout, stderr := runCommand("", "keys", "generate")
		path := filepath.Join(t.TempDir(), "key")
		if err := os.WriteFile(path, []byte(stdout), 0o600); status != 0 || err != nil {
			t.Fatal(stderr, err)
		}
		return path
	}
	old, next := write(), write()
	servers := startMembers(t, 2, "--gossip_key", old)
	a, b := servers[0], servers[1]
	fingerprint := func(line int) string {
		lines := strings.Split(a.order("keys", "list"), "\n")
		if len(lines) <= line {
			t.Fatal(lines)
		}
		return strings.Fields(lines[line])[0]
	}
	first := fingerprint(1)
	got := b.order("keys", "install", next)
	second := strings.Fields(got)[3]
	second = strings.TrimSuffix(second, ";")
	if list := a.order("keys", "list"); strings.Count(list, "2 of 2") != 2 {
		t.Errorf("both know %q and %q:\n%s", first, second, list)
	}
	if got := a.refused("keys", "remove", first); !strings.Contains(got, "in use") {
		t.Errorf("remove: %q", got)
	}
	a.order("keys", "use", second)
	b.order("keys", "remove", first)
	if list := a.order("keys", "list"); strings.Contains(list, first) || !strings.Contains(list, second) {
		t.Errorf("after all:\n%s", list)
	}
	c := startMember(t, "c", []*server{a}, "--gossip_key", next)
	eventually(t, "a server with the new key joins", func() bool { return len(c.routes()) == 2 })
	if got := a.refused("keys", "install", strings.TrimSpace(readFile(t, old))); !strings.Contains(got, "everybody on this machine") {
		t.Errorf("install: %q", got)
	}
	// The servers keep what they have, and rotate does all of that at once.
	kept := func() string {
		info, err := os.Stat(old)
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Error(info, err)
		}
		return readFile(t, old)
	}
	if kept() != readFile(t, next) {
		t.Errorf("the file of the keys has %d bytes", len(kept()))
	}
	eventually(t, "all know all", func() bool {
		return strings.Contains(a.order("keys", "list"), "3 of 3") && strings.Contains(b.order("keys", "list"), "3 of 3")
	})
	if got := a.refused("keys", "rotate"); !strings.Contains(got, "--yes") {
		t.Errorf("rotate: %q", got)
	}
	if list := a.order("keys", "list"); !strings.Contains(list, second) {
		t.Errorf("a refusal has changed something:\n%s", list)
	}
	if got := a.order("keys", "rotate", "--yes"); !strings.Contains(got, "have no other key") {
		t.Errorf("rotate: %q", got)
	}
	if list := b.order("keys", "list"); strings.Contains(list, second) || strings.Count(list, "3 of 3") != 1 {
		t.Errorf("after the rotation:\n%s", list)
	}
	d := startMember(t, "d", []*server{a}, "--gossip_key", old)
	eventually(t, "a server with the kept key joins", func() bool { return len(d.routes()) == 3 })
	open := startMember(t, "open", nil)
	if got := open.refused("keys", "list"); !strings.Contains(got, "--gossip_key") {
		t.Errorf("without keys: %q", got)
	}
}

func TestDriftCommand(t *testing.T) {
	a := startMember(t, "a", nil)
	startMember(t, "b", []*server{a}, "--max_payload", "2MB")
	eventually(t, "the difference is shown", func() bool {
		return strings.Contains(a.order("members", "--drift"), "max_payload") && strings.Contains(a.order("members"), "differ in 1 setting")
	})
	want := map[string]bool{"1048576 a": false, "2097152 b": false}
	for line := range strings.Lines(a.order("members", "--drift")) {
		fields := strings.Fields(line)
		want[strings.Join(fields[max(0, len(fields)-2):], " ")] = true
	}
	if !want["1048576 a"] || !want["2097152 b"] {
		t.Errorf("got %v", want)
	}
	eventually(t, "/clusterz shows it", func() bool {
		z := a.clusterz()
		return len(z.Drift) == 1 && z.Drift[0].What == "limits"
	})
}

func TestAdminSocket(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "admin")
	s := startServer(t, "--admin_socket", path)
	info, err := os.Lstat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info, err)
	}
	if status, stdout, stderr := runCommand("", "members", "--node", path); status != 0 || !strings.Contains(stdout, "active") {
		t.Errorf("%s%s", stdout, stderr)
	}
	t.Setenv("SHOAL_NODE", path)
	if status, stdout, stderr := runCommand("", "members"); status != 0 || !strings.Contains(stdout, "active") {
		t.Errorf("with SHOAL_NODE: %s%s", stdout, stderr)
	}
	second := startProcess(t, "-a", "127.0.0.1", "-p", "-1", "--admin_socket", path)
	if status := second.wait(); status != 1 {
		t.Errorf("status %d", status)
	}
	if want := "shoal: --admin_socket: " + path + " belongs to a server that runs, take another path\n"; second.err.String() != want {
		t.Errorf("got %q", second.err.String())
	}
	s.signal(syscall.SIGKILL)
	s.wait()
	if status, _, stderr := runCommand("", "members", "--node", path); status != 1 || !strings.Contains(stderr, "no server listens") {
		t.Errorf("a socket that was left behind: %s", stderr)
	}
	s = startServer(t, "--admin_socket", path)
	if status, _, stderr := runCommand("", "members", "--node", path); status != 0 {
		t.Error(stderr)
	}
	s.signal(syscall.SIGTERM)
	s.wait()
	if left, _ := os.ReadDir(dir); len(left) > 0 {
		t.Errorf("there are still %v", left)
	}
	off := startServer(t, "--admin_socket", "off")
	if got := off.refused("members"); !strings.Contains(got, "there is no socket") {
		t.Errorf("got %q", got)
	}
}

// TestWhichNode checks how commands find the server that is meant.
func TestWhichNode(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("XDG_RUNTIME_DIR", dir)
	members := func() (int, string, string) { return runCommand("", "members") }
	if status, _, stderr := members(); status != 1 || !strings.Contains(stderr, "no server of this user runs here") {
		t.Errorf("none: %s", stderr)
	}
	one := startServer(t)
	if info, err := os.Stat(filepath.Join(dir, "shoal")); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("mode %v, %v", info, err)
	}
	if status, _, stderr := members(); status != 0 {
		t.Errorf("one: %s", stderr)
	}
	two := startServer(t)
	if status, _, stderr := members(); status != 1 || !strings.Contains(stderr, one.port()) || !strings.Contains(stderr, two.port()) {
		t.Errorf("two: %s", stderr)
	}
	one.signal(syscall.SIGKILL)
	one.wait()
	if status, _, stderr := members(); status != 0 {
		t.Errorf("one was killed: %s", stderr)
	}
	if err := os.Chmod(filepath.Join(dir, "shoal"), 0o755); err != nil {
		t.Fatal(err)
	}
	open := startServer(t)
	eventually(t, "a directory of others is refused", func() bool {
		return strings.Contains(open.err.String(), "is not a directory of this user alone")
	})
}

func TestAge(t *testing.T) {
	for d, want := range map[time.Duration]string{
		-time.Second: "-", 1500 * time.Millisecond: "1s", 61 * time.Second: "1m01s", time.Hour: "1h00m", 49*time.Hour + time.Minute: "2d01h",
	} {
		if got := age(d); got != want {
			t.Errorf("%v is %q, want %q", d, got, want)
		}
	}
}
