package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

const (
	holderConns  = 10
	replyTimeout = 60 * time.Second
)

// holder is some client connections with many subscriptions, each to a subject
// of its own. It counts what arrives there.
type holder struct {
	server   string
	patience time.Duration // for the messages of prove
	conns    []net.Conn
	readers  sync.WaitGroup
	got      []atomic.Int32 // messages per subject
	total    atomic.Int64
	wrong    atomic.Pointer[faultError] // the first thing that should not have come
}

// holdSubject is what subscription i asks for, the same as in the load
// generator's rows about memory.
func holdSubject(i int) string { return fmt.Sprintf("region.%03d.device.%07d.status", i*7%1000, i) }

// hold subscribes n times at the server and returns when it has answered
// behind the last one. The caller must close the holder.
func hold(s *server, n int) (*holder, error) {
	h := &holder{server: s.name, patience: arriveTimeout, got: make([]atomic.Int32, n)}
	pongs := make(chan error, holderConns)
	for k := range holderConns {
		c, err := dialServer(s)
		if err != nil {
			h.close()
			return nil, err
		}
		h.conns = append(h.conns, c)
		h.readers.Go(func() { h.read(c, pongs) })
		out := bufio.NewWriterSize(c, 1<<16)
		for i := k; i < n; i += holderConns {
			fmt.Fprintf(out, "SUB %s %d\r\n", holdSubject(i), i)
		}
		fmt.Fprint(out, "PING\r\n")
		if err := out.Flush(); err != nil {
			h.close()
			return nil, fmt.Errorf("%s: subscribing: %w", s.name, err)
		}
	}
	late := time.After(replyTimeout)
	for range holderConns {
		select {
		case err := <-pongs:
			if err != nil {
				h.close()
				return nil, err
			}
		case <-late:
			h.close()
			return nil, fmt.Errorf("%s: subscribing: no answer within %v", s.name, replyTimeout)
		}
	}
	return h, nil
}

func (h *holder) close() {
	for _, c := range h.conns {
		c.Close()
	}
	h.readers.Wait()
}

// dialServer connects as a client and introduces itself.
func dialServer(s *server) (net.Conn, error) {
	c, err := net.DialTimeout("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(s.port)), replyTimeout)
	if err != nil {
		return nil, err
	}
	if _, err := io.WriteString(c, `CONNECT {"verbose":false,"pedantic":false,"protocol":1,"name":"bench"}`+"\r\n"); err != nil {
		c.Close()
		return nil, fmt.Errorf("%s: %w", s.name, err)
	}
	return c, nil
}

// read handles one connection until it is closed. The first PONG, or what
// came in its place, goes to pongs.
func (h *holder) read(c net.Conn, pongs chan<- error) {
	in := bufio.NewReaderSize(c, 1<<16)
	for waiting := true; ; {
		line, err := in.ReadString('\n')
		switch verb, fields, _ := strings.Cut(strings.TrimSpace(line), " "); {
		case err != nil:
		case verb == "PING":
			_, err = io.WriteString(c, "PONG\r\n")
		case verb == "PONG" && waiting:
			waiting = false
			pongs <- nil
		case verb == "MSG":
			err = h.message(in, fields)
		case verb == "-ERR":
			err = errors.New(fields)
		}
		if err != nil {
			if waiting {
				pongs <- fmt.Errorf("%s: subscribing: %w", h.server, err)
			}
			return
		}
	}
}

// message counts one message, given the rest of its line.
func (h *holder) message(in *bufio.Reader, line string) error {
	f := strings.Fields(line)
	if len(f) != 3 {
		return h.fault("corrupt", "MSG "+line)
	}
	i, err := strconv.Atoi(f[1])
	if err != nil || i < 0 || i >= len(h.got) || f[0] != holdSubject(i) {
		return h.fault("corrupt", fmt.Sprintf("subscription %s got subject %s", f[1], f[0]))
	}
	payload := make([]byte, len(f[1])+2) // the number again
	if f[2] != strconv.Itoa(len(f[1])) {
		return h.fault("corrupt", fmt.Sprintf("a payload of %s bytes on %s", f[2], f[0]))
	}
	if _, err := io.ReadFull(in, payload); err != nil {
		return err
	}
	if string(payload) != f[1]+"\r\n" {
		return h.fault("corrupt", fmt.Sprintf("payload %q on %s", payload, f[0]))
	}
	if h.got[i].Add(1) > 1 {
		return h.fault("duplicate", "a second message on "+f[0])
	}
	h.total.Add(1)
	return nil
}

func (h *holder) fault(kind, text string) error {
	err := &faultError{server: h.server, kind: kind, text: text}
	h.wrong.CompareAndSwap(nil, err)
	return err
}

// prove publishes one message for every subscription through another node, as
// soon as that takes clients, and returns a *faultError when not every one
// arrives exactly once. It can be used once.
func (h *holder) prove(ctx context.Context, s *server) error {
	c, err := dialServer(s)
	for end := time.Now().Add(startTimeout); err != nil && time.Now().Before(end); c, err = dialServer(s) {
		if err := rest(ctx, time.Millisecond); err != nil {
			return err
		}
	}
	if err != nil {
		return err
	}
	defer c.Close()
	out := bufio.NewWriterSize(c, 1<<16)
	for i := range h.got {
		text := strconv.Itoa(i)
		fmt.Fprintf(out, "PUB %s %d\r\n%s\r\n", holdSubject(i), len(text), text)
	}
	if err := out.Flush(); err != nil {
		return h.fault("closed", "publishing through the new node: "+err.Error())
	}
	end := time.Now().Add(h.patience)
	for h.total.Load() < int64(len(h.got)) && h.wrong.Load() == nil && time.Now().Before(end) {
		if err := rest(ctx, time.Millisecond); err != nil {
			return err
		}
	}
	if err := rest(ctx, arriveRest); err != nil {
		return err
	}
	if wrong := h.wrong.Load(); wrong != nil {
		return wrong
	}
	if n := h.total.Load(); n < int64(len(h.got)) {
		return h.fault("lost", fmt.Sprintf("%d of %d messages through the new node arrived, which it said it had the interest for", n, len(h.got)))
	}
	return nil
}
