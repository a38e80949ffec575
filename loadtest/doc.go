// Package loadtest measures a NATS server from the outside: it publishes, receives, checks that
// every message arrived once and in order, and tells how fast that went and what the limit was.
//
// It has a client of its own on top of [wire] instead of a client library, because a benchmark
// must cost less than what it measures: messages are rendered and parsed in batches, with one
// system call and one look at the clock for each.
package loadtest
