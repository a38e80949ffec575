package node

import (
	"bufio"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"shoal/node/auth"
)

// named is a CONNECT of a client with a name.
func named(name string) string {
	return fmt.Sprintf(`CONNECT {"verbose":false,"name":%q,"lang":"test","version":"1.2","user":%q,"pass":"x"}`, name, name) + "\r\n"
}

func ids(page []Connection) (names string) {
	for _, c := range page {
		names += c.Name + " "
	}
	return strings.TrimSpace(names)
}

func TestConnections(t *testing.T) {
	users := make([]auth.User, 3)
	for i, name := range []string{"a", "b", "c"} {
		users[i] = auth.User{Name: name, Password: "x", Account: "ONE"}
	}
	users[2].Account = "TWO"
	a, err := auth.New(auth.Config{Users: users})
	if err != nil {
		t.Fatal(err)
	}
	n := startNode(t, Options{Authenticator: a, Accounts: []AccountOptions{{Name: "ONE"}, {Name: "TWO"}}})
	one := dial(t, n, named("a")+"SUB x.* 10\r\nSUB y q 9\r\nPING\r\n")
	one.want("PONG\r\n")
	two := dial(t, n, named("b")+"PUB x.1 2\r\nhi\r\nPUB x.2 3\r\nyou\r\nPING\r\n")
	two.want("PONG\r\n")
	three := dial(t, n, named("c")+"SUB z 1\r\nPUB z 4\r\nback\r\nPING\r\n")
	three.want("MSG z 1 4\r\nback\r\nPONG\r\n")
	one.want("MSG x.1 10 2\r\nhi\r\nMSG x.2 10 3\r\nyou\r\n")
	eventually(t, "what was sent is counted", func() bool { return n.Stats().InMsgs == 3 })

	for _, c := range []struct {
		query ConnectionQuery
		want  string
		total int
	}{
		{ConnectionQuery{}, "a b c", 3},
		{ConnectionQuery{Offset: 1, Limit: 1}, "b", 3},
		{ConnectionQuery{Offset: 7, Limit: 1}, "", 3},
		{ConnectionQuery{Sort: "start"}, "a b c", 3},
		{ConnectionQuery{Sort: "subs"}, "a c b", 3},
		{ConnectionQuery{Sort: "msgs_to"}, "a c b", 3},
		{ConnectionQuery{Sort: "msgs_from"}, "b c a", 3},
		{ConnectionQuery{Sort: "bytes_to"}, "a c b", 3},
		{ConnectionQuery{Sort: "bytes_from", Limit: 1}, "b", 3},
		{ConnectionQuery{Sort: "uptime"}, "c b a", 3},
		{ConnectionQuery{Account: "ONE"}, "a b", 2},
		{ConnectionQuery{User: "c"}, "c", 1},
		{ConnectionQuery{Account: "ONE", Subject: "*.1"}, "a", 1},
		{ConnectionQuery{Account: "TWO", Subject: "x.>"}, "", 0},
		{ConnectionQuery{State: ConnectionClosed}, "", 0},
		{ConnectionQuery{State: ConnectionAny, Sort: "idle", Account: "TWO"}, "c", 1},
	} {
		page, total := n.Connections(c.query)
		if got := ids(page); got != c.want || total != c.total {
			t.Errorf("%+v: got %q of %d, want %q of %d", c.query, got, total, c.want, c.total)
		}
	}

	page, _ := n.Connections(ConnectionQuery{User: "a", Subscribed: true})
	v := page[0]
	if v.IP != "127.0.0.1" || v.Port == 0 || v.Lang != "test" || v.Version != "1.2" || v.Account != "ONE" || v.User != "a" ||
		v.OutMsgs != 2 || v.OutBytes != 5 || v.Subscriptions != 2 || v.RTT <= 0 || !v.Stop.IsZero() {
		t.Errorf("the first is %+v", v)
	}
	want := []Subscription{
		{Account: "ONE", Subject: "y", Queue: "q", SID: "9", Connection: v.ID},
		{Account: "ONE", Subject: "x.*", SID: "10", Msgs: 2, Connection: v.ID},
	}
	if !slices.Equal(v.Subscribed, want) {
		t.Errorf("its subscriptions are %+v, want %+v", v.Subscribed, want)
	}
	if page, total := n.Connections(ConnectionQuery{ID: v.ID + 1}); total != 1 || page[0].Name != "b" {
		t.Errorf("the next one is %+v", page)
	}

	one.nc.Close()
	eventually(t, "it is remembered", func() bool {
		_, total := n.Connections(ConnectionQuery{State: ConnectionClosed})
		return total == 1
	})
	page, _ = n.Connections(ConnectionQuery{State: ConnectionAny, Sort: "reason"})
	if got := ids(page); got != "b c a" {
		t.Errorf("by reason they are %q", got)
	}
	gone := page[2]
	if gone.Reason != "Client Closed" || gone.Stop.Before(gone.Start) || gone.Subscriptions != 2 || gone.OutMsgs != 2 ||
		gone.User != "a" || gone.IP != "127.0.0.1" {
		t.Errorf("what is remembered is %+v", gone)
	}
	if page, _ := n.Connections(ConnectionQuery{State: ConnectionAny, ID: gone.ID}); len(page) != 1 {
		t.Errorf("by its number it is %+v", page)
	}
	accounts := n.Accounts()
	i := slices.IndexFunc(accounts, func(a AccountInfo) bool { return a.Name == "ONE" })
	if a := accounts[i]; a.Connections != 1 || a.Subscriptions != 0 || a.InMsgs != 2 || a.OutBytes != 5 || a.Options == nil {
		t.Errorf("the account is %+v", a)
	}
}

