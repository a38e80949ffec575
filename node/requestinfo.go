package node

import (
	"encoding/json"
	"time"

	"shoal/wire"
)

// requestInfoHeader names the header that tells a service who asks. Services trust it, so one that a
// client has sent itself does not get there.
const requestInfoHeader = "Nats-Request-Info"

// requestInfo is what a service is told of a request that comes from another account.
type requestInfo struct {
	Account string        `json:"acc"`
	Through string        `json:"svc,omitempty"` // the account that has handed it on, if that is another
	RTT     time.Duration `json:"rtt,omitempty"`
}

// introduce gives a request that is about to leave the current account the header that tells of it.
func (w *work) introduce(request *wire.Op) {
	c, ok := w.cache.self.handler.(*client)
	if !ok || c.node.options().NoHeaders {
		return
	}
	info := requestInfo{Account: c.home.Load().name, RTT: c.liveness.roundTrip()}
	if name := w.cache.account.name; name != info.Account {
		info.Through = name
	}
	value, err := json.Marshal(info)
	if err != nil {
		panic(err) // strings and a number always are JSON
	}
	setHeader(request, requestInfoHeader, string(value))
}
