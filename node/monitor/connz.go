package monitor

import (
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"shoal/node"
)

// defaultLimit is how many entries a list has unless another number is asked for.
const defaultLimit = 1024

// ConnzOptions are what is asked about connections.
type ConnzOptions struct {
	// Sort is one of [node.ConnectionOrders]; empty is by the number of the connection.
	Sort string `json:"sort"`
	// Auth asks for the users and accounts.
	Auth bool `json:"auth"`
	// Subscriptions asks for the subjects of subscriptions, SubscriptionsDetail for all about them.
	Subscriptions       bool `json:"subscriptions"`
	SubscriptionsDetail bool `json:"subscriptions_detail"`
	// Offset and Limit are the part that is wanted; a Limit below 1 is 1024.
	Offset int `json:"offset"`
	Limit  int `json:"limit"`
	// CID is the number of the only connection that is wanted, if it is not 0.
	CID   uint64               `json:"cid"`
	State node.ConnectionState `json:"state"`
	// User, Account and Subject limit the answer to some connections, see [node.ConnectionQuery].
	User    string `json:"user"`
	Account string `json:"acc"`
	Subject string `json:"filter_subject"`
	// MQTT is the ID of an MQTT client, which no connection has.
	MQTT string `json:"mqtt_client"`
}

// Connz is the answer of /connz.
type Connz struct {
	header
	NumConnections int          `json:"num_connections"`
	Total          int          `json:"total"`
	Offset         int          `json:"offset"`
	Limit          int          `json:"limit"`
	Connections    []Connection `json:"connections"`
}

// Connection describes a client.
type Connection struct {
	ID            uint64        `json:"cid"`
	Kind          string        `json:"kind"`
	Type          string        `json:"type"`
	IP            string        `json:"ip"`
	Port          int           `json:"port"`
	Start         time.Time     `json:"start"`
	LastActivity  time.Time     `json:"last_activity"`
	Stop          *time.Time    `json:"stop,omitempty"`
	Reason        string        `json:"reason,omitempty"`
	RTT           string        `json:"rtt,omitempty"`
	Uptime        string        `json:"uptime"`
	Idle          string        `json:"idle"`
	Pending       int           `json:"pending_bytes"`
	InMsgs        uint64        `json:"in_msgs"`
	OutMsgs       uint64        `json:"out_msgs"`
	InBytes       uint64        `json:"in_bytes"`
	OutBytes      uint64        `json:"out_bytes"`
	Stalls        uint64        `json:"stalls,omitempty"`
	Subscriptions int           `json:"subscriptions"`
	Name          string        `json:"name,omitempty"`
	Lang          string        `json:"lang,omitempty"`
	Version       string        `json:"version,omitempty"`
	TLSVersion    string        `json:"tls_version,omitempty"`
	TLSCipher     string        `json:"tls_cipher_suite,omitempty"`
	Certificates  []Certificate `json:"tls_peer_certs,omitempty"`
	TLSFirst      bool          `json:"tls_first,omitempty"`
	User          string        `json:"authorized_user,omitempty"`
	Account       string        `json:"account,omitempty"`

	Subjects []string       `json:"subscriptions_list,omitempty"`
	Detail   []Subscription `json:"subscriptions_list_detail,omitempty"`
	NameTag  string         `json:"name_tag,omitempty"` // the account again, as tools expect it
}

// Certificate describes what the other side of TLS has shown. The hashes are in hexadecimal.
type Certificate struct {
	Subject   string `json:"subject,omitempty"`
	KeyHash   string `json:"spki_sha256,omitempty"` // of the public key
	WholeHash string `json:"cert_sha256,omitempty"`
}

// Connz describes clients.
func (m *Monitor) Connz(o ConnzOptions) (Connz, error) {
	switch orders := node.ConnectionOrders(); {
	case o.Sort != "" && !slices.Contains(orders, o.Sort):
		return Connz{}, fmt.Errorf("sort: %.40q is none of %s", o.Sort, join(orders))
	case (o.Sort == "stop" || o.Sort == "reason") && o.State != node.ConnectionClosed:
		return Connz{}, fmt.Errorf("sort: %s is only for connections that have ended, use state=closed", o.Sort)
	case o.Subject != "" && o.Subject != ">" && o.Account == "":
		return Connz{}, errors.New("filter_subject: needs acc as well, a subject means something else in every account")
	}
	z := Connz{header: m.header(), Offset: max(o.Offset, 0), Limit: o.Limit, Connections: []Connection{}}
	if z.Limit <= 0 {
		z.Limit = defaultLimit
	}
	if o.CID != 0 {
		z.Limit = 1
	}
	if o.MQTT != "" {
		return z, nil
	}
	q := node.ConnectionQuery{
		State:      o.State,
		Sort:       o.Sort,
		Offset:     z.Offset,
		Limit:      z.Limit,
		ID:         o.CID,
		User:       o.User,
		Account:    o.Account,
		Subscribed: o.Subscriptions || o.SubscriptionsDetail,
	}
	if o.Subject != ">" {
		q.Subject = o.Subject
	}
	page, total := m.source.Node().Connections(q)
	z.NumConnections, z.Total = len(page), total
	z.Connections = make([]Connection, len(page))
	for i := range page {
		z.Connections[i] = describe(&page[i], &o, z.Now)
	}
	return z, nil
}

func describe(c *node.Connection, o *ConnzOptions, now time.Time) Connection {
	v := Connection{
		ID:            c.ID,
		Kind:          "Client",
		Type:          "nats",
		IP:            c.IP,
		Port:          c.Port,
		Start:         c.Start.UTC(),
		LastActivity:  c.LastActivity.UTC(),
		Reason:        c.Reason,
		RTT:           roundTrip(c.RTT),
		Pending:       c.Pending,
		InMsgs:        c.InMsgs,
		OutMsgs:       c.OutMsgs,
		InBytes:       c.InBytes,
		OutBytes:      c.OutBytes,
		Stalls:        c.Stalls,
		Subscriptions: c.Subscriptions,
		Name:          c.Name,
		Lang:          c.Lang,
		Version:       c.Version,
	}
	if c.WebSocket {
		v.Type = "websocket"
	}
	if !c.Stop.IsZero() {
		now = c.Stop.UTC()
		v.Stop = &now
	}
	v.Uptime, v.Idle = uptime(now.Sub(c.Start)), uptime(now.Sub(c.LastActivity))
	if c.TLSVersion != 0 {
		v.TLSVersion = strings.TrimPrefix(tls.VersionName(c.TLSVersion), "TLS ")
		v.TLSCipher, v.TLSFirst = tls.CipherSuiteName(c.TLSCipher), c.TLSFirst
	}
	if o.Auth {
		for _, cert := range c.Certificates {
			key, whole := sha256.Sum256(cert.RawSubjectPublicKeyInfo), sha256.Sum256(cert.Raw)
			v.Certificates = append(v.Certificates, Certificate{
				cert.Subject.String(), hex.EncodeToString(key[:]), hex.EncodeToString(whole[:]),
			})
		}
		v.User = c.User
		if c.Account != node.GlobalAccount {
			v.Account, v.NameTag = c.Account, c.Account
		}
	}
	v.Subjects, v.Detail = subscribed(c.Subscribed, o.SubscriptionsDetail)
	return v
}

// roundTrip writes a round trip, empty if there was none.
func roundTrip(d time.Duration) string {
	if d == 0 {
		return ""
	}
	return d.String()
}
