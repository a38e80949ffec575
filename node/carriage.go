package node

// carriage says whose interest and messages a connection to a peer carries.
type carriage struct {
	account     string // the only account, which operations do not name; empty if there may be several
	index, size int    // place in a pool, and the size of that as the sender has it; 0 is no pool
	apart       string // an account that has a connection of its own, although the others are in a pool
}

// carries reports whether the connection is for an account.
func (c carriage) carries(account string) bool {
	switch {
	case c.account != "":
		return account == c.account
	case c.size == 0:
		return true
	case account == c.apart:
		return false
	}
	return accountIndex(account, c.size) == c.index
}

// dedicated reports whether the connection is for one account, which operations do not name.
func (c carriage) dedicated() bool { return c.account != "" }

// audience is the connections that are told of the same interest, in the same lines.
type audience struct {
	carriage
	routes []*route
	lines  stream
}
