package logtext

import (
	"bytes"
	"log/slog"
	"testing"
)

func TestSwitch(t *testing.T) {
	var first, second bytes.Buffer
	var s Switch
	s.Set(NewHandler(&first, Options{NoTime: true}))
	log := slog.New(s.Handler())
	derived := log.With("a", 1).WithGroup("g").With("b", 2)
	log.Info("one")
	derived.Debug("unseen")
	derived.Info("two", "c", 3)
	s.Set(NewHandler(&second, Options{NoTime: true, Debug: true}))
	derived.Debug("three", "c", 3)
	log.Info("four")
	if got, want := first.String(), "[0] [INF] one\n[0] [INF] two a=1 g.b=2 g.c=3\n"; got != want {
		t.Errorf("first has %q, want %q", got, want)
	}
	if got, want := second.String(), "[0] [DBG] three a=1 g.b=2 g.c=3\n[0] [INF] four\n"; got != want {
		t.Errorf("second has %q, want %q", got, want)
	}
}
