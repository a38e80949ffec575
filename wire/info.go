package wire

import (
	"encoding/json"
	"fmt"
)

// ServerInfo is the JSON of an INFO line: what a server tells a client or another server about
// itself. Fields are in the order in which nats-server writes them.
type ServerInfo struct {
	// ID identifies the process; it is new at every start.
	ID string `json:"server_id"`
	// Name is the server's name for people; it equals ID if none is configured.
	Name string `json:"server_name"`
	// Version is a semantic version by which clients switch features on.
	Version string `json:"version"`
	// Proto is the protocol level: towards clients 1, between servers up to 3.
	Proto int `json:"proto"`
	// GitCommit is the commit that the server was built from.
	GitCommit string `json:"git_commit,omitempty"`
	// Go is the version of the Go toolchain.
	Go string `json:"go"`
	// Host is the address that the sender listens on, or what it advertises instead.
	Host string `json:"host"`
	// Port is the port that goes with Host.
	Port int `json:"port"`
	// Headers says that HPUB and HMSG are understood.
	Headers bool `json:"headers"`
	// AuthRequired says that CONNECT must carry credentials.
	AuthRequired bool `json:"auth_required,omitempty"`
	// TLSRequired says that the client must start a TLS handshake after this line.
	TLSRequired bool `json:"tls_required,omitempty"`
	// TLSVerify says that the client must present a certificate.
	TLSVerify bool `json:"tls_verify,omitempty"`
	// TLSAvailable says that the client may start a TLS handshake after this line.
	TLSAvailable bool `json:"tls_available,omitempty"`
	// MaxPayload is the largest message in bytes, headers included.
	MaxPayload int `json:"max_payload"`
	// IP is the URL under which a server can be reached, filled in by the server that gossips it.
	IP string `json:"ip,omitempty"`
	// ClientID is the number of the client's connection.
	ClientID uint64 `json:"client_id,omitempty"`
	// ClientIP is the client's address as the server sees it.
	ClientIP string `json:"client_ip,omitempty"`
	// Nonce is what a client signs with its nkey.
	Nonce string `json:"nonce,omitempty"`
	// Cluster is the name of the sender's cluster.
	Cluster string `json:"cluster,omitempty"`
	// ClusterDynamic says that the name was invented and may give way to a configured one.
	ClusterDynamic bool `json:"cluster_dynamic,omitempty"`
	// ConnectURLs are the host:port of the cluster's client listeners, the sender's own first.
	ConnectURLs []string `json:"connect_urls,omitempty"`
	// WSConnectURLs are those of the WebSocket listeners.
	WSConnectURLs []string `json:"ws_connect_urls,omitempty"`
	// LameDuck says that the sender is about to go.
	LameDuck bool `json:"ldm,omitempty"`
	// Compression is the route compression that the sender offers.
	Compression string `json:"compression,omitempty"`
	// ConnectInfo marks the INFO that follows the first PONG.
	ConnectInfo bool `json:"connect_info,omitempty"`
	// RemoteAccount is the account that the client was bound to.
	RemoteAccount string `json:"remote_account,omitempty"`
	// AccountIsSystem says that it is the account for traffic about the servers themselves.
	AccountIsSystem bool `json:"acc_is_sys,omitempty"`

	// Import and Export are the permissions of a route.
	Import *SubjectPermission `json:"import,omitempty"`
	Export *SubjectPermission `json:"export,omitempty"`
	// LNOC, LNOCU and LN say which operations about leaf nodes are understood: LMSG and LS+ with
	// an origin, LS- with an origin, and both for leaf nodes without a cluster.
	LNOC  bool `json:"lnoc,omitempty"`
	LNOCU bool `json:"lnocu,omitempty"`
	LN    bool `json:"ln,omitempty"`
	// RoutePoolSize is the number of connections per peer; 0 is a single one without pooling.
	RoutePoolSize int `json:"route_pool_size,omitempty"`
	// RoutePoolIdx is the number of this connection in the dialler's pool.
	RoutePoolIdx int `json:"route_pool_idx,omitempty"`
	// RouteAccount is the only account that this connection is for.
	RouteAccount string `json:"route_account,omitempty"`
	// RouteAccReqID marks the handshake for an account that becomes dedicated.
	RouteAccReqID string `json:"route_acc_add_reqid,omitempty"`
	// GossipMode says how far the receiver should spread what it learns here.
	GossipMode int `json:"gossip_mode,omitempty"`
	// Gateway is the sender's gateway name; such an INFO is not about routes.
	Gateway string `json:"gateway,omitempty"`

	// Shoal is what only shoal nodes tell each other; nats-server ignores it.
	Shoal *ShoalInfo `json:"shoal,omitempty"`
}

// ShoalInfo is the part of an INFO between servers by which a shoal node recognises another.
type ShoalInfo struct {
	// Proto is the version of what shoal nodes do beyond the route protocol, 1 or more.
	Proto int `json:"proto"`
	// FixedName says that somebody has configured the name of the cluster, perhaps on another node.
	FixedName bool `json:"fixed_name,omitempty"`
	// Gossip says that the sender takes part in gossip, at the same address.
	Gossip bool `json:"gossip,omitempty"`
	// Leaving says that the sender is about to stop and will not come back under this ID.
	Leaving bool `json:"leaving,omitempty"`
	// Draining says that the sender sends its clients elsewhere, which it may take back.
	Draining bool `json:"draining,omitempty"`
	// Nonce is what a dialling shoal node proves its knowledge of the password with, and Proof, in the
	// second INFO, that the sender has it too.
	Nonce string `json:"nonce,omitempty"`
	Proof string `json:"proof,omitempty"`
}

// SubjectPermission lists subjects that are allowed and denied.
type SubjectPermission struct {
	Allow []string `json:"allow,omitempty"`
	Deny  []string `json:"deny,omitempty"`
}

// Append appends the whole INFO line to b.
func (i *ServerInfo) Append(b []byte) []byte {
	text, err := json.Marshal(i)
	if err != nil {
		// Strings, numbers and booleans always marshal.
		panic(fmt.Sprintf("wire: marshal INFO: %v", err))
	}
	op := Op{Verb: Info, Arg: text}
	return op.Append(b)
}

// ParseInfo reads the argument of INFO. Unknown fields are ignored.
func ParseInfo(arg []byte) (*ServerInfo, error) {
	var i ServerInfo
	if err := json.Unmarshal(arg, &i); err != nil {
		return nil, &Error{Reason: "bad INFO: " + err.Error()}
	}
	return &i, nil
}
