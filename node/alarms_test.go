package node

import (
	"context"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// TestAlarmOrder compares which alarms ring, and in which order, with a plain list.
func TestAlarmOrder(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		s := newAlarms()
		base := time.Now().Add(-time.Hour) // all are due
		var rang []int
		alarms := make([]alarm, rapid.IntRange(1, 20).Draw(rt, "alarms"))
		at := make([]int, len(alarms)) // 0 is not set
		for i := range alarms {
			alarms[i].fire = func(time.Time) time.Time {
				rang = append(rang, i)
				return time.Time{}
			}
		}
		for range rapid.IntRange(0, 60).Draw(rt, "steps") {
			i := rapid.IntRange(0, len(alarms)-1).Draw(rt, "alarm")
			if alarms[i].dead {
				s.set(&alarms[i], base) // has no effect any more
			} else if at[i] = rapid.IntRange(0, 1000).Draw(rt, "at"); at[i] == 0 {
				s.cancel(&alarms[i])
			} else {
				s.set(&alarms[i], base.Add(time.Duration(at[i])*time.Second))
			}
		}
		s.ring()
		for i, a := range at {
			if (a > 0) != slices.Contains(rang, i) {
				rt.Fatalf("alarm %d set to %d, rang %v", i, a, rang)
			}
		}
		if !slices.IsSortedFunc(rang, func(i, j int) int { return at[i] - at[j] }) {
			rt.Fatalf("rang in the order %v of times %v", rang, at)
		}
	})
}

func TestCancelWhileRinging(t *testing.T) {
	s := newAlarms()
	var a alarm
	a.fire = func(now time.Time) time.Time {
		s.cancel(&a)
		return now
	}
	s.set(&a, time.Now())
	s.ring()
	if len(s.heap) != 0 {
		t.Error("a cancelled alarm is still set")
	}
}

func TestAlarmRingsAgain(t *testing.T) {
	s := newAlarms()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() { s.run(ctx); close(ended) }()
	rang := make(chan struct{})
	n := 0
	a := alarm{fire: func(now time.Time) time.Time {
		rang <- struct{}{}
		if n++; n == 3 {
			return time.Time{}
		}
		return now.Add(time.Millisecond)
	}}
	s.set(&a, time.Now().Add(time.Millisecond))
	for range 3 {
		<-rang
	}
	cancel()
	<-ended
	if a.index != 0 {
		t.Error("the alarm is still set")
	}
}
