package command

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
)

// pidFile tells scripts the number of the process.
type pidFile struct {
	path    string
	file    *os.File
	created bool
}

// openPIDFile makes sure that path can be written, and leaves its content alone: if the server
// then fails to start, the file may be that of another one which runs.
func openPIDFile(path string) (*pidFile, error) {
	_, err := os.Stat(path)
	created := errors.Is(err, fs.ErrNotExist)
	file, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, fmt.Errorf("--pid: cannot write %s: %w", path, reason(err))
	}
	return &pidFile{path: path, file: file, created: created}, nil
}

// write stores the process number.
func (p *pidFile) write() error {
	pid := strconv.Itoa(os.Getpid())
	info, err := p.file.Stat()
	if err == nil && info.Mode().IsRegular() { // /dev/null is not, and welcome
		err = p.file.Truncate(0)
	}
	if err == nil {
		_, err = p.file.WriteString(pid)
	}
	if err = errors.Join(err, p.file.Close()); err != nil {
		return fmt.Errorf("--pid: cannot write %s: %w", p.path, reason(err))
	}
	p.created = false
	return nil
}

// remove deletes the file if it is this process's.
func (p *pidFile) remove() {
	p.file.Close()
	content, err := os.ReadFile(p.path)
	if err == nil && (p.created && len(content) == 0 || string(content) == strconv.Itoa(os.Getpid())) {
		os.Remove(p.path)
	}
}

// portsFile tells scripts the addresses of all listeners, which is how they find a server that
// chose free ports.
type portsFile struct {
	path      string
	temporary *os.File
}

// portURLs is the content of a ports file. A listener that is off has no key.
type portURLs struct {
	NATS       []string `json:"nats,omitempty"`
	Monitoring []string `json:"monitoring,omitempty"`
	Cluster    []string `json:"cluster,omitempty"`
	Profile    []string `json:"profile,omitempty"`
	WebSocket  []string `json:"websocket,omitempty"`
}

// openPortsFile makes sure that a file can be written in dir. Nobody sees it before [portsFile.write].
func openPortsFile(dir string) (*portsFile, error) {
	name := fmt.Sprintf("%s_%d.ports", filepath.Base(os.Args[0]), os.Getpid())
	temporary, err := os.CreateTemp(dir, "."+name+".*")
	if err != nil {
		return nil, fmt.Errorf("--ports_file_dir: cannot write to %s: %w", dir, reason(err))
	}
	return &portsFile{path: filepath.Join(dir, name), temporary: temporary}, nil
}

// write stores urls. A reader sees the whole file or none.
func (p *portsFile) write(urls portURLs) error {
	content, err := json.Marshal(urls)
	if err == nil {
		_, err = p.temporary.Write(content)
	}
	err = errors.Join(err, p.temporary.Chmod(0o644), p.temporary.Close())
	if err == nil {
		err = os.Rename(p.temporary.Name(), p.path)
	}
	if err != nil {
		return fmt.Errorf("--ports_file_dir: cannot write %s: %w", p.path, reason(err))
	}
	return nil
}

// remove deletes the file, written or not.
func (p *portsFile) remove() {
	p.drop()
	os.Remove(p.path)
}

// drop forgets what was not written.
func (p *portsFile) drop() {
	p.temporary.Close()
	os.Remove(p.temporary.Name())
}

// reason reduces the error of a file operation to its cause: the path is told once already.
func reason(err error) error {
	var errno syscall.Errno
	if errors.As(err, &errno) {
		return errno
	}
	return err
}
