package monitor

import (
	"context"
	"embed"
	"encoding/json"
	"fmt"
	"net/http"
	"path"
	"sync"
	"time"

	"shoal/node"
)

//go:embed dashboard
var dashboardFiles embed.FS

const (
	// overviewEvery is how often a page that is open is told how things are.
	overviewEvery = time.Second
	// mostWatchers bounds the pages that are open at once.
	mostWatchers = 64
	// watcherTime bounds how long a page may take to read what it is told.
	watcherTime = 5 * time.Second
)

// dashboardPolicy lets the page use nothing but what this server has: no script or style in the markup,
// nothing from elsewhere, and no other page around it.
const dashboardPolicy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// dashboard is what pages that are open have in common.
type dashboard struct {
	source Source

	// mu guards the rest. It is held while servers are asked, so that they are asked once for all pages.
	mu       sync.Mutex
	made     time.Time
	latest   []byte
	watchers int
}

// dashboard serves a page that shows the cluster while it lives, and what that page asks for.
func (h *Handler) dashboard(w http.ResponseWriter, r *http.Request) {
	header := w.Header()
	header.Set("Content-Security-Policy", dashboardPolicy)
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("Referrer-Policy", "no-referrer")
	header.Set("Cache-Control", "no-cache")
	d := &h.Monitor.dashboard
	switch name := path.Base(r.URL.Path); name {
	case "/":
		http.ServeFileFS(w, r, dashboardFiles, "dashboard/index.html")
	case "events", "connections":
		if !d.source.Started() {
			http.Error(w, "the server is starting", http.StatusServiceUnavailable)
			return
		}
		if name == "events" {
			d.events(w, r)
			return
		}
		d.connections(w, r)
	default:
		http.ServeFileFS(w, r, dashboardFiles, "dashboard/"+name)
	}
}

// overview is what a page is told. Times are in Unix milliseconds.
type overview struct {
	Name     string               `json:"name"`
	Cluster  string               `json:"cluster"`
	Now      int64                `json:"now"`
	Servers  []node.ClusterServer `json:"servers"`
	Degraded []degradedPair       `json:"degraded"`
	Drift    []Drift              `json:"drift"`
}

type degradedPair struct {
	From  string `json:"from"`
	To    string `json:"to"`
	Since int64  `json:"since"`
}

func (d *dashboard) overview(ctx context.Context, history bool) ([]byte, error) {
	n := d.source.Node()
	o := overview{
		Name:     n.Name(),
		Cluster:  n.ClusterName(),
		Servers:  n.Overview(ctx, history),
		Degraded: []degradedPair{},
		Drift:    []Drift{},
	}
	for _, p := range n.Degraded() {
		o.Degraded = append(o.Degraded, degradedPair{p.From, p.To, p.Since.UnixMilli()})
	}
	for _, v := range n.Drift() {
		o.Drift = append(o.Drift, Drift{What: v.Section, Values: v.Values})
	}
	o.Now = time.Now().UnixMilli()
	return json.Marshal(o)
}

// shared returns how things are, not older than a moment.
func (d *dashboard) shared(ctx context.Context) ([]byte, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if time.Since(d.made) < overviewEvery*9/10 {
		return d.latest, nil
	}
	// Others may be waiting for it when this reader goes.
	latest, err := d.overview(context.WithoutCancel(ctx), false)
	if err == nil {
		d.made, d.latest = time.Now(), latest
	}
	return latest, err
}

// watch counts a page that is open. It reports false if there are too many.
func (d *dashboard) watch(n int) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.watchers+n > mostWatchers {
		return false
	}
	d.watchers += n
	return true
}

// events tells a page how things are, as server-sent events, until it goes.
func (d *dashboard) events(w http.ResponseWriter, r *http.Request) {
	if !d.watch(1) {
		http.Error(w, "too many pages are open", http.StatusServiceUnavailable)
		return
	}
	defer d.watch(-1)
	w.Header().Set("Content-Type", "text/event-stream")
	control := http.NewResponseController(w)
	tell := func(what []byte, err error) error {
		if err != nil {
			return err
		}
		if err := control.SetWriteDeadline(time.Now().Add(watcherTime)); err != nil {
			return err
		}
		if _, err := fmt.Fprintf(w, "event: overview\ndata: %s\n\n", what); err != nil {
			return err
		}
		return control.Flush()
	}
	// What a page misses it asks for again by itself, so an error needs no more than to end.
	if _, err := w.Write([]byte("retry: 1000\n\n")); err != nil {
		return
	}
	if tell(d.overview(r.Context(), true)) != nil {
		return
	}
	tick := time.NewTicker(overviewEvery)
	defer tick.Stop()
	for {
		select {
		case <-r.Context().Done():
			return
		case <-d.source.Node().Done():
			return
		case <-tick.C:
			if tell(d.shared(r.Context())) != nil {
				return
			}
		}
	}
}

// connections finds connections in the whole cluster.
func (d *dashboard) connections(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	found, err := d.source.Node().FindConnections(r.Context(), node.ConnectionSearch{
		Sort: q.Get("sort"), Filter: q.Get("filter"), Server: q.Get("server"),
	})
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	body, err := json.Marshal(found)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(body) // an error means that the reader has gone
}
