package compat

import (
	"encoding/json"
	"io"
	"net"
	"net/http"
	"testing"
	"time"

	"shoal/compat/internal/broker"
)

// TestProxyProtocol looks at how servers show a client that comes through a proxy, whose header it splits.
func TestProxyProtocol(t *testing.T) {
	t.Parallel()
	for _, kind := range []broker.Kind{broker.Oracle, subject()} {
		t.Run(kind.Name, func(t *testing.T) {
			server := startServer(t, kind, withConfig("proxy_protocol: true, http: \"127.0.0.1:-1\""))
			nc, err := net.Dial("tcp", server.Addr)
			must(t, err)
			defer nc.Close()
			must(t, nc.SetDeadline(time.Now().Add(patience)))
			for _, part := range []string{"PRO", "XY TCP4 192.0.2.7 192.0.2.8 46", "60 4222\r", "\nCONNECT {\"verbose\":true}\r\n"} {
				_, err = nc.Write([]byte(part))
				must(t, err)
				time.Sleep(10 * time.Millisecond) // so that they come apart, most of the time
			}
			var got []byte
			for b := make([]byte, 1); len(got) < 4 || string(got[len(got)-4:]) != "OK\r\n"; got = append(got, b...) {
				_, err := io.ReadFull(nc, b)
				must(t, err)
			}
			response, err := http.Get(server.Monitor + "/connz")
			must(t, err)
			defer response.Body.Close()
			var connz struct {
				Connections []struct {
					IP   string `json:"ip"`
					Port int    `json:"port"`
				} `json:"connections"`
			}
			must(t, json.NewDecoder(response.Body).Decode(&connz))
			if c := connz.Connections; len(c) != 1 || c[0].IP != "192.0.2.7" || c[0].Port != 4660 {
				t.Errorf("/connz has %+v", connz)
			}
		})
	}
}
