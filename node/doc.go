// Package node is one running broker: it accepts connections, keeps the interest of its clients,
// and delivers messages to them.
//
// A program that wants a broker inside itself makes a [Node] with [New], runs it with [Node.Start]
// and [Node.Shutdown], and connects through [Node.ClientURL] or, without a socket,
// [Node.InProcessConn].
//
// # The way of a message
//
// Every connection has one goroutine that reads it. It reads as much as the socket holds, parses
// all complete operations of the buffer in place, and renders each message once per set of
// receivers that get the same bytes. At the end of the batch each receiver that was touched gets
// one write, made directly by the reader. Only when a receiver's socket is full is the rest copied,
// and a goroutine started that writes it and ends when the receiver has caught up.
package node
