// Command monitorcost measures what it costs a shoal node to be looked at.
//
// Ten thousand clients are connected and silent. One publisher sends to one subscriber as fast as it can, in
// pairs of runs: one while nobody looks, one while /connz and /metrics are asked for every second. The order
// within the pairs alternates, so that what else happens on the machine hits both alike. It prints the median
// of the ratios of the rates, with quartiles, and how long the answers took.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"shoal/compat/internal/broker"
)

func main() {
	clients := flag.Int("clients", 10000, "`number` of clients that are connected")
	pairs := flag.Int("pairs", 15, "`number` of pairs of runs")
	length := flag.Duration("duration", 2*time.Second, "`time` of a run")
	pages := flag.String("pages", "/connz,/metrics", "`pages` that are asked for every second")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, *clients, *pairs, *length, strings.Split(*pages, ",")); err != nil {
		fmt.Fprintln(os.Stderr, "monitorcost:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, clients, pairs int, length time.Duration, pages []string) (err error) {
	dir, err := os.MkdirTemp("", "monitorcost-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	broker.UseBuildDir(dir)
	server, err := broker.Launch(broker.Shoal, "", "-a", "127.0.0.1", "-p", "-1", "-m", "-1")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, server.Stop()) }()
	if err := server.WaitReady(); err != nil {
		return err
	}
	held, err := hold(server.Addr, clients)
	defer func() {
		for _, nc := range held {
			nc.Close()
		}
	}()
	if err != nil {
		return err
	}
	w := watcher{base: server.Monitor, pages: pages}
	if _, err := measure(ctx, server, length); err != nil { // a run to warm up
		return err
	}
	var ratios, rates []float64
	for i := range pairs {
		var alone, watched float64
		for k := range 2 {
			if (i+k)%2 == 0 {
				alone, err = measure(ctx, server, length)
			} else {
				watched, err = w.during(ctx, func() (float64, error) { return measure(ctx, server, length) })
			}
			if err != nil {
				return err
			}
		}
		ratios, rates = append(ratios, watched/alone), append(rates, alone)
		fmt.Printf("pair %2d: %8.0f messages/s alone, %8.0f watched, ratio %.3f\n", i+1, alone, watched, watched/alone)
	}
	fmt.Printf("%d clients, %.0f messages/s alone; watched they are %.3f of that (quartiles %.3f and %.3f)\n",
		clients, quantile(rates, 0.5), quantile(ratios, 0.5), quantile(ratios, 0.25), quantile(ratios, 0.75))
	busy, err := w.processorTime(ctx, server)
	if err != nil {
		return err
	}
	fmt.Printf("while nothing else happens, the node works %v in a second for that\n", busy)
	for _, page := range pages {
		fmt.Printf("%s: %d answers of %d bytes, median %v\n", page, len(w.took[page]), w.size[page],
			time.Duration(quantile(w.took[page], 0.5)).Round(100*time.Microsecond))
	}
	return nil
}

// hold connects clients that say hello, and subscribe, and are silent from then on.
func hold(addr string, n int) (held []net.Conn, err error) {
	for i := range n {
		nc, err := net.Dial("tcp", addr)
		if err != nil {
			return held, err
		}
		held = append(held, nc)
		_, err = fmt.Fprintf(nc, "CONNECT {\"verbose\":false,\"name\":\"client-%d\",\"lang\":\"go\",\"version\":\"1.55.0\"}\r\nSUB own.%d 1\r\nPING\r\n", i, i)
		if err != nil {
			return held, err
		}
		in := bufio.NewReaderSize(nc, 1024)
		for line := ""; line != "PONG\r\n"; {
			if line, err = in.ReadString('\n'); err != nil {
				return held, fmt.Errorf("client %d: %w", i, err)
			}
		}
	}
	return held, nil
}

// measure returns how many messages a second go from one publisher to one subscriber.
func measure(ctx context.Context, server *broker.Server, length time.Duration) (float64, error) {
	program, err := server.Kind.Binary()
	if err != nil {
		return 0, err
	}
	cmd := exec.CommandContext(ctx, program, "bench", "--json", "--duration", length.String(), "--warmup", "300ms", "-s", server.URL())
	cmd.Stderr = os.Stderr
	text, err := cmd.Output()
	if err != nil {
		return 0, fmt.Errorf("shoal bench: %w", err)
	}
	var result struct {
		Delivered struct {
			PerSecond float64 `json:"per_second"`
		} `json:"delivered"`
	}
	if err := json.Unmarshal(text, &result); err != nil {
		return 0, fmt.Errorf("shoal bench: %w", err)
	}
	if result.Delivered.PerSecond == 0 {
		return 0, errors.New("shoal bench: nothing was delivered")
	}
	return result.Delivered.PerSecond, nil
}

// watcher asks for pages.
type watcher struct {
	base  string
	pages []string
	took  map[string][]float64 // nanoseconds by page
	size  map[string]int64
}

// during asks for all pages every second while f runs.
func (w *watcher) during(ctx context.Context, f func() (float64, error)) (float64, error) {
	ctx, stop := context.WithCancel(ctx)
	var asking sync.WaitGroup
	var failed error
	asking.Go(func() {
		tick := time.NewTicker(time.Second)
		defer tick.Stop()
		for ctx.Err() == nil {
			for _, page := range w.pages {
				if err := w.ask(ctx, page); err != nil && ctx.Err() == nil {
					failed = err
				}
			}
			select {
			case <-tick.C:
			case <-ctx.Done():
			}
		}
	})
	rate, err := f()
	stop()
	asking.Wait()
	return rate, errors.Join(err, failed)
}

func (w *watcher) ask(ctx context.Context, page string) error {
	begun := time.Now()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, w.base+page, nil)
	if err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	n, err := io.Copy(io.Discard, response.Body)
	if err != nil {
		return err
	}
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", page, response.Status)
	}
	if w.took == nil {
		w.took, w.size = make(map[string][]float64), make(map[string]int64)
	}
	w.took[page], w.size[page] = append(w.took[page], float64(time.Since(begun))), n
	return nil
}

// processorTime returns how much the server works in a second for who looks at it.
func (w *watcher) processorTime(ctx context.Context, server *broker.Server) (time.Duration, error) {
	const span = 10 * time.Second
	rest := func() (float64, error) {
		select {
		case <-time.After(span):
			return 0, nil
		case <-ctx.Done():
			return 0, ctx.Err()
		}
	}
	var used [3]time.Duration
	for i := range used {
		var err error
		switch i {
		case 1:
			_, err = rest()
		case 2:
			_, err = w.during(ctx, rest)
		}
		if err != nil {
			return 0, err
		}
		if used[i], err = workedBy(server.PID()); err != nil {
			return 0, err
		}
	}
	return (used[2] - 2*used[1] + used[0]) / time.Duration(span/time.Second), nil
}

// workedBy returns the processor time that a process has used.
func workedBy(pid int) (time.Duration, error) {
	threads, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", pid))
	if err != nil {
		return 0, err
	}
	var sum time.Duration
	for _, thread := range threads {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%s/schedstat", pid, thread.Name()))
		if err != nil {
			continue // it has just ended
		}
		var ns int64
		if _, err := fmt.Sscan(string(text), &ns); err != nil {
			return 0, err
		}
		sum += time.Duration(ns)
	}
	return sum, nil
}

// quantile returns the value below which that share of the values is.
func quantile(values []float64, share float64) float64 {
	if len(values) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(values))
	return sorted[int(share*float64(len(sorted)-1)+0.5)]
}
