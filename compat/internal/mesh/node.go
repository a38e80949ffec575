package mesh

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"shoal/compat/internal/broker"
)

// stopTimeout bounds the end of a node, which takes a few hundredths of a second.
const stopTimeout = 20 * time.Second

// Node is a place in a mesh: its addresses stay the same, whatever server is started there.
type Node struct {
	// Kind is the program that the next Start runs.
	Kind broker.Kind
	// Name is the server's name.
	Name string
	// Cluster is the name that the server is told its cluster has, if any.
	Cluster string
	// Routes are the URLs in its --routes.
	Routes []string
	// Flags are more flags for this node.
	Flags []string

	mesh              *Mesh
	port, clusterPort string

	server *broker.Server
	id     string

	mutex   sync.Mutex
	earlier strings.Builder // logs of earlier runs
}

// String tells which node it is and what runs there.
func (n *Node) String() string { return n.Name + " (" + n.Kind.Name + ")" }

// Start starts a server that does not run, and returns when it accepts clients.
func (n *Node) Start() error {
	if err := n.Launch(); err != nil {
		return err
	}
	return n.WaitReady()
}

// Launch starts a server and does not wait for it.
func (n *Node) Launch() error {
	o := n.mesh.options
	flags := []string{
		"-a", "127.0.0.1", "-p", n.port, "-m", "-1", "-n", n.Name, "-D",
		"-cluster", n.clusterURL(o.User, o.Password),
	}
	if n.Cluster != "" {
		flags = append(flags, "-cluster_name", n.Cluster)
	}
	if len(n.Routes) > 0 {
		flags = append(flags, "-routes", strings.Join(n.Routes, ","))
	}
	flags = append(append(flags, o.Flags...), n.Flags...)
	if n.Kind.Name == broker.Shoal.Name {
		flags = append(flags, o.ShoalFlags...)
	}
	config := o.SharedConfig
	if n.Kind.Name == broker.Oracle.Name {
		config += "\n" + o.Config
	}
	server, err := broker.Launch(n.Kind, config, flags...)
	if err != nil {
		return err
	}
	n.mutex.Lock()
	n.server = server
	n.mutex.Unlock()
	return nil
}

// WaitReady waits until a server that was launched accepts clients.
func (n *Node) WaitReady() error {
	if err := n.server.WaitReady(); err != nil {
		return err
	}
	var info struct {
		ID string `json:"server_id"`
	}
	if err := n.get("/varz", &info); err != nil {
		return err
	}
	n.id = info.ID
	return nil
}

// Running reports whether a server was started and not told to end.
func (n *Node) Running() bool { return n.server != nil }

// PID is the process that runs.
func (n *Node) PID() int { return n.server.PID() }

// ID is the server_id of the server that was started last.
func (n *Node) ID() string { return n.id }

// Addr is the host:port for clients.
func (n *Node) Addr() string { return "127.0.0.1:" + n.port }

// URL is where clients connect.
func (n *Node) URL() string { return "nats://" + n.Addr() }

// ClusterAddr is the host:port for routes.
func (n *Node) ClusterAddr() string { return "127.0.0.1:" + n.clusterPort }

// RouteURL is what other nodes have in their --routes to find this one.
func (n *Node) RouteURL() string { return n.clusterURL(n.mesh.options.User, n.mesh.options.Password) }

func (n *Node) clusterURL(user, password string) string {
	if user == "" {
		return "nats://" + n.ClusterAddr()
	}
	return "nats://" + user + ":" + password + "@" + n.ClusterAddr()
}

// Kill ends the server as a crash would.
func (n *Node) Kill() error {
	server := n.leave()
	return server.Kill()
}

// Term has the server stop by SIGTERM.
func (n *Node) Term() error { return n.end(syscall.SIGTERM, stopTimeout) }

// Interrupt has the server stop by SIGINT, as Ctrl+C does.
func (n *Node) Interrupt() error { return n.end(os.Interrupt, stopTimeout) }

// Signal sends the server a signal.
func (n *Node) Signal(signal os.Signal) error { return n.server.Signal(signal) }

