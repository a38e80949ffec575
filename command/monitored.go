package command

import (
	"errors"
	"sync/atomic"

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
	node                *node.Node
	settings            *settings
	httpPort, httpsPort int
	phase               atomic.Int32
}

// Node implements [monitor.Source].
func (m *monitored) Node() *node.Node { return m.node }

// Started implements [monitor.Source].
func (m *monitored) Started() bool { return m.phase.Load() != phaseStarting }

// Complete implements [monitor.Source].
func (m *monitored) Complete(v *monitor.Varz) {
	v.HTTPHost, v.HTTPPort, v.HTTPBasePath = m.settings.monitorHost(), m.httpPort, m.settings.Monitor.BasePath
	v.HTTPSPort = m.httpsPort
	v.ConfigDigest = m.settings.Digest
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
