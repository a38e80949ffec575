package monitor

import (
	"fmt"
	"slices"
	"time"

	"shoal/node"
)

// AccountzOptions are what is asked about accounts.
type AccountzOptions struct {
	// Account is the name of the account to describe; empty asks for the names of all.
	Account string `json:"account"`
}

// Accountz is the answer of /accountz.
type Accountz struct {
	header
	SystemAccount string   `json:"system_account,omitempty"`
	Accounts      []string `json:"accounts,omitempty"`
	Account       *Account `json:"account_detail,omitempty"`
}

// Account describes an account.
type Account struct {
	Name          string    `json:"account_name"`
	Updated       time.Time `json:"update_time"`
	System        bool      `json:"is_system,omitempty"`
	Expired       bool      `json:"expired"`
	Complete      bool      `json:"complete"`
	JetStream     bool      `json:"jetstream_enabled"`
	LeafNodes     int       `json:"leafnode_connections"`
	Clients       int       `json:"client_connections"`
	Subscriptions int       `json:"subscriptions"`

	Mappings map[string][]MappedTo `json:"mappings,omitempty"`
	Exports  []Export              `json:"exports,omitempty"`
	Imports  []Import              `json:"imports,omitempty"`
	NameTag  string                `json:"name_tag,omitempty"` // the name again, as tools expect it
	Sublist  *SublistStats         `json:"sublist_stats,omitempty"`
}

// MappedTo is where a mapping leads.
type MappedTo struct {
	Subject string `json:"subject"`
	Weight  int    `json:"weight"` // percent
	Cluster string `json:"cluster,omitempty"`
}

// Export is what an account offers to others.
type Export struct {
	Subject       string   `json:"subject"`
	Type          string   `json:"type"` // service or stream
	Response      string   `json:"response_type,omitempty"`
	TokenPosition int      `json:"account_token_position,omitempty"`
	Approved      []string `json:"approved_accounts,omitempty"`
}

// Import is what an account takes from another one.
type Import struct {
	Subject  string `json:"subject"`
	Account  string `json:"account"`
	To       string `json:"to,omitempty"`
	Local    string `json:"local_subject,omitempty"`
	Type     string `json:"type"` // service or stream
	Invalid  bool   `json:"invalid"`
	Share    bool   `json:"share"`
	Tracking bool   `json:"tracking"`
}

// Accountz lists the accounts, or describes one.
func (m *Monitor) Accountz(o AccountzOptions) (Accountz, error) {
	n := m.source.Node()
	accounts := n.Accounts()
	z := Accountz{header: m.header(), SystemAccount: n.Options().SystemAccount}
	if o.Account == "" {
		for i := range accounts {
			z.Accounts = append(z.Accounts, accounts[i].Name)
		}
		return z, nil
	}
	i := slices.IndexFunc(accounts, func(a node.AccountInfo) bool { return a.Name == o.Account })
	if i < 0 {
		return Accountz{}, fmt.Errorf("acc: there is no account %.40q", o.Account)
	}
	z.Account = m.account(&accounts[i])
	return z, nil
}

func (m *Monitor) account(a *node.AccountInfo) *Account {
	sublist := m.sublist(a.Name)
	v := &Account{
		Name:          a.Name,
		Updated:       m.configLoaded(),
		System:        a.System,
		Complete:      true,
		Clients:       a.Connections,
		Subscriptions: a.Subscriptions,
		NameTag:       a.Name,
		Sublist:       &sublist,
	}
	if a.Options == nil {
		return v
	}
	for _, e := range a.Options.Exports {
		v.Exports = append(v.Exports, export(&e))
	}
	for _, im := range a.Options.Imports {
		v.Imports = append(v.Imports, imported(&im))
	}
	for _, mapping := range a.Options.Mappings {
		for _, d := range mapping.Destinations {
			if v.Mappings == nil {
				v.Mappings = make(map[string][]MappedTo)
			}
			v.Mappings[mapping.Subject] = append(v.Mappings[mapping.Subject], MappedTo(d))
		}
	}
	return v
}

// configLoaded returns since when the configuration is as it is.
func (m *Monitor) configLoaded() time.Time {
	v := Varz{ConfigLoaded: m.source.Node().Stats().Start.UTC()}
	m.source.Complete(&v)
	return v.ConfigLoaded
}

const (
	typeService = "service"
	typeStream  = "stream"
)

func export(e *node.Export) Export {
	v := Export{Subject: e.Subject, Type: typeStream, TokenPosition: e.TokenPosition, Approved: e.Accounts}
	if e.Service {
		v.Type, v.Response = typeService, string(e.Response)
		if v.Response == "" {
			v.Response = string(node.ResponseSingleton)
		}
	}
	return v
}

func imported(im *node.Import) Import {
	v := Import{Subject: im.Subject, Account: im.Account, Local: im.To, Type: typeStream}
	if v.Local == "" {
		v.Local = im.Subject
	}
	if im.Service {
		v.Type, v.To = typeService, v.Local
	}
	return v
}
