package compat

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"flag"
	"fmt"
	"net"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"shoal/compat/internal/broker"
)

var (
	guessTime = flag.Duration("guess", 2*time.Second, "for how long TestGuessers has somebody guess passwords")
	guessKind = flag.String("guesskind", "shoal", "the kind of server that is guessed at, shoal or nats-server")
)

// What guessers and the pair that works meanwhile do.
const (
	guessers     = 50
	guessRate    = 10_000 // per second
	pairRate     = 1_000  // messages per second
	guesserEnv   = "COMPAT_GUESSER"
	guessPayload = 8
)

// TestGuessers has 50 connections present 10,000 wrong passwords per second while two clients talk to each
// other. It reports how late their messages are, at that server and at another one that is left alone, which
// tells what the machine is to blame for. All must arrive, and no memory may be lost. The guessers wait for
// no answer, since that would come late; a second run has them wait. -guess=10s tells more.
func TestGuessers(t *testing.T) {
	kind := subject()
	if *guessKind == broker.Oracle.Name {
		kind = broker.Oracle
	}
	const hash = "$2a$11$SAjWL8BmZlpUYuDp6Tx9L.PoTgJ1VIHmAuxsWrDjjBuRVKHy8mxnC"
	for _, tt := range []struct {
		name, password string
		wait           bool
	}{
		{"clear", "right", false},
		{"clear, waiting", "right", true},
		{"hashed", hash, false},
		{"hashed, waiting", hash, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if kind.Name == broker.Oracle.Name && tt.password == hash {
				t.Skip("nats-server would hash for minutes")
			}
			config := fmt.Sprintf("authorization { users: [ { user: works, password: works }, { user: u, password: %q } ] }\n", tt.password)
			settings := broker.Settings{}
			settings.AddConfig(config)
			server := startServer(t, kind, settings)
			calm := startServer(t, kind, settings)
			both := []*pair{newPair(t, server.Addr), newPair(t, calm.Addr)}
			runPairs(t, both, time.Second) // warms up
			quiet := runPairs(t, both, *guessTime)
			before, err := server.RSS()
			must(t, err)
			end := startGuessers(t, server.Addr, tt.wait)
			runPairs(t, both, 500*time.Millisecond)
			used := cpuTime(t, server)
			busy := runPairs(t, both, *guessTime)
			used = cpuTime(t, server) - used
			made := end()
			after := runPairs(t, both, *guessTime)
			eventually(t, "memory is given back", func() bool {
				now, err := server.RSS()
				must(t, err)
				t.Logf("memory %d MiB before, %d MiB after", before>>20, now>>20)
				return now < before+32<<20
			})
			t.Logf("%s: %s guesses with %.0f %% of a core; 99 %% of messages before, meanwhile and after within %v %v %v, at the other server %v %v %v",
				kind.Name, made, 100*used.Seconds()/guessTime.Seconds(), quiet[0], busy[0], after[0], quiet[1], busy[1], after[1])
		})
	}
}

// pair is two clients, of whom one sends to the other the time.
type pair struct {
	publisher net.Conn
	received  chan time.Duration
}

func newPair(t *testing.T, addr string) *pair {
	const login = `CONNECT {"verbose":false,"user":"works","pass":"works"}` + "\r\n"
	p := &pair{received: make(chan time.Duration, 1<<16)}
	subscriber := rawConnect(t, addr, login+"SUB t 1\r\nPING\r\n", "PONG\r\n")
	p.publisher = rawConnect(t, addr, login+"PING\r\n", "PONG\r\n")
	var wg sync.WaitGroup
	wg.Go(func() { // ends with the connection
		lines := bufio.NewReader(subscriber)
		for {
			line, err := lines.ReadString('\n')
			if err != nil {
				return
			}
			if line == "PING\r\n" {
				_, _ = subscriber.Write([]byte("PONG\r\n"))
			}
			if !strings.HasPrefix(line, "MSG ") {
				continue
			}
			var sent [guessPayload + 2]byte
			for i := range sent {
				if sent[i], err = lines.ReadByte(); err != nil {
					return
				}
			}
			p.received <- time.Since(time.Unix(0, int64(binary.BigEndian.Uint64(sent[:]))))
		}
	})
	t.Cleanup(func() {
		_ = subscriber.Close()
		wg.Wait()
	})
	return p
}

