package deploy

import (
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// runbooks says how to prepare the machines on which a chapter of docs/operating.md is typed, and what has to
// hold afterwards.
var runbooks = map[string]struct {
	machines int
	before   func(s *site)
	after    func(s *site)
}{
	"Start a cluster": {machines: 3, after: (*site).meshed, before: func(s *site) {
		// Whoever brings the key to the other machines.
		for _, m := range s.machines {
			path := "/var/lib/shoal/gossip.key"
			must(s.t, os.Remove(m.dir+path))
			if m.name != "shoal-1" {
				must(s.t, os.Symlink(s.machines["shoal-1"].dir+path, m.dir+path))
			}
		}
	}},
	"Upgrade": {machines: 3, before: func(s *site) {
		s.startAll()
		m := s.machines["shoal-1"]
		program, err := os.ReadFile(m.dir + installed)
		must(s.t, err)
		must(s.t, os.WriteFile(m.dir+"/shoal-new", program, 0o600))
	}, after: (*site).meshed},
	"Replace a machine": {machines: 4, before: func(s *site) { s.startAll("shoal-1", "shoal-2", "shoal-3") },
		after: func(s *site) {
			gone := s.machines["shoal-3"].servers["shoal"]
			ends(s.t, gone.cmd, gone.ended)
			delete(s.machines, "shoal-3")
			s.meshed()
		}},
	"Rotate the keys of gossip": {machines: 3, before: (*site).startEvery, after: func(s *site) {
		s.meshed()
		for _, m := range s.machines {
			s.eventually("each server has two keys, the new one first", func() bool {
				return m.run("head -n 1 /var/lib/shoal/gossip.key") == s.machines["shoal-1"].run("cat new.key") &&
					strings.Count(m.run("cat /var/lib/shoal/gossip.key"), "\n") == 2
			})
		}
	}},
	"Change the password of a user": {machines: 3, before: func(s *site) {
		s.startAll()
		for _, m := range s.machines {
			m.configure(string(read(s.t, "systemd", "shoal.conf")), "users: [", `users: [ { user: successor, password: "`+password+`" }`)
		}
	}, after: func(s *site) {
		m := s.machines["shoal-2"]
		m.run("SHOAL_USER=successor shoal pub x y -s nats://shoal-2:4222")
		m.run("shoal pub x y -s nats://shoal-2:4222")
		m.configure(string(read(s.t, "systemd", "shoal.conf")), "user: app", "user: successor")
		m.run("systemctl reload shoal")
		m.run("SHOAL_USER=successor shoal pub x y -s nats://shoal-2:4222")
		if out, err := m.try("shoal pub x y -s nats://shoal-2:4222"); err == nil || !refused.MatchString(out) {
			s.t.Errorf("a user that was taken out: %v, %s", err, out)
		}
	}},
	"Change the password of the cluster": {machines: 3, before: func(s *site) {
		s.startAll()
		for _, m := range s.machines {
			m.configure(string(read(s.t, "systemd", "shoal.conf")), `password: ""`, `password: "another one"`)
		}
	}, after: (*site).meshed},
	"Renew certificates": {machines: 3, before: func(s *site) {
		needPrograms(s.t)
		s.harden()
		s.startAll()
		m := s.machines["shoal-1"]
		for _, file := range []string{"server", "server-key", "cluster", "cluster-key"} {
			must(s.t, os.Rename(m.dir+"/etc/shoal/tls/"+file+".pem", m.dir+"/"+file+".pem"))
		}
	}, after: (*site).meshed},
	"When the network is split": {machines: 3, before: (*site).startEvery, after: (*site).meshed},
	"After a power cut": {machines: 3, before: func(s *site) {
		s.startAll()
		s.meshed()
		for _, m := range s.machines {
			must(s.t, m.servers["shoal"].cmd.Process.Kill())
			<-m.servers["shoal"].ended
			delete(m.servers, "shoal")
		}
	}, after: (*site).meshed},
	"Migrate from nats-server": {machines: 3, before: func(s *site) {
		file, err := os.ReadFile("testdata/nats.conf")
		must(s.t, err)
		for _, m := range s.machines {
			m.write("/etc/nats/nats.conf", strings.ReplaceAll(string(file), "PASSWORD", password))
			m.start("nats-server")
		}
	}, after: (*site).meshed},
}

// refused is what clients say whom a server does not let in.
var refused = regexp.MustCompile(`does not accept these credentials|authorization violation`)

// startAll starts servers on machines, on all if no names are given.
func (s *site) startAll(names ...string) {
	s.t.Helper()
	for name, m := range s.machines {
		if len(names) == 0 || slices.Contains(names, name) {
			m.start("shoal")
		}
	}
	s.meshed()
}

func (s *site) startEvery() { s.startAll() }

func (s *site) eventually(what string, ok func() bool) {
	s.t.Helper()
	eventually(s.t, what, ok)
}

// meshed waits until every server that runs has routes to all others, and all are active.
func (s *site) meshed() {
	s.t.Helper()
	running := 0
	for _, m := range s.machines {
		running += len(m.servers)
	}
	for _, m := range s.machines {
		if m.servers["shoal"] == nil {
			continue
		}
		s.eventually(m.name+" knows all others", func() bool {
			return strings.Count(m.run("shoal members"), " active ") == running &&
				strings.Contains(m.run("curl -fsS http://127.0.0.1:8222/varz"), `"remotes": `+string(rune('0'+running-1)))
		})
	}
}

var (
	chapter = regexp.MustCompile(`(?m)^### (.*)\n`)
	block   = regexp.MustCompile("(?ms)^```console\n(.*?)^```")
	line    = regexp.MustCompile(`(?ms)^(shoal-\d)# (.*?)\n(\z|shoal-\d# )`)
)

// typeAll types all commands in a text, each on the machine that its prompt names.
func (s *site) typeAll(text string) {
	s.t.Helper()
	for _, found := range block.FindAllStringSubmatch(text, -1) {
		for rest := found[1]; rest != ""; {
			at := line.FindStringSubmatchIndex(rest)
			if at == nil || at[0] != 0 {
				s.t.Fatalf("%q is not a command on a machine", rest)
			}
			machine, command := rest[at[2]:at[3]], rest[at[4]:at[5]]
			out := s.machines[machine].run(command)
			s.t.Logf("%s# %s\n%s", machine, command, out)
			rest = rest[at[6]:]
		}
	}
}

// needPrograms skips a test if what operators type cannot be run here.
func needPrograms(t *testing.T) {
	t.Helper()
	for _, program := range []string{"bash", "curl", "openssl"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skipf("%s is not installed", program)
		}
	}
}

// TestRunbooks types what docs/operating.md tells operators to.
func TestRunbooks(t *testing.T) {
	needPrograms(t)
	content, err := os.ReadFile("../../docs/operating.md")
	must(t, err)
	_, text, _ := strings.Cut(string(content), "\n## Runbooks\n")
	starts := chapter.FindAllStringSubmatchIndex(text, -1)
	if len(starts) != len(runbooks) {
		t.Errorf("there are %d runbooks, and preparations for %d", len(starts), len(runbooks))
	}
	for i, at := range starts {
		title, end := text[at[2]:at[3]], len(text)
		if i+1 < len(starts) {
			end = starts[i+1][0]
		}
		t.Run(title, func(t *testing.T) {
			book, ok := runbooks[title]
			if !ok {
				t.Fatal("nobody knows how to prepare this")
			}
			t.Parallel()
			s := newSite(t, book.machines)
			book.before(s)
			s.typeAll(text[at[1]:end])
			book.after(s)
		})
	}
}
