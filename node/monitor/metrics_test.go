package monitor

import (
	"bytes"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"

	"shoal/node"
)

// scrape returns the figures by their names with labels.
func (w *watched) scrape(h *Handler) (text string, values map[string]string) {
	w.t.Helper()
	r := get(h, "GET", "/metrics")
	if r.Code != 200 {
		w.t.Fatalf("status %d: %s", r.Code, r.Body)
	}
	values = make(map[string]string)
	for line := range strings.Lines(r.Body.String()) {
		if line[0] == '#' {
			continue
		}
		at := strings.LastIndexByte(line, ' ')
		values[line[:at]] = strings.TrimSpace(line[at:])
	}
	return r.Body.String(), values
}

func TestMetrics(t *testing.T) {
	first := peerOf("a")
	first.Cluster.NoGossip = false
	a := watch(t, first)
	second := peerOf("b")
	second.Cluster.NoGossip, second.Cluster.Join = false, []string{a.node.ClusterAddr().String()}
	b := watch(t, second)
	b.client(hello + "SUB x 1\r\nPING\r\n")
	a.eventually("a knows what b subscribes to", func() bool {
		r := a.node.Routes()
		return len(r) == 1 && r[0].Synchronized && r[0].Subscriptions == 1 && len(a.node.Members()) == 2
	})
	a.client(hello + "SUB x 1\r\nSUB x 2\r\nPUB x 3\r\nyou\r\nPUB y 0\r\n\r\nPING\r\n")
	h := a.handler()
	text, got := a.scrape(h)
	problems, err := promlint.New(bytes.NewBufferString(text)).Lint()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		if strings.HasPrefix(p.Metric, "shoal_") {
			t.Errorf("%s: %s", p.Metric, p.Text)
		}
	}
	for name, want := range map[string]string{
		`shoal_healthy`:                                       "1",
		`shoal_connections`:                                   "1",
		`shoal_connections_total`:                             "1",
		`shoal_max_connections`:                               "65536",
		`shoal_subscriptions`:                                 "2",
		`shoal_peers`:                                         "1",
		`shoal_http_requests_total{path="/metrics"}`:          "1",
		`shoal_received_messages_total{kind="client"}`:        "2",
		`shoal_sent_messages_total{kind="client"}`:            "2",
		`shoal_sent_messages_total{kind="route"}`:             "1",
		`shoal_sent_bytes_total{kind="route"}`:                "3",
		`shoal_slow_consumers_total{kind="client"}`:           "0",
		`shoal_message_receivers_bucket{le="0"}`:              "1",
		`shoal_message_receivers_bucket{le="2"}`:              "1",
		`shoal_message_receivers_bucket{le="4"}`:              "2",
		`shoal_message_receivers_bucket{le="+Inf"}`:           "2",
		`shoal_message_receivers_sum`:                         "3",
		`shoal_batch_messages_sum`:                            "2",
		`shoal_account_received_messages_total{account="$G"}`: "2",
		`shoal_route_synchronized{peer="b"}`:                  "1",
		`shoal_route_sent_messages_total{peer="b"}`:           "1",
		`shoal_route_subscriptions{peer="b"}`:                 "1",
		`shoal_members{liveness="alive"}`:                     "2",
		`shoal_member_liveness{liveness="alive",member="b"}`:  "1",
		`shoal_member_liveness{liveness="failed",member="b"}`: "0",
		`shoal_gossip_joined`:                                 "1",
		`shoal_gossip_stuck`:                                  "0",
	} {
		if got[name] != want {
			t.Errorf("%s is %q, want %q", name, got[name], want)
		}
	}
	for _, name := range []string{"go_goroutines", "go_gc_duration_seconds_count", "process_resident_memory_bytes", "shoal_start_time_seconds"} {
		if got[name] == "" {
			t.Errorf("there is no %s", name)
		}
	}
	if !strings.Contains(text, `shoal_info{cluster="east",server_id="`+a.node.ID()+`",server_name="a",version="`+node.Version+`"} 1`) {
		t.Errorf("there is no shoal_info in\n%s", text)
	}
}

func TestMetricsNotStarted(t *testing.T) {
	n, err := node.New(node.Options{Port: node.RandomPort})
	if err != nil {
		t.Fatal(err)
	}
	w := &watched{t: t, node: n, waiting: true, err: errStarting}
	if _, got := w.scrape(w.handler()); got["shoal_healthy"] != "0" || got["shoal_connections"] != "" {
		t.Errorf("before the start it says %v", got)
	}
}
