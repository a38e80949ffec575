package node

import (
	"fmt"
	"testing"
	"time"
)

// sample has nodes take a sample as if it were later.
func sample(nodes []*Node, at time.Time) {
	for _, n := range nodes {
		n.history.take(n, at)
	}
}

func TestOverview(t *testing.T) {
	nodes := startMembers(t, 3)
	s := dial(t, nodes[1], quiet+"SUB orders.> 1\r\nSUB other 2\r\n")
	s.sync()
	waitForInterest(t, nodes[0], 2)
	nodes[0].Overview(t.Context(), false) // from now on subjects are of interest
	later := time.Now().Add(watchedFor / 2)
	sample(nodes, later)
	p := dial(t, nodes[0], quiet)
	for range 50 {
		p.send("PUB orders.new 4\r\n1234\r\n")
	}
	p.sync()
	for range 50 {
		s.want(message("orders.new", "1", "1234"))
	}
	s.sync()
	sample(nodes, later.Add(10*time.Second))

	list := nodes[0].Overview(t.Context(), true)
	if len(list) != 3 {
		t.Fatalf("there are %d servers, want 3", len(list))
	}
	byName := make(map[string]*Figures)
	for _, server := range list {
		if server.Figures == nil {
			t.Fatalf("%s has not told its figures: %s", server.Name, server.Silent)
		}
		if server.Self != (server.Name == "n0") || server.Liveness != "alive" {
			t.Errorf("got %+v", server)
		}
		if got := len(server.Figures.Routes); got != 2 {
			t.Errorf("%s has %d routes, want 2", server.Name, got)
		}
		if got := len(server.Figures.Samples); got < 2 {
			t.Errorf("%s has %d samples, want at least 2", server.Name, got)
		}
		byName[server.Name] = server.Figures
	}
	from, to := byName["n0"], byName["n1"]
	if last := from.Samples[len(from.Samples)-1]; last.InMsgs != 5 || last.InBytes != 20 || last.OutMsgs != 0 {
		t.Errorf("n0 has %+v, want 5 messages with 20 bytes a second", last)
	}
	if last := to.Samples[len(to.Samples)-1]; last.OutMsgs != 5 || last.InMsgs != 0 {
		t.Errorf("n1 has %+v, want 5 messages a second", last)
	}
	if got, want := fmt.Sprint(to.Subjects), "[{$G orders.> 5 1}]"; got != want {
		t.Errorf("n1 has subjects %v, want %v", got, want)
	}
	for _, r := range from.Routes {
		if want := map[string]float64{nodes[1].ID(): 5, nodes[2].ID(): 0}[r.To]; r.Msgs != want {
			t.Errorf("the route to %s has %v messages a second, want %v", r.To, r.Msgs, want)
		}
	}
}

func TestOverviewOfALoneNode(t *testing.T) {
	n := startNode(t, Options{ServerName: "lone"})
	list := n.Overview(t.Context(), false)
	if len(list) != 1 || list[0].Name != "lone" || !list[0].Self || list[0].Figures == nil {
		t.Errorf("got %+v", list)
	}
}

func TestHistoryIsBounded(t *testing.T) {
	n := startNode(t, Options{})
	for i := range samplesKept + 10 {
		n.history.take(n, time.Now().Add(time.Duration(i)*time.Hour))
	}
	if got := len(n.history.get(true)); got != samplesKept {
		t.Errorf("there are %d samples, want %d", got, samplesKept)
	}
	if got := len(n.history.get(false)); got != 1 {
		t.Errorf("there are %d last samples", got)
	}
}
