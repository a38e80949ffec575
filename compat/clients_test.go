package compat

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync/atomic"
	"testing"

	"github.com/nats-io/nats.go"

	"shoal/compat/internal/broker"
)

// TestClients runs small programs written with nats.go.
func TestClients(t *testing.T) {
	for name, run := range map[string]program{
		"publish and subscribe": publishAndSubscribe,
		"server information":    serverInformation,
		"wildcards":             wildcards,
		"queue group":           queueGroup,
		"request":               request,
		"request many":          requestMany,
		"no responders":         noResponders,
		"headers":               headers,
		"unsubscribe after":     unsubscribeAfter,
		"drain":                 drain,
		"flush":                 flush,
		"too large":             tooLarge,
		"no echo":               noEcho,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			compareRuns(t, nil, run)
		})
	}
}

// TestClientAuthorization connects with good and bad credentials.
func TestClientAuthorization(t *testing.T) {
	t.Parallel()
	options := map[string][]nats.Option{
		"no credentials": nil,
		"right token":    {nats.Token("s3cret")},
		"wrong token":    {nats.Token("secret")},
		"right password": {nats.UserInfo("derek", "bella")},
		"wrong password": {nats.UserInfo("derek", "wrong")},
	}
	for _, settings := range []broker.Settings{{"token": "s3cret"}, {"user": "derek", "pass": "bella"}, nil} {
		compareRuns(t, settings, func(t *testing.T, server *broker.Server, note func(string, ...any)) {
			for _, name := range slices.Sorted(maps.Keys(options)) {
				nc, err := nats.Connect(server.URL(), append(options[name], nats.Timeout(patience))...)
				note("%s: %v", name, err)
				if err == nil {
					note("authorization needed: %v", nc.AuthRequired())
					nc.Close()
				}
			}
		})
	}
}

func publishAndSubscribe(t *testing.T, server *broker.Server, note func(string, ...any)) {
	publisher, subscriber := connect(t, server), connect(t, server)
	sub := subscribe(t, subscriber, "greet.joe")
	for i := range 1000 {
		must(t, publisher.Publish("greet.joe", fmt.Appendf(nil, "hello %d", i)))
	}
	for range 1000 {
		msg := next(t, sub)
		note("%s %q %q", msg.Subject, msg.Reply, msg.Data)
	}
	must(t, sub.Unsubscribe())
	must(t, publisher.PublishRequest("greet.joe", "reply", nil))
	must(t, publisher.Flush())
	must(t, subscriber.Flush())
	_, err := sub.NextMsg(patience)
	note("after unsubscribe: %v", err)
}

func serverInformation(t *testing.T, server *broker.Server, note func(string, ...any)) {
	nc := connect(t, server, nats.Name("info"))
	id, err := nc.GetClientID()
	note("client id %v %v", id > 0, err)
	ip, err := nc.GetClientIP()
	note("client ip %v %v", ip, err)
	note("max payload %d, headers %v, auth %v, tls %v, cluster %q",
		nc.MaxPayload(), nc.HeadersSupported(), nc.AuthRequired(), nc.TLSRequired(), nc.ConnectedClusterName())
	note("id %d, version %s, servers %d, discovered %d", len(nc.ConnectedServerId()),
		nc.ConnectedServerVersion(), len(nc.Servers()), len(nc.DiscoveredServers()))
	rtt, err := nc.RTT()
	note("rtt %v %v", rtt > 0, err)
}

func wildcards(t *testing.T, server *broker.Server, note func(string, ...any)) {
	publisher, subscriber := connect(t, server), connect(t, server)
	patterns := []string{"a.*", "a.>", "*.b", "a.b", ">", "*", "a.*.c", "$x.>"}
	subs := make([]*nats.Subscription, len(patterns))
	for i, pattern := range patterns {
		subs[i] = subscribe(t, subscriber, pattern)
	}
	subjects := []string{"a", "a.b", "a.c", "b.b", "a.b.c", "a.b.c.d", "$x.y", "end"}
	for _, subject := range subjects {
		must(t, publisher.Publish(subject, nil))
	}
	must(t, publisher.Flush())
	must(t, subscriber.Flush())
	for i, sub := range subs {
		count, _, err := sub.Pending()
		must(t, err)
		for range count {
			note("%s got %s", patterns[i], next(t, sub).Subject)
		}
	}
}

func queueGroup(t *testing.T, server *broker.Server, note func(string, ...any)) {
	const members, messages = 5, 2000
	received := make(chan *nats.Msg, members*messages)
	for range members {
		nc := connect(t, server)
		_, err := nc.ChanQueueSubscribe("work.*", "workers", received)
		must(t, err)
		must(t, nc.Flush())
	}
	publisher := connect(t, server)
	for i := range messages {
		must(t, publisher.Publish(fmt.Sprintf("work.%d", i), nil))
	}
	must(t, publisher.Flush())
	counts := map[string]int{}
	for range messages {
		counts[(<-received).Subject]++
	}
	for _, subject := range slices.Sorted(maps.Keys(counts)) {
		note("%s %d", subject, counts[subject])
	}
	note("and %d more", len(received))
}

