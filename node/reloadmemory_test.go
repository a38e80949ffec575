package node

import (
	"fmt"
	"runtime"
	"testing"
	"weak"

	"shoal/node/auth"
)

// TestReloadLetsGoOfWhatWas reloads several times, while clients come that stay. Nothing may hold what an older
// configuration was made of.
func TestReloadLetsGoOfWhatWas(t *testing.T) {
	configured := func(i int) (Authenticator, []AccountOptions) {
		extra := fmt.Sprintf("extra.%d.>", i)
		here := &auth.Permissions{
			Publish:   auth.SubjectRules{Allow: []string{"m.*", "mapped.>", extra}},
			Subscribe: auth.SubjectRules{Deny: []string{"in.secret", extra}},
			Responses: &auth.ResponseRule{Max: 2},
		}
		return users(t, auth.User{Name: "here", Account: "HERE", Permissions: here}, auth.User{Name: "there", Account: "THERE"}),
			[]AccountOptions{
				{Name: "THERE", Exports: []Export{{Subject: "out.>"}, {Subject: "ask", Service: true}, {Subject: extra}}},
				{
					Name: "HERE",
					Imports: []Import{
						{Account: "THERE", Subject: "out.>", To: "in.>"},
						{Account: "THERE", Subject: "ask", To: "m.ask", Service: true},
						{Account: "THERE", Subject: extra},
					},
					Mappings: []Mapping{{Subject: "m.x", Destinations: []MappedTo{{Subject: fmt.Sprintf("mapped.%d", i), Weight: 100}}}},
				},
			}
	}
	authenticator, accounts := configured(0)
	n := startNode(t, Options{Authenticator: authenticator, Accounts: accounts})
	type past struct {
		options weak.Pointer[Options]
		users   weak.Pointer[auth.Users]
		terms   weak.Pointer[terms]
	}
	login := func(user string) string {
		return fmt.Sprintf(`CONNECT {"verbose":false,"headers":true,"user":%q,"pass":"p"}`+"\r\n", user)
	}
	dial(t, n, login("there")+"SUB ask 1\r\n").sync()
	var gone []past
	for i := range 5 {
		p := dial(t, n, login("here")+"SUB in.> 1\r\nSUB in.a 2\r\nPUB m.x 0\r\n\r\nPUB m.ask r 0\r\n\r\n")
		p.sync()
		p.sync()
		dial(t, n, "") // has not said who it is
		gone = append(gone, past{
			weak.Make(n.options()),
			weak.Make(n.options().Authenticator.(*auth.Users)),
			weak.Make(n.accounts.get("HERE").terms.Load()),
		})
		reload(t, n, func(o *Options) { o.Authenticator, o.Accounts = configured(i + 1) })
	}
	eventually(t, "nothing holds what was", func() bool {
		runtime.GC()
		for _, was := range gone {
			if was.options.Value() != nil || was.users.Value() != nil || was.terms.Value() != nil {
				return false
			}
		}
		return true
	})
}
