package auth

import (
	"slices"
	"strings"
	"time"
)

// Defaults of [ResponseRule].
const (
	defaultResponses      = 1
	defaultResponseExpiry = 2 * time.Minute
)

// Rules are [Permissions] made ready to be asked. They never change.
//
// A subject with an empty token is matched by no list, as it is by no subscription.
type Rules struct {
	publish, subscribe access
	responses          *ResponseRule
	permissions        *Permissions
}

// Permissions returns what the rules were made of. It must not be changed.
func (r *Rules) Permissions() *Permissions { return r.permissions }

// access is an allow list, nil if everything is allowed, and a deny list, nil if nothing is denied.
type access struct{ allow, deny *patterns }

// NewRules returns the rules for permissions that [Config.Validate] or [SubjectRules.Check] has accepted, or nil if they do
// not restrict anything.
func NewRules(p *Permissions) *Rules {
	if p == nil {
		return nil
	}
	r := &Rules{publish: newAccess(p.Publish), subscribe: newAccess(p.Subscribe), permissions: p}
	if p.Responses != nil {
		rule := *p.Responses
		if rule.Max == 0 {
			rule.Max = defaultResponses
		}
		if rule.Expires == 0 {
			rule.Expires = defaultResponseExpiry
		}
		r.responses = &rule
		// To allow responses says that the rest is not allowed, unless it is listed.
		if r.publish.allow == nil {
			r.publish.allow = newPatterns(nil)
		}
	}
	if r.publish == (access{}) && r.subscribe == (access{}) {
		return nil
	}
	return r
}

func newAccess(s SubjectRules) access {
	var a access
	if s.Allow != nil {
		a.allow = newPatterns(s.Allow)
	}
	if len(s.Deny) > 0 {
		a.deny = newPatterns(s.Deny)
	}
	return a
}

// tokenBuffer is the room for the tokens of a usual subject, so that splitting it needs no memory.
type tokenBuffer [24]string

// split returns the tokens of a subject, or none if one of them is empty.
func (b *tokenBuffer) split(subject string) []string {
	tokens := b[:0]
	for {
		token, rest, more := strings.Cut(subject, ".")
		if token == "" {
			return nil
		}
		tokens = append(tokens, token)
		if !more {
			return tokens
		}
		subject = rest
	}
}

// MayPublish reports whether a message may be published to the subject. A wildcard in it is a token
// like others, since nothing else is it for a publisher.
func (r *Rules) MayPublish(subject string) bool {
	if r.publish == (access{}) {
		return true
	}
	var buffer tokenBuffer
	tokens := buffer.split(subject)
	if tokens == nil {
		return r.publish.allow == nil
	}
	if r.publish.allow != nil && !r.publish.allow.match(tokens, "").plain {
		return false
	}
	return r.publish.deny == nil || !r.publish.deny.match(tokens, "").plain
}

// MaySubscribe reports whether a subscription to the subject, in the queue group unless that is
// empty, is allowed. Every subject that it would receive has to be allowed. What is denied of it
// [Rules.Filter] keeps away, unless it is denied altogether.
//
// If the subject has rules about queue groups in the allow list, these decide for groups, and the
// rules without a group do not. A rule for everybody in the deny list is one for groups as well.
func (r *Rules) MaySubscribe(subject, queue string) bool {
	if r.subscribe == (access{}) {
		return true
	}
	var buffer tokenBuffer
	tokens := buffer.split(subject)
	if tokens == nil {
		return r.subscribe.allow == nil
	}
	// A deny of "a.*" refuses "a.>" as well, although that would get "a.b.c": it is what nats-server
	// does, which takes ">" for a token here, and errs on the safe side.
	if d := r.subscribe.deny; d != nil {
		if f := d.match(tokens, queue); f.plain || f.group {
			return false
		}
	}
	return r.subscribe.allow == nil || r.subscribe.allow.allows(tokens, queue)
}

// allows reports whether the entries together match each subject that the pattern does.
func (p *patterns) allows(pattern []string, queue string) bool {
	// As long as its length is known, a pattern is within the set if the subject is that has unknown
	// tokens in place of wildcards. A pattern with ">" has all lengths, but beyond the longest entry
	// only those with ">" match, and they go on to match.
	last := len(pattern)
	if pattern[last-1] == anyTail {
		pattern[last-1] = anyToken
		last = max(last, p.longest+1)
	}
	for {
		f := p.match(pattern, queue)
		if !f.group && (f.otherGroup || !f.plain) {
			return false
		}
		if len(pattern) == last {
			return true
		}
		pattern = append(pattern, anyToken)
	}
}

// Filter returns what keeps denied messages away from a subscription that [Rules.MaySubscribe], or
// nil if it needs no filter.
func (r *Rules) Filter(subject, queue string) *Filter {
	d := r.subscribe.deny
	if d == nil {
		return nil
	}
	var buffer tokenBuffer
	tokens := buffer.split(subject)
	if tokens == nil || !slices.Contains(tokens, anyToken) && tokens[len(tokens)-1] != anyTail {
		return nil
	}
	if !d.root.overlaps(tokens, queue) {
		return nil
	}
	return &Filter{deny: d, queue: queue}
}

// Responses returns the limits of responses, without zeros, or nil if the user may not respond.
func (r *Rules) Responses() *ResponseRule { return r.responses }

// Filter decides which messages a subscription with wildcards must not get. It never changes.
type Filter struct {
	deny  *patterns
	queue string
}

// Denies reports whether a message with the subject must not be delivered.
func (f *Filter) Denies(subject string) bool {
	var buffer tokenBuffer
	tokens := buffer.split(subject)
	if tokens == nil {
		return false
	}
	found := f.deny.match(tokens, f.queue)
	return found.plain || found.group
}
