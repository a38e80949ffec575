package monitor

import (
	"fmt"
	"net/url"
	"strconv"
	"strings"

	"shoal/node"
)

// query are the parameters of a request. The first one that is wrong is in err.
type query struct {
	values url.Values
	err    error
}

func (q *query) text(name string) string { return q.values.Get(name) }

// fail notes what is wrong with a parameter.
func (q *query) fail(name, what string) {
	if q.err == nil {
		q.err = fmt.Errorf("%s: %.40q is not %s", name, q.text(name), what)
	}
}

func (q *query) flag(name string) bool {
	if q.text(name) == "" {
		return false
	}
	yes, err := strconv.ParseBool(q.text(name))
	if err != nil {
		q.fail(name, "true or false, 1 or 0")
	}
	return yes
}

// number returns a whole number, 0 if there is none.
func (q *query) number(name string) int {
	if q.text(name) == "" {
		return 0
	}
	n, err := strconv.Atoi(q.text(name))
	if err != nil {
		q.fail(name, "a whole number")
	}
	return n
}

// detail reads what is asked about subscriptions: their subjects, or everything about them.
func (q *query) detail(name string) (subjects, all bool) {
	if strings.EqualFold(q.text(name), "detail") {
		return false, true
	}
	return q.flag(name), false
}

func (q *query) connz() (o ConnzOptions) {
	o = ConnzOptions{
		Sort:    q.text("sort"),
		Auth:    q.flag("auth"),
		Offset:  q.number("offset"),
		Limit:   q.number("limit"),
		User:    q.text("user"),
		Account: q.text("acc"),
		Subject: q.text("filter_subject"),
		MQTT:    q.text("mqtt_client"),
	}
	o.Subscriptions, o.SubscriptionsDetail = q.detail("subs")
	if text := q.text("cid"); text != "" {
		var err error
		if o.CID, err = strconv.ParseUint(text, 10, 64); err != nil {
			q.fail("cid", "the number of a connection")
		}
	}
	switch strings.ToLower(q.text("state")) {
	case "", "open":
	case "closed":
		o.State = node.ConnectionClosed
	case "any", "all":
		o.State = node.ConnectionAny
	default:
		q.fail("state", "open, closed or any")
	}
	return o
}

func (q *query) routez() (o RoutezOptions) {
	o.Subscriptions, o.SubscriptionsDetail = q.detail("subs")
	return o
}

func (q *query) subsz() SubszOptions {
	return SubszOptions{
		Subscriptions: q.flag("subs"),
		Offset:        q.number("offset"),
		Limit:         q.number("limit"),
		Account:       q.text("acc"),
		Test:          q.text("test"),
	}
}

func (q *query) accountz() AccountzOptions { return AccountzOptions{Account: q.text("acc")} }

func (q *query) accountStatz() AccountStatzOptions {
	return AccountStatzOptions{IncludeUnused: q.flag("unused")}
}

func (q *query) healthz() HealthzOptions {
	return HealthzOptions{
		Alive:      q.flag("js-enabled") || q.flag("js-enabled-only"),
		ServerOnly: q.flag("js-server-only"),
		MetaOnly:   q.flag("js-meta-only"),
		Account:    q.text("account"),
		Stream:     q.text("stream"),
		Consumer:   q.text("consumer"),
		Details:    q.flag("details"),
		MinPeers:   q.number("min-peers"),
	}
}
