package node

import "testing"

func TestGathering(t *testing.T) {
	n, err := New(Options{})
	if err != nil {
		t.Fatal(err)
	}
	to := &n.newClient(newSink(t)).conn
	small := &stream{buf: make([]byte, 100), msgs: 1}
	large := &stream{buf: make([]byte, smallWrite+1), msgs: 1}
	now := int64(gatherTime)
	for i, step := range []struct {
		from uint64
		at   int64
		s    *stream
		want bool
	}{
		{1, now, small, false},
		{1, now, small, false}, // nobody else
		{2, now, large, false},
		{2, now + 1, small, true},
		{2, now + 2, small, false},
		{1, now + 3, small, true},
		{2, now + 3 + int64(gatherTime), small, false}, // too late
	} {
		g := gathering{now: step.at}
		if got := g.wants(to, step.from, step.s); got != step.want {
			t.Errorf("step %d: %v", i, got)
		}
	}

	var one, two gathering
	one.add(to, small)
	if waiting := two.add(to, small); waiting != 200 || len(two.conns) != 0 {
		t.Errorf("%d bytes waiting, the second one writes to %d connections", waiting, len(two.conns))
	}
	one.write()
	if msgs, _ := to.out.sent(); to.out.waiting() != 0 || msgs != 2 || to.out.writing {
		t.Errorf("%d bytes waiting after %d messages", to.out.waiting(), msgs)
	}
}
