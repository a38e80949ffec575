package node

import (
	"cmp"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"shoal/subjects"
)

// defaultResponseThreshold is how long a service may take for an answer.
const defaultResponseThreshold = 2 * time.Minute

// terms are what the configuration says of an account, made ready to be used.
type terms struct {
	limits   AccountLimits
	trace    parentTrace
	streams  []streamImport
	services *subjects.Index[*serviceImport] // by the subject of requests, nil if there are none
	mappings *subjects.Index[*mapping]       // nil if there are none
	system   map[string]*serviceImport       // of the account of the system, by the subject of requests
}

var noTerms = &terms{}

// streamImport is what clients of an account get from another one.
type streamImport struct {
	from  *account
	local string              // what clients subscribe to
	back  *subjects.Transform // leads from there to the subject in the other account
	show  *subjects.Transform // and from that to the local one
	trace bool
}

// serviceImport is where requests of an account go.
type serviceImport struct {
	answer    func(*client) []byte // if the node itself answers, and the rest is not set
	to        *account
	there     *subjects.Transform // makes the subject in the other account
	once      bool                // there is one response
	threshold time.Duration
	trace     bool
}

// mapping replaces the subject of a message.
type mapping struct {
	from         string
	destinations []destination
}

type destination struct {
	to     *subjects.Transform
	weight int // of 100
}

// pick returns what becomes of a subject.
func (m *mapping) pick(subject string) string {
	n := 0
	if m.destinations[0].weight < 100 {
		n = rand.IntN(100)
	}
	for _, d := range m.destinations {
		if n < d.weight {
			mapped, _ := d.to.Apply(subject)
			return mapped
		}
		n -= d.weight
	}
	return subject
}

// compileAccounts returns the terms of all accounts by name, for which find returns the account, or what
// is wrong with the options.
func compileAccounts(list []AccountOptions, cluster string, find func(string) *account) (map[string]*terms, error) {
	byName := map[string]*AccountOptions{GlobalAccount: {}}
	for i := range list {
		o := &list[i]
		switch {
		case o.Name == "":
			return nil, errors.New("accounts: one has no name")
		case byName[o.Name] != nil && o.Name != GlobalAccount:
			return nil, fmt.Errorf("accounts: there are two called %q", o.Name)
		}
		byName[o.Name] = o
	}
	compiled := make(map[string]*terms, len(list))
	for i := range list {
		o := &list[i]
		t, err := o.compile(byName, cluster, find)
		if err != nil {
			return nil, fmt.Errorf("account %q: %w", o.Name, err)
		}
		compiled[o.Name] = t
	}
	return compiled, findCycle(list)
}

func (o *AccountOptions) compile(others map[string]*AccountOptions, cluster string, find func(string) *account) (*terms, error) {
	t := &terms{limits: o.Limits, trace: parentTrace{o.TraceDest, o.TraceSampling}}
	if err := t.trace.validate(); err != nil {
		return nil, err
	}
	for _, e := range o.Exports {
		if err := e.validate(others); err != nil {
			return nil, err
		}
	}
	for i, im := range o.Imports {
		if slices.ContainsFunc(o.Imports[:i], im.repeats) {
			return nil, im.repeated()
		}
		exporter := others[im.Account]
		if exporter == nil {
			return nil, fmt.Errorf("import of %q: there is no account %q", im.Subject, im.Account)
		}
		e, err := exporter.exportFor(o.Name, im)
		if err != nil {
			return nil, err
		}
		if err := t.add(im, e, find(im.Account)); err != nil {
			return nil, fmt.Errorf("import of %q from %q: %w", im.Subject, im.Account, err)
		}
	}
	for _, m := range o.Mappings {
		compiled, err := m.compile(cluster)
		if err != nil {
			return nil, fmt.Errorf("mapping of %q: %w", m.Subject, err)
		}
		if t.mappings == nil {
			t.mappings = subjects.NewIndex[*mapping]()
		}
		if len(compiled.destinations) > 0 {
			t.mappings.Insert(m.Subject, "", compiled)
		}
	}
	return t, nil
}

func (e *Export) validate(others map[string]*AccountOptions) error {
	if !subjects.Valid(e.Subject) {
		return fmt.Errorf("export of %q: that is not a subject", e.Subject)
	}
	for _, name := range e.Accounts {
		if others[name] == nil {
			return fmt.Errorf("export of %q: there is no account %q", e.Subject, name)
		}
	}
	switch {
	case !e.Service && e.AllowTrace:
		return fmt.Errorf("export of %q: only a service can allow its requests to be traced, of a stream the import does", e.Subject)
	case !e.Service && (e.Response != "" || e.ResponseThreshold != 0):
		return fmt.Errorf("export of %q: only a service has responses", e.Subject)
	case !slices.Contains([]ResponseType{"", ResponseSingleton, ResponseStream, ResponseChunked}, e.Response):
		return fmt.Errorf("export of %q: response %q is not Singleton, Stream or Chunked", e.Subject, e.Response)
	case e.TokenPosition != 0 && tokenAt(e.Subject, e.TokenPosition) != "*":
		return fmt.Errorf("export of %q: there is no * in place %d for the name of an account", e.Subject, e.TokenPosition)
	}
	return nil
}

