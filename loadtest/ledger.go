package loadtest

import (
	"sync"
	"sync/atomic"
)

// ledger keeps the books about what has arrived, from a range of publishers: at one subscriber, at
// a queue group as a whole, or at one requester.
type ledger struct {
	first int // the publisher that index 0 of all slices stands for
	// arrived counts the different messages of each publisher.
	arrived []atomic.Uint64
	// wake is called when more has arrived from a publisher.
	wake func(publisher int)
	// refused is set when the server says that nobody is there to answer.
	refused atomic.Bool
	// unheard is the number of publishers without a greeting yet.
	unheard atomic.Int64

	mu         sync.Mutex // guards what follows
	sets       []seqSet
	heard      []bool
	duplicated uint64
	reordered  uint64
	fresh      []uint64 // scratch of add
	touched    []int    // scratch of add
}

func newLedger(first, publishers int, wake func(int)) *ledger {
	l := &ledger{
		first:   first,
		arrived: make([]atomic.Uint64, publishers),
		wake:    wake,
		sets:    make([]seqSet, publishers),
		heard:   make([]bool, publishers),
		fresh:   make([]uint64, publishers),
	}
	l.unheard.Store(int64(publishers))
	return l
}

// covers reports whether the books are also about publisher.
func (l *ledger) covers(publisher int) bool {
	return publisher >= l.first && publisher-l.first < len(l.arrived)
}

// add enters a batch of messages, given as keys of their stamps. Those in late came behind others of
// their publisher with higher numbers, so that they are either out of order or not new.
func (l *ledger) add(keys, late []uint64) {
	if len(keys) == 0 && len(late) == 0 {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, key := range keys {
		l.enter(key)
	}
	for _, key := range late {
		if l.enter(key) {
			l.reordered++
		}
	}
	for _, i := range l.touched {
		l.arrived[i].Add(l.fresh[i])
		l.fresh[i] = 0
		l.wake(l.first + i)
	}
	l.touched = l.touched[:0]
}

// enter enters one message and reports whether it is new.
func (l *ledger) enter(key uint64) bool {
	i := keyPublisher(key) - l.first
	if !l.sets[i].add(key & low48) {
		l.duplicated++
		return false
	}
	if l.fresh[i] == 0 {
		l.touched = append(l.touched, i)
	}
	l.fresh[i]++
	return true
}

// greet enters a greeting.
func (l *ledger) greet(publisher int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if i := publisher - l.first; !l.heard[i] {
		l.heard[i] = true
		l.unheard.Add(-1)
	}
}

// hasHeard reports whether a greeting of publisher has arrived.
func (l *ledger) hasHeard(publisher int) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.heard[publisher-l.first]
}

// disorder returns how many messages came more than once, and how many out of order.
func (l *ledger) disorder() (duplicated, reordered uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.duplicated, l.reordered
}

// total returns how many different messages have arrived.
func (l *ledger) total() uint64 {
	sum := uint64(0)
	for i := range l.arrived {
		sum += l.arrived[i].Load()
	}
	return sum
}
