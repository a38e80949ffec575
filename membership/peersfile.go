package membership

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// The file of peers remembers where other members were, so that a whole cluster that lost its power finds
// together again although no seed is up. It has a line with its version and then one for each peer.
const (
	peersName    = "peers.jsonl"
	peersVersion = 1
	// mostPeers is how many are kept: enough that some are there whatever has happened to the others.
	mostPeers = 64
	// peersAge is for how long a node that has others remembers one that it has not seen. The file may be of
	// any age: machines are switched off for weeks, and clocks are wrong after a power cut.
	peersAge = 7 * 24 * time.Hour
	// peersLongest bounds what is read.
	peersLongest = 1 << 20
)

// peer is a member that was seen at some time.
type peer struct {
	ID     string    `json:"id"`
	Name   string    `json:"name,omitempty"`
	Gossip string    `json:"gossip"`
	Route  string    `json:"route,omitempty"`
	Seen   time.Time `json:"seen"`
}

type peersHead struct {
	Version int `json:"version"`
}

// readPeers returns what a file of peers says. A file that is damaged, as after a power cut, is read as
// far as it makes sense: it must not keep a server from starting.
func readPeers(dir string) ([]peer, error) {
	b, err := os.ReadFile(filepath.Join(dir, peersName))
	if os.IsNotExist(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	lines := bufio.NewScanner(bytes.NewReader(b[:min(len(b), peersLongest)]))
	var head peersHead
	if !lines.Scan() || json.Unmarshal(lines.Bytes(), &head) != nil || head.Version != peersVersion {
		return nil, fmt.Errorf("%s is not a list of peers of version %d", filepath.Join(dir, peersName), peersVersion)
	}
	var list []peer
	for lines.Scan() && len(list) < mostPeers {
		var p peer
		if json.Unmarshal(lines.Bytes(), &p) != nil {
			continue
		}
		if _, err := netip.ParseAddrPort(p.Gossip); err == nil {
			list = append(list, p)
		}
	}
	return list, nil
}

// writePeers replaces the file of peers: whenever the power fails, there is the old one or the new one.
func writePeers(dir string, list []peer) error {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	if err := enc.Encode(peersHead{peersVersion}); err != nil {
		return err
	}
	for _, p := range list {
		if err := enc.Encode(p); err != nil {
			return err
		}
	}
	f, err := os.CreateTemp(dir, peersName+".*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // fails once it is renamed
	if _, err := f.Write(b.Bytes()); err != nil {
		f.Close()
		return err
	}
	if err := f.Sync(); err != nil {
		f.Close()
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	return os.Rename(f.Name(), filepath.Join(dir, peersName))
}

// mergePeers returns what is to be remembered: the members that live, and before those that were seen
// longest ago are dropped, whoever was remembered. One address belongs to one peer.
func mergePeers(old []peer, members []Member, now time.Time) []peer {
	byAddr := make(map[string]peer)
	for _, p := range old {
		if p.Seen.After(now) { // the clock was wrong
			p.Seen = now
		}
		if now.Sub(p.Seen) <= peersAge {
			byAddr[p.Gossip] = p
		}
	}
	for _, m := range members {
		switch {
		case m.Self:
			delete(byAddr, m.Gossip)
		case m.Lives():
			byAddr[m.Gossip] = peer{ID: m.ID, Name: m.Name, Gossip: m.Gossip, Route: m.Route, Seen: now}
		}
	}
	list := make([]peer, 0, len(byAddr))
	for _, p := range byAddr {
		list = append(list, p)
	}
	slices.SortFunc(list, func(a, b peer) int {
		return cmp.Or(b.Seen.Compare(a.Seen), cmp.Compare(a.ID, b.ID))
	})
	return list[:min(len(list), mostPeers)]
}

// peersFile keeps the file of peers up to date. It belongs to one goroutine.
type peersFile struct {
	dir     string
	list    []peer
	written time.Time
	alive   map[string]bool // addresses in the file of members that lived
	dirty   time.Time       // since when the file differs from what is known
}

const (
	// peersSettle is how long a change is left to be followed by others, peersEvery is the least time
	// between two writes, and peersAgain the longest: the file says when members were seen.
	peersSettle, peersEvery, peersAgain = time.Second, 10 * time.Second, time.Hour
)

// update writes the file if members differ from it, but not too often; at once if now is the last chance.
func (f *peersFile) update(members []Member, now time.Time, last bool) error {
	if f.dir == "" {
		return nil
	}
	alive := make(map[string]bool)
	for i := range members {
		if m := &members[i]; m.Lives() && !m.Self {
			alive[m.Gossip+m.ID] = true
		}
	}
	same := len(alive) == len(f.alive)
	for k := range alive {
		same = same && f.alive[k]
	}
	switch {
	case len(alive) == 0:
		// Whom it knew is all that a node has left that has lost everybody.
		return nil
	case same && !last && now.Sub(f.written) < peersAgain:
		f.dirty = time.Time{}
		return nil
	case f.dirty.IsZero() && !last:
		f.dirty = now
		return nil
	case !last && (now.Sub(f.dirty) < peersSettle || now.Sub(f.written) < peersEvery):
		return nil
	}
	f.list = mergePeers(f.list, members, now)
	f.written, f.dirty, f.alive = now, time.Time{}, alive
	return writePeers(f.dir, f.list)
}
