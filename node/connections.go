package node

import (
	"cmp"
	"crypto/x509"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	"shoal/subjects"
)

// Connection describes a client at one moment, or when it has gone.
type Connection struct {
	// ID is the number of the connection.
	ID uint64
	// IP and Port are the address of the other side. They are empty for a connection within the process.
	IP   string
	Port int
	// Start is when the connection was made, LastActivity when messages were sent last or something came.
	Start, LastActivity time.Time
	// Stop is when it has ended, zero while it has not, and Reason why.
	Stop   time.Time
	Reason string
	// RTT is the last round trip that is known, 0 if there was none.
	RTT time.Duration
	// Pending is the number of bytes that wait to be written.
	Pending int
	// InMsgs to OutBytes are messages and their bytes of payload, as the node sees them.
	InMsgs, InBytes, OutMsgs, OutBytes uint64
	// Stalls is the number of times that the client was held up for a crowded consumer.
	Stalls uint64
	// Subscriptions is the number of subscriptions, when it ended if it has.
	Subscriptions int
	// Name, Lang and Version are what the client says of itself.
	Name, Lang, Version string
	// User is who it turned out to be, Account the name of its account.
	User, Account string
	// WebSocket says that the client has come over WebSocket.
	WebSocket bool
	// TLSVersion and TLSCipher are how it is encrypted, 0 if it is not, see crypto/tls. TLSFirst says that the
	// handshake came before everything else.
	TLSVersion, TLSCipher uint16
	TLSFirst              bool
	// Certificates are what the other side has shown while the connection is open, its own first.
	Certificates []*x509.Certificate
	// Subscribed are the subscriptions, if they were asked for and the connection is open.
	Subscribed []Subscription
}

// ConnectionState is whether a client is still there.
type ConnectionState int

// The states of connections.
const (
	ConnectionOpen ConnectionState = iota
	ConnectionClosed
	ConnectionAny
)

// ConnectionQuery says which connections are of interest. A zero field makes no difference.
type ConnectionQuery struct {
	State ConnectionState
	// Sort is one of [ConnectionOrders]; anything else is like "cid".
	Sort string
	// Offset and Limit are the part of the connections that is returned. A Limit of 0 is all.
	Offset, Limit int
	// ID is the number of the only connection.
	ID uint64
	// User and Account are those of the connections.
	User, Account string
	// Subject may have wildcards: the connections are open and have a subscription that shares a
	// subject with it.
	Subject string
	// Subscribed asks for the subscriptions.
	Subscribed bool
}

// connectionOrders compare by what precedes the number of the connection, if there is something.
var connectionOrders = map[string]func(a, b *Connection) int{
	"cid":        nil,
	"start":      nil,
	"subs":       most(func(c *Connection) int { return c.Subscriptions }),
	"pending":    most(func(c *Connection) int { return c.Pending }),
	"msgs_to":    most(func(c *Connection) uint64 { return c.OutMsgs }),
	"msgs_from":  most(func(c *Connection) uint64 { return c.InMsgs }),
	"bytes_to":   most(func(c *Connection) uint64 { return c.OutBytes }),
	"bytes_from": most(func(c *Connection) uint64 { return c.InBytes }),
	"last":       most(func(c *Connection) int64 { return c.LastActivity.UnixNano() }),
	"idle":       most(func(c *Connection) int64 { return -c.LastActivity.UnixNano() }),
	"uptime":     most(func(c *Connection) int64 { return -int64(c.age()) }),
	"rtt":        most(func(c *Connection) time.Duration { return c.RTT }),
	"stop":       most(func(c *Connection) int64 { return c.Stop.UnixNano() }),
	"reason":     func(a, b *Connection) int { return strings.Compare(a.Reason, b.Reason) },
}

// most makes an order in which those come first that have most of something.
func most[T cmp.Ordered](of func(*Connection) T) func(a, b *Connection) int {
	return func(a, b *Connection) int { return cmp.Compare(of(b), of(a)) }
}

