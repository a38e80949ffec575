package node

import (
	"fmt"
	"strings"
	"testing"

	"shoal/node/auth"
)

// permitting is a cluster with permissions.
func permitting(imports, exports auth.SubjectRules) ClusterOptions {
	return ClusterOptions{Name: "C", Permissions: &RoutePermissions{Import: imports, Export: exports}}
}

func TestRouteImports(t *testing.T) {
	n := startPeer(t, "n", permitting(auth.SubjectRules{Allow: []string{"a.>"}, Deny: []string{"a.no"}}, auth.SubjectRules{}), nil)
	c := dial(t, n, quiet+"SUB a.x 1\r\nSUB a.no 2\r\nSUB b 3\r\nSUB a.no q 4\r\n")
	c.sync()
	p := joinRoute(t, n, "X", "RS+ $G a.x")
	for _, step := range []struct{ send, want string }{
		{"SUB a.y q 5\r\n", "RS+ $G a.y q 1\r\n"},
		{"UNSUB 5\r\n", "RS- $G a.y q\r\n"},
		{"SUB b q 6\r\n", ""},
		{"SUB a.* 7\r\n", "RS+ $G a.*\r\n"},
		{"UNSUB 2\r\nUNSUB 3\r\n", ""},
		{"SUB a.no 8\r\nSUB b 9\r\n", ""},
	} {
		c.send(step.send)
		c.sync()
		p.want(step.want)
		p.sync()
	}
	// What comes nevertheless is delivered.
	p.send("RMSG $G b 2\r\nhi\r\n")
	c.want(message("b", "9", "hi"))
	c.send("PUB a.no 2\r\nhi\r\n")
	got := []string{c.line(), c.line(), c.line(), c.line()}
	if text := strings.Join(got, " "); !strings.Contains(text, "MSG a.no 8 2") || !strings.Contains(text, "MSG a.no 7 2") {
		t.Errorf("clients of the node got %s", text)
	}
}

func TestRouteExports(t *testing.T) {
	n := startPeer(t, "n", permitting(auth.SubjectRules{}, auth.SubjectRules{Allow: []string{"a.>"}, Deny: []string{"a.no"}}), nil)
	c := dial(t, n, quiet+"SUB reply 1\r\n")
	c.sync()
	p := joinRoute(t, n, "X", "RS+ $G reply")
	p.send("RS+ $G a.x\r\nRS+ $G a.no\r\nRS+ $G b\r\nRS+ $G b q 2\r\nRS+ $G a.*\r\nRS+ $G a.> q 1\r\nRS- $G b\r\n")
	p.sync()
	for _, subject := range []string{"a.no", "b"} {
		for range 3 { // later ones go by what is remembered of the first
			c.send("PUB " + subject + " reply 2\r\nhi\r\n")
			head := "NATS/1.0 503\r\nNats-Subject: " + subject + "\r\n\r\n"
			c.want(fmt.Sprintf("HMSG reply 1 %[1]d %[1]d\r\n%[2]s\r\n", len(head), head))
		}
	}
	c.sync()
	c.send("PUB a.y 2\r\nhi\r\n")
	p.want("RMSG $G a.y | q 2\r\nhi\r\n")
	p.sync()
}

func TestRoutePermissionsReload(t *testing.T) {
	n := startLone(t)
	c := dial(t, n, quiet+"SUB in.a 1\r\nSUB in.b 2\r\n")
	c.sync()
	p := joinRoute(t, n, "X", "RS+ $G in.a", "RS+ $G in.b")
	p.send("RS+ $G out.a\r\nRS+ $G out.b\r\n")
	p.sync()
	waitForInterest(t, n, 2)
	reload(t, n, func(o *Options) {
		o.Cluster.Permissions = permitting(auth.SubjectRules{Allow: []string{"in.a"}}, auth.SubjectRules{Allow: []string{"out.a"}}).Permissions
	})
	p.want("RS- $G in.b\r\n")
	if info := p.line(); !strings.Contains(info, `"import":{"allow":["in.a"]},"export":{"allow":["out.a"]}`) {
		t.Errorf("the peer is told %s", info)
	}
	waitForInterest(t, n, 1)
	c.send("PUB out.b 2\r\nhi\r\nPUB out.a 2\r\nhi\r\n")
	p.want("RMSG $G out.a 2\r\nhi\r\n")
	reload(t, n, func(o *Options) { o.Cluster.Permissions = nil })
	p.want("RS+ $G in.b\r\n")
	if info := p.line(); !strings.HasPrefix(info, "INFO") || strings.Contains(info, "port\":{") {
		t.Errorf("the peer is told %s", info)
	}
	p.send("RS+ $G out.b\r\n")
	p.sync()
	c.send("PUB out.b 2\r\nhi\r\n")
	p.want("RMSG $G out.b 2\r\nhi\r\n")
}

