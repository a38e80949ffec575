package command

import (
	"errors"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"shoal/node"
	"shoal/node/monitor"
)

// phase is how far a server is in its life.
type phase = int32

const (
	phaseStarting phase = iota // it may be waiting for its peers
	phaseServing
	phaseLeaving // as a lame duck
	phaseStopping
)

// monitored shows a node to its monitor.
type monitored struct {
	node      *node.Node
	documents *monitor.Monitor
	current   atomic.Pointer[settings] // replaced by a reload
	loaded    atomic.Pointer[time.Time]
	listener  atomic.Pointer[httpServer] // nil if there is none
	phase     atomic.Int32
}

// Node implements [monitor.Source].
func (m *monitored) Node() *node.Node { return m.node }

// Started implements [monitor.Source].
func (m *monitored) Started() bool { return m.phase.Load() != phaseStarting }

// settings returns what the server is told at this moment.
func (m *monitored) settings() *settings { return m.current.Load() }

// become has the settings be those of the server.
func (m *monitored) become(s *settings) {
	now := time.Now()
	m.loaded.Store(&now)
	m.current.Store(s)
}

// monitoringPorts returns the port of monitoring, in clear or over TLS; 0 is none.
func (m *monitored) monitoringPorts() (http, https int) {
	switch l := m.listener.Load(); {
	case l == nil:
		return 0, 0
	case l.scheme == "https":
		return 0, l.port()
	default:
		return l.port(), 0
	}
}

// below returns a handler that has the pages of another one below the base path. The path itself leads to the
// first page, whose parts are relative to it.
func (m *monitored) below(pages http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		handler := pages
		if base := strings.Trim(m.settings().Monitor.BasePath, "/"); base != "" {
			if r.URL.Path == "/"+base {
				http.Redirect(w, r, "/"+base+"/", http.StatusTemporaryRedirect)
				return
			}
			handler = http.StripPrefix("/"+base, pages)
		}
		handler.ServeHTTP(w, r)
	})
}

// Complete implements [monitor.Source].
func (m *monitored) Complete(v *monitor.Varz) {
	s := m.settings()
	v.HTTPHost, v.HTTPBasePath = s.monitorHost(), s.Monitor.BasePath
	v.HTTPPort, v.HTTPSPort = m.monitoringPorts()
	v.ConfigDigest, v.ConfigLoaded = s.Digest, m.loaded.Load().UTC()
}

// Healthy implements [monitor.Source].
func (m *monitored) Healthy() error {
	switch m.phase.Load() {
	case phaseStarting:
		return errors.New("the server is starting")
	case phaseLeaving:
		return errors.New("the server is a lame duck, its clients are moving to others")
	case phaseStopping:
		return errors.New("the server is shutting down")
	}
	if m.node.Draining() {
		return errors.New("the server drains, its clients are moving to others")
	}
	return nil
}