func TestConnectionsClosedFor(t *testing.T) {
	a, err := auth.New(auth.Config{Token: "secret"})
	if err != nil {
		t.Fatal(err)
	}
	n := startNode(t, Options{Authenticator: a, MaxControlLine: 512})
	last := func(reason string) {
		t.Helper()
		eventually(t, reason, func() bool {
			page, _ := n.Connections(ConnectionQuery{State: ConnectionClosed, Sort: "stop"})
			return len(page) > 0 && page[0].Reason == reason
		})
	}
	dial(t, n, `CONNECT {"auth_token":"wrong","name":"x"}`+"\r\n")
	last("Authentication Failure")
	good := `CONNECT {"verbose":false,"auth_token":"secret","name":"` + strings.Repeat("n", 300) + `"}` + "\r\n"
	dial(t, n, good+"WHAT\r\n")
	last("Protocol Violation")
	page, _ := n.Connections(ConnectionQuery{State: ConnectionClosed, Sort: "stop", Limit: 1})
	if page[0].User != "[REDACTED]" || len(page[0].Name) != longestRemembered {
		t.Errorf("the one with the token is %+v", page[0])
	}
	dial(t, n, good+"SUB "+strings.Repeat("s", 600)+"\r\n")
	last("Maximum Control Line Exceeded")
	dial(t, n, good+"PUB x 999999999\r\n")
	last("Maximum Message Payload Exceeded")
}

func TestClosedClients(t *testing.T) {
	var ring closedClients
	add := func(limit int, first, last uint64) {
		for id := first; id <= last; id++ {
			ring.add(Connection{ID: id}, limit)
		}
	}
	want := func(ids ...uint64) {
		t.Helper()
		var got []uint64
		for _, c := range ring.all() {
			got = append(got, c.ID)
		}
		if !slices.Equal(got, ids) {
			t.Errorf("remembered are %v, want %v", got, ids)
		}
	}
	want()
	add(3, 1, 2)
	want(1, 2)
	add(3, 3, 5)
	want(3, 4, 5)
	add(2, 6, 6) // the limit has changed
	want(5, 6)
	add(4, 7, 9)
	want(6, 7, 8, 9)
	add(5, 10, 10)
	want(6, 7, 8, 9, 10)
	add(-1, 11, 11)
	want()
	add(2, 12, 12)
	want(12)
}

func TestSubscriptions(t *testing.T) {
	n := startNode(t, Options{})
	one := dial(t, n, quiet+"SUB a.* 1\r\nSUB a.b 2\r\nSUB c 3\r\nUNSUB 3 5\r\nPING\r\n")
	one.want("PONG\r\n")
	two := dial(t, n, quiet+"SUB > 1\r\nPING\r\n")
	two.want("PONG\r\n")
	for _, c := range []struct {
		query SubscriptionQuery
		want  string
		total int
	}{
		{SubscriptionQuery{}, "a.* a.b c >", 4},
		{SubscriptionQuery{Offset: 1, Limit: 2}, "a.b c", 4},
		{SubscriptionQuery{Offset: 3}, ">", 4},
		{SubscriptionQuery{Offset: 9}, "", 4},
		{SubscriptionQuery{Subject: "a.b"}, "a.* a.b >", 3},
		{SubscriptionQuery{Subject: "a.b", Offset: 1, Limit: 1}, "a.b", 3},
		{SubscriptionQuery{Account: "none"}, "", 0},
		{SubscriptionQuery{Account: GlobalAccount, Limit: 1}, "a.*", 4},
	} {
		page, total := n.Subscriptions(c.query)
		var got []string
		for _, s := range page {
			got = append(got, s.Subject)
		}
		if got := strings.Join(got, " "); got != c.want || total != c.total {
			t.Errorf("%+v: got %q of %d, want %q of %d", c.query, got, total, c.want, c.total)
		}
	}
	page, _ := n.Subscriptions(SubscriptionQuery{Subject: "c"})
	if page[0].Max != 5 || page[0].Connection == 0 {
		t.Errorf("the limited one is %+v", page[0])
	}
	one.send("UNSUB 1\r\nPUB a.b 0\r\n\r\nPUB a.b 0\r\n\r\nPUB a.b 0\r\n\r\nPING\r\n")
	one.want(strings.Repeat("MSG a.b 2 0\r\n\r\n", 3) + "PONG\r\n")
	if got, want := n.Index(""), (IndexStats{Subscriptions: 3, Inserted: 4, Removed: 1, Cached: 1}); got != want {
		t.Errorf("the index is %+v, want %+v", got, want)
	}
}

