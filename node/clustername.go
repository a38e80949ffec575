package node

import (
	"crypto/rand"
	"errors"
	"fmt"
	"sync"

	"shoal/wire"
)

// clusterName is the name of the cluster that the node belongs to. Without a configured one it is
// invented, and gives way to that of others: first to one that somebody has configured, then to the
// greater of two that were invented. So all nodes come to agree.
//
// nats-server has the same rule, but drops routes over it. Between shoal nodes an invented name
// keeps nobody apart, and a new one is simply announced.
type clusterName struct {
	mu    sync.Mutex // guards the rest
	name  string
	fixed bool // configured, here or on the peer that it was adopted from
}

func (c *clusterName) init(configured string) {
	c.name, c.fixed = configured, configured != ""
	if !c.fixed {
		c.name = rand.Text()
	}
}

func (c *clusterName) get() (name string, fixed bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.name, c.fixed
}

// meet compares with the name of a peer, which may be fixed or not. yields says that the peer will
// adopt the name of this node if it has to; otherwise it has to come back under that name. It reports
// whether the node has adopted the name of the peer, and an error if the two may not form a route.
func (c *clusterName) meet(name string, fixed, yields bool) (adopted bool, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case name == c.name:
		c.fixed = c.fixed || fixed
		return false, nil
	case fixed && c.fixed, !fixed && !yields && (c.fixed || name < c.name):
		text := fmt.Sprintf("%s%q does not match %q", wire.TextWrongCluster, name, c.name)
		return false, &ending{reason: reasonClusterName, text: text, err: errors.New(text)}
	case fixed && !c.fixed, !fixed && !c.fixed && name > c.name:
		c.name, c.fixed = name, fixed
		return true, nil
	}
	return false, nil
}
