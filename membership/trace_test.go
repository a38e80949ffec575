package membership
import ("testing";"fmt";"time")
func TestTrace(t *testing.T) {
	for i := range 8 {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			t.Parallel()
			nw := newNetwork()
			nodes := startCluster(t, nw, 4, func(o *Options) { o.Profile = LAN })
			for _, n := range nodes { n := n; n.view.mu.Lock(); n.journal.trace = func(k byte, r rumour) {
				name := "?"
				for _, o := range nodes { if o.o.ID == r.Node { name = o.o.Name } }
				m, _ := n.Member(r.Node)
				fmt.Fprintf(n.log, "%s %d %s inc=%d (view %s inc %d)\n", time.Now().Format("05.000"), k, name, r.Incarnation, m.Liveness, m.Incarnation)
			}; n.view.mu.Unlock() }
			together(t, nodes)
			nw.put(1, nodes[3])
			liveness(t, nodes[:3], nodes[3], Suspect)
			nw.put(0, nodes[3])
			began := time.Now()
			together(t, nodes)
			if time.Since(began) > 5*time.Second { t.Error(time.Since(began)) }
		})
	}
}
