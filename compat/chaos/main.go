// Command chaos breaks clusters of shoal and of nats-server on networks of its own, and prints how
// long they take to notice and to heal, and which messages they lose meanwhile.
//
// Every node has a network namespace; two bridges join them, with one line between the bridges. A
// fresh cluster is broken for each run, and the servers take turns. What the scenarios do is told by
// --list, and how things are measured in docs/chaos.md.
//
// Usage: scripts/chaos [--quick] [--only REGEXP] [--runs N]; see --help.
//
// Exit status: 0 all was measured, 1 something could not be, 2 wrong usage.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"regexp"
	"runtime"
	"strings"
	"syscall"
	"time"

	"shoal/compat/internal/broker"
	"shoal/compat/internal/chaos"
	"shoal/compat/internal/lab"
)

// options are the command line.
type options struct {
	quick    bool
	list     bool
	only     *regexp.Regexp
	servers  []string
	runs     int
	profile  string
	settings chaos.Settings
	big      int
}

func main() {
	o, err := parseFlags(os.Args[1:])
	if errors.Is(err, flag.ErrHelp) {
		os.Exit(0)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "chaos:", err)
		os.Exit(2)
	}
	if o.list {
		for _, s := range scenarios(o) {
			fmt.Printf("%-14s %s\n", s.name, s.about)
		}
		return
	}
	if err := run(o); err != nil {
		fmt.Fprintln(os.Stderr, "chaos:", err)
		os.Exit(1)
	}
}

func parseFlags(args []string) (options, error) {
	var o options
	var only, servers string
	fs := flag.NewFlagSet("chaos", flag.ContinueOnError)
	fs.BoolVar(&o.quick, "quick", false, "one run, and everything shorter, which nats-server does not always notice in")
	fs.BoolVar(&o.list, "list", false, "print the scenarios and end")
	fs.StringVar(&only, "only", "", "only the scenarios whose name matches this `regexp`")
	fs.StringVar(&servers, "servers", "shoal,nats-server", "whom to measure, of shoal, nats-server and shoal-routes, which is shoal without gossip")
	fs.IntVar(&o.runs, "runs", 0, "runs of each scenario (5; 1 with --quick)")
	fs.StringVar(&o.profile, "profile", "lan", "--gossip_profile of shoal")
	fs.DurationVar(&o.settings.Split, "partition", 0, "how long a partition lasts (1m; 10s with --quick)")
	fs.DurationVar(&o.settings.Fault, "fault", 0, "how long a cable is broken, or the processors are busy (1m; 10s with --quick)")
	fs.DurationVar(&o.settings.Patience, "patience", 0, "how long a node is frozen if nobody notices (100s; 10s with --quick)")
	logs := fs.Bool("logs", false, "print the logs of all nodes to standard error after each run")
	fs.IntVar(&o.big, "big", 50, "how many nodes a large cluster has")
	fs.Usage = func() {
		fmt.Fprint(fs.Output(), "Usage: scripts/chaos [options]\n\nBreaks clusters of shoal and of nats-server on networks made for it, and measures what follows.\n"+
			"It needs root. SHOAL_BIN and NATS_SERVER_BIN name ready binaries.\n\n")
		fs.PrintDefaults()
	}
	if err := fs.Parse(args); err != nil {
		return o, err
	}
	if fs.NArg() > 0 {
		return o, fmt.Errorf("unknown argument %q", fs.Arg(0))
	}
	if *logs {
		o.settings.Logs = os.Stderr
	}
	var err error
	if o.only, err = regexp.Compile("^(" + only + ")"); err != nil {
		return o, fmt.Errorf("--only: %w", err)
	}
	o.servers = strings.Split(servers, ",")
	for _, name := range o.servers {
		if _, err := contestant(name, o.profile); err != nil {
			return o, fmt.Errorf("--servers: %w", err)
		}
	}
	if o.runs < 0 || o.big < 2 || o.big > 200 {
		return o, errors.New("--runs must not be negative, and --big is from 2 to 200")
	}
	choose := func(value *time.Duration, quick, full time.Duration) {
		if *value == 0 {
			*value = full
			if o.quick {
				*value = quick
			}
		}
	}
	choose(&o.settings.Split, 10*time.Second, time.Minute)
	choose(&o.settings.Fault, 10*time.Second, time.Minute)
	choose(&o.settings.Patience, 10*time.Second, 100*time.Second)
	o.settings.Settle = 3 * time.Second
	if o.runs == 0 {
		o.runs = 5
		if o.quick {
			o.runs = 1
		}
	}
	if o.quick {
		o.settings.Settle = time.Second
	}
	return o, nil
}

// contestant is a server by its name.
func contestant(name, profile string) (chaos.Contestant, error) {
	switch name {
	case "shoal":
		return chaos.Contestant{Name: name, Kind: broker.Shoal, Flags: []string{"--gossip_profile", profile}}, nil
	case "shoal-routes":
		return chaos.Contestant{Name: name, Kind: broker.Shoal, Flags: []string{"--no_gossip"}, Join: "--routes"}, nil
	case "nats-server":
		return chaos.Contestant{Name: name, Kind: broker.Oracle}, nil
	}
	return chaos.Contestant{}, fmt.Errorf("%q is none of shoal, nats-server and shoal-routes", name)
}

func run(o options) error {
	if err := lab.Check(); err != nil {
		return fmt.Errorf("cannot make the networks: %w", err)
	}
	// What ends the program ends the nodes and their networks; what is left are the files.
	files, err := os.MkdirTemp("", "chaos-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(files)
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	go func() {
		<-signals
		os.RemoveAll(files)
		os.Exit(130)
	}()
	broker.UseBuildDir(files)
	var contestants []chaos.Contestant
	for _, name := range o.servers {
		c, _ := contestant(name, o.profile)
		if _, err := c.Kind.Binary(); err != nil {
			return err
		}
		contestants = append(contestants, c)
	}
	// Whatever servers write goes away with the rest.
	if err := os.Setenv("TMPDIR", files); err != nil {
		return err
	}

	fmt.Printf("%s, %d processors, Linux %s; profile %s, %d runs; a partition lasts %v, a fault %v, a freeze at most %v\n",
		time.Now().Format("2006-01-02"), runtime.NumCPU(), kernel(), o.profile, o.runs,
		o.settings.Split, o.settings.Fault, o.settings.Patience)
	var failed error
	for _, s := range scenarios(o) {
		if !o.only.MatchString(s.name) {
			continue
		}
		t := s.table()
		for i := range o.runs {
			for _, c := range contestants {
				began := time.Now()
				values, err := s.run(c)
				if err != nil {
					failed = errors.New("some runs failed, see above; --logs shows what the nodes say")
					fmt.Fprintf(os.Stderr, "%s, %s, run %d: %v\n", s.name, c.Name, i+1, err)
				}
				fmt.Fprintf(os.Stderr, "%s, %s, run %d: %s (%.0f s)\n", s.name, c.Name, i+1, t.line(values), time.Since(began).Seconds())
				t.add(c.Name, values)
			}
		}
		fmt.Printf("\n%s: %s\n\n", s.name, s.about)
		t.write(os.Stdout)
	}
	return failed
}

// kernel is the version of the kernel.
func kernel() string {
	text, err := os.ReadFile("/proc/sys/kernel/osrelease")
	if err != nil {
		return "unknown"
	}
	version, _, _ := strings.Cut(strings.TrimSpace(string(text)), "-")
	return version
}
