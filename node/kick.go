package node

import "fmt"

// Disconnect ends the connection of a client. The error says that there is none of that number.
func (n *Node) Disconnect(id uint64) error {
	c, err := n.client(id)
	if err == nil {
		c.end(&ending{reason: reasonKicked})
	}
	return err
}

// SendAway tells one client that it should connect to another node, as a lame duck tells all of them. The
// error says that there is none of that number, or that it would not understand.
func (n *Node) SendAway(id uint64) error {
	c, err := n.client(id)
	if err != nil {
		return err
	}
	if !c.informed.Load() {
		return fmt.Errorf("client %d does not take such news", id)
	}
	info := n.infoFor(c, n.urls.get(c.web != nil), true)
	info.LameDuck = true
	c.sendLine(info.Append(nil))
	return nil
}

func (n *Node) client(id uint64) (*client, error) {
	if c := n.clients.get(id); c != nil {
		return c, nil
	}
	return nil, fmt.Errorf("there is no client %d", id)
}
