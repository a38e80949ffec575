package command

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"time"
)

// A server takes orders on a Unix socket. Who may give them is a matter of the permissions of the file, so
// it needs no password, and nobody reaches it over a network.

// adminOff is the value of --admin_socket that switches the socket off.
const adminOff = "off"

// longestSocket is the longest path of a Unix socket that every system takes.
const longestSocket = 103

// adminDir is where servers of this user have their sockets unless they are told another place.
func adminDir() string {
	if dir := os.Getenv("XDG_RUNTIME_DIR"); dir != "" {
		return filepath.Join(dir, "shoal")
	}
	return filepath.Join(os.TempDir(), "shoal-"+strconv.Itoa(os.Getuid()))
}

// socketOf is the socket there of the server with that client port.
func socketOf(dir string, port int) string { return filepath.Join(dir, strconv.Itoa(port)+".sock") }

// openAdminDir makes the directory for sockets, and makes sure that nobody else can use it.
func openAdminDir(dir string) error {
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("cannot make %s: %w", dir, reason(err))
	}
	info, err := os.Lstat(dir)
	if err != nil {
		return fmt.Errorf("cannot look at %s: %w", dir, reason(err))
	}
	owner, ok := info.Sys().(*syscall.Stat_t)
	if !info.IsDir() || !ok || int(owner.Uid) != os.Getuid() || info.Mode().Perm()&0o077 != 0 {
		return fmt.Errorf("%s is not a directory of this user alone", dir)
	}
	return nil
}

// adminSocket is the socket of a server. It is listened on in a place of its own, and becomes visible at
// its path only then, with the permissions that it is to have: so a socket there that refuses is one that
// a server has left behind.
type adminSocket struct {
	path     string // empty as long as it depends on a port that is not known yet
	dir      string
	optional bool // nobody has asked for it
	hidden   string
	listener *net.UnixListener
	file     os.FileInfo // at path; nil before publish
	server   *http.Server
	done     chan struct{} // closed when the serving goroutine has ended
}

// openAdminSocket opens the socket that a flag asks for, or else the default one for the port. nil is none.
func openAdminSocket(flag string, port int, log *slog.Logger) (*adminSocket, error) {
	a := &adminSocket{path: flag, dir: filepath.Dir(flag)}
	switch {
	case flag == adminOff:
		return nil, nil
	case flag == "":
		a.optional, a.dir = true, adminDir()
		if port > 0 {
			a.path = socketOf(a.dir, port)
		}
	}
	if err := a.open(); err != nil {
		return nil, a.failed(err, log)
	}
	return a, nil
}

// failed returns why there is no socket, as an error of the flag. If nobody has asked for one, it only
// logs that.
func (a *adminSocket) failed(err error, log *slog.Logger) error {
	if a.optional {
		log.Warn("Commands such as shoal members cannot reach this server, see --admin_socket", "error", err)
		return nil
	}
	return fmt.Errorf("--admin_socket: %w", err)
}

func (a *adminSocket) open() error {
	if a.optional {
		if err := openAdminDir(a.dir); err != nil {
			return err
		}
	}
	if a.path != "" {
		if err := a.check(); err != nil {
			return err
		}
	}
	hidden, err := os.MkdirTemp(a.dir, ".s*") // with mode 0700
	if err != nil {
		return fmt.Errorf("cannot make a socket in %s: %w", a.dir, reason(err))
	}
	a.hidden = hidden
	path := filepath.Join(hidden, "s")
	if len(path) > longestSocket {
		os.Remove(hidden)
		return fmt.Errorf("%s is too long for the directory of a socket", a.dir)
	}
	a.listener, err = net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err == nil {
		a.listener.SetUnlinkOnClose(false)
		err = os.Chmod(path, 0o600)
	}
	if err != nil {
		a.close()
		return fmt.Errorf("cannot make a socket in %s: %w", a.dir, reason(err))
	}
	return nil
}

// check says why the socket cannot be at its path, if so.
func (a *adminSocket) check() error {
	if len(a.path) > longestSocket {
		return fmt.Errorf("%s is too long for a socket, %d bytes are possible", a.path, longestSocket)
	}
	info, err := os.Lstat(a.path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return fmt.Errorf("cannot look at %s: %w", a.path, reason(err))
	case info.Mode()&fs.ModeSocket == 0:
		return fmt.Errorf("%s is there and is no socket, take another path", a.path)
	case isLive(a.path):
		return fmt.Errorf("%s belongs to a server that runs, take another path", a.path)
	}
	return nil
}

// isLive reports whether somebody listens on a socket.
func isLive(path string) bool {
	nc, err := net.DialTimeout("unix", path, time.Second)
	if err != nil {
		return !errors.Is(err, syscall.ECONNREFUSED) && !errors.Is(err, fs.ErrNotExist)
	}
	nc.Close()
	return true
}

// publish makes the socket of a server with that client port visible, and serves it.
func (a *adminSocket) publish(port int, handler http.Handler, log *slog.Logger) error {
	if a.path == "" {
		a.path = socketOf(a.dir, port)
	}
	err := a.check()
	if err == nil {
		err = os.Rename(filepath.Join(a.hidden, "s"), a.path)
	}
	if err == nil {
		a.file, err = os.Lstat(a.path)
	}
	if err != nil {
		a.close()
		return a.failed(err, log)
	}
	os.Remove(a.hidden)
	a.server = &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       2 * time.Minute,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
	a.done = make(chan struct{})
	go func() {
		defer close(a.done)
		if err := a.server.Serve(a.listener); !errors.Is(err, http.ErrServerClosed) {
			log.Error("The admin socket failed", "path", a.path, "err", err)
		}
	}()
	return nil
}

// close closes the socket, and removes it unless it belongs to another server by now.
func (a *adminSocket) close() {
	if a.server != nil {
		if info, err := os.Lstat(a.path); err == nil && os.SameFile(info, a.file) {
			os.Remove(a.path)
		}
		shutDown(a.server)
		<-a.done
		return
	}
	if a.listener != nil {
		a.listener.Close()
	}
	os.RemoveAll(a.hidden)
}
