package membership

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"time"

	"github.com/hashicorp/memberlist"
)

// Options is what a node brings to the cluster. ID, Name, Advertise and Dial are needed.
type Options struct {
	// ID is the server's ID, 56 capital letters and digits, and its name in gossip. It must be fresh for
	// every start of a process: what is said of one that has died must not stick to the next.
	ID string
	// Name is what people call the server.
	Name string
	// Cluster returns the cluster's name as it is now, and whether somebody has configured it: two
	// members with different configured names refuse each other, any other two are of one cluster. It is
	// called while gossip is held up, so it must neither wait nor call this package. nil is no name.
	Cluster func() (name string, fixed bool)
	Version string
	// Addresses of this server as others are to dial them: host:port, or ":port" for the IP address of
	// Advertise. Client and Monitor may be empty.
	Route, Client, Monitor string
	// Advertise is the address for gossip that others are told, for both packets and streams.
	Advertise netip.AddrPort
	Profile   Profile
	// Join names seeds, any members of the cluster: host, host:port or nats://host:port, where the port is
	// 6222 unless given, or srv://name for the targets of a SRV record.
	Join []string
	// StateDir is where the list of peers is kept, so that a cluster finds together again after a power
	// cut, without a seed. Empty is nowhere.
	StateDir string
	// Keys seal gossip: the first is used, the others are only understood. They are 16, 24 or 32 bytes
	// long. Without keys gossip is readable and forgeable by whoever reaches the port.
	Keys [][]byte
	// KeepKeys keeps the keys where the next start finds them, the one that seals first. It is called when
	// the cluster has changed them, never twice at a time. nil keeps them nowhere.
	KeepKeys func(keys [][]byte) error
	// Packets is the UDP socket for gossip. It stays the caller's, who closes it after [Cluster.Close].
	// Without one, packets go over streams.
	Packets net.PacketConn
	// Dial opens a stream for gossip to an address for gossip, so that [Cluster.Stream] of the server
	// there gets the other end. named says that the address is one of those that Join, or
	// [Cluster.Join], has named: others may have been made up by whoever can forge gossip.
	Dial func(ctx context.Context, addr string, named bool) (net.Conn, error)
	// Answer answers the query of another member, or of this one. It is called by a few goroutines; nil
	// is no answer. An answer has a kilobyte at most.
	Answer func(query, from string, body []byte) []byte
	// Duplicate is told, once for each, that another member has this server's name, has started before
	// it, and answers: this server should stop.
	Duplicate func(other Member)
	// Stopped is told that gossip has stopped by itself, which should not happen: others are about to take
	// this server for dead, so it should be started again.
	Stopped func()
	// Logger gets what an operator should see. nil is nowhere.
	Logger *slog.Logger
}

// check fills in what is missing, and says what cannot be.
func (o *Options) check() error {
	if !validID(o.ID) {
		return fmt.Errorf("server ID %q is not 56 capital letters and digits", o.ID)
	}
	if o.Name == "" {
		return errors.New("the server has no name")
	}
	if !o.Advertise.IsValid() || o.Advertise.Port() == 0 || o.Advertise.Addr().IsUnspecified() {
		return fmt.Errorf("gossip address %s is not one that others can reach", o.Advertise)
	}
	o.Advertise = netip.AddrPortFrom(o.Advertise.Addr().Unmap(), o.Advertise.Port())
	if o.Dial == nil {
		return errors.New("there is no way to dial others")
	}
	for i, key := range o.Keys {
		if err := memberlist.ValidateKey(key); err != nil {
			return fmt.Errorf("gossip key %d is %d bytes long; 16, 24 and 32 are possible", i+1, len(key))
		}
	}
	for _, s := range o.Join {
		if _, err := parseSeed(s); err != nil {
			return err
		}
	}
	if o.Cluster == nil {
		o.Cluster = func() (string, bool) { return "", false }
	}
	if o.Answer == nil {
		o.Answer = func(string, string, []byte) []byte { return nil }
	}
	if o.Duplicate == nil {
		o.Duplicate = func(Member) {}
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return nil
}

// tags returns what the node says of itself when it starts.
func (o *Options) tags(now time.Time) (map[string]string, error) {
	tags := map[string]string{
		tagName: o.Name, tagVersion: o.Version, tagCluster: encodeCluster(o.Cluster()),
		tagProtocol: fmt.Sprintf("%d-%d", protocolMin, protocolMax),
		tagState:    stateLetters[Joining : Joining+1],
		tagRoute:    o.Route, tagClient: o.Client, tagMonitor: o.Monitor,
		tagBoot: encodeTime(now),
	}
	for k, v := range tags {
		if v == "" {
			delete(tags, k)
		}
	}
	if err := checkTags(tags, startTags); err != nil {
		return nil, err
	}
	var m Member
	if err := decodeTags(tags, o.Advertise, &m); err != nil {
		return nil, err
	}
	return tags, nil
}
