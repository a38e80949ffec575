package monitor

import (
	"context"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	dto "github.com/prometheus/client_model/go"

	"shoal/membership"
	"shoal/node"
)

// Names of labels, and of kinds of connections as their values.
const (
	labelAccount  = "account"
	labelKind     = "kind"
	labelLiveness = "liveness"
	labelMember   = "member"
	labelPath     = "path"
	labelPeer     = "peer"

	kindClient = "client"
	kindRoute  = "route"
)

// mostScrapes is how many scrapes are answered at a time. More than two Prometheus servers are a mistake.
const mostScrapes = 4

// newMetrics returns a handler that serves the figures of h as Prometheus reads them.
func newMetrics(h *Handler) http.Handler {
	registry := prometheus.NewRegistry()
	registry.MustRegister(
		collector{h.Monitor},
		collectors.NewGoCollector(collectors.WithGoCollectorRuntimeMetrics(
			collectors.MetricsGC, collectors.MetricsScheduler,
		)),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	)
	gather := prometheus.GathererFunc(func() (figures []*dto.MetricFamily, err error) {
		// Nobody else holds the turn for long, and no more than mostScrapes wait here.
		if turn := h.inTurn(context.Background(), func() { figures, err = registry.Gather() }); turn != nil {
			return nil, turn
		}
		return figures, err
	})
	return promhttp.HandlerFor(gather, promhttp.HandlerOpts{MaxRequestsInFlight: mostScrapes})
}

func (h *Handler) metrics(w http.ResponseWriter, r *http.Request) { h.scrape.ServeHTTP(w, r) }

// collector gathers the figures of a monitor when they are asked for.
type collector struct{ m *Monitor }

// Describe implements [prometheus.Collector]. It describes nothing beforehand: which series there are
// depends on peers and accounts.
func (collector) Describe(chan<- *prometheus.Desc) {}

// Collect implements [prometheus.Collector].
func (c collector) Collect(ch chan<- prometheus.Metric) {
	n := c.m.source.Node()
	s := samples{ch: ch, known: make(map[string]*prometheus.Desc)}
	s.gauge("info", "Names and version of the node, as labels of a 1.", 1,
		"server_id", n.ID(), "server_name", n.Name(), "version", node.Version, "cluster", n.ClusterName())
	s.gauge("healthy", "Whether the node should get clients, as /healthz says.", truth(c.m.Healthz(HealthzOptions{}).Error == ""))
	for path, count := range c.m.requests {
		s.counter("http_requests_total", "Requests to the monitoring port.", float64(count.Load()), labelPath, path)
	}
	if !c.m.source.Started() {
		return
	}
	s.node(n)
	s.accounts(n)
	s.routes(n)
	s.gossip(n)
}

// samples hands figures to Prometheus.
type samples struct {
	ch    chan<- prometheus.Metric
	known map[string]*prometheus.Desc
}

// send hands on one figure. labels are names and values in turn; the names are the same for all figures of
// a name.
func (s *samples) send(kind prometheus.ValueType, name, help string, value float64, labels ...string) {
	desc, values := s.desc(name, help, labels)
	s.ch <- prometheus.MustNewConstMetric(desc, kind, value, values...)
}

func (s *samples) desc(name, help string, labels []string) (desc *prometheus.Desc, values []string) {
	var names []string
	for i := 0; i < len(labels); i += 2 {
		names, values = append(names, labels[i]), append(values, labels[i+1])
	}
	desc = s.known[name]
	if desc == nil {
		desc = prometheus.NewDesc("shoal_"+name, help, names, nil)
		s.known[name] = desc
	}
	return desc, values
}

func (s *samples) gauge(name, help string, value float64, labels ...string) {
	s.send(prometheus.GaugeValue, name, help, value, labels...)
}

func (s *samples) counter(name, help string, value float64, labels ...string) {
	s.send(prometheus.CounterValue, name, help, value, labels...)
}

func (s *samples) histogram(name, help string, h *node.Histogram) {
	desc, _ := s.desc(name, help, nil)
	buckets := make(map[float64]uint64)
	sum := uint64(0)
	for i, bound := range node.TallyBounds() {
		sum += h.Buckets[i]
		buckets[bound] = sum
	}
	s.ch <- prometheus.MustNewConstHistogram(desc, h.Count(), float64(h.Sum), buckets)
}

