// Package monitor answers what a person or a tool asks about a running node over HTTP: GET requests,
// JSON answers, field names that the tools of NATS already know. It writes nothing and changes
// nothing, and it asks for no password: bind it to an address that only friends can reach.
package monitor

import (
	"encoding/json"
	"html/template"
	"net/http"
	"regexp"
	"runtime"
	"sync/atomic"
	"time"
)

// Source is the node that is looked at. Its methods are called by many goroutines at once.
type Source interface {
	// Varz describes the node at this moment. The fields that are facts of the process or of the
	// monitor itself, see [Varz], may stay empty.
	Varz() Varz
	// Routez describes the connections to other servers.
	Routez() Routez
	// Clusterz describes the cluster as the node sees it.
	Clusterz() Clusterz
	// Healthy returns nil while the node accepts clients, or why it does not.
	Healthy() error
}

// Handler serves the monitoring pages of one node.
type Handler struct {
	source   Source
	process  *process
	pages    map[string]http.HandlerFunc
	requests map[string]*atomic.Int64
}

// New returns a handler that describes source.
func New(source Source) *Handler {
	h := &Handler{source: source, process: newProcess(), requests: map[string]*atomic.Int64{}}
	h.pages = map[string]http.HandlerFunc{
		"/":         h.index,
		"/clusterz": h.clusterz,
		"/healthz":  h.healthz,
		"/routez":   h.routez,
		"/varz":     h.varz,
	}
	for path := range h.pages {
		h.requests[path] = new(atomic.Int64)
	}
	return h
}

// ServeHTTP implements [http.Handler].
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	page, ok := h.pages[r.URL.Path]
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
	page(w, r)
}

func (h *Handler) varz(w http.ResponseWriter, r *http.Request) {
	v := h.source.Varz()
	v.Now = time.Now().UTC()
	v.Uptime = uptimeSince(v.Start, v.Now)
	v.GoVersion = runtime.Version()
	v.Cores = runtime.NumCPU()
	v.MaxProcs = runtime.GOMAXPROCS(0)
	v.Mem = residentMemory()
	v.CPU = h.process.cpuPercent(v.Now)
	v.HTTPRequests = make(map[string]int64, len(h.requests))
	for path, count := range h.requests {
		v.HTTPRequests[path] = count.Load()
	}
	replyIndented(w, r, v)
}

func (h *Handler) healthz(w http.ResponseWriter, r *http.Request) {
	status := http.StatusOK
	health := struct {
		Status string `json:"status"`
		Error  string `json:"error,omitempty"`
	}{Status: "ok"}
	if err := h.source.Healthy(); err != nil {
		status, health.Status, health.Error = http.StatusServiceUnavailable, "unavailable", err.Error()
	}
	body, err := json.Marshal(health)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	reply(w, r, status, body)
}

var indexPage = template.Must(template.New("index").Parse(`<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>{{.ServerName}} - shoal</title>
<style>body { font: 16px/1.5 sans-serif; margin: 2em auto; max-width: 40em; padding: 0 1em }</style>
</head>
<body>
<h1>{{.ServerName}}</h1>
<p>shoal {{.ShoalVersion}}, up {{.Uptime}}, {{.Connections}} connections, {{.Routes}} routes</p>
<ul>
<li><a href="/varz">/varz</a>: the node, its limits and its counters</li>
<li><a href="/routez">/routez</a>: its connections to other servers</li>
<li><a href="/clusterz">/clusterz</a>: the members of its cluster, and what is wrong with them</li>
<li><a href="/healthz">/healthz</a>: whether it accepts clients</li>
</ul>
</body>
</html>
`))

func (h *Handler) index(w http.ResponseWriter, _ *http.Request) {
	v := h.source.Varz()
	v.Uptime = uptimeSince(v.Start, time.Now())
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	// An error here means that the reader has gone; there is nobody left to tell.
	_ = indexPage.Execute(w, v)
}

// replyIndented sends an answer in the form that people can read.
func replyIndented(w http.ResponseWriter, r *http.Request, answer any) {
	body, err := json.MarshalIndent(answer, "", "  ")
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	reply(w, r, http.StatusOK, body)
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
		body = append(append([]byte(callback+"("), body...), ')')
	}
	w.WriteHeader(status)
	_, _ = w.Write(body)
}
