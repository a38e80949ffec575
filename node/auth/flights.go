package auth

import "sync"

// flights are the hashes that are being computed or wait for it, by what is compared. Whoever presents the same
// meanwhile waits for the outcome, and costs no hash: after a restart many come at once with one password.
type flights struct {
	// mu guards what follows.
	mu   sync.Mutex
	ends map[digest]chan struct{} // closed when the outcome is known, or there is none
}

// has reports whether there is one for d.
func (f *flights) has(d digest) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.ends[d] != nil
}

// begin has the caller compute the hash for d, who has to call end after it. If somebody else does, begin waits
// for that, and end is nil.
func (f *flights) begin(d digest) (end func()) {
	f.mu.Lock()
	if other := f.ends[d]; other != nil {
		f.mu.Unlock()
		<-other
		return nil
	}
	defer f.mu.Unlock()
	if f.ends == nil {
		f.ends = make(map[digest]chan struct{})
	}
	own := make(chan struct{})
	f.ends[d] = own
	return func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		delete(f.ends, d)
		close(own)
	}
}
