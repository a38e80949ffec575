package command

import (
	"errors"
	"fmt"
	"log/slog"
	"reflect"
	"strings"

	"github.com/urfave/cli/v2"

	"shoal/node"
	"shoal/node/auth"
	"shoal/node/certs"
)

// webSocketFlags returns the flags of the server that are about WebSocket clients.
func (s *settings) webSocketFlags() []cli.Flag {
	if s.Node.WebSocket != nil {
		s.web = *s.Node.WebSocket
	}
	w := &s.web
	return []cli.Flag{
		&cli.GenericFlag{Category: categoryWeb, Name: "ws_port",
			Usage: "serve clients over WebSocket on this `PORT`, with the certificate of --tlscert", DefaultText: "off", Value: portValue{&w.Port}},
		&cli.StringFlag{Category: categoryWeb, Name: "ws_host",
			Usage: "listen for them on this `HOST`", DefaultText: "that of --addr", Value: w.Host, Destination: &w.Host},
		&cli.StringFlag{Category: categoryWeb, Name: "ws_advertise",
			Usage: "tell them this `HOST:PORT` instead", Value: w.Advertise, Destination: &w.Advertise},
		&cli.BoolFlag{Category: categoryWeb, Name: "ws_no_tls",
			Usage: "serve them in clear, as behind a proxy that encrypts", Value: w.NoTLS, Destination: &w.NoTLS},
		&cli.GenericFlag{Category: categoryWeb, Name: "ws_origins",
			Usage:       "the only pages of browsers that may connect, such as https://example.com, separated by commas, `ORIGINS`",
			DefaultText: "all", Value: originsValue{&w.AllowedOrigins, new(bool)}},
		&cli.BoolFlag{Category: categoryWeb, Name: "ws_compression",
			Usage: "compress for clients that want it", Value: w.Compression, Destination: &w.Compression},
	}
}

// webSocketFlag returns the name of the flag for an option of WebSocket.
func webSocketFlag(option string) string {
	if option == "allowed_origins" {
		option = "origins"
	}
	return "ws_" + option
}

// settleWebSocket has WebSocket clients served if there is anything about them.
func (s *settings) settleWebSocket() {
	if !reflect.ValueOf(s.web).IsZero() {
		s.Node.WebSocket = &s.web
	}
}

// prepareWebSocket makes what the node needs for WebSocket clients.
func (s *settings) prepareWebSocket() (err error) {
	w := s.Node.WebSocket
	if w == nil {
		return nil
	}
	files := s.WebSocketTLS
	if files == nil && !w.NoTLS && s.TLS != nil {
		// What is only about the client port means nothing here.
		shared := *s.TLS
		shared.HandshakeFirst, shared.HandshakeDelay, shared.AllowPlain, shared.RateLimit = false, 0, false, 0
		files = &shared
	}
	if _, inFile := s.Where("websocket"); files == nil && !w.NoTLS && !inFile {
		return errors.New("--ws_port: there is no certificate, give --tlscert and --tlskey, or --ws_no_tls to serve clients in clear")
	}
	if w.TLS, err = tlsOptions(files, certs.Load); err != nil {
		return s.place(fmt.Errorf("websocket tls: %w", err))
	}
	if !s.HasAuth() && s.WebSocketAuth.User == "" && s.WebSocketAuth.Token == "" {
		return nil
	}
	who := s.WebSocketAuth.For(s.Auth, files != nil && files.VerifyAndMap)
	if reflect.DeepEqual(who, s.Auth) {
		return nil
	}
	users, err := auth.New(who)
	if err != nil {
		return s.place(fmt.Errorf("websocket authorization: %w", err))
	}
	// What there is to say about the system user has been said.
	w.Authenticator, err = s.systemUser.beside(users, s.Node.SystemAccount, slog.New(slog.DiscardHandler))
	return err
}

// originsValue is a list of origins.
type originsValue struct {
	origins *[]string
	given   *bool
}

func (v originsValue) Set(text string) error {
	return eachOf(text, v.origins, v.given, func(one string) (string, error) { return one, nil })
}

func (v originsValue) String() string {
	if v.origins == nil {
		return ""
	}
	return strings.Join(*v.origins, ",")
}

// webSocketTLS returns how connections of WebSocket clients are encrypted, nil if they are not.
func webSocketTLS(s *settings) *node.TLSOptions {
	if s.Node.WebSocket == nil {
		return nil
	}
	return s.Node.WebSocket.TLS
}
