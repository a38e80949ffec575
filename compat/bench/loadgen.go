package main

import (
	"bytes"
	"context"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// The load generator's source. It lies in its own directory because the go
// command does not accept C files in a package without cgo.
//
//go:embed loadgen/*.c loadgen/*.h
var loadgenSource embed.FS

// loadgenExtra is how long a run may take besides its measured seconds:
// connecting, subscribing, the wait for a lost message.
const loadgenExtra = 150 * time.Second

// faultExit is the load generator's exit status when the server is at fault.
const faultExit = 3

// sample is what one run of the load generator found out.
type sample struct {
	Mode          string  `json:"mode"`
	Sent          int64   `json:"sent"`
	Delivered     int64   `json:"delivered"`
	Seconds       float64 `json:"seconds"`
	Rate          float64 `json:"rate"`
	CPU           int64   `json:"server_cpu_ns"`
	CPUTicks      int64   `json:"server_cpu_ticks_ns"`
	CPUThreads    int64   `json:"server_cpu_threads_ns"`
	SenderCores   float64 `json:"sender_cores"`
	ReceiverCores float64 `json:"receiver_cores"`
	RSS           int64   `json:"rss_kb"`
	PeakRSS       int64   `json:"peak_rss_kb"`
	Pings         int64   `json:"pings"`
	Late          float64 `json:"late"`
	BytesEach     float64 `json:"bytes_each,omitempty"`
	Samples       int64   `json:"samples,omitempty"`
	P50           int64   `json:"p50_ns,omitempty"`
	P99           int64   `json:"p99_ns,omitempty"`
	P999          int64   `json:"p999_ns,omitempty"`

	Fault string `json:"fault,omitempty"`
	Error string `json:"error,omitempty"`

	// Of the whole machine meanwhile, in cores.
	Steal float64 `json:"steal_cores"`
	Other float64 `json:"other_cores"`
}

// cpuPer is the CPU time of the server, or of all nodes together, in
// microseconds per delivered message, which is also CPU seconds per million of
// them.
func (s sample) cpuPer() float64 { return float64(s.CPU) / 1e3 / float64(max(s.Delivered, 1)) }

// faultError says that a server did not deliver as it must.
type faultError struct {
	server string
	kind   string
	text   string
}

func (e *faultError) Error() string { return fmt.Sprintf("%s: %s: %s", e.server, e.kind, e.text) }

// buildLoadgen writes the source into the work directory and compiles it.
func (b *bench) buildLoadgen(ctx context.Context) error {
	gcc, err := exec.LookPath("gcc")
	if err != nil {
		return errors.New("gcc is needed to build the load generator")
	}
	files, err := loadgenSource.ReadDir("loadgen")
	if err != nil {
		return err
	}
	b.loadgen = filepath.Join(b.dir, "loadgen")
	args := []string{"-std=c11", "-O2", "-Wall", "-pthread", "-o", b.loadgen}
	if b.secure {
		args = append(args, "-DWITH_TLS")
	}
	for _, f := range files {
		text, err := loadgenSource.ReadFile("loadgen/" + f.Name())
		if err != nil {
			return err
		}
		path := filepath.Join(b.dir, f.Name())
		if err := os.WriteFile(path, text, 0o600); err != nil {
			return err
		}
		if filepath.Ext(path) == ".c" {
			args = append(args, path)
		}
	}
	if b.secure {
		args = append(args, "-lssl", "-lcrypto")
	}
	if text, err := exec.CommandContext(ctx, gcc, args...).CombinedOutput(); err != nil {
		if b.secure && strings.Contains(string(text), "ssl") {
			return fmt.Errorf("the rows with TLS need the headers of OpenSSL (libssl-dev), --only can leave them out: %s", firstLine(text))
		}
		return fmt.Errorf("gcc cannot build the load generator: %s", firstLine(text))
	}
	return nil
}

// load runs the load generator against one server or a mesh of several. A
// fault of a server comes back as *faultError.
func (b *bench) load(ctx context.Context, c cluster, seconds float64, args []string) (sample, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Duration(seconds*float64(time.Second))+loadgenExtra)
	defer cancel()
	var ports, pids []string
	for _, s := range c {
		ports, pids = append(ports, strconv.Itoa(s.port)), append(pids, strconv.Itoa(s.pid()))
	}
	args = append(args[:len(args):len(args)], "--port", strings.Join(ports, ","), "--pid", strings.Join(pids, ","),
		"--seconds", strconv.FormatFloat(seconds, 'f', 3, 64))
	cmd := exec.CommandContext(ctx, b.loadgen, args...)
	cmd.SysProcAttr = endWithParent()
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs

	before := readMachine(c)
	err := cmd.Run()
	after := readMachine(c)

	var r sample
	if line := bytes.TrimSpace(out.Bytes()); len(line) > 0 {
		if jsonErr := json.Unmarshal(line, &r); jsonErr != nil {
			return r, fmt.Errorf("the load generator printed %q: %w", line, jsonErr)
		}
	}
	var exit *exec.ExitError
	switch {
	case ctx.Err() != nil && err != nil:
		return r, fmt.Errorf("the load generator was stopped: %w", context.Cause(ctx))
	case errors.As(err, &exit) && exit.ExitCode() == faultExit:
		for _, s := range c {
			if last, dead := s.dead(); dead {
				r.Error += " (the server has ended: " + last + ")"
			}
		}
		return r, &faultError{server: c.name(), kind: r.Fault, text: r.Error}
	case err != nil && r.Error != "":
		return r, fmt.Errorf("load generator against %s: %s", c.name(), r.Error)
	case err != nil:
		return r, fmt.Errorf("load generator against %s: %w: %s", c.name(), err, firstLine(errs.Bytes()))
	}
	client := cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	r.Steal, r.Other = before.until(after, client)
	return r, nil
}
