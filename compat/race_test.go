//go:build race

package compat

// raceDetector tells that the tests run with the race detector, and so many times slower.
const raceDetector = true
