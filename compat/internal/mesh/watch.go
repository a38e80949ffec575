package mesh

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"time"
)

// Watcher is a client that only looks at the INFO it gets.
type Watcher struct {
	socket net.Conn

	mutex sync.Mutex
	last  Info
	count int
	ended bool
}

// Info is the part of a client's INFO that is about the cluster.
type Info struct {
	Cluster     string   `json:"cluster"`
	ConnectURLs []string `json:"connect_urls"`
	LameDuck    bool     `json:"ldm"`
}

// Watch connects a watcher to the node. Close it at the end.
func (n *Node) Watch() (*Watcher, error) {
	socket, err := net.DialTimeout("tcp", n.Addr(), 10*time.Second)
	if err != nil {
		return nil, err
	}
	_, err = socket.Write([]byte("CONNECT {\"verbose\":false,\"protocol\":1,\"lang\":\"go\",\"version\":\"1\",\"name\":\"watcher\"}\r\nPING\r\n"))
	if err != nil {
		return nil, err
	}
	w := &Watcher{socket: socket}
	go w.read()
	return w, nil
}

func (w *Watcher) read() {
	lines := bufio.NewScanner(w.socket)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		verb, rest, _ := strings.Cut(lines.Text(), " ")
		switch verb {
		case "PING":
			_, _ = w.socket.Write([]byte("PONG\r\n"))
		case "INFO":
			var info Info
			if json.Unmarshal([]byte(rest), &info) == nil {
				slices.Sort(info.ConnectURLs)
				w.mutex.Lock()
				w.last = info
				w.count++
				w.mutex.Unlock()
			}
		}
	}
	w.mutex.Lock()
	w.ended = true
	w.mutex.Unlock()
}

// Last returns the INFO that came last, and how many have come.
func (w *Watcher) Last() (info Info, count int) {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	return w.last, w.count
}

// Ended reports whether the server has closed the connection.
func (w *Watcher) Ended() bool {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	return w.ended
}

// Await waits until the last INFO lists exactly these addresses.
func (w *Watcher) Await(timeout time.Duration, addresses []string) error {
	return Poll(timeout, func() error {
		if info, _ := w.Last(); !slices.Equal(info.ConnectURLs, addresses) {
			return fmt.Errorf("a client knows of %q instead of %q", info.ConnectURLs, addresses)
		}
		return nil
	})
}

// Close ends the connection.
func (w *Watcher) Close() { _ = w.socket.Close() }
