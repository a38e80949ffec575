package node

import (
	"slices"

	"shoal/node/auth"
	"shoal/subjects"
	"shoal/wire"
)

// Subjects under which the clients of every account ask about themselves. Requests for them go to the
// account of the system, under subjects that name the account, so that nobody learns of others.
const (
	userInfoSubject     = "$SYS.REQ.USER.INFO"
	accountConnzSubject = "$SYS.REQ.ACCOUNT.PING.CONNZ"
	serverConnzSubject  = "$SYS.REQ.SERVER.PING.CONNZ"
	accountStatzSubject = "$SYS.REQ.ACCOUNT.PING.STATZ"

	systemRequestPrefix = "$SYS.REQ."
)

// Asker is a client that asks about itself.
type Asker struct {
	// User is the name of the user, Account that of the account.
	User, Account string
	// Permissions are what the user may do, nil if that is everything.
	Permissions *auth.Permissions
}

// systemExports are what the account of the system lets others import without being told: requests about
// the importing account itself.
var systemExports = []Export{
	{Subject: "$SYS.REQ.ACCOUNT.*.CONNZ", Service: true, Response: ResponseStream, TokenPosition: 4},
	{Subject: "$SYS.REQ.ACCOUNT.*.STATZ", Service: true, Response: ResponseStream, TokenPosition: 4},
	{Subject: "$SYS.DEBUG.SUBSCRIBERS", Service: true},
}

// withSystemExports returns the accounts with these exports, which come after those that are configured.
func withSystemExports(list []AccountOptions, system string) []AccountOptions {
	list = slices.Clone(list)
	i := slices.IndexFunc(list, func(o AccountOptions) bool { return o.Name == system })
	if i < 0 {
		i = len(list)
		list = append(list, AccountOptions{Name: system})
	}
	list[i].Exports = append(slices.Clip(list[i].Exports), systemExports...)
	return list
}

// systemImports returns the services of the account of the system that every account has, by the subject
// of the request.
func (a *account) systemImports(system *account) map[string]*serviceImport {
	imports := map[string]*serviceImport{userInfoSubject: {answer: (*client).userInfo}}
	if a == system {
		return imports
	}
	for from, what := range map[string]string{
		accountConnzSubject: "CONNZ",
		serverConnzSubject:  "CONNZ",
		accountStatzSubject: "STATZ",
	} {
		to := "$SYS.REQ.ACCOUNT." + a.name + "." + what
		if !subjects.Publishable(to) || subjects.HasWildcard(to) {
			continue // the account has a name that is no token
		}
		if there, err := subjects.NewTransform(from, to); err == nil {
			imports[from] = &serviceImport{to: system, there: there, threshold: defaultResponseThreshold}
		}
	}
	return imports
}

// userInfo returns what a client learns of itself, nil if there is nobody to tell.
func (c *client) userInfo() []byte {
	if c.node.system == nil {
		return nil
	}
	asker := Asker{Account: c.home.Load().name}
	if id := c.identity.Load(); id != nil {
		asker.User = id.User
	}
	if rules := c.rules.Load(); rules != nil {
		asker.Permissions = rules.Permissions()
	}
	return c.node.system.service.UserInfo(asker)
}

// answerHere answers a request of a client for a service that the node itself is.
func (w *work) answerHere(s *serviceImport, op *wire.Op) bool {
	c, ok := w.cache.self.handler.(*client)
	if !ok || len(op.Reply) == 0 {
		return false
	}
	if t := w.traced; t != nil {
		t.add(&traceService{newTraceEvent("si"), c.node.accounts.system.name, string(op.Subject), string(op.Subject)})
		if t.only {
			return true
		}
		w.traced = nil
		defer func() { w.traced = t }()
	}
	payload := s.answer(c)
	if payload == nil {
		return false
	}
	response := wire.Op{Verb: wire.Pub, Subject: op.Reply, Payload: payload}
	response.SizeText = sizeText(len(payload))
	return w.deliverAll(w.cache.lookup(response.Subject), &response, 0)
}
