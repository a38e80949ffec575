package compat

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"shoal/compat/internal/mesh"
)

// TestMeshGarbage sends nearly right lines to the cluster port of a node that is at work, half of
// them after a handshake that is right. All that may come of it are closed connections. That is
// required of shoal only: nats-server 2.15.2 panics at an RS- without arguments.
func TestMeshGarbage(t *testing.T) {
	forKinds(t, []string{"ss", "sn"}, func(t *testing.T, kinds string) {
		lines := 100_000
		if testing.Short() || raceDetector {
			lines = 10_000
		}
		base := *seed
		if base == 0 {
			base = rand.Uint64N(1e9)
		}
		t.Logf("-seed=%d", base)
		m := startMesh(t, mesh.Options{Kinds: kinds})
		target := m.Nodes[0]
		if !isShoal(target) {
			t.Skip("nats-server panics at some lines, and goes on listing routes that were closed")
		}
		watchers := []*mesh.Watcher{watch(t, target), watch(t, m.Nodes[1])}
		awaitAddresses(t, watchers, m.Nodes)
		before, err := target.Peers()
		must(t, err)
		work := startWork(t, m, m.Nodes)

		const perConnection = 20
		var sent, registered atomic.Int64
		var sending sync.WaitGroup
		for worker := range uint64(4) {
			sending.Go(func() {
				random := rand.New(rand.NewPCG(base, worker))
				for i := 0; sent.Load() < int64(lines) && !t.Failed(); i++ {
					name := fmt.Sprintf("garbage-%d-%d", worker, i)
					shake := ""
					if i%2 == 1 {
						shake = greeting(name, target.Cluster)
					}
					var text bytes.Buffer
					for range perConnection {
						text.Write(garbageLine(random, target.Cluster))
					}
					ok, err := throw(target.ClusterAddr(), shake, text.Bytes())
					if err != nil {
						t.Errorf("%s: %v", name, err)
						return
					}
					if ok {
						registered.Add(1)
					}
					sent.Add(perConnection)
				}
			})
		}
		began := time.Now()
		sending.Wait()
		t.Logf("%d lines in %v, %d handshakes", sent.Load(), time.Since(began), registered.Load())
		if registered.Load() < sent.Load()/perConnection/2-10 {
			t.Errorf("only %d handshakes were answered", registered.Load())
		}

		work.stop(t, m)
		must(t, mesh.Poll(meshPatience, func() error {
			after, err := target.Peers()
			if err != nil {
				return err
			}
			if got, want := fmt.Sprint(rids(after)), fmt.Sprint(rids(before)); got != want {
				return fmt.Errorf("the routes are %s instead of %s", got, want)
			}
			return nil
		}))
		nc := connectNode(t, target)
		for _, subject := range []string{"garbage.x", "garbage.y.z", "garbage.1"} {
			must(t, mesh.Poll(meshPatience, func() error { return wantNoResponders(nc, subject) }))
		}
		awaitAddresses(t, watchers, m.Nodes)
		meshPublish(t, m)
	})
}

// rids are the connections to each peer.
func rids(peers mesh.Peers) map[string][]uint64 {
	all := map[string][]uint64{}
	for id, routes := range peers {
		for _, r := range routes {
			all[id] = append(all[id], r.RID)
		}
	}
	return all
}

// greeting is what a server says first on a route.
func greeting(name, cluster string) string {
	return fmt.Sprintf(`CONNECT {"verbose":false,"pedantic":false,"headers":true,"name":"%s","cluster":"%s","lnoc":true,"ln":true}`+"\r\n"+
		`INFO {"server_id":"%s","server_name":"%s","version":"2.15.2","proto":1,"host":"127.0.0.1","port":1,"headers":true,`+
		`"max_payload":1048576,"cluster":"%s","lnoc":true,"lnocu":true,"ln":true,"connect_urls":["10.0.0.1:4222"]}`+"\r\nPING\r\n",
		name, cluster, name, name, cluster)
}

