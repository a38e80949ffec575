package monitor

import (
	"math"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// sampleInterval is the shortest span that the processor load is averaged over: a tool that asks
// every few milliseconds would otherwise read the load of its own question.
const sampleInterval = time.Second

// process measures the processor load of this process from one question to the next.
type process struct {
	mu      sync.Mutex // guards the fields below
	wall    time.Time
	used    time.Duration
	percent float64
}

func newProcess() *process {
	return &process{wall: time.Now(), used: processorTime()}
}

// cpuPercent returns the load since the previous sample; one busy core is 100.
func (p *process) cpuPercent(now time.Time) float64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	if elapsed := now.Sub(p.wall); elapsed >= sampleInterval {
		used := processorTime()
		p.percent = math.Round(1000*float64(used-p.used)/float64(elapsed)) / 10
		p.wall, p.used = now, used
	}
	return p.percent
}

// processorTime is the time that this process has spent on processors.
func processorTime() time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		return 0
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// gitCommit returns the commit that the program was built from, if it knows.
var gitCommit = sync.OnceValue(func() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return ""
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			return s.Value[:min(len(s.Value), 7)]
		}
	}
	return ""
})

// memoryLimit returns the limit that the Go runtime was given, 0 if it was given none.
func memoryLimit() int64 {
	if limit := debug.SetMemoryLimit(-1); limit < math.MaxInt64 {
		return limit
	}
	return 0
}

// residentMemory returns the bytes of memory that the process occupies. Where the kernel does not
// tell, it is what the Go runtime has obtained.
func residentMemory() int64 {
	if statm, err := os.ReadFile("/proc/self/statm"); err == nil {
		if fields := strings.Fields(string(statm)); len(fields) > 1 {
			if pages, err := strconv.ParseInt(fields[1], 10, 64); err == nil {
				return pages * int64(os.Getpagesize())
			}
		}
	}
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return int64(stats.Sys)
}
