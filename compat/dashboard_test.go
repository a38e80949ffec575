package compat

import (
	"context"
	"fmt"
	"os"
	"syscall"
	"testing"

	"github.com/nats-io/nats.go"

	"shoal/compat/internal/browser"
	"shoal/compat/internal/mesh"
)

// markup is the name of a client that would rather be part of the page.
const markup = `<img src=x onerror="document.title='broken in'">`

// legible is true if no text of the pictures is cut off or overlaps another one.
const legible = `["mesh", "rates"].every(id => {
	const all = document.getElementById(id).getBoundingClientRect();
	const texts = [...document.querySelectorAll("#" + id + " text")].map(e => e.getBoundingClientRect());
	return texts.length > 3 && texts.every((a, i) =>
		a.left >= all.left - 1 && a.right <= all.right + 1 && a.top >= all.top - 1 && a.bottom <= all.bottom + 1 &&
		texts.every((b, j) => i === j || a.right <= b.left + 1 || b.right <= a.left + 1 || a.bottom <= b.top + 4 || b.bottom <= a.top + 4));
})`

// seen is a page with the dashboard.
type seen struct {
	t    *testing.T
	ctx  context.Context
	page *browser.Page
}

// is reports whether an expression is true on the page.
func (s *seen) is(expression string) bool {
	s.t.Helper()
	var yes bool
	must(s.t, s.page.Evaluate(s.ctx, "Boolean("+expression+")", &yes))
	return yes
}

// await waits until an expression is true.
func (s *seen) await(expression string) {
	s.t.Helper()
	awaitTrue(s.t, expression, func() bool { return s.is(expression) })
}

func (s *seen) call(method string, params map[string]any) {
	s.t.Helper()
	must(s.t, s.page.Call(s.ctx, method, params, nil))
}

// press presses a key and lets it go.
func (s *seen) press(key string) {
	s.t.Helper()
	for _, kind := range []string{"keyDown", "keyUp"} {
		s.call("Input.dispatchKeyEvent", map[string]any{"type": kind, "key": key, "code": key})
	}
}

// TestDashboard looks at the page of one node while the cluster, of which one server is a nats-server,
// changes.
func TestDashboard(t *testing.T) {
	b := newBrowser(t)
	m := newMesh(t, mesh.Options{Kinds: "sssn"})
	for _, n := range m.Nodes {
		n.Name += ".broker.example.com" // which is left out, as all have it
	}
	must(t, m.Start())
	awaitMesh(t, m)
	nc := connectNode(t, m.Nodes[1], nats.Name(markup))
	_, err := nc.SubscribeSync("orders.>")
	must(t, err)
	flushAll(t, nc)

	ctx, cancel := context.WithTimeout(t.Context(), pagePatience)
	defer cancel()
	page, err := b.Open(ctx, m.Nodes[0].MonitorURL()+"/")
	must(t, err)
	s := &seen{t, ctx, page}
	s.await(`document.querySelectorAll(".server.ok").length === 3`)
	s.await(`document.querySelectorAll(".server.foreign").length === 1`)
	s.await(`document.querySelectorAll(".link").length === 6`)
	s.await(`document.getElementById("servers").tBodies[0].rows.length === 4`)
	s.await(`document.getElementById("alerts").hidden`)
	s.await(`[...document.querySelectorAll(".server text:not(.small)")].map(e => e.textContent).sort().join() === "node0,node1,node2,node3"`)
	s.await(legible)

	t.Run("connections", func(t *testing.T) {
		s := &seen{t, ctx, page}
		const rows = `document.getElementById("connections").tBodies[0].rows`
		s.await(fmt.Sprintf(`%s.length === 1 && %[1]s[0].cells[0].textContent === %q`, rows, markup))
		const search = `document.querySelector("#connections-form input")`
		s.is(search + `.focus(), ` + search + `.value = "nobody", ` + search + `.dispatchEvent(new Event("input", {bubbles: true}))`)
		s.await(rows + `.length === 0`)
		s.is(search + `.value = "ONERROR", ` + search + `.dispatchEvent(new Event("input", {bubbles: true}))`)
		s.await(rows + `.length === 1`)
	})
	t.Run("keyboard", func(t *testing.T) {
		s := &seen{t, ctx, page}
		s.is(fmt.Sprintf(`document.querySelector('.server[data-id="%s"]').focus()`, m.Nodes[0].ID()))
		s.press("Enter")
		s.await(fmt.Sprintf(`document.querySelector("#connections-form select").value === %q`, m.Nodes[0].ID()))
		s.is(`document.querySelector("#connections th[aria-sort] button").focus()`)
		s.await(`document.activeElement.tagName === "BUTTON"`)
	})
	t.Run("phone, light and dark", func(t *testing.T) {
		s := &seen{t, ctx, page}
		s.call("Emulation.setDeviceMetricsOverride", map[string]any{"width": 390, "height": 844, "deviceScaleFactor": 2, "mobile": true})
		s.await(`document.documentElement.scrollWidth <= 390`)
		s.await(legible)
		const servers = `document.querySelector("#connections-form select")` // a server may be named after its machine
		s.await(`!` + servers + `.add(new Option("a.long.name.".repeat(9))) && document.documentElement.scrollWidth <= 390`)
		const ground = `getComputedStyle(document.body).backgroundColor`
		for scheme, want := range map[string]string{"light": "rgb(246, 248, 249)", "dark": "rgb(16, 23, 28)"} {
			s.call("Emulation.setEmulatedMedia", map[string]any{
				"features": []map[string]string{{"name": "prefers-color-scheme", "value": scheme}},
			})
			s.await(fmt.Sprintf("%s === %q", ground, want))
		}
		s.call("Emulation.clearDeviceMetricsOverride", map[string]any{})
	})

	must(t, m.Nodes[2].Kill())
	s.await(`document.querySelectorAll(".server.failed").length === 1`)
	s.await(`!document.getElementById("alerts").hidden`)
	s.await(`document.querySelectorAll(".link").length === 3`)

	if complaints := page.Complaints(); len(complaints) > 0 {
		t.Errorf("the browser complains: %q", complaints)
	}
	t.Run("the server that tells hangs", func(t *testing.T) {
		s := &seen{t, ctx, page}
		s.await(`document.body.className === "live"`)
		must(t, m.Nodes[0].Signal(syscall.SIGSTOP))
		s.await(`document.body.className === "stale"`)
		must(t, m.Nodes[0].Signal(syscall.SIGCONT))
		s.await(`document.body.className === "live"`)
	})

	if !s.is(`performance.getEntriesByType("resource").every(r => r.name.startsWith(location.origin))`) {
		t.Error("the page has asked others for something")
	}
	if s.is(`document.title === "broken in"`) {
		t.Error("the name of a client has become part of the page")
	}
	if file := os.Getenv("COMPAT_SCREENSHOT"); file != "" {
		must(t, page.Screenshot(ctx, file))
	}
}
