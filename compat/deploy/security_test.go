package deploy

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

// harden does what docs/security.md says of a hardened server, on all machines, but starts nothing. It returns the
// commands with which a client tries them.
func (s *site) harden() (client string) {
	s.t.Helper()
	content, err := os.ReadFile("../../docs/security.md")
	must(s.t, err)
	_, text, _ := strings.Cut(string(content), "\n## A hardened server\n")
	file := regexp.MustCompile("(?ms)^```\n(# /etc/shoal/shoal.conf.*?)^```").FindStringSubmatch(text)
	blocks := block.FindAllString(text, -1)
	if file == nil || len(blocks) != 2 {
		s.t.Fatalf("there is no file, or there are %d parts instead of two", len(blocks))
	}
	first := s.machines["shoal-1"]
	// There is no DNS for addresses of the loopback interface.
	s.typeAll(strings.ReplaceAll(blocks[0], `s/,$//`, `s/,$//; s/DNS:\(127[.0-9]*\)/IP:\1/g`))
	for name, m := range s.machines {
		m.configure(file[1])
		must(s.t, os.Mkdir(m.dir+"/etc/shoal/tls", 0o700))
		for from, to := range map[string]string{
			"server-" + name + ".pem": "server.pem", "server-" + name + "-key.pem": "server-key.pem",
			"cluster-" + name + ".pem": "cluster.pem", "cluster-" + name + "-key.pem": "cluster-key.pem",
			"ca.pem": "ca.pem", "cluster-ca.pem": "cluster-ca.pem",
		} {
			must(s.t, os.Link(first.dir+"/"+first.local.Replace(from), m.dir+"/etc/shoal/tls/"+to))
		}
	}
	return blocks[1]
}

// TestHardenedServer starts hardened servers, and then tries what must not work.
func TestHardenedServer(t *testing.T) {
	needPrograms(t)
	s := newSite(t, 3)
	client := s.harden()
	s.startAll()
	s.typeAll(client)

	first := s.machines["shoal-1"]
	// Somebody listens, on another server than who publishes.
	ours := " --tlscacert ca.pem --tlscert app.pem --tlskey app-key.pem"
	out := first.run("shoal bench orders.bench -s tls://shoal-1:4222,tls://shoal-3:4222 --rate 100 --duration 1s" + ours)
	if !strings.Contains(out, "Every message arrived once") {
		t.Errorf("shoal bench says\n%s", out)
	}
	for _, tt := range []struct{ what, command, why string }{
		{"without TLS", `exec 3<>/dev/tcp/shoal-2/4222; printf 'CONNECT {"user":"app","pass":"%s"}\r\nPING\r\n' "$SHOAL_PASS" >&3; ` +
			`timeout 20 cat <&3 | grep -aq PONG || { echo no PONG; false; }`, "no PONG"},
		{"without a certificate", "shoal pub orders.new x -s tls://shoal-2:4222 --tlscacert ca.pem", "certificate|tls error"},
		{"with one of another authority", "shoal pub orders.new x -s tls://shoal-2:4222 --tlscacert ca.pem " +
			`--tlscert "$(ls cluster-1*[0-9].pem | head -n 1)" --tlskey "$(ls cluster-1*-key.pem | head -n 1)"`, "certificate|tls error"},
		{"with a wrong password", "shoal pub orders.new x -s tls://shoal-2:4222 --password wrong" + ours, refused.String()},
		{"to another subject", "shoal pub other x -s tls://shoal-2:4222" + ours, "ermission"},
		{"from another subject", "shoal sub '>' --count 1 -s tls://shoal-2:4222" + ours, "ermission"},
		{"to the cluster port, with a certificate of a client", `</dev/null openssl s_client -connect shoal-2:6222 -tls1_3 ` +
			`-CAfile cluster-ca.pem -cert app.pem -key app-key.pem -ign_eof; false`, "alert"},
	} {
		out, err := first.try(tt.command)
		if err == nil || !regexp.MustCompile(tt.why).MatchString(out) {
			t.Errorf("%s: %v, %s", tt.what, err, out)
		}
	}
}
