package command

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

// signalCommands are the words of --signal.
func signalCommands() map[string]syscall.Signal {
	return map[string]syscall.Signal{
		"stop":   syscall.SIGKILL,
		"quit":   syscall.SIGINT,
		"term":   syscall.SIGTERM,
		"reopen": syscall.SIGUSR1,
		"reload": syscall.SIGHUP,
		"ldm":    syscall.SIGUSR2,
	}
}

// sendSignal does what --signal asks for: COMMAND, COMMAND=PID or COMMAND=PIDFILE.
func sendSignal(request string) error {
	command, target, targeted := strings.Cut(request, "=")
	commands := signalCommands()
	sig, ok := commands[command]
	if !ok {
		known := slices.Sorted(maps.Keys(commands))
		return fmt.Errorf("--signal: %q is not a command, use %s", command, strings.Join(known, ", "))
	}
	var pid int
	var err error
	if targeted {
		pid, err = namedProcess(target)
	} else {
		pid, err = onlyServer()
	}
	if err != nil {
		return fmt.Errorf("--signal: %w", err)
	}
	switch err := syscall.Kill(pid, sig); {
	case errors.Is(err, syscall.ESRCH):
		return fmt.Errorf("--signal: there is no process %d", pid)
	case errors.Is(err, syscall.EPERM):
		return fmt.Errorf("--signal: process %d belongs to somebody else", pid)
	case err != nil:
		return fmt.Errorf("--signal: process %d: %w", pid, err)
	}
	return nil
}

// namedProcess returns the process that target, a number or a pid file, names.
func namedProcess(target string) (int, error) {
	if pid, err := strconv.Atoi(target); err == nil {
		// Zero and negative numbers would address whole groups of processes.
		if pid < 1 {
			return 0, fmt.Errorf("%d is not a process number", pid)
		}
		return pid, nil
	}
	content, err := os.ReadFile(target)
	if err != nil {
		return 0, fmt.Errorf("%s is neither a process number nor a pid file that can be read: %w", shown(target), reason(err))
	}
	pid, err := strconv.Atoi(string(bytes.TrimSpace(content)))
	if err != nil || pid < 1 {
		return 0, fmt.Errorf("%s does not contain a process number", target)
	}
	// A server that was killed leaves its pid file, and the number may be another program's by now.
	if name, err := executable(pid); err == nil && name != ownName() {
		return 0, fmt.Errorf("%s names process %d, which is %s; remove the file if it is a leftover", target, pid, name)
	}
	return pid, nil
}

// onlyServer finds the one server that runs the same executable as this process.
func onlyServer() (int, error) {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return 0, errors.New("this system does not list its processes, add =PID or =PIDFILE")
	}
	var found []string
	for _, entry := range entries {
		pid, err := strconv.Atoi(entry.Name())
		if err != nil || pid == os.Getpid() {
			continue
		}
		if name, err := executable(pid); err == nil && name == ownName() && isServer(pid) {
			found = append(found, entry.Name())
		}
	}
	switch len(found) {
	case 0:
		return 0, fmt.Errorf("no %s server is running", ownName())
	case 1:
		return strconv.Atoi(found[0])
	default:
		return 0, fmt.Errorf("%d servers are running, add =PID with one of %s", len(found), strings.Join(found, ", "))
	}
}

// executable returns the file name of the program that a process runs.
func executable(pid int) (string, error) {
	path, err := os.Readlink(fmt.Sprintf("/proc/%d/exe", pid))
	if err != nil {
		return "", err
	}
	// An upgrade replaces the file of a running server.
	return filepath.Base(strings.TrimSuffix(path, " (deleted)")), nil
}

func ownName() string {
	if name, err := executable(os.Getpid()); err == nil {
		return name
	}
	return filepath.Base(os.Args[0])
}

// isServer tells a server from the other things that the same executable does. A server's first
// argument is a flag, if it has any.
func isServer(pid int) bool {
	cmdline, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	if err != nil {
		return false
	}
	args := strings.Split(strings.TrimSuffix(string(cmdline), "\x00"), "\x00")
	if len(args) == 1 {
		return true
	}
	if !strings.HasPrefix(args[1], "-") {
		return false
	}
	return !slices.ContainsFunc(args[1:], func(arg string) bool {
		name, _, _ := strings.Cut(strings.TrimLeft(arg, "-"), "=")
		return strings.HasPrefix(arg, "-") && (name == "signal" || name == "sl")
	})
}