// throw sends a greeting, if any, and text to a cluster port, and waits until the server closes the
// connection, which it has to as nothing more will come. It reports whether the greeting led to a
// route.
func throw(addr, greeting string, text []byte) (ok bool, err error) {
	socket, err := net.DialTimeout("tcp", addr, 10*time.Second)
	if err != nil {
		return false, err
	}
	defer socket.Close()
	if err := socket.SetDeadline(time.Now().Add(meshPatience)); err != nil {
		return false, err
	}
	reader := bufio.NewReaderSize(socket, 4<<10)
	if greeting != "" {
		// After the second PONG both sides have it for a route.
		if _, err := socket.Write([]byte(greeting)); err != nil {
			return false, err
		}
		for pongs := 0; pongs < 2; {
			line, err := reader.ReadString('\n')
			if err != nil {
				return false, fmt.Errorf("the greeting led to %w", err)
			}
			switch strings.TrimSpace(line) {
			case "PING":
				_, _ = socket.Write([]byte("PONG\r\n"))
			case "PONG":
				if pongs++; pongs < 2 {
					_, _ = socket.Write([]byte("PING\r\n"))
				}
			}
		}
		ok = true
	}
	_, _ = socket.Write(text)
	_ = socket.(*net.TCPConn).CloseWrite()
	if _, err := io.Copy(io.Discard, reader); err != nil {
		if timeout, is := err.(net.Error); is && timeout.Timeout() {
			return ok, fmt.Errorf("the server does not close a connection that got %q: %w", text, err)
		}
	}
	return ok, nil
}

// garbageLines are what lines are made from. They name subjects that nobody else uses.
var garbageLines = []string{
	"RS+ $G garbage.x\r\n", "RS+ $G garbage.> q 3\r\n", "RS- $G garbage.x\r\n", "RS- $G garbage.> q\r\n",
	"LS+ LC $G garbage.*\r\n", "LS+ LC $G garbage.y q 1\r\n", "LS- LC $G garbage.*\r\n", "RS+ $SYS garbage.s\r\n",
	"RMSG $G garbage.x 2\r\nhi\r\n", "RMSG $G garbage.x reply 2\r\nhi\r\n", "RMSG $G garbage.x | q 2\r\nhi\r\n",
	"RMSG $G garbage.x + reply q r 5\r\nhello\r\n", "RMSG $G garbage.1 0\r\n\r\n",
	"HMSG $G garbage.x 18 20\r\nNATS/1.0\r\nA: b\r\n\r\nhi\r\n", "HMSG $G garbage.x + reply q 18 20\r\nNATS/1.0\r\nA: b\r\n\r\nhi\r\n",
	"LMSG LC $G garbage.x 0 1\r\nx\r\n", "LMSG LC $G garbage.x | q 18 20\r\nNATS/1.0\r\nA: b\r\n\r\nhi\r\n",
	"PING\r\n", "PONG\r\n", "+OK\r\n", "A+ $G\r\n", "A- $G\r\n", "-ERR 'Something'\r\n",
	"CONNECT {\"headers\":true,\"name\":\"garbage\",\"cluster\":\"CLUSTER\",\"lnoc\":true}\r\n",
	"INFO {\"server_id\":\"garbage\",\"server_name\":\"garbage\",\"proto\":1,\"host\":\"127.0.0.1\",\"port\":1,\"headers\":true,\"cluster\":\"CLUSTER\"}\r\n",
	"INFO {\"server_id\":\"other\",\"server_name\":\"o\",\"ip\":\"nats-route://127.0.0.1:1/\",\"cluster\":\"CLUSTER\",\"gossip_mode\":1}\r\n",
	"SUB garbage.x 1\r\n", "PUB garbage.x 2\r\nhi\r\n", "MSG garbage.x 1 2\r\nhi\r\n", "\r\n", " \r\n",
}

// garbageLine makes a line with zero to three mistakes.
func garbageLine(random *rand.Rand, cluster string) []byte {
	line := []byte(strings.ReplaceAll(garbageLines[random.IntN(len(garbageLines))], "CLUSTER", cluster))
	for range random.IntN(4) {
		at := random.IntN(len(line))
		switch random.IntN(6) {
		case 0:
			line[at] = byte(random.IntN(256))
		case 1:
			line[at] ^= 1 << random.IntN(8)
		case 2:
			line = append(line[:at], line[at+1:]...)
		case 3:
			line = append(line[:at], append([]byte{" \t\r\n|+0"[random.IntN(7)]}, line[at:]...)...)
		case 4:
			line = line[:at]
		case 5:
			line = append(line, line[at:]...)
		}
		if len(line) == 0 {
			return []byte("\n")
		}
	}
	return line
}
