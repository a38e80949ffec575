package monitor

import (
	"maps"
	"slices"
	"time"

	"shoal/node"
)

// WebSocketVarz is what /varz says about the port for WebSocket clients.
type WebSocketVarz struct {
	Host             string        `json:"host,omitempty"`
	Port             int           `json:"port,omitempty"`
	Advertise        string        `json:"advertise,omitempty"`
	HandshakeTimeout time.Duration `json:"handshake_timeout,omitempty"`
	AuthTimeout      float64       `json:"auth_timeout,omitempty"` // seconds
	NoTLS            bool          `json:"no_tls,omitempty"`
	TLSPinnedCerts   []string      `json:"tls_pinned_certs,omitempty"`
	SameOrigin       bool          `json:"same_origin,omitempty"`
	AllowedOrigins   []string      `json:"allowed_origins,omitempty"`
	Compression      bool          `json:"compression,omitempty"`
	CertNotAfter     time.Time     `json:"tls_cert_not_after,omitzero"`
}

// webSocket describes the port by its options, which are nil if there is none.
func webSocket(o *node.WebSocketOptions) WebSocketVarz {
	if o == nil {
		return WebSocketVarz{}
	}
	v := WebSocketVarz{
		Host:             o.Host,
		Port:             o.Port,
		Advertise:        o.Advertise,
		HandshakeTimeout: o.HandshakeTimeout,
		AuthTimeout:      o.AuthTimeout.Seconds(),
		NoTLS:            o.TLS == nil,
		SameOrigin:       o.SameOrigin,
		AllowedOrigins:   o.AllowedOrigins,
		Compression:      o.Compression,
	}
	if o.TLS != nil {
		v.TLSPinnedCerts = slices.Sorted(maps.Keys(o.TLS.PinnedCerts))
		v.CertNotAfter = notAfter(o.TLS.Config())
	}
	return v
}
