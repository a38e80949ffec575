package command

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// server is a running `shoal` on free ports of the loopback interface.
type server struct {
	*process
	dir   string // of the ports file
	ports string // the ports file
	urls  portURLs
}

func startServer(t *testing.T, args ...string) *server {
	t.Helper()
	dir := t.TempDir()
	args = append([]string{"-a", "127.0.0.1", "-p", "-1", "--ports_file_dir", dir}, args...)
	s := &server{process: startProcess(t, args...), dir: dir}
	s.ports = filepath.Join(dir, fmt.Sprintf("%s_%d.ports", filepath.Base(binary), s.cmd.Process.Pid))
	eventually(t, "the server writes its ports file", func() bool {
		select {
		case <-s.exited:
			t.Fatalf("the server ended with status %d", s.status)
		default:
		}
		return exists(s.ports)
	})
	if err := json.Unmarshal([]byte(readFile(t, s.ports)), &s.urls); err != nil {
		t.Fatal(err)
	}
	return s
}

func (s *server) url() string { return s.urls.NATS[0] }

// greeting returns the first line that a client gets.
func greeting(t *testing.T, url string) string {
	t.Helper()
	conn, err := net.DialTimeout("tcp", strings.TrimPrefix(url, "nats://"), patience)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(conn).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	return line
}

func TestServerLife(t *testing.T) {
	for _, tt := range []struct {
		signal syscall.Signal
		line   string
	}{
		{syscall.SIGTERM, `Trapped "terminated" signal`},
		{syscall.SIGINT, `Trapped "interrupt" signal`},
	} {
		t.Run(tt.signal.String(), func(t *testing.T) {
			pidFile := filepath.Join(t.TempDir(), "pid")
			s := startServer(t, "-P", pidFile, "-n", "tester")
			if got, want := readFile(t, pidFile), strconv.Itoa(s.cmd.Process.Pid); got != want {
				t.Errorf("the pid file has %q, want %q", got, want)
			}
			if got := greeting(t, s.url()); !strings.HasPrefix(got, "INFO {") || !strings.Contains(got, `"server_name":"tester"`) {
				t.Errorf("the greeting is %q", got)
			}
			if s.urls.Monitoring != nil || s.urls.Profile != nil {
				t.Errorf("the ports file has what is off: %s", readFile(t, s.ports))
			}
			s.signal(tt.signal)
			if status := s.wait(); status != 0 {
				t.Errorf("status %d", status)
			}
			if exists(pidFile) {
				t.Error("the pid file is still there")
			}
			if left, _ := os.ReadDir(s.dir); len(left) > 0 {
				t.Errorf("the ports directory still has %v", left)
			}
			log := s.err.String()
			for _, text := range []string{"Server is ready", tt.line, "Initiating Shutdown...", "Server Exiting.."} {
				line := regexp.MustCompile(fmt.Sprintf(`(?m)^\[%d\] \d{4}/\d\d/\d\d \d\d:\d\d:\d\d\.\d{6} \[INF\] %s$`,
					s.cmd.Process.Pid, regexp.QuoteMeta(text)))
				if !line.MatchString(log) {
					t.Errorf("the log has no line %q", text)
				}
			}
		})
	}
}

func TestServerDumpsGoroutinesOnQuit(t *testing.T) {
	s := startServer(t)
	s.signal(syscall.SIGQUIT)
	if status := s.wait(); status != 2 || !strings.Contains(s.err.String(), "goroutine ") {
		t.Errorf("status %d", status)
	}
}

func TestServerReopensLog(t *testing.T) {
	log := filepath.Join(t.TempDir(), "log")
	s := startServer(t, "-l", log)
	if err := os.Rename(log, log+".1"); err != nil {
		t.Fatal(err)
	}
	s.signal(syscall.SIGUSR1)
	eventually(t, "the new log file is written", func() bool {
		return exists(log) && strings.Contains(readFile(t, log), "Reopened the log file")
	})
	if old := readFile(t, log+".1"); !strings.Contains(old, "Server is ready") || strings.Contains(old, "Reopened") {
		t.Errorf("the old log file has\n%s", old)
	}
	s.signal(syscall.SIGTERM)
	s.wait()
	if now := readFile(t, log); !strings.Contains(now, "Server Exiting..") {
		t.Errorf("the new log file has\n%s", now)
	}
	if s.err.String() != "" {
		t.Error("something was written to standard error as well")
	}
}

