package command

import (
	"errors"
	"sync/atomic"

	"shoal/node"
	"shoal/node/monitor"
)

// monitored shows a node to its monitor.
type monitored struct {
	node     *node.Node
	settings *settings
	httpPort int
	stopping atomic.Bool // whether the shutdown has begun
}

// Varz implements [monitor.Source].
func (m *monitored) Varz() monitor.Varz {
	stats, options := m.node.Stats(), m.settings.node
	return monitor.Varz{
		ServerID:         m.node.ID(),
		ServerName:       m.node.Name(),
		Version:          node.ProtocolVersion,
		ShoalVersion:     node.Version,
		Proto:            1,
		Host:             options.Host,
		Port:             portOf(m.node.Addr()),
		AuthRequired:     options.Authenticator != nil,
		MaxConnections:   options.MaxConnections,
		MaxSubscriptions: options.MaxSubscriptions,
		PingInterval:     options.PingInterval,
		MaxPingsOut:      options.MaxPingsOut,
		HTTPHost:         options.Host,
		HTTPPort:         m.httpPort,
		AuthTimeout:      options.AuthTimeout.Seconds(),
		MaxControlLine:   options.MaxControlLine,
		MaxPayload:       options.MaxPayload,
		MaxPending:       options.MaxPending,
		WriteDeadline:    options.WriteDeadline,
		Start:            stats.Start.UTC(),
		Connections:      stats.Connections,
		TotalConnections: stats.TotalConnections,
		InMsgs:           stats.InMsgs,
		InBytes:          stats.InBytes,
		OutMsgs:          stats.OutMsgs,
		OutBytes:         stats.OutBytes,
		SlowConsumers:    stats.SlowConsumers,
		StaleConnections: stats.StaleConnections,
		StalledClients:   stats.StalledClients,
		Subscriptions:    stats.Subscriptions,
	}
}

// Healthy implements [monitor.Source].
func (m *monitored) Healthy() error {
	if m.stopping.Load() {
		return errors.New("the server is shutting down")
	}
	return nil
}
