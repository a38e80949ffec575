package command

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"
)

// notifier tells the service manager that has started the server how the server is, in the way of systemd:
// lines in a datagram to a socket. Without such a manager it does nothing.
type notifier struct {
	socket   string // empty if nobody listens
	watchdog time.Duration
	log      *slog.Logger
}

// newNotifier returns the notifier that the environment asks for.
func newNotifier(log *slog.Logger) *notifier {
	n := &notifier{socket: os.Getenv("NOTIFY_SOCKET"), log: log}
	if n.socket == "" {
		return n
	}
	if n.socket[0] != '/' && n.socket[0] != '@' {
		log.Warn("The service manager cannot be told how the server is: NOTIFY_SOCKET is no Unix socket", "socket", n.socket)
		n.socket = ""
		return n
	}
	// The variables may have been inherited from a process that was meant.
	if pid := os.Getenv("WATCHDOG_PID"); pid != "" && pid != strconv.Itoa(os.Getpid()) {
		return n
	}
	if text := os.Getenv("WATCHDOG_USEC"); text != "" {
		usec, err := strconv.ParseInt(text, 10, 64)
		if n.watchdog = time.Duration(usec) * time.Microsecond; err != nil || n.watchdog < time.Millisecond {
			log.Warn("The watchdog is off: WATCHDOG_USEC is no number of microseconds", "value", text)
			n.watchdog = 0
		}
	}
	return n
}

// managerPatience is how long the service manager may take to read.
const managerPatience = time.Second

// tell sends lines such as READY=1. That it failed is logged: the manager draws its own conclusions.
func (n *notifier) tell(lines ...string) {
	if n.socket == "" {
		return
	}
	conn, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: n.socket, Net: "unixgram"})
	if err == nil {
		defer conn.Close()
		if err = conn.SetWriteDeadline(time.Now().Add(managerPatience)); err == nil {
			_, err = conn.Write([]byte(strings.Join(lines, "\n")))
		}
	}
	if err != nil {
		n.log.Warn("Cannot tell the service manager how the server is", "socket", n.socket, "error", err)
	}
}

// timeBeyond is what a step may take longer than was announced.
const timeBeyond = 10 * time.Second

// extend asks the manager for so much time, and a little more, however short its own timeouts are.
func extend(d time.Duration) string {
	return "EXTEND_TIMEOUT_USEC=" + strconv.FormatInt((d+timeBeyond).Microseconds(), 10)
}

func (n *notifier) starting(within time.Duration) {
	n.tell("STATUS=Starting", extend(within))
}

func (n *notifier) ready() { n.tell("READY=1", "STATUS=Serving clients") }

// stopping says that the server ends by itself within a time. what is said to people.
func (n *notifier) stopping(what string, within time.Duration) {
	n.tell("STOPPING=1", "STATUS="+what, extend(within))
}

// reload runs reload, between words that let the manager wait for its end.
func (n *notifier) reload(reload func()) {
	if n.socket == "" {
		reload()
		return
	}
	now, err := monotonic()
	if err != nil {
		n.log.Warn("Cannot tell the service manager of a reload", "error", err)
		reload()
		return
	}
	n.tell("RELOADING=1", fmt.Sprintf("MONOTONIC_USEC=%d", now.Microseconds()))
	defer n.tell("READY=1")
	reload()
}

// watch gives signs of life twice in the time of the watchdog, as long as alive returns nil in time. The
// function that it returns ends that.
func (n *notifier) watch(alive func(context.Context) error) (stop func()) {
	if n.socket == "" || n.watchdog == 0 {
		return func() {}
	}
	ctx, cancel := context.WithCancel(context.Background())
	var watching sync.WaitGroup
	watching.Go(func() {
		tick := time.NewTicker(n.watchdog / 2)
		defer tick.Stop()
		for {
			n.check(ctx, alive)
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
		}
	})
	return func() {
		cancel()
		watching.Wait()
	}
}

// check gives one sign of life, if there is life.
func (n *notifier) check(ctx context.Context, alive func(context.Context) error) {
	within, cancel := context.WithTimeout(ctx, n.watchdog/2)
	defer cancel()
	err := alive(within)
	switch {
	case err == nil:
		n.tell("WATCHDOG=1")
	case ctx.Err() == nil:
		n.log.Error("The server does not respond, its watchdog will end it if that goes on", "error", err)
	}
}