func TestServerLogsFatalErrorToItsLog(t *testing.T) {
	running := startServer(t)
	_, port, _ := net.SplitHostPort(strings.TrimPrefix(running.url(), "nats://"))
	log := filepath.Join(t.TempDir(), "log")
	pid := filepath.Join(t.TempDir(), "pid")
	if err := os.WriteFile(pid, []byte("4711"), 0o600); err != nil {
		t.Fatal(err)
	}
	second := startProcess(t, "-a", "127.0.0.1", "-p", port, "-l", log, "-P", pid)
	if status := second.wait(); status != 1 {
		t.Errorf("status %d", status)
	}
	if want := "shoal: --port: " + port + " is in use on 127.0.0.1, stop what listens there or take another port\n"; second.err.String() != want {
		t.Errorf("standard error has %q, want %q", second.err.String(), want)
	}
	if text := readFile(t, log); !strings.Contains(text, "[FTL] --port: "+port+" is in use") {
		t.Errorf("the log has %q", text)
	}
	// It may belong to the server that holds the port.
	if got := readFile(t, pid); got != "4711" {
		t.Errorf("the pid file of another server now has %q", got)
	}
}

func TestServerJSONLog(t *testing.T) {
	s := startServer(t, "--log_format", "json", "-D")
	s.signal(syscall.SIGTERM)
	s.wait()
	messages := map[string]bool{}
	for line := range strings.Lines(s.err.String()) {
		var record struct{ Level, Msg string }
		if err := json.Unmarshal([]byte(line), &record); err != nil {
			t.Fatalf("%v in %q", err, line)
		}
		messages[record.Level+" "+record.Msg] = true
	}
	if !messages["INFO Server is ready"] || !messages["INFO Server Exiting.."] {
		t.Errorf("the log lacks its landmarks: %v", messages)
	}
}

func TestServerSurvivesBrokenStderr(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	cmd := exec.Command(binary, "-a", "127.0.0.1", "-p", "-1", "-D", "--ports_file_dir", dir)
	cmd.Stderr = w
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	w.Close()
	t.Cleanup(func() { _ = cmd.Process.Kill(); _, _ = cmd.Process.Wait() })
	ports := filepath.Join(dir, fmt.Sprintf("%s_%d.ports", filepath.Base(binary), cmd.Process.Pid))
	eventually(t, "the server writes its ports file", func() bool { return exists(ports) })
	r.Close()
	var urls portURLs
	if err := json.Unmarshal([]byte(readFile(t, ports)), &urls); err != nil {
		t.Fatal(err)
	}
	for range 3 { // every connection is logged, at debug level
		greeting(t, urls.NATS[0])
	}
}

// fetch returns what a monitoring page answers.
func fetch(t *testing.T, url string) (status int, body string) {
	t.Helper()
	client := http.Client{Timeout: patience}
	defer client.CloseIdleConnections()
	response, err := client.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(text)
}

func TestServerMonitoring(t *testing.T) {
	s := startServer(t, "-m", "-1", "-n", "tester", "--max_payload", "2MB", "--auth", "t", "--profile", "-1")
	if len(s.urls.Monitoring) != 1 || len(s.urls.Profile) != 1 {
		t.Fatalf("the ports file has %s", readFile(t, s.ports))
	}
	get := func(url string) string {
		t.Helper()
		status, body := fetch(t, url)
		if status != http.StatusOK {
			t.Fatalf("%s: status %d", url, status)
		}
		return body
	}
	if got := get(s.urls.Monitoring[0] + "/healthz"); got != `{"status":"ok"}` {
		t.Errorf("/healthz says %s", got)
	}
	var varz struct {
		ServerName   string `json:"server_name"`
		ServerID     string `json:"server_id"`
		MaxPayload   int    `json:"max_payload"`
		AuthRequired bool   `json:"auth_required"`
		Host         string `json:"host"`
		Port         int    `json:"port"`
		HTTPPort     int    `json:"http_port"`
		Start        time.Time
	}
	if err := json.Unmarshal([]byte(get(s.urls.Monitoring[0]+"/varz")), &varz); err != nil {
		t.Fatal(err)
	}
	if varz.ServerName != "tester" || len(varz.ServerID) < 10 || varz.MaxPayload != 2<<20 || !varz.AuthRequired ||
		fmt.Sprintf("nats://%s:%d", varz.Host, varz.Port) != s.url() || time.Since(varz.Start) > time.Hour ||
		fmt.Sprintf("http://127.0.0.1:%d", varz.HTTPPort) != s.urls.Monitoring[0] {
		t.Errorf("/varz says %+v", varz)
	}
	if got := get(s.urls.Profile[0] + "/debug/pprof/goroutine?debug=1"); !strings.HasPrefix(got, "goroutine profile:") {
		t.Errorf("the profile is %.100q", got)
	}
}

