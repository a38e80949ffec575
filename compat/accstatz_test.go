package compat

import (
	"encoding/json"
	"fmt"
	"net/http"
	"testing"

	"github.com/nats-io/nats.go"

	"shoal/compat/internal/mesh"
)

// TestAccountTraffic has clients of an account at two servers send each other messages, and compares what the
// servers count of them with what nats-servers count.
func TestAccountTraffic(t *testing.T) {
	t.Parallel()
	want := accountTraffic(t, "nn")
	forKinds(t, []string{"ss", "ns", "sn"}, func(t *testing.T, kinds string) {
		for i, got := range accountTraffic(t, kinds) {
			if got != want[i] {
				t.Errorf("server %d counts\n%s\nwant\n%s", i, got, want[i])
			}
		}
	})
}

// accountTraffic returns what each server of a mesh of two counts of the account.
func accountTraffic(t *testing.T, kinds string) (counted [2]string) {
	m := startMesh(t, mesh.Options{Kinds: kinds, Shoal: subject(), SharedConfig: systemConfig})
	clients := make([]*nats.Conn, 2)
	heard := make(chan *nats.Msg, 100)
	for i, n := range m.Nodes {
		clients[i] = connectNode(t, n, nats.UserInfo("a", "a"))
		_, err := clients[i].ChanSubscribe("x.*", heard)
		must(t, err)
	}
	_, err := clients[1].ChanQueueSubscribe("work", "workers", heard)
	must(t, err)
	settle(t, m, clients...)
	expected := 0
	for i, sizes := range [][]int{{0, 1, 20, 300}, {5, 5}} {
		for _, size := range sizes {
			must(t, clients[i].Publish("x.y", make([]byte, size)))
			expected += 2
		}
	}
	must(t, clients[0].PublishMsg(&nats.Msg{Subject: "work", Header: nats.Header{"A": {"b"}}, Data: []byte("hello")}))
	must(t, clients[0].Publish("nobody", []byte("hears it")))
	for range expected + 1 {
		<-heard
	}
	flushAll(t, clients...)
	for i, n := range m.Nodes {
		response, err := http.Get(n.MonitorURL() + "/accstatz?unused=1")
		must(t, err)
		var z struct {
			Accounts []map[string]any `json:"account_statz"`
		}
		must(t, json.NewDecoder(response.Body).Decode(&z))
		must(t, response.Body.Close())
		for _, a := range z.Accounts {
			if a["acc"] == "A" {
				delete(a, "num_subscriptions") // nats-server counts those by which the account reaches $SYS
				counted[i] = fmt.Sprint(a)
			}
		}
	}
	return counted
}
