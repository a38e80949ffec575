package subjects

import "sync/atomic"

// Stamp says how old the result of a Match is. The zero Stamp is never fresh.
type Stamp uint64

// generations counts the changes of an index, separately for groups of first
// tokens.
type generations struct {
	first [1 << generationBits]atomic.Uint64 // by hash of a first token
	any   atomic.Uint64                      // for patterns whose first token is a wildcard
}

const generationBits = 6

// bump notes that the subscribers under a subject changed.
func (g *generations) bump(subject string) {
	token, _, _ := cut(subject)
	if token == "*" || token == ">" {
		g.any.Add(1)
	} else {
		g.first[generationOf(token)].Add(1)
	}
}

func (g *generations) stamp(subject string) Stamp {
	token, _, _ := cut(subject)
	return g.now(generationOf(token))
}

func (g *generations) fresh(s Stamp) bool {
	return s == g.now(uint64(s)%(1<<generationBits))
}

// now returns the current stamp of the subjects that use first[i]. The sum of
// two counts that only grow stays the same only if both do. The 1 is for it not
// to be the zero Stamp.
func (g *generations) now(i uint64) Stamp {
	return Stamp((1+g.first[i].Load()+g.any.Load())<<generationBits | i)
}

func generationOf(token string) uint64 { return hash(token) % (1 << generationBits) }