func TestPortsFileOfWildcardHost(t *testing.T) {
	for _, urls := range [][]string{listenerURLs("nats", "0.0.0.0", 1), listenerURLs("nats", "::", 1), listenerURLs("nats", "", 1)} {
		if len(urls) == 0 {
			t.Fatal("no URL at all")
		}
		for _, url := range urls {
			host, _, err := net.SplitHostPort(strings.TrimPrefix(url, "nats://"))
			ip := net.ParseIP(host)
			if err != nil || ip == nil || ip.IsUnspecified() || ip.IsLoopback() && len(urls) > 1 {
				t.Errorf("nobody can dial %s", url)
			}
		}
	}
	if got := listenerURLs("http", "::1", 8222)[0]; got != "http://[::1]:8222" {
		t.Errorf("got %s", got)
	}
}

func TestServerHidesSecrets(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("looks at /proc")
	}
	s := startServer(t, "--user", "alice", "--pass=s3cret-pass", "-m", "-1")
	cmdline := readFile(t, fmt.Sprintf("/proc/%d/cmdline", s.cmd.Process.Pid))
	if strings.Contains(cmdline, "s3cret-pass") || strings.Contains(cmdline, "alice") {
		t.Errorf("the arguments show secrets: %q", cmdline)
	}
	if !strings.Contains(cmdline, "\x00--user\x00xxxxx\x00--pass=xxxxxxxxxxx\x00-m\x00-1\x00") {
		t.Errorf("more than the secrets is gone: %q", cmdline)
	}
	// The server itself still knows them.
	at := strings.Replace(s.url(), "//", "//alice:s3cret-pass@", 1)
	if status, _, stderr := runCommand("", "pub", "a", "b", "-s", at); status != 0 {
		t.Errorf("the right password is refused: %s", stderr)
	}
	status, _, stderr := runCommand("", "pub", "a", "b", "-s", s.url(), "--user", "alice", "--password", "wrong")
	if status != 1 || !strings.Contains(stderr, "does not accept these credentials") {
		t.Errorf("the wrong password gets status %d, %s", status, stderr)
	}
}

func TestSignalCommand(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("looks at /proc")
	}
	signal := func(request string) *process {
		t.Helper()
		p := startProcess(t, "--signal", request)
		p.wait()
		return p
	}
	// A client of the same executable is not a server.
	pidFile := filepath.Join(t.TempDir(), "pid")
	first := startServer(t, "-P", pidFile)
	startProcess(t, "sub", "a", "-s", first.url())
	second := startServer(t)

	want := fmt.Sprintf("shoal: --signal: 2 servers are running, add =PID with one of %d, %d\n",
		min(first.cmd.Process.Pid, second.cmd.Process.Pid), max(first.cmd.Process.Pid, second.cmd.Process.Pid))
	if p := signal("term"); p.status != 1 || p.err.String() != want {
		t.Fatalf("status %d, %q, want %q", p.status, p.err.String(), want)
	}
	if p := signal(fmt.Sprintf("stop=%d", second.cmd.Process.Pid)); p.status != 0 {
		t.Fatalf("status %d", p.status)
	}
	if status := second.wait(); status != -1 {
		t.Errorf("the second server ended with status %d instead of being killed", status)
	}
	if p := signal("reopen=" + pidFile); p.status != 0 {
		t.Fatalf("status %d", p.status)
	}
	eventually(t, "the first server gets the signal", func() bool {
		return strings.Contains(first.err.String(), "There is no log file to reopen")
	})
	if p := signal("quit"); p.status != 0 {
		t.Fatalf("status %d", p.status)
	}
	if status := first.wait(); status != 0 {
		t.Errorf("the first server ended with status %d", status)
	}
	if p := signal("term"); p.status != 1 || !strings.HasSuffix(p.err.String(), "server is running\n") {
		t.Errorf("status %d, %q", p.status, p.err.String())
	}
	// A left-over pid file whose number is somebody else's by now: this test's.
	if err := os.WriteFile(pidFile, []byte(strconv.Itoa(os.Getpid())), 0o600); err != nil {
		t.Fatal(err)
	}
	if p := signal("stop=" + pidFile); p.status != 1 || !strings.Contains(p.err.String(), "remove the file if it is a leftover") {
		t.Errorf("status %d, %q", p.status, p.err.String())
	}
}
