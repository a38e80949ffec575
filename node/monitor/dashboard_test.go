package monitor

import (
	"bufio"
	"encoding/json"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"shoal/node"
)

// serveDashboard serves the monitoring pages of a node.
func serveDashboard(t *testing.T) (url string, w *watched) {
	t.Helper()
	w = watch(t, node.Options{ServerName: "lone"})
	s := httptest.NewServer(NewHandler(New(w)))
	t.Cleanup(s.Close)
	t.Cleanup(http.DefaultClient.CloseIdleConnections)
	return s.URL, w
}

func TestDashboardFiles(t *testing.T) {
	url, _ := serveDashboard(t)
	weight := 0
	for path, kind := range map[string]string{
		"/":                    "text/html",
		"/dashboard/app.js":    "text/javascript",
		"/dashboard/style.css": "text/css",
		"/dashboard/icon.svg":  "image/svg+xml",
	} {
		r, err := http.Get(url + path)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(r.Body)
		r.Body.Close()
		if err != nil || r.StatusCode != http.StatusOK || !strings.HasPrefix(r.Header.Get("Content-Type"), kind) {
			t.Errorf("%s: %s, %s, %v", path, r.Status, r.Header.Get("Content-Type"), err)
		}
		if !strings.Contains(r.Header.Get("Content-Security-Policy"), "default-src 'none'") {
			t.Errorf("%s has no strict policy", path)
		}
		weight += len(body)
	}
	if weight > 200<<10 {
		t.Errorf("the page weighs %d bytes", weight)
	}
	r, err := http.Get(url + "/dashboard/none")
	if err != nil {
		t.Fatal(err)
	}
	r.Body.Close()
	if r.StatusCode != http.StatusNotFound {
		t.Errorf("a file that there is not: %s", r.Status)
	}
}

// TestDashboardKeepsItsPolicy looks for what a browser would refuse, or what would let names that clients
// choose become markup.
func TestDashboardKeepsItsPolicy(t *testing.T) {
	forbidden := regexp.MustCompile(`(?i)\sstyle=|<style|<script>|\son[a-z]+="|https?://(?:[^w]|w[^w]|ww[^w]|www\.[^w]|www\.w[^3])|innerHTML|outerHTML|insertAdjacentHTML|eval\(|document\.write|setAttribute\("style`)
	err := fs.WalkDir(dashboardFiles, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		body, err := dashboardFiles.ReadFile(path)
		if err != nil {
			return err
		}
		if found := forbidden.Find(body); found != nil {
			t.Errorf("%s has %q", path, found)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestDashboardEvents(t *testing.T) {
	url, w := serveDashboard(t)
	r, err := http.Get(url + "/dashboard/events")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	if got := r.Header.Get("Content-Type"); got != "text/event-stream" {
		t.Errorf("content type is %q", got)
	}
	lines := bufio.NewScanner(r.Body)
	for events := 0; events < 2 && lines.Scan(); {
		data, ok := strings.CutPrefix(lines.Text(), "data: ")
		if !ok {
			continue
		}
		events++
		var o overview
		if err := json.Unmarshal([]byte(data), &o); err != nil {
			t.Fatal(err)
		}
		if o.Name != "lone" || len(o.Servers) != 1 || o.Servers[0].Figures == nil || o.Degraded == nil || o.Drift == nil {
			t.Errorf("got %s", data)
		}
	}
	if err := w.node.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(io.Discard, r.Body); err != nil {
		t.Errorf("the events of a node that has stopped: %v", err)
	}
}

func TestDashboardWatchersAreBounded(t *testing.T) {
	url, _ := serveDashboard(t)
	for range mostWatchers {
		r, err := http.Get(url + "/dashboard/events")
		if err != nil {
			t.Fatal(err)
		}
		defer r.Body.Close()
		if r.StatusCode != http.StatusOK {
			t.Fatal(r.Status)
		}
	}
	r, err := http.Get(url + "/dashboard/events")
	if err != nil {
		t.Fatal(err)
	}
	r.Body.Close()
	if r.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("one page too many: %s", r.Status)
	}
}

func TestDashboardConnections(t *testing.T) {
	url, w := serveDashboard(t)
	w.client(`CONNECT {"verbose":false,"name":"<b>Büro</b>","lang":"go"}` + "\r\nPING\r\n")
	for query, want := range map[string]int{"": 1, "?filter=b%C3%BCro": 1, "?filter=other": 0, "?sort=msgs_to": 1, "?server=none": 0} {
		r, err := http.Get(url + "/dashboard/connections" + query)
		if err != nil {
			t.Fatal(err)
		}
		var found node.FoundConnections
		err = json.NewDecoder(r.Body).Decode(&found)
		r.Body.Close()
		if err != nil || found.Total != want || len(found.Connections) != want {
			t.Errorf("%s: got %+v, %v; want %d connections", query, found, err, want)
		}
	}
	status := func(path string) int {
		r, err := http.Get(url + path)
		if err != nil {
			t.Fatal(err)
		}
		r.Body.Close()
		return r.StatusCode
	}
	if got := status("/dashboard/connections?sort=none"); got != http.StatusBadRequest {
		t.Errorf("an order that there is not: %d", got)
	}
	w.waiting = true
	for _, path := range []string{"/dashboard/connections", "/dashboard/events"} {
		if got := status(path); got != http.StatusServiceUnavailable {
			t.Errorf("%s of a server that starts: %d", path, got)
		}
	}
}
