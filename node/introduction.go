package node

// introduction is what a client has said of itself, as far as others may see it.
type introduction struct {
	name, lang, version string
	token               bool // it has shown a token, rather than a name
}

// hiddenToken stands for the user of a client that has shown a token.
const hiddenToken = "[REDACTED]"

// introduce notes what the client has said in CONNECT.
func (c *client) introduce() {
	o := &c.options
	c.said.Store(&introduction{o.Name, o.Lang, o.Version, o.Token != ""})
}

// introduction returns what the client has said of itself until now.
func (c *client) introduction() introduction {
	if said := c.said.Load(); said != nil {
		return *said
	}
	return introduction{}
}

// user returns who the client turned out to be, as it may be shown.
func (c *client) user() string {
	switch id := c.identity.Load(); {
	case id == nil:
		return ""
	case id.User == "" && c.introduction().token:
		return hiddenToken
	default:
		return id.User
	}
}