func request(t *testing.T, server *broker.Server, note func(string, ...any)) {
	service, client := connect(t, server), connect(t, server)
	_, err := service.Subscribe("double", func(m *nats.Msg) { must(t, m.Respond(append(m.Data, m.Data...))) })
	must(t, err)
	must(t, service.Flush())
	for i := range 100 {
		reply, err := client.Request("double", fmt.Appendf(nil, "%d", i), patience)
		must(t, err)
		note("%s", reply.Data)
	}
	old := connect(t, server, nats.UseOldRequestStyle())
	reply, err := old.Request("double", []byte("old"), patience)
	must(t, err)
	note("%s", reply.Data)
}

func requestMany(t *testing.T, server *broker.Server, note func(string, ...any)) {
	for i := range 5 {
		service := connect(t, server)
		_, err := service.Subscribe("who", func(m *nats.Msg) { must(t, m.Respond(fmt.Appendf(nil, "service %d", i))) })
		must(t, err)
		must(t, service.Flush())
	}
	client := connect(t, server)
	inbox := subscribe(t, client, client.NewRespInbox())
	must(t, client.PublishRequest("who", inbox.Subject, nil))
	var replies []string
	for range 5 {
		replies = append(replies, string(next(t, inbox).Data))
	}
	slices.Sort(replies)
	note("%q", replies)
}

func noResponders(t *testing.T, server *broker.Server, note func(string, ...any)) {
	nc := connect(t, server)
	_, err := nc.Request("nobody.home", []byte("?"), patience)
	note("%v %v", errors.Is(err, nats.ErrNoResponders), err)
	inbox := subscribe(t, nc, nc.NewRespInbox())
	must(t, nc.PublishRequest("nobody", inbox.Subject, nil))
	_, err = inbox.NextMsg(patience)
	note("%v", err)
	sub := subscribe(t, nc, "somebody")
	must(t, nc.PublishRequest("somebody", inbox.Subject, nil))
	note("%q", next(t, sub).Data)
}

func headers(t *testing.T, server *broker.Server, note func(string, ...any)) {
	publisher, subscriber := connect(t, server), connect(t, server)
	sub := subscribe(t, subscriber, "letters")
	msg := nats.NewMsg("letters")
	msg.Reply = "back"
	msg.Header.Set("Color", "red")
	msg.Header.Add("Color", "blue")
	msg.Header.Set("empty", "")
	msg.Header.Set("Word", "çødé")
	msg.Data = []byte("body")
	must(t, publisher.PublishMsg(msg))
	msg.Data = nil
	must(t, publisher.PublishMsg(msg))
	for range 2 {
		got := next(t, sub)
		note("%v %q %q", got.Header, got.Reply, got.Data)
	}
}

func unsubscribeAfter(t *testing.T, server *broker.Server, note func(string, ...any)) {
	publisher, subscriber := connect(t, server), connect(t, server)
	sub, err := subscriber.SubscribeSync("ten")
	must(t, err)
	must(t, sub.AutoUnsubscribe(10))
	must(t, subscriber.Flush())
	for i := range 20 {
		must(t, publisher.Publish("ten", fmt.Appendf(nil, "%d", i)))
	}
	must(t, publisher.Flush())
	must(t, subscriber.Flush())
	for range 10 {
		note("%s", next(t, sub).Data)
	}
	_, err = sub.NextMsg(patience)
	note("%v", err)
}

func drain(t *testing.T, server *broker.Server, note func(string, ...any)) {
	const messages = 5000
	closed := make(chan struct{})
	subscriber := connect(t, server, nats.ClosedHandler(func(*nats.Conn) { close(closed) }), nats.DrainTimeout(patience))
	var count atomic.Int64
	_, err := subscriber.Subscribe("many", func(*nats.Msg) { count.Add(1) })
	must(t, err)
	must(t, subscriber.Flush())
	publisher := connect(t, server)
	for range messages {
		must(t, publisher.Publish("many", []byte("x")))
	}
	must(t, publisher.Flush())
	must(t, subscriber.Drain())
	<-closed
	note("got %d, last error %v", count.Load(), subscriber.LastError())
	must(t, publisher.Drain())
}

func flush(t *testing.T, server *broker.Server, note func(string, ...any)) {
	nc := connect(t, server)
	for i := range 200 {
		must(t, nc.Publish("nobody", nil))
		must(t, nc.Flush())
		if i == 0 {
			note("flushed")
		}
	}
	note("out %d, in %d", nc.Stats().OutMsgs, nc.Stats().InMsgs)
}

func tooLarge(t *testing.T, server *broker.Server, note func(string, ...any)) {
	nc := connect(t, server)
	sub := subscribe(t, nc, "big")
	must(t, nc.Publish("big", make([]byte, nc.MaxPayload())))
	note("%d", len(next(t, sub).Data))
	note("%v", nc.Publish("big", make([]byte, nc.MaxPayload()+1)))
}

func noEcho(t *testing.T, server *broker.Server, note func(string, ...any)) {
	quiet, other := connect(t, server, nats.NoEcho()), connect(t, server)
	own, others := subscribe(t, quiet, "room"), subscribe(t, other, "room")
	must(t, quiet.Publish("room", []byte("from quiet")))
	must(t, quiet.Flush())
	must(t, other.Publish("room", []byte("from other")))
	note("%s", next(t, own).Data)
	note("%s", next(t, others).Data)
	note("%s", next(t, others).Data)
}