// exportFor returns the export by which an account may import something.
func (o *AccountOptions) exportFor(importer string, im Import) (*Export, error) {
	kind, refused := "stream", false
	if im.Service {
		kind = "service"
	}
	for i := range o.Exports {
		e := &o.Exports[i]
		switch {
		case e.Service != im.Service || !subjects.Covers(e.Subject, im.Subject):
		case e.Accounts != nil && !slices.Contains(e.Accounts, importer),
			e.TokenPosition > 0 && tokenAt(im.Subject, e.TokenPosition) != importer:
			refused = true
		default:
			return e, nil
		}
	}
	if refused {
		return nil, fmt.Errorf("import of %q: account %q does not export that %s to it", im.Subject, o.Name, kind)
	}
	return nil, fmt.Errorf("import of %q: account %q exports no such %s", im.Subject, o.Name, kind)
}

// repeats reports whether an import is one too many beside another: it would have messages delivered twice.
// Services of several accounts may share a subject, then each of them is asked.
func (im Import) repeats(other Import) bool {
	if im.Account != other.Account || im.Service != other.Service {
		return false
	}
	if im.Service {
		return im.local() == other.local()
	}
	return im.Subject == other.Subject
}

// repeated is the error about an import that is one too many.
func (im Import) repeated() error {
	if im.Service {
		return fmt.Errorf("import of %q: another service of account %q has the subject %q already", im.Subject, im.Account, im.local())
	}
	return fmt.Errorf("import of %q: it is there twice", im.Subject)
}

// local returns the subject that the importing account has for what it imports.
func (im Import) local() string { return cmp.Or(im.To, im.Subject) }

// add takes in an import, of what e exports.
func (t *terms) add(im Import, e *Export, from *account) error {
	if im.Service && im.AllowTrace {
		return errors.New("only of a stream the import can allow messages to be traced, of a service the export does")
	}
	to := im.local()
	show, err := subjects.NewTransform(im.Subject, to)
	if err != nil {
		return err
	}
	back, ok := show.Reverse()
	if !ok {
		return fmt.Errorf("%q does not tell which subject it stands for, it needs every wildcard of it once", to)
	}
	if !im.Service {
		t.streams = append(t.streams, streamImport{from: from, local: show.Pattern(), back: back, show: show, trace: im.AllowTrace})
		return nil
	}
	s := &serviceImport{
		to:        from,
		there:     back,
		once:      e.Response == "" || e.Response == ResponseSingleton,
		threshold: e.ResponseThreshold,
		trace:     e.AllowTrace,
	}
	setDefault(&s.threshold, defaultResponseThreshold)
	if t.services == nil {
		t.services = subjects.NewIndex[*serviceImport]()
	}
	t.services.Insert(show.Pattern(), "", s)
	return nil
}

// compile returns the mapping with the destinations for a node of that cluster.
func (m *Mapping) compile(cluster string) (*mapping, error) {
	if !subjects.Valid(m.Subject) {
		return nil, errors.New("that is not a subject")
	}
	total := make(map[string]int) // of weights, by cluster
	compiled := &mapping{from: m.Subject}
	special := slices.ContainsFunc(m.Destinations, func(d MappedTo) bool { return d.Cluster == cluster && cluster != "" })
	for _, d := range m.Destinations {
		to, err := subjects.NewTransform(m.Subject, d.Subject)
		if err != nil {
			return nil, err
		}
		if d.Weight < 0 || d.Weight > 100 {
			return nil, fmt.Errorf("weight %d is not from 0 to 100", d.Weight)
		}
		if total[d.Cluster] += d.Weight; total[d.Cluster] > 100 {
			return nil, errors.New("the weights are more than 100 together")
		}
		if d.Weight > 0 && (special && d.Cluster == cluster || !special && d.Cluster == "") {
			compiled.destinations = append(compiled.destinations, destination{to, d.Weight})
		}
	}
	return compiled, nil
}

// findCycle returns an error if what one account imports comes from itself by way of others.
func findCycle(list []AccountOptions) error {
	type place struct{ account, subject string }
	byName := make(map[string]*AccountOptions, len(list))
	for i := range list {
		byName[list[i].Name] = &list[i]
	}
	var visit func(at place, service bool, path []place) error
	visit = func(at place, service bool, path []place) error {
		for _, before := range path {
			if _, meet := subjects.Intersect(before.subject, at.subject); meet && before.account == at.account {
				return fmt.Errorf("account %q: what it imports as %q comes from itself", at.account, at.subject)
			}
		}
		o := byName[at.account]
		if o == nil {
			return nil
		}
		for _, im := range o.Imports {
			show, err := subjects.NewTransform(im.Subject, im.local())
			if err != nil || im.Service != service {
				continue
			}
			if _, meet := subjects.Intersect(show.Pattern(), at.subject); meet {
				if err := visit(place{im.Account, im.Subject}, service, append(path, at)); err != nil {
					return err
				}
			}
		}
		return nil
	}
	for _, o := range list {
		for _, im := range o.Imports {
			show, err := subjects.NewTransform(im.Subject, im.local())
			if err != nil {
				continue
			}
			if err := visit(place{o.Name, show.Pattern()}, im.Service, nil); err != nil {
				return err
			}
		}
	}
	return nil
}

// tokenAt returns the token of a subject in a place counted from 1, or nothing.
func tokenAt(subject string, place int) string {
	tokens := strings.Split(subject, ".")
	if place < 1 || place > len(tokens) {
		return ""
	}
	return tokens[place-1]
}
