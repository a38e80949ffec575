// Package browser runs a headless Chromium, for tests of what people see and what pages do. It speaks the
// DevTools protocol over two pipes, so that no port is opened.
package browser

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"time"
)

// startTime and closeTime are how long the browser may take to be ready, and to end by itself.
const (
	startTime = time.Minute
	closeTime = 5 * time.Second
)

// names are those that the program has, the first one in Debian.
var names = []string{"chromium", "chromium-browser", "google-chrome"}

// Find returns the path of the program.
func Find() (string, error) {
	for _, name := range names {
		if path, err := exec.LookPath(name); err == nil {
			return path, nil
		}
	}
	return "", errors.New("chromium is not installed (apt-get install chromium)")
}

// Browser is a running process.
type Browser struct {
	command *exec.Cmd
	log     bytes.Buffer  // what it prints, to be read when it has ended
	dir     string        // of its profile
	done    chan struct{} // closed when it has ended

	writing sync.Mutex // guards to
	to      *os.File

	mu      sync.Mutex // guards the rest
	lastID  int
	waiting map[int]chan<- reply
	pages   map[string]*Page // by session
	ended   error            // why nothing can be asked any more
}

// message is what goes over the pipes.
type message struct {
	ID      int             `json:"id,omitempty"`
	Session string          `json:"sessionId,omitempty"`
	Method  string          `json:"method,omitempty"`
	Params  json.RawMessage `json:"params,omitempty"`
	Result  json.RawMessage `json:"result,omitempty"`
	Error   *struct {
		Message string `json:"message"`
	} `json:"error,omitempty"`
}

type reply struct {
	result json.RawMessage
	err    error
}

// Start runs a browser that reaches nothing but this machine. Call Close in the end.
func Start() (*Browser, error) {
	path, err := Find()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "browser-")
	if err != nil {
		return nil, err
	}
	b := &Browser{dir: dir, done: make(chan struct{}), waiting: make(map[int]chan<- reply), pages: make(map[string]*Page)}
	commands, to, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	from, replies, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	b.to = to
	b.command = exec.Command(path, "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
		"--disable-background-networking", "--disable-component-update", "--disable-extensions", "--mute-audio",
		"--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost",
		"--user-data-dir="+dir, "--remote-debugging-pipe", "about:blank")
	b.command.ExtraFiles = []*os.File{commands, replies} // descriptors 3 and 4
	b.command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	b.command.Stdout, b.command.Stderr = &b.log, &b.log
	err = b.command.Start()
	commands.Close()
	replies.Close()
	if err != nil {
		to.Close()
		from.Close()
		return nil, errors.Join(fmt.Errorf("start %s: %w", path, err), os.RemoveAll(dir))
	}
	go b.read(from)
	// A page that is opened while the browser is about to be ready has been seen to crash it.
	ctx, cancel := context.WithTimeout(context.Background(), startTime)
	defer cancel()
	if err := b.call(ctx, "", "Browser.getVersion", struct{}{}, nil); err != nil {
		return nil, errors.Join(err, b.Close())
	}
	return b, nil
}

// read hands out what comes until the browser ends.
func (b *Browser) read(from *os.File) {
	defer close(b.done)
	defer from.Close()
	for r := bufio.NewReader(from); ; {
		text, err := r.ReadBytes(0)
		if err != nil {
			break
		}
		var m message
		if json.Unmarshal(text[:len(text)-1], &m) != nil {
			continue
		}
		b.mu.Lock()
		page, waiting := b.pages[m.Session], b.waiting[m.ID]
		delete(b.waiting, m.ID)
		b.mu.Unlock()
		switch {
		case m.ID == 0 && page != nil:
			page.happened(&m)
		case m.ID == 0 || waiting == nil:
		case m.Error != nil:
			waiting <- reply{err: errors.New(m.Error.Message)}
		default:
			waiting <- reply{result: m.Result}
		}
	}
	err := b.command.Wait()
	const shown = 2000
	text := b.log.String()
	b.mu.Lock()
	defer b.mu.Unlock()
	b.ended = fmt.Errorf("the browser has ended (%v): %s", err, text[max(0, len(text)-shown):])
	for _, waiting := range b.waiting {
		waiting <- reply{err: b.ended}
	}
}

// call sends a command and waits for its result, which goes to result unless that is nil.
func (b *Browser) call(ctx context.Context, session, method string, params, result any) error {
	text, err := json.Marshal(params)
	if err != nil {
		return fmt.Errorf("%s: %w", method, err)
	}
	answer := make(chan reply, 1)
	b.mu.Lock()
	if b.ended != nil {
		defer b.mu.Unlock()
		return fmt.Errorf("%s: %w", method, b.ended)
	}
	b.lastID++
	id := b.lastID
	b.waiting[id] = answer
	b.mu.Unlock()

	text, err = json.Marshal(message{ID: id, Session: session, Method: method, Params: text})
	if err == nil {
		b.writing.Lock()
		_, err = b.to.Write(append(text, 0))
		b.writing.Unlock()
	}
	if err != nil {
		return fmt.Errorf("%s: %w", method, err)
	}
	select {
	case got := <-answer:
		if got.err != nil {
			return fmt.Errorf("%s: %w", method, got.err)
		}
		if result == nil {
			return nil
		}
		return json.Unmarshal(got.result, result)
	case <-ctx.Done():
		b.mu.Lock()
		delete(b.waiting, id)
		b.mu.Unlock()
		return fmt.Errorf("%s: %w", method, ctx.Err())
	}
}

// Close ends the browser.
func (b *Browser) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), closeTime)
	defer cancel()
	_ = b.call(ctx, "", "Browser.close", struct{}{}, nil)
	select {
	case <-b.done:
	case <-ctx.Done():
		_ = b.command.Process.Kill()
		<-b.done
	}
	b.to.Close()
	return os.RemoveAll(b.dir)
}