// A peer that exports more than before hears again what it may have ignored.
func TestInterestIsRepeated(t *testing.T) {
	n := startLone(t)
	c := dial(t, n, quiet+"SUB a 1\r\nSUB b 2\r\n")
	c.sync()
	p := joinRoute(t, n, "X", "RS+ $G a", "RS+ $G b")
	for _, step := range []struct{ exports, want string }{
		{`{"allow":["a"]}`, ""},
		{`{"allow":["a"]}`, ""},
		{`{"allow":["b"]}`, "RS+ $G b\r\n"},
		{`{"allow":["a..b", "> >", ""],"deny":["> >", "*"]}`, "RS+ $G a\r\n"},
		{`{}`, "RS+ $G a\r\nRS+ $G b\r\n"},
		{`{"allow":["a"]}`, ""},
	} {
		p.send(`INFO {"server_id":"X","server_name":"X","cluster":"C","export":` + step.exports + "}\r\n")
		if len(step.want) > len("RS+ $G a\r\n") { // in any order
			if lines := []string{p.line(), p.line()}; lines[0] == lines[1] {
				t.Errorf("the peer hears twice of %s", lines[0])
			}
		} else {
			p.want(step.want)
		}
		p.sync()
	}
	if r := n.Routes()[0]; r.Export == nil || r.Export.Allow[0] != "a" || r.Import != nil {
		t.Errorf("the peer is shown with %+v", r)
	}
}

// Between shoal nodes, a reload is all it takes.
func TestRoutePermissionsOfMesh(t *testing.T) {
	nodes := startMesh(t, 2)
	c := dial(t, nodes[0], quiet+"SUB a 1\r\nSUB b 2\r\n")
	c.sync()
	waitForInterest(t, nodes[1], 2)
	reload(t, nodes[1], func(o *Options) {
		o.Cluster.Permissions = permitting(auth.SubjectRules{}, auth.SubjectRules{Deny: []string{"b"}}).Permissions
	})
	waitForInterest(t, nodes[1], 1)
	reload(t, nodes[1], func(o *Options) { o.Cluster.Permissions = nil })
	waitForInterest(t, nodes[1], 2)
}

func TestRoutePermissionsAreChecked(t *testing.T) {
	for _, tt := range []struct {
		p    *RoutePermissions
		want string
	}{
		{permitting(auth.SubjectRules{Allow: []string{"a..b"}}, auth.SubjectRules{}).Permissions, "cluster.permissions: import allow: \"a..b\" is not a subject"},
		{permitting(auth.SubjectRules{}, auth.SubjectRules{Deny: []string{"a q"}}).Permissions, "cluster.permissions: export deny: \"a q\" is not a subject"},
	} {
		err := Options{Cluster: ClusterOptions{Port: RandomPort, Permissions: tt.p}}.Validate()
		if err == nil || !strings.HasPrefix(err.Error(), tt.want) {
			t.Errorf("got %v, want %s", err, tt.want)
		}
	}
}

// A message that is passed on goes to nobody who must not have it.
func TestBounceWithPermissions(t *testing.T) {
	n := startPeer(t, "n", permitting(auth.SubjectRules{}, auth.SubjectRules{Deny: []string{"a.no"}}), nil)
	from, other := joinRoute(t, n, "X"), joinRoute(t, n, "Y")
	from.line() // news of Y
	other.send("RS+ $G a.* q 1\r\n")
	other.sync()
	from.send("RMSG $G a.no | q 2\r\nhi\r\nRMSG $G a.yes | q 2\r\nhi\r\n")
	from.sync()
	other.want("RMSG $G a.yes | q 2\r\nhi\r\n")
	other.sync()
}
