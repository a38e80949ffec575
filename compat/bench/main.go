// Command bench measures shoal and nats-server side by side on one machine
// and prints the ratios.
//
// Both servers run with their default configuration on free loopback ports.
// A small load generator written in C (see the loadgen directory) talks to
// them over raw TCP, in turn: one warm-up pair that is not counted, then
// pairs in the order A B, B A, A B and so on. For every pair the ratio
// shoal/nats-server is taken; the table shows the medians of the pair ratios
// with their quartiles. Before a row is measured, both servers must pass it
// once in a mode that checks every single message: no ratio is printed for a
// server that loses, doubles, reorders or changes messages.
//
// Rows over several nodes start a full mesh of each kind, also with its
// defaults, and count the CPU time and memory of all nodes together. The load
// generator publishes at the first node and receives at the others; it begins
// when probes on the very subject arrive everywhere. The row about
// announcements is described at announceOnce.
//
// Usage: scripts/bench [--quick] [--only REGEXP] [--pairs N] [--json]
// [--shoal BIN] [--nats BIN]; see --help.
//
// Exit status: 0 all floors met, 1 the benchmark could not run, 2 wrong
// usage, 3 a floor was missed, 4 a server delivered wrongly.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"syscall"
)

const (
	exitOK       = 0
	exitFailed   = 1
	exitUsage    = 2
	exitMissed   = 3
	exitDelivery = 4
)

// options are the command line.
type options struct {
	quick bool
	json  bool
	list  bool
	only  *regexp.Regexp
	pairs int
	procs int
	shoal string
	nats  string
	root  string
}

// The main goroutine starts all children and stays on the main thread: the
// children are told to end with the thread that started them.
func init() { runtime.LockOSThread() }

func main() {
	opts, err := parseFlags(os.Args[1:])
	if errors.Is(err, flag.ErrHelp) {
		os.Exit(exitOK)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(exitUsage)
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	code, err := run(ctx, opts)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
	}
	os.Exit(code)
}

const usage = `Usage: bench [options]

Measures shoal and nats-server in turn on this machine and prints the ratios.
--list names the rows. Those that tell a number of nodes run over a full mesh
of each kind: messages and requests enter at the first node, subscribers and
responders are at the others, and CPU and memory are those of all nodes. "100k
subscriptions announced" is the time from the start of a second node's process
until its /routez counts all that the first node's clients subscribe to, which
is then proved with a message for each.

Exit status: 0 all floors met, 1 the benchmark could not run, 2 wrong usage,
3 a floor was missed, 4 a server delivered wrongly.

`

func parseFlags(args []string) (options, error) {
	var o options
	var only string
	fs := flag.NewFlagSet("bench", flag.ContinueOnError)
	fs.BoolVar(&o.quick, "quick", false, "seven rows, three pairs, about two minutes")
	fs.BoolVar(&o.json, "json", false, "one JSON line per row on stdout instead of the table")
	fs.BoolVar(&o.list, "list", false, "print the names of the rows and end")
	fs.StringVar(&only, "only", "", "measure only the rows whose name matches this `regexp`")
	fs.IntVar(&o.pairs, "pairs", 0, "counted pairs per row (5; 3 with --quick)")
	fs.IntVar(&o.procs, "procs", runtime.NumCPU(), "GOMAXPROCS of every server")
	fs.StringVar(&o.shoal, "shoal", "", "measure this shoal `binary` instead of building it")
	fs.StringVar(&o.nats, "nats", "", "measure against this nats-server `binary` instead of building it")
	fs.StringVar(&o.root, "root", "", "root of the shoal repository (found from the working directory)")
	fs.Usage = func() {
		fmt.Fprint(fs.Output(), usage)
		fs.PrintDefaults()
	}
	if err := fs.Parse(args); err != nil {
		return o, err
	}
	if fs.NArg() > 0 {
		return o, fmt.Errorf("unknown argument %q", fs.Arg(0))
	}
	var err error
	if o.only, err = regexp.Compile(only); err != nil {
		return o, fmt.Errorf("--only: %w", err)
	}
	switch {
	case o.pairs == 0 && o.quick:
		o.pairs = 3
	case o.pairs == 0:
		o.pairs = 5
	case o.pairs < 1 || o.pairs > 100:
		return o, errors.New("--pairs must be from 1 to 100")
	}
	if o.procs < 1 || o.procs > 1024 {
		return o, errors.New("--procs must be from 1 to 1024")
	}
	return o, nil
}

// run does everything and returns the exit status.
func run(ctx context.Context, opts options) (int, error) {
	rows := selectRows(opts)
	if opts.list {
		for _, s := range rows {
			fmt.Println(s.name)
		}
		return exitOK, nil
	}
	if len(rows) == 0 {
		return exitUsage, errors.New("--only matches no row; --list names them")
	}
	if runtime.GOOS != "linux" {
		return exitFailed, errors.New("the benchmark needs Linux: it reads the servers' CPU time and memory from /proc")
	}
	root, err := findRoot(opts.root)
	if err != nil {
		return exitFailed, err
	}
	dir, err := os.MkdirTemp("", "shoal-bench-")
	if err != nil {
		return exitFailed, err
	}
	defer os.RemoveAll(dir)

	b := &bench{opts: opts, dir: dir, log: os.Stderr}
	if slices.ContainsFunc(rows, func(s scenario) bool { return s.tls }) {
		if err := b.prepareTLS(); err != nil {
			return exitFailed, fmt.Errorf("cannot make a certificate: %w", err)
		}
	}
	if err := b.build(ctx, root); err != nil {
		return exitFailed, err
	}
	report := report{machine: describeMachine(root), opts: opts, versions: map[string]string{}}
	for i, s := range rows {
		fmt.Fprintf(b.log, "[%d/%d] %s: ", i+1, len(rows), s.name)
		res, err := b.measure(ctx, s)
		if err != nil {
			fmt.Fprintln(b.log)
			return exitFailed, fmt.Errorf("%s: %w", s.name, err)
		}
		fmt.Fprintln(b.log, res.summary())
		for name, v := range res.versions {
			report.versions[name] = v
		}
		report.rows = append(report.rows, res)
		if opts.json {
			if err := res.writeJSON(os.Stdout); err != nil {
				return exitFailed, err
			}
		}
	}
	if opts.json {
		err = report.writeJSONSummary(os.Stdout)
	} else {
		err = report.write(os.Stdout)
	}
	if err != nil {
		return exitFailed, err
	}
	return report.verdict()
}

// selectRows applies --quick and --only.
func selectRows(opts options) []scenario {
	var rows []scenario
	for _, s := range scenarios {
		if (!opts.quick || s.quick) && (opts.only == nil || opts.only.MatchString(s.name)) {
			rows = append(rows, s)
		}
	}
	return rows
}

// findRoot returns the repository's root: the given one, or the nearest
// directory above the working directory that holds this program's module.
func findRoot(given string) (string, error) {
	dir := given
	if dir == "" {
		wd, err := os.Getwd()
		if err != nil {
			return "", err
		}
		dir = wd
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	for d := dir; ; d = filepath.Dir(d) {
		if mod, err := os.ReadFile(filepath.Join(d, "compat", "go.mod")); err == nil && strings.Contains(string(mod), "module shoal/compat") {
			return d, nil
		}
		if given != "" || d == filepath.Dir(d) {
			return "", fmt.Errorf("%s is not inside the shoal repository; use --root", dir)
		}
	}
}