// ConnectionOrders returns what connections can be sorted by. "cid", "start" and "reason" ascend,
// "uptime" begins with the youngest, and all others with the largest value.
func ConnectionOrders() []string {
	var names []string
	for name := range connectionOrders {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// candidate is a connection that may be on the page. view is nil as long as nobody needs it.
type candidate struct {
	id   uint64
	open *client // nil if it has gone
	view *Connection
}

// Connections returns the clients that q asks for, and how many there are in all parts. No lock is held
// while more than one of them is looked at.
func (n *Node) Connections(q ConnectionQuery) (page []Connection, total int) {
	order := connectionOrders[q.Sort]
	var list []candidate
	if q.State != ConnectionOpen && q.Subject == "" {
		closed := n.closed.all()
		for i := range closed {
			if c := &closed[i]; c.isIn(&q) {
				list = append(list, candidate{id: c.ID, view: c})
			}
		}
	}
	if q.State != ConnectionClosed {
		for _, c := range n.clients.all() {
			if !c.isIn(&q) {
				continue
			}
			found := candidate{id: c.id, open: c}
			if order != nil {
				found.view = c.describe()
			}
			list = append(list, found)
		}
	}
	slices.SortFunc(list, func(a, b candidate) int {
		byID := cmp.Compare(a.id, b.id)
		if order == nil {
			return byID
		}
		return cmp.Or(order(a.view, b.view), byID)
	})
	shown := part(list, q.Offset, q.Limit)
	page = make([]Connection, len(shown))
	for i, found := range shown {
		v := found.view
		if v == nil {
			v = found.open.describe()
		}
		if found.open != nil {
			v.IP, v.Port = found.open.from()
			if q.Subscribed {
				v.Subscribed = found.open.subscribed()
			}
		}
		page[i] = *v
	}
	return page, len(list)
}

// part returns so many elements of list from offset on, or all from there on if limit is 0.
func part[T any](list []T, offset, limit int) []T {
	list = list[min(max(offset, 0), len(list)):]
	if limit > 0 {
		list = list[:min(limit, len(list))]
	}
	return list
}

// isIn reports whether a client that has gone is one of those that q asks for.
func (v *Connection) isIn(q *ConnectionQuery) bool {
	return (q.ID == 0 || v.ID == q.ID) && (q.Account == "" || v.Account == q.Account) && (q.User == "" || v.User == q.User)
}

// isIn reports whether a client is one of those that q asks for.
func (c *client) isIn(q *ConnectionQuery) bool {
	switch {
	case q.ID != 0 && c.id != q.ID,
		q.Account != "" && c.home.Load().name != q.Account,
		q.User != "" && c.user() != q.User:
		return false
	case q.Subject == "":
		return true
	}
	return slices.ContainsFunc(c.subs.all(), func(s *subscription) bool {
		_, overlap := subjects.Intersect(s.subject, q.Subject)
		return overlap
	})
}

// describe returns what is known of a client, without what takes long.
func (c *client) describe() *Connection {
	out, said := c.out.state(), c.introduction()
	v := &Connection{
		ID:            c.id,
		Start:         c.start,
		LastActivity:  time.Unix(0, max(c.start.UnixNano(), c.lastIn.Load(), out.last)),
		RTT:           c.liveness.roundTrip(),
		Pending:       out.pending,
		InMsgs:        c.inMsgs.Load(),
		InBytes:       c.inBytes.Load(),
		OutMsgs:       out.msgs,
		OutBytes:      out.bytes,
		Stalls:        c.stalls.Load(),
		Subscriptions: c.subs.len(),
		Name:          said.name,
		Lang:          said.lang,
		Version:       said.version,
		User:          c.user(),
		Account:       c.home.Load().name,
		WebSocket:     c.web != nil,
	}
	if state := c.encryption.Load(); state != nil {
		v.TLSVersion, v.TLSCipher, v.TLSFirst = state.Version, state.CipherSuite, c.secureFirst
		v.Certificates = state.PeerCertificates
	}
	return v
}

// from returns the address of the other side, if it has one.
func (c *conn) from() (ip string, port int) {
	host, text, err := net.SplitHostPort(c.farEnd())
	if err != nil {
		return "", 0
	}
	port, _ = strconv.Atoi(text) // comes from an address, so it is a number
	return host, port
}

// age is how long the connection is there, or was.
func (v *Connection) age() time.Duration {
	if v.Stop.IsZero() {
		return time.Since(v.Start)
	}
	return v.Stop.Sub(v.Start)
}
