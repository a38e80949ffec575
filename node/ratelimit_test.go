package node

import (
	"testing"
	"time"
)

func TestRateLimit(t *testing.T) {
	var l rateLimit
	now := time.Unix(100, 0)
	for i := range maxWarnings {
		if ok, suppressed := l.allow(now, maxWarnings); !ok || suppressed != 0 {
			t.Fatalf("event %d: %v, %d", i, ok, suppressed)
		}
	}
	for range 3 {
		if ok, _ := l.allow(now, maxWarnings); ok {
			t.Fatal("too many are allowed")
		}
	}
	if ok, suppressed := l.allow(now.Add(time.Second), maxWarnings); !ok || suppressed != 3 {
		t.Errorf("a second later: %v, %d suppressed, want 3", ok, suppressed)
	}
	if ok, suppressed := l.allow(now.Add(time.Second), maxWarnings); !ok || suppressed != 0 {
		t.Errorf("reported twice: %v, %d", ok, suppressed)
	}
}
