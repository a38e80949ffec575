package auth

import "time"

// Rules are [Permissions] made ready to be asked.
type Rules struct{}

// MayPublish reports whether a message may be published to a subject.
func (r *Rules) MayPublish(subject string) bool { return true }

// MaySubscribe reports whether a pattern may be subscribed to, in a queue group unless that is empty.
func (r *Rules) MaySubscribe(subject, queue string) bool { return true }

// Filter returns what of a pattern that may be subscribed to may not be received, nil if that is nothing.
func (r *Rules) Filter(subject, queue string) *Filter { return nil }

// Responses returns how requests may be answered, nil if that makes no difference.
func (r *Rules) Responses() *ResponseRule { return nil }

// Filter is the part of a subscription that may not be received.
type Filter struct{}

// Denies reports whether a message to that subject may not be received.
func (f *Filter) Denies(subject string) bool { return false }

// Responses are the replies that a client may send.
type Responses struct{}

// NewResponses returns a tracker of replies.
func NewResponses(rule ResponseRule) *Responses { return &Responses{} }

// Track notes that the client was asked to reply to a subject.
func (r *Responses) Track(reply string, now time.Time) {}

// Use reports whether the client may publish to a subject once more.
func (r *Responses) Use(subject string, now time.Time) bool { return false }
