package command

import (
	"errors"
	"log/slog"
	"net/http"

	"shoal/node"
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
// Nothing is visible to others before start.
func openExtras(s *settings, n *node.Node, logger *slog.Logger) (_ *extras, err error) {
	x := &extras{}
	defer func() {
		if err != nil {
			x.close()
		}
	}()
	switch {
	case s.Monitor.HTTPSPort == 0 && s.Monitor.Port == 0:
	case s.Monitor.HTTPSPort == 0:
		x.monitoring, err = listenHTTP("--http_port", s.monitorHost(), s.Monitor.Port, nil)
	case s.Monitor.Port != 0:
		err = s.place(errors.New("https_port: there is an http_port as well, take one of them"))
	case s.Node.TLS == nil:
		err = s.place(errors.New("https_port: it needs the certificate of --tlscert and --tlskey, or of a tls block"))
	default:
		x.monitoring, err = listenHTTP("--https_port", s.monitorHost(), s.Monitor.HTTPSPort, n.TLSConfig)
	}
	if err != nil {
		return nil, err
	}
	if s.ProfilePort != 0 {
		if x.profiling, err = listenHTTP("--profile", "127.0.0.1", s.ProfilePort, nil); err != nil {
			return nil, err
		}
	}
	if s.PIDFile != "" {
		if x.pid, err = openPIDFile(s.PIDFile); err != nil {
			return nil, err
		}
	}
	if s.PortsDir != "" {
		if x.ports, err = openPortsFile(s.PortsDir); err != nil {
			return nil, err
		}
	}
	if x.admin, err = openAdminSocket(s.AdminSocket, s.Node.Port, logger); err != nil {
		return nil, err
	}
	return x, nil
}

// serve begins to answer monitoring requests, so that they tell also that a server is not ready yet.
func (x *extras) serve(m *monitored, logger *slog.Logger) {
	if x.monitoring != nil {
		if x.monitoring.scheme == "https" {
			m.httpsPort = x.monitoring.port()
		} else {
			m.httpPort = x.monitoring.port()
		}
		x.monitoring.serve(m.settings.below(monitor.NewHandler(monitor.New(m))), logger)
	}
	if x.profiling != nil {
		x.profiling.serve(profiles(), logger)
	}
}

// announce writes the files when everything is ready for who finds them, and takes orders from then on.
func (x *extras) announce(m *monitored, orders http.Handler, logger *slog.Logger) error {
	if x.admin != nil {
		if err := x.admin.publish(portOf(m.node.Addr()), orders, logger); err != nil {
			return err
		}
	}
	options := &m.settings.Node
	scheme := "nats"
	if options.TLS != nil {
		scheme = "tls"
	}
	urls := portURLs{NATS: listenerURLs(scheme, options.Host, portOf(m.node.Addr()))}
	if x.monitoring != nil {
		urls.Monitoring = x.monitoring.urls()
		logger.Info("Listening for monitoring requests on " + x.monitoring.address())
	}
	if cluster := m.node.ClusterAddr(); cluster != nil {
		urls.Cluster = listenerURLs("nats", options.Cluster.Host, portOf(cluster))
	}
	if x.profiling != nil {
		urls.Profile = x.profiling.urls()
		logger.Info("Listening for profile requests on " + x.profiling.address())
	}
	if x.pid != nil {
		if err := x.pid.write(); err != nil {
			return err
		}
	}
	if x.ports != nil {
		return x.ports.write(urls)
	}
	return nil
}

// close closes the listeners and removes the files.
func (x *extras) close() {
	if x.admin != nil {
		x.admin.close()
	}
	if x.ports != nil {
		x.ports.remove()
	}
	if x.pid != nil {
		x.pid.remove()
	}
	if x.monitoring != nil {
		x.monitoring.close()
	}
	if x.profiling != nil {
		x.profiling.close()
	}
}
