package auth

import (
	"fmt"
	"slices"
	"strings"
)

// Tokens with a meaning in subjects that are patterns.
const (
	anyToken = "*"
	anyTail  = ">"
)

// patterns is a set of subjects with wildcards, each for everybody or for some queue groups only. A
// lookup costs what the tokens of the subject cost, not what the set holds: it is a tree of tokens.
type patterns struct {
	root level
	// longest is the number of tokens that the longest entry has.
	longest int
}

// level is what may follow the tokens that lead to it.
type level struct {
	literal map[string]*level
	any     *level
	// here are the entries that end here, tail those that end with ">" here.
	here, tail *entry
}

// entry says for whom a pattern is in the set.
type entry struct {
	plain  bool
	groups []string
}

// newPatterns returns the set of the subjects, which are valid.
func newPatterns(subjects []string) *patterns {
	p := &patterns{}
	for _, s := range subjects {
		subject, queue := splitRule(s)
		tokens := strings.Split(subject, ".")
		p.longest = max(p.longest, len(tokens))
		at := &p.root
		end := &at.here
		for _, t := range tokens {
			switch t {
			case anyTail:
				end = &at.tail
				continue
			case anyToken:
				if at.any == nil {
					at.any = &level{}
				}
				at = at.any
			default:
				next := at.literal[t]
				if next == nil {
					if at.literal == nil {
						at.literal = make(map[string]*level)
					}
					next = &level{}
					at.literal[t] = next
				}
				at = next
			}
			end = &at.here
		}
		if *end == nil {
			*end = &entry{}
		}
		if queue == "" {
			(*end).plain = true
		} else {
			(*end).groups = append((*end).groups, queue)
		}
	}
	return p
}

// found is what the entries say that match a subject.
type found struct {
	// plain: an entry is for everybody.
	plain bool
	// group: an entry is for the queue group in question; otherGroup: for another one.
	group, otherGroup bool
}

func (f *found) add(e *entry, queue string) {
	if e == nil {
		return
	}
	f.plain = f.plain || e.plain
	if queue == "" {
		return
	}
	for _, g := range e.groups {
		if groupCovers(g, queue) {
			f.group = true
		} else {
			f.otherGroup = true
		}
	}
}

// match looks for the entries that match the tokens. A wildcard among these is a token like others,
// which only a wildcard in the set matches; so it stands for a token of which nothing is known.
func (p *patterns) match(tokens []string, queue string) found {
	var f found
	p.root.match(tokens, queue, &f)
	return f
}

func (l *level) match(tokens []string, queue string, f *found) {
	for {
		if len(tokens) == 0 {
			f.add(l.here, queue)
			return
		}
		f.add(l.tail, queue)
		next := l.literal[tokens[0]]
		tokens = tokens[1:]
		switch {
		case next == nil && l.any == nil:
			return
		case next == nil:
			l = l.any
		default:
			if l.any != nil {
				l.any.match(tokens, queue, f)
			}
			l = next
		}
	}
}

// overlaps reports whether there is a subject that the pattern and an entry for the group match.
func (l *level) overlaps(pattern []string, queue string) bool {
	if len(pattern) == 0 {
		return l.here.concerns(queue)
	}
	if l.tail.concerns(queue) {
		return true
	}
	token, rest := pattern[0], pattern[1:]
	switch token {
	case anyTail:
		return l.any.reaches(queue) || anyLevel(l.literal, func(n *level) bool { return n.reaches(queue) })
	case anyToken:
		return l.any != nil && l.any.overlaps(rest, queue) ||
			anyLevel(l.literal, func(n *level) bool { return n.overlaps(rest, queue) })
	}
	next := l.literal[token]
	return next != nil && next.overlaps(rest, queue) || l.any != nil && l.any.overlaps(rest, queue)
}

// reaches reports whether an entry for the group ends at the level or below it.
func (l *level) reaches(queue string) bool {
	return l != nil && (l.here.concerns(queue) || l.tail.concerns(queue) || l.any.reaches(queue) ||
		anyLevel(l.literal, func(n *level) bool { return n.reaches(queue) }))
}

func anyLevel(levels map[string]*level, ok func(*level) bool) bool {
	for _, n := range levels {
		if ok(n) {
			return true
		}
	}
	return false
}

// concerns reports whether a subscription with the queue, which may be none, is meant by the entry.
func (e *entry) concerns(queue string) bool {
	return e != nil && (e.plain || queue != "" &&
		slices.ContainsFunc(e.groups, func(g string) bool { return groupCovers(g, queue) }))
}

// groupCovers reports whether a rule about the queue groups of a name is about a group. Both may have
// wildcards: the name "v1.*" of a group is a name like others, but a rule "v1.*" is about it as well.
func groupCovers(rule, queue string) bool {
	if rule == queue {
		return true
	}
	for {
		r, moreRule, ruleGoesOn := strings.Cut(rule, ".")
		q, moreQueue, queueGoesOn := strings.Cut(queue, ".")
		switch {
		case r == anyTail && !ruleGoesOn:
			return true
		case r != q && (r != anyToken || q == anyTail):
			return false
		case ruleGoesOn != queueGoesOn:
			return false
		case !ruleGoesOn:
			return true
		}
		rule, queue = moreRule, moreQueue
	}
}

// splitRule returns the two parts of "subject queue".
func splitRule(rule string) (subject, queue string) {
	i := strings.IndexAny(rule, " \t")
	if i < 0 {
		return rule, ""
	}
	return rule[:i], strings.Trim(rule[i:], " \t")
}

// checkRules returns what is wrong with a list of subjects, of which each may name a queue if queues
// is set.
func checkRules(rules []string, queues bool) error {
	for _, rule := range rules {
		subject, queue := splitRule(rule)
		switch {
		case !validPattern(subject), !queues && subject != rule:
			return fmt.Errorf("%q is not a subject: it needs tokens that are not empty between dots, without blanks, "+
				"and \">\" at its end only", rule)
		case subject != rule && !validPattern(queue):
			return fmt.Errorf("%q does not name a queue group after the subject %q", rule, subject)
		}
	}
	return nil
}

// validPattern reports whether a subject may be subscribed to.
func validPattern(s string) bool {
	if strings.ContainsAny(s, " \t\r\n\f\x00") {
		return false
	}
	for {
		token, rest, more := strings.Cut(s, ".")
		if token == "" || token == anyTail && more {
			return false
		}
		if !more {
			return true
		}
		s = rest
	}
}
