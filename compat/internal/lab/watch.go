package lab

import (
	"bufio"
	"encoding/json"
	"net"
	"sync"
	"time"
)

// Watcher is a client that notes which addresses it is told, and when.
type Watcher struct {
	socket net.Conn

	mutex sync.Mutex
	list  []Told
}

// Told are the connect_urls of one INFO.
type Told struct {
	At   time.Time
	URLs map[string]bool
}

// Watch connects a watcher to the node. Close it at the end.
func (n *Node) Watch() (*Watcher, error) {
	socket, err := n.space.Dial("tcp", "127.0.0.1:"+clientPort)
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
	lines := bufio.NewReader(w.socket)
	for {
		line, err := lines.ReadString('\n')
		if err != nil {
			return
		}
		if len(line) > 4 && line[:4] == "PING" {
			_, _ = w.socket.Write([]byte("PONG\r\n"))
		}
		if len(line) < 5 || line[:5] != "INFO " {
			continue
		}
		var info struct {
			ConnectURLs []string `json:"connect_urls"`
		}
		if json.Unmarshal([]byte(line[5:]), &info) != nil {
			continue
		}
		told := Told{At: time.Now(), URLs: map[string]bool{}}
		for _, url := range info.ConnectURLs {
			told.URLs[url] = true
		}
		w.mutex.Lock()
		w.list = append(w.list, told)
		w.mutex.Unlock()
	}
}

// Told returns all that the watcher was told.
func (w *Watcher) Told() []Told {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	return append([]Told(nil), w.list...)
}

// Close ends the connection.
func (w *Watcher) Close() { w.socket.Close() }
