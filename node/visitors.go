package node

import (
	"runtime"
	"sync/atomic"
	"time"
)

// visitors are the readers that have rendered messages for a connection, or are about to, and have
// not sent them yet. A client that has given up a subscription waits for them before it is told so:
// their messages still arrive, in order and with none lost to a queue group, and afterwards nothing
// does.
//
// It is a grace period as in read-copy-update. Visitors are counted in the era in which they came.
// Whoever waits begins a new era, so that those who come later do not prolong its wait. It does so
// twice, for a visitor may have learned the era just before it ended.
type visitors struct {
	era atomic.Uint32
	in  [2]atomic.Int32 // by the lowest bit of the era
}

// enter counts a visitor. It must look at the index afterwards.
func (v *visitors) enter() (era uint32) {
	era = v.era.Load() & 1
	v.in[era].Add(1)
	return era
}

// leave ends the visit that enter began.
func (v *visitors) leave(era uint32) { v.in[era].Add(-1) }

// wait returns when all have left who may have looked at the index before it was called. Only one
// goroutine may wait, and it must not be a visitor anywhere.
func (v *visitors) wait() {
	const politeSpins = 50
	if v.in[0].Load() == 0 && v.in[1].Load() == 0 {
		return
	}
	for range 2 {
		old := (v.era.Add(1) - 1) & 1
		for spin := 0; v.in[old].Load() != 0; spin++ {
			if spin < politeSpins {
				runtime.Gosched()
			} else {
				time.Sleep(50 * time.Microsecond)
			}
		}
	}
}
