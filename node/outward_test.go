package node

import (
	"net/netip"
	"net/url"
	"os"
	"testing"
)

func TestOutward(t *testing.T) {
	reachable := ReachableHosts("0.0.0.0")[0]
	if ip := netip.MustParseAddr(reachable); ip.IsLoopback() {
		t.Skip("this machine has only loopback addresses")
	}
	// The name of this machine may be one of a loopback address.
	own, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	route := func(host string) []*url.URL { return []*url.URL{{Scheme: "nats", Host: host + ":6222"}} }
	for _, tt := range []struct {
		name string
		o    ClusterOptions
		want string
	}{
		{"no seed", ClusterOptions{}, reachable},
		{"all on this machine", ClusterOptions{Join: []string{"127.0.0.1:6222", "nats://localhost:6333"}}, "127.0.0.1"},
		{"with a route", ClusterOptions{Join: []string{"127.0.0.1"}, Routes: route("127.0.0.1")}, "127.0.0.1"},
		{"IPv6", ClusterOptions{Join: []string{"[::1]:6222", "[::1]"}}, "::1"},
		{"this machine by name", ClusterOptions{Join: []string{own}}, reachable},
		{"this machine and another", ClusterOptions{Join: []string{"127.0.0.1:6222", reachable + ":6222"}}, reachable},
		{"this machine and a route", ClusterOptions{Join: []string{"127.0.0.1:6222"}, Routes: route(reachable)}, reachable},
		{"a name without addresses", ClusterOptions{Join: []string{"127.0.0.1:6222", "nowhere.invalid"}}, reachable},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.o.Host = "0.0.0.0"
			if _, err := sourceFor(t.Context(), "::1"); err != nil && tt.want == "::1" {
				t.Skip("this machine has no IPv6")
			}
			if got, ok := outward(t.Context(), &tt.o); got != tt.want || !ok {
				t.Errorf("got %s, %t, want %s", got, ok, tt.want)
			}
		})
	}
}