// Reconfigure has the server read another config file in the place of the one of [Options].
func (n *Node) Reconfigure(config string) error {
	// A nats-server forgets the flag.
	return n.server.Reconfigure(fmt.Sprintf("server_name: %q\n%s", n.Name, config))
}

// End waits until the server has ended after a signal.
func (n *Node) End(timeout time.Duration) error {
	server := n.server
	err := server.WaitStopped(timeout)
	n.leave()
	return err
}

func (n *Node) end(signal os.Signal, timeout time.Duration) error {
	server := n.server
	if !server.Alive() {
		n.leave()
		return fmt.Errorf("%s ended by itself (%v), its log:\n%s", n, server.ExitErr(), server.Log())
	}
	if err := server.Signal(signal); err != nil {
		return err
	}
	err := server.WaitStopped(timeout)
	n.leave()
	return err
}

// leave forgets the server but for its log.
func (n *Node) leave() *broker.Server {
	n.mutex.Lock()
	defer n.mutex.Unlock()
	server := n.server
	n.server = nil
	fmt.Fprintf(&n.earlier, "%s\n(ended)\n", server.Log())
	return server
}

// Log is what the node has printed, earlier runs included.
func (n *Node) Log() string {
	n.mutex.Lock()
	defer n.mutex.Unlock()
	if n.server == nil {
		return n.earlier.String()
	}
	return n.earlier.String() + n.server.Log()
}

// RunLog is what the server that runs has printed.
func (n *Node) RunLog() string { return n.server.Log() }

// Varz is the part of /varz that the tests look at.
type Varz struct {
	ServerID    string   `json:"server_id"`
	Routes      int      `json:"routes"`
	Remotes     int      `json:"remotes"`
	ConnectURLs []string `json:"connect_urls"`
	Cluster     struct {
		Name string   `json:"name"`
		URLs []string `json:"urls"`
	} `json:"cluster"`
	Subscriptions int `json:"subscriptions"`
	Connections   int `json:"connections"`
}

// MonitorURL is the address of the node's monitoring pages.
func (n *Node) MonitorURL() string { return n.server.Monitor }

// Varz asks for /varz.
func (n *Node) Varz() (v Varz, err error) { return v, n.get("/varz", &v) }

// Route is a connection in /routez.
type Route struct {
	RID           uint64 `json:"rid"`
	RemoteID      string `json:"remote_id"`
	RemoteName    string `json:"remote_name"`
	DidSolicit    bool   `json:"did_solicit"`
	IsConfigured  bool   `json:"is_configured"`
	IP            string `json:"ip"`
	Port          int    `json:"port"`
	Subscriptions int    `json:"subscriptions"`
}

// Peers are the connections to each peer, by its server_id.
type Peers map[string][]Route

// IDs are the peers' server_ids, sorted.
func (p Peers) IDs() []string { return slices.Sorted(maps.Keys(p)) }

// Peers asks /routez for the routes.
func (n *Node) Peers() (Peers, error) {
	var answer struct {
		NumRoutes int     `json:"num_routes"`
		Routes    []Route `json:"routes"`
	}
	if err := n.get("/routez", &answer); err != nil {
		return nil, err
	}
	if answer.NumRoutes != len(answer.Routes) {
		return nil, fmt.Errorf("%s: /routez has num_routes %d and %d routes", n, answer.NumRoutes, len(answer.Routes))
	}
	peers := Peers{}
	for _, r := range answer.Routes {
		peers[r.RemoteID] = append(peers[r.RemoteID], r)
	}
	return peers, nil
}

// monitorClient keeps no connections, as servers come and go.
var monitorClient = &http.Client{
	Timeout:   10 * time.Second,
	Transport: &http.Transport{DisableKeepAlives: true},
}

func (n *Node) get(path string, answer any) error {
	response, err := monitorClient.Get(n.server.Monitor + path)
	if err != nil {
		return fmt.Errorf("%s: %w", n, err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s: %s", n, path, response.Status)
	}
	if err := json.NewDecoder(response.Body).Decode(answer); err != nil {
		return fmt.Errorf("%s: %s: %w", n, path, err)
	}
	return nil
}
