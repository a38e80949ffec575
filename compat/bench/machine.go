package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"
)

// tick is the unit of the CPU times in /proc; Linux fixes it for all
// programs at a hundredth of a second.
const tick = 10 * time.Millisecond

// snapshot is what the whole machine and some servers have used so far.
type snapshot struct {
	at     time.Time
	busy   time.Duration // all processors: user, nice, system, interrupts
	steal  time.Duration
	server time.Duration
}

func readMachine(servers cluster) snapshot {
	s := snapshot{at: time.Now()}
	if text, err := os.ReadFile("/proc/stat"); err == nil {
		line, _, _ := bytes.Cut(text, []byte("\n"))
		f := strings.Fields(string(line)) // cpu user nice system idle iowait irq softirq steal
		for _, i := range []int{1, 2, 3, 6, 7} {
			s.busy += ticks(f, i)
		}
		s.steal = ticks(f, 8)
	}
	for _, srv := range servers {
		if text, err := os.ReadFile(procFile(srv.pid(), "stat")); err == nil {
			// The command's name may hold blanks; fields count from its end.
			f := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
			s.server += ticks(f, 11) + ticks(f, 12)
		}
	}
	return s
}

func procFile(pid int, name string) string { return filepath.Join("/proc", strconv.Itoa(pid), name) }

// peakRSS is the greatest memory that a process has had so far, in KiB.
func peakRSS(pid int) int64 {
	text, err := os.ReadFile(procFile(pid, "status"))
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(text)) {
		if f := strings.Fields(line); len(f) > 1 && f[0] == "VmHWM:" {
			kb, _ := strconv.ParseInt(f[1], 10, 64)
			return kb
		}
	}
	return 0
}

func ticks(fields []string, i int) time.Duration {
	if i >= len(fields) {
		return 0
	}
	n, _ := strconv.ParseInt(fields[i], 10, 64)
	return time.Duration(n) * tick
}

// until returns the cores that the hypervisor took and that other programs
// used between two snapshots; client is the load generator's own time.
func (s snapshot) until(t snapshot, client time.Duration) (steal, other float64) {
	wall := t.at.Sub(s.at).Seconds()
	if wall <= 0 {
		return 0, 0
	}
	rest := (t.busy - s.busy) - (t.server - s.server) - client
	return (t.steal - s.steal).Seconds() / wall, max(rest.Seconds()/wall, 0)
}

// describeMachine is the line that says where the figures come from.
func describeMachine(root string) string {
	model := "unknown processor"
	if text, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		for line := range strings.Lines(string(text)) {
			if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
				model = strings.TrimSpace(value)
				break
			}
		}
	}
	kernel, _ := os.ReadFile("/proc/sys/kernel/osrelease")
	commit := "no commit"
	cmd := exec.Command("git", "-C", root, "rev-parse", "--short", "HEAD")
	if text, err := cmd.Output(); err == nil {
		commit = "commit " + strings.TrimSpace(string(text))
	}
	return fmt.Sprintf("%d cores %s, Linux %s, %s, shoal %s", runtime.NumCPU(), model,
		strings.TrimSpace(string(kernel)), runtime.Version(), commit)
}
