package monitor

import (
	"bytes"
	"encoding/json"
	"net/http"
	"regexp"
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
}

// NewHandler returns a handler that serves what m knows.
func NewHandler(m *Monitor) *Handler { return &Handler{m, newMetrics(m)} }

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
		q := &query{values: r.URL.Query()}
		answer, err := make(h.Monitor, q)
		if q.err != nil {
			err = q.err // the answer is for what could be understood
		}
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		body, err := json.MarshalIndent(answer, "", "  ")
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
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
