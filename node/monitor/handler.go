package monitor

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"regexp"
	"sync/atomic"
)

// page answers one kind of request.
type page func(h *Handler, w http.ResponseWriter, r *http.Request)

// pages are the answers by path.
var pages = map[string]page{
	"/":                      (*Handler).dashboard,
	"/accountz":              document(func(m *Monitor, q *query) (any, error) { return m.Accountz(q.accountz()) }),
	"/accstatz":              document(func(m *Monitor, q *query) (any, error) { return m.AccountStatz(q.accountStatz()), nil }),
	"/clusterz":              document(func(m *Monitor, _ *query) (any, error) { return m.Clusterz(), nil }),
	"/connz":                 document(func(m *Monitor, q *query) (any, error) { return m.Connz(q.connz()) }),
	"/dashboard/app.js":      (*Handler).dashboard,
	"/dashboard/connections": (*Handler).dashboard,
	"/dashboard/events":      (*Handler).dashboard,
	"/dashboard/icon.svg":    (*Handler).dashboard,
	"/dashboard/style.css":   (*Handler).dashboard,
	"/debug/vars":            document(func(m *Monitor, _ *query) (any, error) { return m.Expvarz(), nil }),
	"/expvarz":               document(func(m *Monitor, _ *query) (any, error) { return m.Expvarz(), nil }),
	"/gatewayz":              document(func(m *Monitor, _ *query) (any, error) { return m.Gatewayz(), nil }),
	"/healthz":               (*Handler).healthz,
	"/ipqueuesz":             document(func(*Monitor, *query) (any, error) { return struct{}{}, nil }),
	"/jsz":                   document(func(m *Monitor, _ *query) (any, error) { return m.Jsz(), nil }),
	"/leafz":                 document(func(m *Monitor, _ *query) (any, error) { return m.Leafz(), nil }),
	"/metrics":               (*Handler).metrics,
	"/raftz":                 (*Handler).raftz,
	"/routez":                document(func(m *Monitor, q *query) (any, error) { return m.Routez(q.routez()), nil }),
	"/stacksz":               (*Handler).stacksz,
	"/subscriptionsz":        document(func(m *Monitor, q *query) (any, error) { return m.Subsz(q.subsz()) }),
	"/subsz":                 document(func(m *Monitor, q *query) (any, error) { return m.Subsz(q.subsz()) }),
	"/varz":                  document(func(m *Monitor, _ *query) (any, error) { return m.Varz(), nil }),
}

// Handler serves the documents of a monitor.
type Handler struct {
	*Monitor
	scrape http.Handler // of metrics
	// turn has room for whoever makes an answer. So those who ask too much take no more than one processor
	// from those who send messages.
	turn chan struct{}
	// underWay are the bytes of answers that have not been read yet.
	underWay atomic.Int64
}

// mostUnderWay bounds the memory for answers, in bytes.
const mostUnderWay = 64 << 20

// NewHandler returns a handler that serves what m knows.
func NewHandler(m *Monitor) *Handler {
	h := &Handler{Monitor: m, turn: make(chan struct{}, 1)}
	h.scrape = newMetrics(h)
	return h
}

// inTurn calls f when it is the caller's turn. It does not if nobody waits for it any more.
func (h *Handler) inTurn(ctx context.Context, f func()) error {
	select {
	case h.turn <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-h.turn }()
	f()
	return nil
}

// ServeHTTP implements [http.Handler].
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	page, ok := pages[r.URL.Path]
	if !ok {
		http.NotFound(w, r)
		return
	}
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "only GET is answered here", http.StatusMethodNotAllowed)
		return
	}
	h.requests[r.URL.Path].Add(1)
	page(h, w, r)
}

// document makes a page of what make returns for the parameters of a request.
func document(make func(*Monitor, *query) (any, error)) page {
	return func(h *Handler, w http.ResponseWriter, r *http.Request) {
		if h.underWay.Load() > mostUnderWay {
			http.Error(w, "there are too many answers that nobody reads, ask again later", http.StatusServiceUnavailable)
			return
		}
		var body []byte
		status := http.StatusOK
		err := h.inTurn(r.Context(), func() {
			q := &query{values: r.URL.Query()}
			answer, err := make(h.Monitor, q)
			if q.err != nil {
				err = q.err // the answer is for what could be understood
			}
			if err == nil {
				body, err = json.MarshalIndent(answer, "", "  ")
			}
			if err != nil {
				status, body = http.StatusBadRequest, []byte(err.Error())
			}
		})
		if err != nil {
			return // nobody is there
		}
		if status != http.StatusOK {
			http.Error(w, string(body), status)
			return
		}
		h.underWay.Add(int64(len(body)))
		defer h.underWay.Add(-int64(len(body)))
		reply(w, r, http.StatusOK, body)
	}
}

// callbackName is a JavaScript name, dots allowed. Anything else would let a link inject script
// into the page that includes the answer.
var callbackName = regexp.MustCompile(`^[A-Za-z_$][A-Za-z0-9_$]*(\.[A-Za-z_$][A-Za-z0-9_$]*)*$`)

// reply sends body as JSON, or as a call of the function that ?callback= names.
func reply(w http.ResponseWriter, r *http.Request, status int, body []byte) {
	callback := r.URL.Query().Get("callback")
	if callback != "" && !callbackName.MatchString(callback) {
		http.Error(w, "callback: not the name of a function", http.StatusBadRequest)
		return
	}
	header := w.Header()
	header.Set("Access-Control-Allow-Origin", "*")
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("Content-Type", "application/json")
	if callback != "" {
		header.Set("Content-Type", "application/javascript")
		body = bytes.Join([][]byte{[]byte(callback + "("), body, []byte(")")}, nil)
	}
	w.WriteHeader(status)
	// An error means that the reader has gone; there is nobody left to tell.
	_, _ = w.Write(body)
}
