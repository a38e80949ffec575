package node

// tellStart tells the service of the system, if there is one, of a client that has logged in.
func (c *client) tellStart() {
	if s := c.node.system; s != nil {
		s.service.Connected(c.home.Load().name, func() Connection {
			v := c.describe()
			v.IP, v.Port = c.from()
			return *v
		})
	}
}

// tellEnd tells it of a client that has gone, as v describes it.
func (c *client) tellEnd(e *ending, v *Connection) {
	s := c.node.system
	if s == nil {
		return
	}
	describe := func() Connection { return *v }
	if c.connected {
		s.service.Disconnected(v.Account, describe)
	}
	if e.reason == reasonAuthFailure {
		s.service.Refused(describe)
	}
}

// presented returns the name that a client has given, whether it is true or not.
func (c *client) presented() string {
	o := &c.options
	switch {
	case o.NKey != "":
		return o.NKey[:min(len(o.NKey), longestRemembered)]
	case o.User != "":
		return o.User[:min(len(o.User), longestRemembered)]
	case o.Token != "":
		return hiddenToken
	}
	return ""
}