func (s *samples) node(n *node.Node) {
	stats, opts := n.Stats(), n.Options()
	s.gauge("start_time_seconds", "When the node has started, since the Unix epoch.", seconds(stats.Start))
	s.gauge("connections", "Clients that are connected.", float64(stats.Connections))
	s.gauge("max_connections", "Clients that may be connected.", float64(max(opts.MaxConnections, 0)))
	s.counter("connections_total", "Clients that have connected.", float64(stats.TotalConnections))
	s.gauge("subscriptions", "Subscriptions of clients.", float64(stats.Subscriptions))
	for _, t := range []struct {
		kind                               string
		inMsgs, inBytes, outMsgs, outBytes uint64
		slow, stale                        uint64
	}{
		{kindClient, stats.InMsgs, stats.InBytes, stats.OutMsgs, stats.OutBytes, stats.SlowConsumers, stats.StaleConnections},
		{
			kindRoute, stats.RouteInMsgs, stats.RouteInBytes, stats.RouteOutMsgs, stats.RouteOutBytes,
			stats.SlowRoutes, stats.StaleRoutes,
		},
	} {
		s.counter("received_messages_total", "Messages that came in.", float64(t.inMsgs), labelKind, t.kind)
		s.counter("received_bytes_total", "Payload of messages that came in.", float64(t.inBytes), labelKind, t.kind)
		s.counter("sent_messages_total", "Messages that went out.", float64(t.outMsgs), labelKind, t.kind)
		s.counter("sent_bytes_total", "Payload of messages that went out.", float64(t.outBytes), labelKind, t.kind)
		s.counter("slow_consumers_total", "Connections that were cut because they read too slowly.", float64(t.slow), labelKind, t.kind)
		s.counter("stale_connections_total", "Connections that were closed because they did not answer.", float64(t.stale), labelKind, t.kind)
	}
	s.counter("stalls_total", "Times that a publisher was held up for a consumer that is behind.", float64(stats.StalledClients))
	s.gauge("pending_bytes", "Memory of what waits for connections that cannot take it yet.", float64(stats.PendingBytes))
	s.gauge("pending_limit_bytes", "Memory that may wait before slow consumers are cut.", float64(opts.PendingBudget))
	s.gauge("cache_bytes", "Memory of what publishers remember about who receives what.", float64(stats.CacheBytes))
	s.counter("resolved_messages_total", "Messages whose receivers had to be looked up.", float64(stats.Resolved))
	s.histogram("message_receivers", "Receivers of a message, peers included.", &stats.FanOut)
	s.histogram("batch_messages", "Messages that were read from a connection at once.", &stats.Batch)
}

func (s *samples) accounts(n *node.Node) {
	for _, a := range n.Accounts() {
		s.gauge("account_connections", "Clients of an account.", float64(a.Connections), labelAccount, a.Name)
		s.gauge("account_subscriptions", "Subscriptions in an account, those of peers included.", float64(a.Subscriptions), labelAccount, a.Name)
		s.counter("account_received_messages_total", "Messages that clients of an account have sent.", float64(a.InMsgs), labelAccount, a.Name)
		s.counter("account_received_bytes_total", "Payload of messages that clients of an account have sent.", float64(a.InBytes), labelAccount, a.Name)
		s.counter("account_sent_messages_total", "Messages that clients of an account got.", float64(a.OutMsgs), labelAccount, a.Name)
		s.counter("account_sent_bytes_total", "Payload of messages that clients of an account got.", float64(a.OutBytes), labelAccount, a.Name)
	}
}