// runPairs has pairs run at the same time.
func runPairs(t *testing.T, pairs []*pair, d time.Duration) []time.Duration {
	t.Helper()
	took := make([]time.Duration, len(pairs))
	errs := make([]error, len(pairs))
	var wg sync.WaitGroup
	for i, p := range pairs {
		wg.Go(func() { took[i], errs[i] = p.run(d) })
	}
	wg.Wait()
	must(t, errors.Join(errs...))
	return took
}

// cpuTime is what the server has used of the processor.
func cpuTime(t *testing.T, server *broker.Server) time.Duration {
	t.Helper()
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", server.PID()))
	must(t, err)
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	var ticks time.Duration
	for _, field := range fields[11:13] { // in user mode and in the kernel
		n, err := strconv.Atoi(field)
		must(t, err)
		ticks += time.Duration(n)
	}
	return ticks * time.Second / 100
}

// run sends for a while, and returns what 99 % of the messages took at most.
func (p *pair) run(d time.Duration) (time.Duration, error) {
	message := []byte("PUB t 8\r\n12345678\r\n")
	const at = len("PUB t 8\r\n")
	sent := 0
	for start := time.Now(); time.Since(start) < d; {
		due := start.Add(time.Duration(sent) * time.Second / pairRate)
		time.Sleep(time.Until(due))
		binary.BigEndian.PutUint64(message[at:], uint64(time.Now().UnixNano()))
		if _, err := p.publisher.Write(message); err != nil {
			return 0, err
		}
		sent++
	}
	took := make([]time.Duration, sent)
	for i := range took {
		select {
		case took[i] = <-p.received:
		case <-time.After(patience):
			return 0, fmt.Errorf("only %d of %d messages have arrived", i, sent)
		}
	}
	slices.Sort(took)
	return took[sent*99/100].Round(10 * time.Microsecond), nil
}

// startGuessers starts another process that guesses. The function that it returns ends that, and returns
// how many guesses there were per second.
func startGuessers(t *testing.T, addr string, wait bool) (end func() string) {
	self, err := os.Executable()
	must(t, err)
	command := exec.Command(self)
	command.Env = append(os.Environ(), fmt.Sprintf("%s=%s %t", guesserEnv, addr, wait))
	command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	command.Stderr = os.Stderr
	output, err := command.StdoutPipe()
	must(t, err)
	input, err := command.StdinPipe()
	must(t, err)
	must(t, command.Start())
	start := time.Now()
	return func() string {
		must(t, input.Close())
		var made int
		_, err := fmt.Fscan(output, &made)
		must(t, err)
		must(t, command.Wait())
		return fmt.Sprintf("%.0f/s", float64(made)/time.Since(start).Seconds())
	}
}

// guess is the process that guesses, until its standard input ends. It prints how often.
func guess(what string) int {
	// A guesser is somewhere else, and does not take the server's processor.
	if inverse, err := syscall.Getpriority(syscall.PRIO_PROCESS, 0); err == nil {
		_ = syscall.Setpriority(syscall.PRIO_PROCESS, 0, 20-inverse+10)
	}
	addr, text, _ := strings.Cut(what, " ")
	wait, err := strconv.ParseBool(text)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	var made, slot atomic.Int64
	var stopped atomic.Bool
	var wg sync.WaitGroup
	start := time.Now()
	for range guessers {
		wg.Go(func() {
			for !stopped.Load() {
				n := slot.Add(1)
				time.Sleep(time.Until(start.Add(time.Duration(n) * time.Second / guessRate)))
				if guessOnce(addr, n, wait) {
					made.Add(1)
				}
			}
		})
	}
	_, _ = bufio.NewReader(os.Stdin).ReadByte()
	stopped.Store(true)
	wg.Wait()
	fmt.Println(made.Load())
	return 0
}

// guessOnce presents a wrong password, and reports whether it got as far as that.
func guessOnce(addr string, n int64, wait bool) bool {
	socket, err := net.Dial("tcp", addr)
	if err != nil {
		return false
	}
	defer socket.Close()
	_ = socket.SetDeadline(time.Now().Add(10 * time.Second))
	lines := bufio.NewReader(socket)
	if _, err := lines.ReadString('\n'); err != nil {
		return false
	}
	if _, err := fmt.Fprintf(socket, `CONNECT {"user":"u","pass":"wrong %d"}`+"\r\n", n); err != nil {
		return false
	}
	if wait {
		_, _ = lines.ReadString('\n')
	}
	return true
}
