package compat

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"shoal/compat/internal/mesh"
)

// TestMeshDialled plays servers that a node dials, because it was told to or because it has heard
// of them, and looks at how it introduces itself: that decides who else hears of it.
func TestMeshDialled(t *testing.T) {
	forKinds(t, []string{"s", "n"}, func(t *testing.T, kinds string) {
		m := newMesh(t, mesh.Options{Kinds: kinds, User: "router", Password: "s3cret"})
		n := m.Nodes[0]
		first := listenAsPeer(t, "first", n.Cluster)
		n.Routes = []string{"nats://me:pass1@" + first.addr()}
		must(t, n.Start())

		told := first.next(t, 0)
		want := map[string]any{"user": "me", "pass": "pass1", "cluster": n.Cluster, "headers": true, "name": n.ID(), "lang": nil, "gateway": nil}
		for key, value := range want {
			if got := told.connect[key]; got != value {
				t.Errorf("CONNECT has %s %v instead of %v", key, got, value)
			}
		}
		want = map[string]any{
			"server_id": n.ID(), "server_name": n.Name, "cluster": n.Cluster, "headers": true, "auth_required": true,
			"host": "127.0.0.1", "port": portOf(n.ClusterAddr()), "ldm": nil, "lnoc": true, "ln": true,
		}
		for key, value := range want {
			if got := told.info[key]; got != value {
				t.Errorf("INFO has %s %v instead of %v", key, got, value)
			}
		}
		if got := fmt.Sprint(told.info["connect_urls"]); got != "["+n.Addr()+"]" {
			t.Errorf("INFO has connect_urls %s", got)
		}

		// What is told of others is passed on with them.
		for mode, wantMode := range []any{nil, 1.0, 2.0} {
			other := listenAsPeer(t, fmt.Sprintf("other%d", mode), n.Cluster)
			news := other.info()
			news["ip"] = "nats-route://" + other.addr() + "/"
			news["auth_required"] = true
			if mode > 0 {
				news["gossip_mode"] = mode
			}
			told.sendInfo(t, news)
			heard := other.next(t, mode)
			if got := heard.info["gossip_mode"]; got != wantMode {
				t.Errorf("a server heard of with gossip mode %d gets INFO with gossip_mode %v", mode, got)
			}
			// nats-server gives its own credentials to those it has heard of, and so must shoal.
			if user, pass := heard.connect["user"], heard.connect["pass"]; user != "router" || pass != "s3cret" {
				t.Errorf("a server heard of is given the user %v and the password %v", user, pass)
			}
		}

		// A node that loses a configured route comes back as before: whoever it dials has lost sight
		// of it, and has to tell others.
		for range 3 {
			must(t, told.socket.Close())
			told = first.next(t, 0)
			if got := told.info["gossip_mode"]; got != nil {
				t.Errorf("after the loss of the route, INFO has gossip_mode %v", got)
			}
		}
	})
}

// TestMeshDialsAgain has a node lose a route to a server that it has only heard of. nats-server
// tries once to get it back; shoal goes on until the server says that it leaves.
func TestMeshDialsAgain(t *testing.T) {
	forKinds(t, []string{"s"}, func(t *testing.T, kinds string) {
		m := newMesh(t, mesh.Options{Kinds: kinds})
		n := m.Nodes[0]
		if !isShoal(n) {
			t.Skip("nats-server gives up")
		}
		first := listenAsPeer(t, "first", n.Cluster)
		n.Routes = []string{"nats://" + first.addr()}
		must(t, n.Start())
		told := first.next(t, 0)

		other := listenAsPeer(t, "other", n.Cluster)
		news := other.info()
		news["ip"] = "nats-route://" + other.addr() + "/"
		told.sendInfo(t, news)
		heard := other.next(t, 0)
		for range 2 {
			// The server is away for longer than some attempts take.
			must(t, other.listener.Close())
			must(t, heard.socket.Close())
			complaints := strings.Count(n.RunLog(), other.addr())
			awaitTrue(t, "attempts to connect to one that is away", func() bool {
				return strings.Count(n.RunLog(), other.addr()) >= complaints+2
			})
			other.listen(t, other.addr())
			heard = other.next(t, 0)
		}
		leaving := other.info()
		leaving["ldm"] = true
		heard.sendInfo(t, leaving)
		heard.sync(t)
		must(t, heard.socket.Close())
		select {
		case <-other.accepted:
			t.Error("a server that left is dialled again")
		case <-time.After(quiet):
		}
	})
}

