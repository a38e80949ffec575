package command

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/http/pprof"
	"strconv"
	"time"

	"shoal/node"
)

// httpServer is a listener for people and tools, beside that for clients.
type httpServer struct {
	scheme   string
	host     string
	listener net.Listener
	// answerTime bounds how long the other side may take to read an answer; 0 does not.
	answerTime time.Duration
	server     *http.Server
	done       chan struct{} // closed when the serving goroutine has ended
}

const (
	// requestTime is how long a request may take to come.
	requestTime = 5 * time.Second
	// monitoringTime is how long a tool may take to read what it has asked for.
	monitoringTime = 15 * time.Second
	// longestHeader bounds a request, which has no body, in bytes. [http.Server] adds 4 KiB to it.
	longestHeader = 12 << 10
)

// listenHTTP opens the listener; connections wait until serve. With a function that returns the settings of
// TLS for each, they are encrypted.
func listenHTTP(flag, host string, port int, tlsConfig func() *tls.Config) (*httpServer, error) {
	wanted := port
	if port == node.RandomPort {
		wanted = 0
	}
	listener, err := net.Listen("tcp", net.JoinHostPort(host, strconv.Itoa(wanted)))
	if err != nil {
		return nil, listenError(err, "--addr", flag, host, port)
	}
	if tlsConfig != nil {
		return &httpServer{scheme: "https", host: host, listener: withTLS(listener, tlsConfig)}, nil
	}
	return &httpServer{scheme: "http", host: host, listener: listener}, nil
}

func (h *httpServer) port() int { return portOf(h.listener.Addr()) }

// address is where the listener was asked to be, with the port that it got.
func (h *httpServer) address() string { return net.JoinHostPort(h.host, strconv.Itoa(h.port())) }

func (h *httpServer) urls() []string { return listenerURLs(h.scheme, h.host, h.port()) }

// serve answers requests with handler until close.
func (h *httpServer) serve(handler http.Handler, logger *slog.Logger) {
	h.server = &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: requestTime,
		ReadTimeout:       requestTime,
		WriteTimeout:      h.answerTime,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    longestHeader,
		ConnState:         newCrowd(mostHTTPConnections).track,
		ErrorLog:          slog.NewLogLogger(logger.Handler(), slog.LevelDebug),
	}
	h.done = make(chan struct{})
	go func() {
		defer close(h.done)
		if err := h.server.Serve(h.listener); !errors.Is(err, http.ErrServerClosed) {
			logger.Error("HTTP listener failed", "addr", h.listener.Addr().String(), "err", err)
		}
	}()
}

// close closes the listener and all connections.
func (h *httpServer) close() {
	if h.server == nil {
		h.listener.Close()
		return
	}
	shutDown(h.server)
	<-h.done
}

// lastAnswers is how long answers that are under way may take when the server stops.
const lastAnswers = 500 * time.Millisecond

// shutDown ends a server: whoever has just asked it to stop should still get the answer.
func shutDown(s *http.Server) {
	ctx, cancel := context.WithTimeout(context.Background(), lastAnswers)
	defer cancel()
	if s.Shutdown(ctx) != nil {
		s.Close()
	}
}

// profiles serves the profiles of the Go runtime, as `go tool pprof` asks for them.
func profiles() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/debug/pprof/", pprof.Index)
	mux.HandleFunc("/debug/pprof/cmdline", pprof.Cmdline)
	mux.HandleFunc("/debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("/debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("/debug/pprof/trace", pprof.Trace)
	return mux
}
