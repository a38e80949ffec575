package lab

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/nats-io/nats.go"

	"shoal/compat/internal/broker"
)

const (
	clientPort  = "4222"
	clusterPort = "6222"
	monitorPort = "8222"
)

// Node is a place on the network where a server runs.
type Node struct {
	Name string
	// IP is the address that others see.
	IP string

	kind   broker.Kind
	flags  []string
	right  bool // on the right bridge
	space  *Namespace
	cable  *cable
	server *broker.Server

	mutex   sync.Mutex
	earlier strings.Builder // logs of servers that have ended
}

// Addr is where clients are told to find the node.
func (n *Node) Addr() string { return n.IP + ":" + clientPort }

// RouteURL is where peers find it.
func (n *Node) RouteURL() string { return "nats://" + n.IP + ":" + clusterPort }

// Launch starts the server and does not wait for it.
func (n *Node) Launch() (err error) {
	if _, err := n.kind.Binary(); err != nil {
		return err
	}
	var server *broker.Server
	n.space.Do(func() { server, err = broker.Launch(n.kind, "", n.flags...) })
	if err != nil {
		return err
	}
	n.mutex.Lock()
	defer n.mutex.Unlock()
	n.server = server
	return nil
}

// Start starts the server and returns when it accepts clients.
func (n *Node) Start() error {
	if err := n.Launch(); err != nil {
		return err
	}
	return n.server.WaitReady()
}

// WaitReady waits until a server that was launched accepts clients.
func (n *Node) WaitReady() error { return n.server.WaitReady() }

// Kill ends the server as a crash would.
func (n *Node) Kill() error { return n.leave().Kill() }

// Freeze stops the process and leaves its sockets as they are, as a machine does that hangs.
func (n *Node) Freeze() error { return n.server.Signal(syscall.SIGSTOP) }

// Thaw has a frozen process go on.
func (n *Node) Thaw() error { return n.server.Signal(syscall.SIGCONT) }

// Terminate asks the server to stop, in good order, and does not wait for it.
func (n *Node) Terminate() error { return n.server.Signal(syscall.SIGTERM) }

// AwaitEnd waits until the server has ended.
func (n *Node) AwaitEnd() error { return n.leave().WaitStopped(20 * time.Second) }

// Break puts a fault on the cable of the node; the zero value takes it away.
func (n *Node) Break(f Fault) { n.cable.set(f) }

// leave forgets the server but for its log.
func (n *Node) leave() *broker.Server {
	n.mutex.Lock()
	defer n.mutex.Unlock()
	server := n.server
	n.server = nil
	fmt.Fprintf(&n.earlier, "%s\n(ended)\n", server.Log())
	return server
}

func (n *Node) close() {
	if n.server != nil {
		_ = n.Kill()
	}
	if n.cable != nil {
		n.cable.close()
	}
	n.space.Close()
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

// Connect connects a client that stays with this node.
func (n *Node) Connect(options ...nats.Option) (*nats.Conn, error) {
	all := []nats.Option{
		nats.SetCustomDialer(n.space), nats.NoReconnect(), nats.IgnoreDiscoveredServers(),
		nats.Timeout(10 * time.Second), nats.PingInterval(time.Hour),
		nats.ErrorHandler(func(*nats.Conn, *nats.Subscription, error) {}), // what it costs is counted
	}
	nc, err := nats.Connect("nats://127.0.0.1:"+clientPort, append(all, options...)...)
	if err != nil {
		return nil, fmt.Errorf("connect to %s: %w", n.Name, err)
	}
	return nc, nil
}

// Peers asks /routez for the names of the peers whose interest the node knows, as far as it tells.
func (n *Node) Peers() (map[string]bool, error) {
	var answer struct {
		Routes []struct {
			Name         string `json:"remote_name"`
			Synchronized *bool  `json:"synchronized"`
		} `json:"routes"`
	}
	if err := n.get("/routez", &answer); err != nil {
		return nil, err
	}
	peers := map[string]bool{}
	for _, r := range answer.Routes {
		if r.Synchronized == nil || *r.Synchronized {
			peers[r.Name] = true
		}
	}
	return peers, nil
}

func (n *Node) get(path string, answer any) error {
	client := http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{
		DialContext: n.space.DialContext, DisableKeepAlives: true,
	}}
	response, err := client.Get("http://127.0.0.1:" + monitorPort + path)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return errors.New(path + ": " + response.Status)
	}
	return json.NewDecoder(response.Body).Decode(answer)
}

// CPU is the time that the process has computed.
func (n *Node) CPU() (time.Duration, error) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", n.server.PID()))
	if err != nil {
		return 0, err
	}
	const user, system, ticks = 11, 12, 100 // counted from behind the name; a tick is 10 ms everywhere
	fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))
	var total int
	for _, i := range []int{user, system} {
		one, err := strconv.Atoi(fields[i])
		if err != nil {
			return 0, err
		}
		total += one
	}
	return time.Duration(total) * time.Second / ticks, nil
}

// RSS is the resident memory of the process in bytes.
func (n *Node) RSS() (int, error) { return n.server.RSS() }

// Sent is how many bytes the node has sent to the network, headers included.
func (n *Node) Sent() (bytes int, err error) {
	n.space.Do(func() {
		var content []byte
		// The files of /proc/thread-self are those of the namespace; /sys would be of another one.
		if content, err = os.ReadFile("/proc/thread-self/net/dev"); err != nil {
			return
		}
		for line := range strings.Lines(string(content)) {
			if rest, ok := strings.CutPrefix(strings.TrimSpace(line), "eth0:"); ok {
				const transmitted = 8
				bytes, err = strconv.Atoi(strings.Fields(rest)[transmitted])
			}
		}
	})
	return bytes, err
}
