package subjects

import "hash/maphash"

// seed is random, so that nobody can choose subjects that collide.
var seed = maphash.MakeSeed()

func hash(s string) uint64 { return maphash.String(seed, s) }
