package auth

import "sync"

// generation is how many digests a memory takes before it forgets those that are older.
const generation = 4096

type digest [32]byte

// memory is a set that forgets what has not been asked for in a long time. It holds at most two
// generations.
type memory struct {
	// mu guards what follows.
	mu         sync.Mutex
	young, old map[digest]struct{}
}

func (m *memory) add(d digest) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.keep(d)
}

func (m *memory) has(d digest) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, ok := m.young[d]; ok {
		return true
	}
	_, ok := m.old[d]
	if ok {
		m.keep(d)
	}
	return ok
}

func (m *memory) keep(d digest) {
	if len(m.young) >= generation {
		m.old, m.young = m.young, nil
	}
	if m.young == nil {
		m.young = make(map[digest]struct{})
	}
	m.young[d] = struct{}{}
}
