package script

import (
	"fmt"
	"math/rand/v2"
	"time"
)

// Cut is a way to divide what a connection sends into writes.
type Cut struct {
	// Name says how, including the seed of random cuts.
	Name string
	// pause is the time between two writes, so that the server reads them separately.
	pause time.Duration
	cut   func(data []byte) [][]byte
}

// Whole makes one write of every step.
var Whole = Cut{Name: "whole", cut: func(data []byte) [][]byte { return [][]byte{data} }}

// bytewiseLimit is the size from which on Bytewise makes chunks, as it would take too long.
const bytewiseLimit = 4 << 10

// Bytewise makes a write of every byte. Large steps are cut at random places.
func Bytewise(seed uint64) Cut {
	random := rand.New(rand.NewPCG(seed, 1))
	return Cut{
		Name:  fmt.Sprintf("bytewise (seed %d)", seed),
		pause: 20 * time.Microsecond,
		cut: func(data []byte) [][]byte {
			longest := 1
			if len(data) > bytewiseLimit {
				longest = len(data) / 200
			}
			return chunks(data, func() int { return 1 + random.IntN(longest) })
		},
	}
}

// Random cuts every step at a few random places.
func Random(seed uint64) Cut {
	random := rand.New(rand.NewPCG(seed, 2))
	return Cut{
		Name:  fmt.Sprintf("random (seed %d)", seed),
		pause: 200 * time.Microsecond,
		cut: func(data []byte) [][]byte {
			pieces := 2 + random.IntN(8)
			return chunks(data, func() int { return 1 + random.IntN(1+2*len(data)/pieces) })
		},
	}
}

func chunks(data []byte, size func() int) [][]byte {
	var parts [][]byte
	for len(data) > 0 {
		n := min(size(), len(data))
		parts = append(parts, data[:n])
		data = data[n:]
	}
	return parts
}
