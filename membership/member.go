package membership

import (
	"maps"
	"reflect"
	"time"
)

// State is what a member says of itself.
type State uint8

const (
	// Joining: it has not yet connected to its peers, and serves no clients.
	Joining State = iota
	// Active: it serves clients.
	Active
	// LameDuck: it is about to stop, and sends its clients elsewhere.
	LameDuck
	// Draining: it sends its clients elsewhere until it is told otherwise.
	Draining
)

var stateNames = [...]string{"joining", "active", "lame duck", "draining"}

// stateLetters are how states are gossiped.
const stateLetters = "jald"

func (s State) String() string {
	if int(s) >= len(stateNames) {
		return "unknown"
	}
	return stateNames[s]
}

// Liveness is what the others think of a member.
type Liveness uint8

const (
	// Alive: it answers.
	Alive Liveness = iota
	// Suspect: somebody's probes were not answered, and it has neither objected nor answered this node.
	Suspect
	// Failed: nor has it in the time it was given. It is told news and dialled for a while.
	Failed
	// Left: it has said goodbye.
	Left
)

var livenessNames = [...]string{"alive", "suspect", "failed", "left"}

func (l Liveness) String() string {
	if int(l) >= len(livenessNames) {
		return "unknown"
	}
	return livenessNames[l]
}

// Member is one member of the cluster as this node sees it. It is a value; only Tags is shared, and must
// not be changed.
type Member struct {
	ID, Name string // the server's ID, fresh for every start, and its name
	Cluster  string // the cluster's name as the member knows it
	Fixed    bool   // somebody has configured that name
	Version  string
	State    State
	Liveness Liveness
	Since    time.Time // when Liveness changed, by the clock of this node
	// Incarnation counts the times that the member had to tell news or deny that it is dead. It is 0
	// until there was one since this node has started.
	Incarnation uint32
	// Addresses as host:port. Client and Monitor are empty if the member has none.
	Gossip, Route, Client, Monitor string
	RTT                            time.Duration // estimated round trip from this node, a few seconds old; 0 if unknown
	Tags                           map[string]string
	Self                           bool
	Boot                           time.Time // when it started, by its own clock

	ring     int64  // generation of its gossip keys
	goodbye  bool   // it has said that it leaves, and has not been back
	answered uint32 // suspicions of earlier incarnations are settled, since it has answered
}

// Lives reports whether the member is to be treated as there.
func (m *Member) Lives() bool { return m.Liveness == Alive || m.Liveness == Suspect }

// sameNews reports whether two descriptions of a member tell a reader the same.
func (m *Member) sameNews(o *Member) bool {
	a, b := *m, *o
	a.Tags, b.Tags = nil, nil
	a.RTT, b.RTT = 0, 0
	a.Incarnation, b.Incarnation = 0, 0
	a.answered, b.answered = 0, 0
	a.goodbye, b.goodbye = false, false
	return reflect.DeepEqual(a, b) && maps.Equal(m.Tags, o.Tags)
}

// describe names a member in a line for people.
func (m *Member) describe() string { return describe(m.Name, m.ID, m.Gossip) }

func describe(name, id, addr string) string {
	if len(id) > 8 {
		id = id[:8] + "…"
	}
	if name == "" {
		return id + " at " + addr
	}
	return name + " (" + id + ") at " + addr
}
