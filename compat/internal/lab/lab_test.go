package lab

import (
	"os"
	"testing"

	"shoal/compat/internal/broker"
)

func TestLab(t *testing.T) {
	if err := Check(); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	for _, cables := range []bool{false, true} {
		l, err := New(Options{Nodes: 3, Kind: broker.Shoal, Cables: cables})
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		broker.UseBuildDir(t.TempDir())
		if err := l.Start(); err != nil {
			t.Fatal(err, l.Log())
		}
		for _, n := range l.Nodes {
			t.Log(n.Peers())
			w, err := n.Watch()
			if err != nil {
				t.Fatal(err)
			}
			for len(w.Told()) < 1 {
			}
			t.Log(w.Told())
			t.Log(n.CPU())
			t.Log(n.Sent())
		}
		t.Log(l.Log())
	}
}