func TestTally(t *testing.T) {
	for n, want := range map[int]int{0: 0, 1: 1, 2: 2, 3: 3, 4: 3, 5: 4, 16384: 15, 16385: 16, 1 << 30: 16} {
		got := bucketOf(n)
		if got != want {
			t.Errorf("%d is in bucket %d, want %d", n, got, want)
		}
		if bounds := TallyBounds(); got < len(bounds) && float64(n) > bounds[got] {
			t.Errorf("%d is above the bound of its bucket, %v", n, bounds[got])
		}
	}
	n := startNode(t, Options{})
	all := make([]*peer, 3)
	for i := range all {
		all[i] = dial(t, n, quiet+"SUB x 1\r\nPING\r\n")
		all[i].want("PONG\r\n")
	}
	for range 2 {
		p := dial(t, n, quiet+"PUB x 1\r\na\r\nPUB x 1\r\nb\r\nPUB nobody 0\r\n\r\nPING\r\n")
		p.want("PONG\r\n")
		p.nc.Close()
	}
	var s Stats
	eventually(t, "everything is counted", func() bool {
		s = n.Stats()
		return s.Connections == 3 && s.Batch.Sum == 6
	})
	if s.FanOut.Buckets[0] != 2 || s.FanOut.Buckets[3] != 4 || s.FanOut.Sum != 12 || s.FanOut.Most != 3 || s.FanOut.Count() != 6 {
		t.Errorf("the fan-outs are %+v", s.FanOut)
	}
	if s.Resolved == 0 || s.Resolved > 6 {
		t.Errorf("receivers were looked up %d times", s.Resolved)
	}
	eventually(t, "the receivers were active", func() bool {
		page, _ := n.Connections(ConnectionQuery{Limit: 1})
		return page[0].OutMsgs == 4 && time.Since(page[0].LastActivity) < patience
	})
}

// TestConnectionsWhileTheyChange looks at everything while clients come, send and go. The race detector is the
// one to complain.
func TestConnectionsWhileTheyChange(t *testing.T) {
	n := startNode(t, Options{MaxClosedClients: 50})
	const clients, rounds = 4, 25
	var working sync.WaitGroup
	for i := range clients {
		working.Go(func() {
			for round := range rounds {
				nc, err := net.Dial("tcp", n.Addr().String())
				if err != nil {
					t.Error(err)
					return
				}
				fmt.Fprintf(nc, "%sSUB a.%d 1\r\nSUB a.* q 2\r\nPUB a.%d 1\r\nx\r\nUNSUB 1\r\nPING\r\n", named("x"), i, round)
				nc.SetReadDeadline(time.Now().Add(patience))
				for lines := bufio.NewScanner(nc); lines.Scan() && lines.Text() != "PONG"; {
				}
				nc.Close()
			}
		})
	}
	stop := make(chan struct{})
	var looking sync.WaitGroup
	looking.Go(func() {
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			default:
			}
			orders := ConnectionOrders()
			n.Connections(ConnectionQuery{State: ConnectionAny, Sort: orders[i%len(orders)], Subscribed: true})
			n.Connections(ConnectionQuery{Account: GlobalAccount, Subject: "a.>", User: "x"})
			n.Subscriptions(SubscriptionQuery{Subject: "a.1"})
			n.Accounts()
			n.Index("")
			n.Stats()
		}
	})
	working.Wait()
	close(stop)
	looking.Wait()
	eventually(t, "all are counted that have gone", func() bool {
		s := n.Stats()
		_, remembered := n.Connections(ConnectionQuery{State: ConnectionClosed})
		return s.Connections == 0 && s.InMsgs == clients*rounds && s.Batch.Sum == clients*rounds && remembered == 50
	})
}
