package wire

import (
	"encoding/json"
	"fmt"
)

// ConnectOptions is the JSON of a CONNECT line: what a client or a dialling server tells about
// itself. Names of fields are matched without regard to case.
type ConnectOptions struct {
	// Echo is false if a client does not want to receive its own messages.
	Echo bool `json:"echo"`
	// Verbose asks for +OK after every operation.
	Verbose bool `json:"verbose"`
	// Pedantic asks for a check of the subjects that are published to.
	Pedantic bool `json:"pedantic"`
	// TLSRequired repeats what the dialler was configured to; servers ignore it.
	TLSRequired bool `json:"tls_required"`

	// User and Pass, or Token, or NKey, JWT and Sig are the credentials.
	User  string `json:"user,omitempty"`
	Pass  string `json:"pass,omitempty"`
	Token string `json:"auth_token,omitempty"`
	NKey  string `json:"nkey,omitempty"`
	JWT   string `json:"jwt,omitempty"`
	Sig   string `json:"sig,omitempty"`
	// Account and NewAccount belong to an extension that no released server accepts.
	Account    string `json:"account,omitempty"`
	NewAccount bool   `json:"new_account,omitempty"`

	// Name, Lang and Version describe the client; a route has no Lang.
	Name    string `json:"name,omitempty"`
	Lang    string `json:"lang,omitempty"`
	Version string `json:"version,omitempty"`
	// Protocol is 1 for a client that can take INFO at any time, and 0 otherwise.
	Protocol int `json:"protocol,omitempty"`
	// Headers says that HMSG is understood.
	Headers bool `json:"headers,omitempty"`
	// NoResponders asks for a message with status 503 when nobody receives a request.
	NoResponders bool `json:"no_responders,omitempty"`

	// Cluster is the name of a route's cluster.
	Cluster string `json:"cluster,omitempty"`
	// ClusterDynamic says that the name was invented.
	ClusterDynamic bool `json:"cluster_dynamic,omitempty"`
	// Gateway is set by a gateway, which has no business on a route port.
	Gateway string `json:"gateway,omitempty"`
	// LNOC, LNOCU and LN are as in [ServerInfo].
	LNOC  bool `json:"lnoc,omitempty"`
	LNOCU bool `json:"lnocu,omitempty"`
	LN    bool `json:"ln,omitempty"`
	// Shoal is [ShoalInfo.Proto] of a dialling shoal node.
	Shoal int `json:"shoal,omitempty"`
	// ShoalNonce and ShoalProof stand for User and Pass between shoal nodes.
	ShoalNonce string `json:"shoal_nonce,omitempty"`
	ShoalProof string `json:"shoal_proof,omitempty"`
}

// DefaultConnect is what a server assumes of a client that has sent no CONNECT, and of every field
// that its first CONNECT leaves out.
var DefaultConnect = ConnectOptions{Echo: true, Verbose: true, Pedantic: true}

// Merge reads the argument of CONNECT over c; fields that it does not name stay as they are. If
// it cannot be read, c is left half changed.
func (c *ConnectOptions) Merge(arg []byte) error {
	if err := json.Unmarshal(arg, c); err != nil {
		// The text of a syntax error does not repeat the input, so no secret gets out.
		return &Error{Reason: "bad CONNECT: " + err.Error()}
	}
	return nil
}

// Append appends the whole CONNECT line to b.
func (c *ConnectOptions) Append(b []byte) []byte {
	text, err := json.Marshal(c)
	if err != nil {
		// Strings, numbers and booleans always marshal.
		panic(fmt.Sprintf("wire: marshal CONNECT: %v", err))
	}
	op := Op{Verb: Connect, Arg: text}
	return op.Append(b)
}

// Redacted returns a copy of c for logs, without anything that could let somebody in.
func (c *ConnectOptions) Redacted() ConnectOptions {
	r := *c
	for _, secret := range []*string{&r.Pass, &r.Token, &r.JWT, &r.Sig, &r.ShoalNonce, &r.ShoalProof} {
		if *secret != "" {
			*secret = "[REDACTED]"
		}
	}
	return r
}
