package wire_test

import (
	"reflect"
	"strings"
	"testing"

	"shoal/wire"
)

// infoLines are what nats-server 2.15.2 was seen to send, without the fields that we leave out.
var infoLines = []struct {
	name string
	info wire.ServerInfo
	line string
}{
	{"to a client", wire.ServerInfo{ID: "NX", Name: "a", Version: "2.15.2", Proto: 1, Go: "go1.26.8", Host: "127.0.0.1", Port: 36533,
		Headers: true, MaxPayload: 1048576, ClientID: 5, ClientIP: "127.0.0.1", Cluster: "C"},
		`INFO {"server_id":"NX","server_name":"a","version":"2.15.2","proto":1,"go":"go1.26.8","host":"127.0.0.1","port":36533,` +
			`"headers":true,"max_payload":1048576,"client_id":5,"client_ip":"127.0.0.1","cluster":"C"} `},
	{"to a client after PONG", wire.ServerInfo{ID: "NX", Name: "a", Version: "2.15.2", Proto: 1, Go: "go1.26.8", Host: "127.0.0.1", Port: 36533,
		Headers: true, MaxPayload: 1048576, ClientID: 5, ClientIP: "127.0.0.1", Cluster: "C", ConnectInfo: true, RemoteAccount: "$G"},
		`INFO {"server_id":"NX","server_name":"a","version":"2.15.2","proto":1,"go":"go1.26.8","host":"127.0.0.1","port":36533,` +
			`"headers":true,"max_payload":1048576,"client_id":5,"client_ip":"127.0.0.1","cluster":"C","connect_info":true,"remote_account":"$G"} `},
	{"to a route", wire.ServerInfo{ID: "NX", Name: "a", Version: "2.15.2", Proto: 3, Go: "go1.26.8", Host: "127.0.0.1", Port: 42067,
		Headers: true, MaxPayload: 1048576, Nonce: "iUEG46m_4M-Oo5o", Cluster: "C", ConnectURLs: []string{"127.0.0.1:36533"},
		Compression: "accept", LNOC: true, LNOCU: true, LN: true, RoutePoolSize: 3},
		`INFO {"server_id":"NX","server_name":"a","version":"2.15.2","proto":3,"go":"go1.26.8","host":"127.0.0.1","port":42067,` +
			`"headers":true,"max_payload":1048576,"nonce":"iUEG46m_4M-Oo5o","cluster":"C","connect_urls":["127.0.0.1:36533"],` +
			`"compression":"accept","lnoc":true,"lnocu":true,"ln":true,"route_pool_size":3} `},
	{"nothing is set", wire.ServerInfo{},
		`INFO {"server_id":"","server_name":"","version":"","proto":0,"go":"","host":"","port":0,"headers":false,"max_payload":0} `},
	{"permissions and odd characters", wire.ServerInfo{Name: "é\n", Export: &wire.SubjectPermission{Allow: []string{">"}}},
		`INFO {"server_id":"","server_name":"é\n","version":"","proto":0,"go":"","host":"","port":0,"headers":false,"max_payload":0,` +
			`"export":{"allow":["\u003e"]}} `},
}

func TestInfoBytes(t *testing.T) {
	for _, c := range infoLines {
		line := string(c.info.Append([]byte("+OK\r\n")))
		if line != "+OK\r\n"+c.line+"\r\n" {
			t.Errorf("%s:\n%q, want\n%q", c.name, line, c.line)
		}
		for _, p := range []wire.Parser{client, route, server} {
			if n, err := p.Next([]byte(c.line + "\r\n")); n == 0 || err != nil || p.Op.Verb != wire.Info {
				t.Fatalf("%s: Next = %d, %v", c.name, n, err)
			}
			back, err := wire.ParseInfo(p.Op.Arg)
			if err != nil || !reflect.DeepEqual(*back, c.info) {
				t.Errorf("%s: read back as %+v, %v", c.name, back, err)
			}
		}
	}
}

func TestParseInfo(t *testing.T) {
	got, err := wire.ParseInfo([]byte(` {"SERVER_ID":"X","Port":1,"unknown":{"a":[1]},"jetstream":true,"connect_urls":null,"proto":null} `))
	if err != nil || !reflect.DeepEqual(*got, wire.ServerInfo{ID: "X", Port: 1}) {
		t.Errorf("%+v, %v", got, err)
	}
	for _, bad := range []string{"", "x", "{", "{} {}", "[]", `"x"`, "1", `{"port":"1"}`, `{"port":1.5}`, `{"client_id":-1}`,
		`{"connect_urls":"a"}`, `{"connect_urls":[1]}`, `{"headers":1}`, `{"port":99999999999999999999}`, `{"import":[]}`} {
		got, err := wire.ParseInfo([]byte(bad))
		if err == nil || got != nil {
			t.Errorf("%s is accepted: %+v", bad, got)
			continue
		}
		checkError(t, err, "bad INFO")
	}
}

// The line of a large cluster is longer than a client's may be.
func TestLongInfo(t *testing.T) {
	for n, p := range map[int]wire.Parser{2000: route, 20_000: server} {
		info := wire.ServerInfo{ConnectURLs: strings.Split(strings.Repeat("host.example.com:4222,", n), ",")}
		line := info.Append(nil)
		if got, err := p.Next(line); got != len(line) || err != nil {
			t.Errorf("role %d, %d bytes: Next = %d, %v", p.Role, len(line), got, err)
		}
	}
}
