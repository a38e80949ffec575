package lab

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Namespace is a network namespace without a name. It belongs to a thread of this process, and what
// has to happen in it happens on that thread. So it ends with the process, however that ends.
type Namespace struct {
	thread int
	calls  chan func()
	ended  chan struct{}
}

// NewNamespace makes a namespace that has nothing but a loopback interface, which is up.
func NewNamespace() (*Namespace, error) {
	n := &Namespace{calls: make(chan func()), ended: make(chan struct{})}
	made := make(chan error)
	go n.run(made)
	if err := <-made; err != nil {
		return nil, err
	}
	// Addresses that interfaces give themselves would be advertised, and nobody looks at them here.
	n.Do(func() { _ = os.WriteFile("/proc/sys/net/ipv6/conf/default/disable_ipv6", []byte("1"), 0) })
	if err := n.IP("link set lo up"); err != nil {
		n.Close()
		return nil, err
	}
	return n, nil
}

// run is what the thread does as long as there is the namespace. Then it goes back to where it was: if it
// ended, so would every process that had been started on it before, by whomever, and is to die with its parent.
func (n *Namespace) run(made chan<- error) {
	runtime.LockOSThread()
	if syscall.Gettid() == os.Getpid() {
		// What is asked of the process as a whole is answered for its first thread: not on this one.
		other := make(chan struct{})
		go func() {
			defer close(other)
			n.run(made)
		}()
		<-other
		runtime.UnlockOSThread()
		return
	}
	defer close(n.ended)
	home, err := os.Open("/proc/thread-self/ns/net")
	if err != nil {
		made <- fmt.Errorf("cannot make a network namespace: %w", err)
		return
	}
	defer home.Close()
	if err := syscall.Unshare(syscall.CLONE_NEWNET); err != nil {
		made <- fmt.Errorf("cannot make a network namespace: %w", err)
		return
	}
	n.thread = syscall.Gettid()
	made <- nil
	for call := range n.calls {
		call()
	}
	// A thread that cannot go back ends with its goroutine, locked as it is.
	if unix.Setns(int(home.Fd()), unix.CLONE_NEWNET) == nil {
		runtime.UnlockOSThread()
	}
}

// Do calls a function on the thread of the namespace: sockets that it opens and processes that it
// starts are there.
func (n *Namespace) Do(call func()) {
	done := make(chan struct{})
	n.calls <- func() {
		defer close(done)
		call()
	}
	<-done
}

// Close ends the namespace.
func (n *Namespace) Close() {
	close(n.calls)
	<-n.ended
}

// Dial connects from inside the namespace. It has the form that nats.go wants of a dialer.
func (n *Namespace) Dial(network, address string) (conn net.Conn, err error) {
	n.Do(func() { conn, err = net.DialTimeout(network, address, 5*time.Second) })
	return conn, err
}

// DialContext is Dial as package http wants it.
func (n *Namespace) DialContext(_ context.Context, network, address string) (net.Conn, error) {
	return n.Dial(network, address)
}

// IP has the program ip do what each line says.
func (n *Namespace) IP(lines ...string) (err error) {
	command := exec.Command("ip", "-batch", "-")
	command.Stdin = strings.NewReader(strings.Join(lines, "\n") + "\n")
	var output bytes.Buffer
	command.Stdout, command.Stderr = &output, &output
	n.Do(func() { err = command.Run() })
	if err != nil {
		return fmt.Errorf("ip %s: %w\n%s", strings.Join(lines, "; "), err, output.String())
	}
	return nil
}
