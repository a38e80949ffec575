package monitor

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
)

// HealthzOptions are what is asked about the health of a node.
type HealthzOptions struct {
	// Alive asks only whether the process answers, which a lame duck does as well. It has the name that
	// probes of NATS servers use for what should not be restarted without need.
	Alive bool `json:"js-enabled-only,omitempty"`
	// ServerOnly and MetaOnly limit what is looked at of streams. There are none, so they change nothing.
	ServerOnly bool `json:"js-server-only,omitempty"`
	MetaOnly   bool `json:"js-meta-only,omitempty"`
	// Account, Stream and Consumer are what else should be healthy. None can be found unhealthy.
	Account  string `json:"account,omitempty"`
	Stream   string `json:"stream,omitempty"`
	Consumer string `json:"consumer,omitempty"`
	// Details asks for a list of errors.
	Details bool `json:"details,omitempty"`
	// MinPeers is the number of other nodes whose interest must be known.
	MinPeers int `json:"min-peers,omitempty"`
}

// Healthz is the answer of /healthz.
type Healthz struct {
	Status     string        `json:"status"` // ok, unavailable or error
	StatusCode int           `json:"status_code,omitempty"`
	Error      string        `json:"error,omitempty"`
	Errors     []HealthError `json:"errors,omitempty"`
}

// HealthError is one thing that is wrong.
type HealthError struct {
	Type  string `json:"type"`
	Error string `json:"error,omitempty"`
}

// Healthz tells whether the node should get clients.
func (m *Monitor) Healthz(o HealthzOptions) Healthz {
	code, kind := http.StatusServiceUnavailable, "CONNECTION"
	var err error
	switch {
	case o.Stream != "" && o.Account == "":
		code, kind, err = http.StatusBadRequest, "BAD_REQUEST", errors.New("stream: needs account as well")
	case o.Consumer != "" && o.Stream == "":
		code, kind, err = http.StatusBadRequest, "BAD_REQUEST", errors.New("consumer: needs stream as well")
	case o.MinPeers < 0:
		code, kind, err = http.StatusBadRequest, "BAD_REQUEST", fmt.Errorf("min-peers: %d is negative", o.MinPeers)
	case o.Alive:
	default:
		if err = m.source.Healthy(); err == nil {
			err = m.connected(o.MinPeers)
		}
	}
	if err == nil {
		return Healthz{Status: "ok", StatusCode: http.StatusOK}
	}
	z := Healthz{Status: "unavailable", StatusCode: code, Error: err.Error()}
	if code == http.StatusBadRequest {
		z.Status = "error"
	}
	if o.Details {
		z.Error, z.Errors = "", []HealthError{{kind, err.Error()}}
	}
	return z
}

// connected returns an error unless the interest of so many other nodes is known, and all that there is of
// those that were there when the node started.
func (m *Monitor) connected(peers int) error {
	n := m.source.Node()
	if !n.Ready() {
		return errors.New("the server does not know yet what its peers subscribe to")
	}
	if peers == 0 {
		return nil
	}
	complete := make(map[string]bool)
	for _, r := range n.Routes() {
		known, ok := complete[r.RemoteID]
		complete[r.RemoteID] = r.Synchronized && (known || !ok)
	}
	have := 0
	for _, ok := range complete {
		if ok {
			have++
		}
	}
	if have < peers {
		return fmt.Errorf("the server has complete routes to %d others, less than %d", have, peers)
	}
	return nil
}

func (h *Handler) healthz(w http.ResponseWriter, r *http.Request) {
	q := &query{values: r.URL.Query()}
	o := q.healthz()
	if q.err != nil {
		http.Error(w, q.err.Error(), http.StatusBadRequest)
		return
	}
	z := h.Healthz(o)
	code := z.StatusCode
	z.StatusCode = 0 // it is the status of the response
	body, err := json.Marshal(z)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	reply(w, r, code, body)
}
