package compat

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"shoal/compat/internal/broker"
)

// TestClosedReasons compares what both servers remember of clients that they have closed, or that have gone.
func TestClosedReasons(t *testing.T) {
	t.Parallel()
	const user = `"user":"u","pass":"p"`
	hello := `CONNECT {"verbose":false,` + user + "}\r\n"
	endings := []struct{ name, send string }{
		{"leaves", hello + "SUB a 1\r\nSUB b 2\r\nUNSUB 1\r\nPING\r\n"},
		{"says nothing", ""},
		{"wrong password", `CONNECT {"user":"u","pass":"q","name":"x"}` + "\r\n"},
		{"no CONNECT", "PING\r\n"},
		{"unknown operation", hello + "WHAT\r\n"},
		{"large message", hello + "PUB a 100000\r\n"},
		{"long line", hello + "SUB " + strings.Repeat("a", 2000) + " 1\r\n"},
		{"unknown protocol", `CONNECT {"protocol":9,` + user + "}\r\n"},
		{"no headers", `CONNECT {"headers":false,"no_responders":true,` + user + "}\r\n"},
		{"no size", hello + "PUB a\r\n"},
		{"stale", hello + "PING\r\n"},
	}
	remembered := func(kind broker.Kind) []string {
		settings := broker.Settings{}
		settings.AddConfig(`
http: "127.0.0.1:-1"
max_payload: 1000
max_control_line: 1000
ping_interval: "1s"
ping_max: 1
authorization { user: u, password: p, timeout: 1 }
`)
		server := monitored{startServer(t, kind, settings)}
		var notes []string
		for i, e := range endings {
			nc, err := net.Dial("tcp", server.Addr)
			must(t, err)
			must(t, nc.SetDeadline(time.Now().Add(patience)))
			_, err = io.WriteString(nc, e.send)
			must(t, err)
			if e.name == "leaves" {
				for text := ""; !strings.HasSuffix(text, "PONG\r\n"); {
					b := make([]byte, 4096)
					n, err := nc.Read(b)
					must(t, err)
					text += string(b[:n])
				}
			} else {
				_, _ = io.Copy(io.Discard, nc) // it may be reset
			}
			must(t, nc.Close())
			notes = append(notes, e.name+": "+server.lastClosed(t, i+1))
		}
		return notes
	}
	want, got := remembered(broker.Oracle), remembered(subject())
	for i, note := range want {
		if got[i] != note {
			t.Errorf("%q, and nats-server remembers %q", got[i], note)
		}
	}
}

// lastClosed waits until so many clients have gone, and tells what is remembered of the last one.
func (m monitored) lastClosed(t *testing.T, total int) string {
	t.Helper()
	for deadline := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		var z struct {
			Total       int
			Connections []struct {
				Reason        string
				Name          string
				Subscriptions int
				Kind, Type    string
				IP            string
			}
		}
		_, body := m.ask(t, "/connz?state=closed&sort=cid")
		must(t, json.Unmarshal(body, &z))
		if z.Total == total {
			return fmt.Sprintf("%+v", z.Connections[total-1])
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s: %d clients have gone, not %d", m.Kind.Name, z.Total, total)
		}
	}
}
