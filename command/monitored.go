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
	node     *node.Node
	settings *settings
	httpPort int
	phase    atomic.Int32
}

// Varz implements [monitor.Source].
func (m *monitored) Varz() monitor.Varz {
	options := &m.settings.Node
	v := monitor.Varz{
		ServerID:         m.node.ID(),
		ServerName:       m.node.Name(),
		Version:          node.ProtocolVersion,
		ShoalVersion:     node.Version,
		Proto:            1,
		Host:             options.Host,
		Port:             options.Port,
		AuthRequired:     options.Authenticator != nil,
		MaxConnections:   options.MaxConnections,
		MaxSubscriptions: options.MaxSubscriptions,
		PingInterval:     options.PingInterval,
		MaxPingsOut:      options.MaxPingsOut,
		HTTPHost:         m.settings.monitorHost(),
		HTTPPort:         m.httpPort,
		AuthTimeout:      options.AuthTimeout.Seconds(),
		MaxControlLine:   options.MaxControlLine,
		MaxPayload:       options.MaxPayload,
		MaxPending:       options.MaxPending,
		WriteDeadline:    options.WriteDeadline,
		Cluster:          m.clusterVarz(),
	}
	if m.phase.Load() == phaseStarting {
		return v // a node may not be asked for the rest before it has started
	}
	stats := m.node.Stats()
	v.Port = portOf(m.node.Addr())
	v.ConnectURLs = m.node.ConnectURLs()
	v.Start = stats.Start.UTC()
	v.Connections = stats.Connections
	v.TotalConnections = stats.TotalConnections
	v.Routes = stats.Routes
	v.Remotes = stats.Remotes
	v.InMsgs = stats.InMsgs
	v.InBytes = stats.InBytes
	v.OutMsgs = stats.OutMsgs
	v.OutBytes = stats.OutBytes
	v.SlowConsumers = stats.SlowConsumers
	v.StaleConnections = stats.StaleConnections
	v.StalledClients = stats.StalledClients
	v.Subscriptions = stats.Subscriptions
	return v
}

func (m *monitored) clusterVarz() monitor.ClusterVarz {
	options := &m.settings.Node.Cluster
	if options.Port == 0 {
		return monitor.ClusterVarz{}
	}
	v := monitor.ClusterVarz{
		Name:        m.node.ClusterName(),
		Host:        options.Host,
		Port:        options.Port,
		AuthTimeout: m.settings.Node.AuthTimeout.Seconds(),
		PoolSize:    options.PoolSize,
	}
	for _, u := range options.Routes {
		v.URLs = append(v.URLs, u.Host)
	}
	if m.phase.Load() != phaseStarting {
		v.Port = portOf(m.node.ClusterAddr())
	}
	return v
}

// Routez implements [monitor.Source].
func (m *monitored) Routez() monitor.Routez {
	z := monitor.Routez{ServerID: m.node.ID(), ServerName: m.node.Name(), Routes: []monitor.Route{}}
	for _, r := range m.node.Routes() {
		z.Routes = append(z.Routes, monitor.Route{
			ID:            r.ID,
			RemoteID:      r.RemoteID,
			RemoteName:    r.RemoteName,
			Solicited:     r.Solicited,
			Configured:    r.Configured,
			IP:            r.IP,
			Port:          r.Port,
			Start:         r.Start.UTC(),
			LastActivity:  r.LastActivity.UTC(),
			RoundTrip:     r.RTT,
			Pending:       r.Pending,
			InMsgs:        r.InMsgs,
			OutMsgs:       r.OutMsgs,
			InBytes:       r.InBytes,
			OutBytes:      r.OutBytes,
			Subscriptions: r.Subscriptions,
			Account:       r.Account,
			Compression:   r.Compression,
			Shoal:         r.Shoal,
			Synchronized:  r.Synchronized,
		})
	}
	return z
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