// routes tells about the connections to every peer together. Peers are told apart by their names, which
// outlive a restart.
func (s *samples) routes(n *node.Node) {
	type link struct {
		node.RouteInfo
		connections  int
		synchronized bool
	}
	links := make(map[string]*link)
	for _, r := range n.Routes() {
		l := links[r.RemoteName]
		if l == nil {
			l = &link{synchronized: true}
			links[r.RemoteName] = l
		}
		l.connections++
		l.synchronized = l.synchronized && r.Synchronized
		l.RTT = max(l.RTT, r.RTT)
		l.Pending += r.Pending
		l.Subscriptions += r.Subscriptions
		l.InMsgs += r.InMsgs
		l.InBytes += r.InBytes
		l.OutMsgs += r.OutMsgs
		l.OutBytes += r.OutBytes
	}
	s.gauge("peers", "Other servers that there is a route to.", float64(len(links)))
	for peer, l := range links {
		s.gauge("route_connections", "Connections to a peer.", float64(l.connections), labelPeer, peer)
		s.gauge("route_synchronized", "Whether all that a peer subscribes to is known.", truth(l.synchronized), labelPeer, peer)
		s.gauge("route_rtt_seconds", "Last round trip to a peer, as the route has measured it.", l.RTT.Seconds(), labelPeer, peer)
		s.gauge("route_pending_bytes", "Bytes that wait to be written to a peer.", float64(l.Pending), labelPeer, peer)
		s.gauge("route_subscriptions", "Entries of the interest of a peer.", float64(l.Subscriptions), labelPeer, peer)
		s.counter("route_received_messages_total", "Messages that came from a peer over the present route.", float64(l.InMsgs), labelPeer, peer)
		s.counter("route_received_bytes_total", "Payload of messages that came from a peer over the present route.", float64(l.InBytes), labelPeer, peer)
		s.counter("route_sent_messages_total", "Messages that went to a peer over the present route.", float64(l.OutMsgs), labelPeer, peer)
		s.counter("route_sent_bytes_total", "Payload of messages that went to a peer over the present route.", float64(l.OutBytes), labelPeer, peer)
	}
}

// gossip tells what the node knows of the members of its cluster, if it gossips.
func (s *samples) gossip(n *node.Node) {
	cluster := n.Membership()
	if cluster == nil {
		return
	}
	h := cluster.Health()
	for _, m := range []struct {
		liveness membership.Liveness
		number   int
	}{
		{membership.Alive, h.Alive}, {membership.Suspect, h.Suspect}, {membership.Failed, h.Failed}, {membership.Left, h.Left},
	} {
		s.gauge("members", "Members of the cluster, this node included, by what is thought of them.", float64(m.number),
			labelLiveness, m.liveness.String())
	}
	s.gauge("gossip_health_score", "0 if probes work as they should, up to 7 while this node seems to be too slow.", float64(h.Score))
	s.gauge("gossip_joined", "Whether some other member lives.", truth(h.Joined))
	s.gauge("gossip_stuck", "Whether gossip has ended or hangs, so that the node should be started again.", truth(h.Stuck || h.Stopped))
	s.gauge("gossip_stream_only_members", "Members that UDP does not reach.", float64(h.StreamOnly))
	s.counter("gossip_refused_total", "Packets and streams that were not gossip of this cluster.", float64(h.Refused))
	s.counter("gossip_repairs_total", "Times that the list of members was wrong and has been repaired.", float64(h.Drift))
	s.gauge("degraded_pairs", "Pairs of members that are alive but have no route, as they say themselves.", float64(len(n.Degraded())))
	s.gauge("drifting_settings", "Groups of settings in which members differ.", float64(len(n.Drift())))

	// A server that was started again is a new member with an old name.
	latest := make(map[string]membership.Member)
	for _, m := range cluster.Members() {
		if known, ok := latest[m.Name]; !ok || m.Lives() && !known.Lives() || m.Lives() == known.Lives() && m.Since.After(known.Since) {
			latest[m.Name] = m
		}
	}
	for name, m := range latest {
		for _, l := range []membership.Liveness{membership.Alive, membership.Suspect, membership.Failed, membership.Left} {
			s.gauge("member_liveness", "What is thought of a member: 1 for that, and 0 for all else.", truth(m.Liveness == l),
				labelMember, name, labelLiveness, l.String())
		}
		if m.RTT > 0 {
			s.gauge("member_rtt_seconds", "Round trip to a member, as gossip estimates it.", m.RTT.Seconds(), labelMember, name)
		}
	}
}

// truth is a yes or no as a figure.
func truth(yes bool) float64 {
	if yes {
		return 1
	}
	return 0
}

func seconds(t time.Time) float64 { return float64(t.UnixNano()) / float64(time.Second) }