// peerListener is a server that nodes dial.
type peerListener struct {
	name, cluster string
	listener      net.Listener
	accepted      chan *dialledPeer
}

// dialledPeer is a connection over which a node has introduced itself.
type dialledPeer struct {
	socket        net.Conn
	reader        *bufio.Reader
	connect, info map[string]any
}

func listenAsPeer(t *testing.T, name, cluster string) *peerListener {
	p := &peerListener{name: name, cluster: cluster, accepted: make(chan *dialledPeer, 100)}
	p.listen(t, "127.0.0.1:0")
	return p
}

func (p *peerListener) listen(t *testing.T, addr string) {
	t.Helper()
	listener, err := net.Listen("tcp", addr)
	must(t, err)
	t.Cleanup(func() { _ = listener.Close() })
	p.listener = listener
	go func() {
		for {
			socket, err := listener.Accept()
			if err != nil {
				return
			}
			go p.welcome(t, socket)
		}
	}()
}

func (p *peerListener) addr() string { return p.listener.Addr().String() }

func portOf(addr string) float64 {
	tcp, _ := net.ResolveTCPAddr("tcp", addr)
	return float64(tcp.Port)
}

// info is how the server introduces itself.
func (p *peerListener) info() map[string]any {
	return map[string]any{
		"server_id": "ID" + p.name + p.cluster, "server_name": p.name, "version": "2.15.2", "proto": 1, "go": "go1.26",
		"host": "127.0.0.1", "port": portOf(p.addr()), "headers": true, "max_payload": 1 << 20,
		"cluster": p.cluster, "lnoc": true, "lnocu": true, "ln": true,
	}
}

// welcome introduces the server to a node, and reads until the node has introduced itself. A
// connection that the node ends before, as nats-server does with the one for its system account,
// does not count.
func (p *peerListener) welcome(t *testing.T, socket net.Conn) {
	d := &dialledPeer{socket: socket, reader: bufio.NewReaderSize(socket, 64<<10)}
	t.Cleanup(func() { _ = socket.Close() })
	d.sendInfo(t, p.info())
	for d.info == nil {
		line, err := d.reader.ReadString('\n')
		if err != nil {
			return
		}
		verb, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		switch verb {
		case "CONNECT":
			_ = json.Unmarshal([]byte(rest), &d.connect)
		case "INFO":
			_ = json.Unmarshal([]byte(rest), &d.info)
		case "-ERR":
			return
		}
	}
	if _, err := socket.Write([]byte("PING\r\n")); err != nil || d.awaitPong() != nil {
		return
	}
	p.accepted <- d
}

// next waits for the next connection that becomes a route.
func (p *peerListener) next(t *testing.T, what int) *dialledPeer {
	t.Helper()
	select {
	case d := <-p.accepted:
		return d
	case <-time.After(meshPatience):
		t.Fatalf("%s is not dialled (%d)", p.name, what)
		return nil
	}
}

// awaitPong reads until PONG, and answers PINGs.
func (d *dialledPeer) awaitPong() error {
	for {
		line, err := d.reader.ReadString('\n')
		if err != nil {
			return err
		}
		switch strings.TrimSpace(line) {
		case "PING":
			if _, err := d.socket.Write([]byte("PONG\r\n")); err != nil {
				return err
			}
		case "PONG":
			return nil
		}
	}
}

// sync makes sure that the node has read everything.
func (d *dialledPeer) sync(t *testing.T) {
	t.Helper()
	_, err := d.socket.Write([]byte("PING\r\n"))
	must(t, err)
	must(t, d.awaitPong())
}

func (d *dialledPeer) sendInfo(t *testing.T, info map[string]any) {
	body, err := json.Marshal(info)
	if err != nil {
		t.Error(err)
		return
	}
	_, _ = fmt.Fprintf(d.socket, "INFO %s\r\n", body)
}
