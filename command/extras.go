package command

import (
	"cmp"
	"errors"
	"log/slog"
	"strings"

	"shoal/node"
	"shoal/node/config"
	"shoal/node/monitor"
)

// extras are what a server opens beside the node: listeners for tools, and files for scripts.
// What was not asked for is nil.
type extras struct {
	monitoring *httpServer
	profiling  *httpServer
	pid        *pidFile
	ports      *portsFile
	admin      *adminSocket
}

// openExtras opens all that could fail, so that a server which lacks something does not even start.
// Nothing is visible to others before serve and announce.
func openExtras(s *settings, n *node.Node, logger *slog.Logger) (*extras, error) {
	x, err := (&extras{}).next(&settings{Settings: &config.Settings{}}, s, n)
	if err != nil {
		return nil, err
	}
	if x.admin, err = openAdminSocket(s.AdminSocket, s.Node.Port, logger); err != nil {
		x.closeBut(&extras{})
		return nil, err
	}
	return x, nil
}

// next opens what the settings to ask for beyond those of x, which are from. It shares with x what they have
// in common, and closes nothing of it.
func (x *extras) next(from, to *settings, n *node.Node) (_ *extras, err error) {
	y := *x
	defer func() {
		if err != nil {
			y.closeBut(x)
			err = to.place(err)
		}
	}()
	if to.listensForMonitoring() != from.listensForMonitoring() {
		y.monitoring, err = to.listenForMonitoring(n)
	} else {
		err = to.checkMonitoring()
	}
	if err != nil {
		return nil, err
	}
	if to.ProfilePort != from.ProfilePort {
		y.profiling = nil
		if to.ProfilePort != 0 {
			if y.profiling, err = listenHTTP("--profile", "127.0.0.1", to.ProfilePort, nil); err != nil {
				return nil, err
			}
		}
	}
	if to.PIDFile != from.PIDFile {
		y.pid = nil
		if to.PIDFile != "" {
			if y.pid, err = openPIDFile(to.PIDFile); err != nil {
				return nil, err
			}
		}
	}
	if to.PortsDir != from.PortsDir || y.monitoring != x.monitoring || y.profiling != x.profiling {
		y.ports = nil
		if to.PortsDir != "" {
			if y.ports, err = openPortsFile(to.PortsDir); err != nil {
				return nil, err
			}
		}
	}
	return &y, nil
}

// listensForMonitoring says where the server is looked at, but for the path.
func (s *settings) listensForMonitoring() config.Monitor {
	m := s.Monitor
	m.Host, m.BasePath = s.monitorHost(), ""
	if m.Port == 0 && m.HTTPSPort == 0 {
		m.Host = ""
	}
	return m
}

// checkMonitoring returns an error if nobody could look at the server as the settings say.
func (s *settings) checkMonitoring() error {
	switch {
	case s.Monitor.HTTPSPort != 0 && s.Monitor.Port != 0:
		return errors.New("https_port: there is an http_port as well, take one of them")
	case s.Monitor.HTTPSPort != 0 && s.Node.TLS == nil:
		return errors.New("https_port: it needs the certificate of --tlscert and --tlskey, or of a tls block")
	}
	return nil
}

// listenForMonitoring opens the listener for it, nil if there is to be none. Over TLS it has the certificates
// that the node has.
func (s *settings) listenForMonitoring(n *node.Node) (*httpServer, error) {
	if err := s.checkMonitoring(); err != nil {
		return nil, err
	}
	switch {
	case s.Monitor.HTTPSPort != 0:
		return listenHTTP("--https_port", s.monitorHost(), s.Monitor.HTTPSPort, n.TLSConfig)
	case s.Monitor.Port != 0:
		return listenHTTP("--http_port", s.monitorHost(), s.Monitor.Port, nil)
	}
	return nil, nil
}

// serve begins to answer monitoring requests, so that they tell also that a server is not ready yet. What x
// shares with before is served already.
func (x *extras) serve(before *extras, m *monitored, logger *slog.Logger) {
	if x.monitoring != nil && x.monitoring != before.monitoring {
		x.monitoring.answerTime = monitoringTime
		x.monitoring.serve(m.below(monitor.NewHandler(m.documents)), logger)
	}
	m.listener.Store(x.monitoring)
	if x.profiling != nil && x.profiling != before.profiling {
		x.profiling.serve(profiles(), logger)
	}
}

// announce writes the files when everything is ready for who finds them, but for what x shares with before.
func (x *extras) announce(before *extras, m *monitored, logger *slog.Logger) error {
	options := &m.settings().Node
	scheme := "nats"
	if options.TLS != nil {
		scheme = "tls"
	}
	urls := portURLs{NATS: listenerURLs(scheme, options.Host, portOf(m.node.Addr()))}
	if x.monitoring != nil {
		urls.Monitoring = x.monitoring.urls()
		if x.monitoring != before.monitoring {
			logger.Info("Listening for monitoring requests on " + x.monitoring.address())
		}
	}
	if cluster := m.node.ClusterAddr(); cluster != nil {
		urls.Cluster = listenerURLs("nats", options.Cluster.Host, portOf(cluster))
	}
	if web := m.node.WebSocketAddr(); web != nil {
		scheme, _, _ := strings.Cut(m.node.WebSocketURL(), "://")
		urls.WebSocket = listenerURLs(scheme, cmp.Or(options.WebSocket.Host, options.Host), portOf(web))
	}
	if x.profiling != nil {
		urls.Profile = x.profiling.urls()
		if x.profiling != before.profiling {
			logger.Info("Listening for profile requests on " + x.profiling.address())
		}
	}
	if x.pid != nil && x.pid != before.pid {
		if err := x.pid.write(); err != nil {
			return err
		}
	}
	if x.ports != nil && x.ports != before.ports {
		return x.ports.write(urls)
	}
	return nil
}

// close closes the listeners and removes the files.
func (x *extras) close() {
	if x.admin != nil {
		x.admin.close()
	}
	x.closeBut(&extras{})
}

// closeBut closes what x does not share with kept, but for the admin socket.
func (x *extras) closeBut(kept *extras) {
	if x.ports != nil && x.ports != kept.ports {
		if kept.ports != nil && kept.ports.path == x.ports.path {
			x.ports.drop()
		} else {
			x.ports.remove()
		}
	}
	if x.pid != nil && x.pid != kept.pid {
		x.pid.remove()
	}
	if x.monitoring != nil && x.monitoring != kept.monitoring {
		x.monitoring.close()
	}
	if x.profiling != nil && x.profiling != kept.profiling {
		x.profiling.close()
	}
}
