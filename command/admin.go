package command

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"time"

	"shoal/membership"
	"shoal/node"
	"shoal/node/config"
)

const (
	// longestOrder bounds the body of a request to the admin socket.
	longestOrder = 64 << 10
	// orderTime bounds what a request may take.
	orderTime = 30 * time.Second
)

// admin carries out what is asked over the admin socket.
type admin struct {
	*monitored
	log *slog.Logger
	// leave has the server leave as a lame duck, or stop now. It reports whether it is about to.
	leave func(now bool) bool
	// reload has the server read its settings again, and returns in what they differ from those before.
	reload func(context.Context) ([]config.Change, error)
}

// The orders, and what is answered. An order that changes nothing is a GET request, others are POST.
type (
	joinOrder struct {
		Addrs []string `json:"addrs"`
	}
	leaveOrder struct {
		Server string `json:"server,omitempty"` // name or ID; empty is the one that is asked
		Now    bool   `json:"now"`
	}
	drainOrder struct {
		Server string `json:"server"` // name or ID
		Force  bool   `json:"force"`
	}
	drainAnswer struct {
		Server string `json:"server"`
	}
	leaveAnswer struct {
		Server      string `json:"server"`
		Connections uint64 `json:"connections"`
	}
	reloadAnswer struct {
		Changes []config.Change `json:"changes"`
	}
	rttAnswer struct {
		From      string `json:"from"`
		To        string `json:"to"`
		Estimated string `json:"estimated,omitempty"`
	}
	keyOrder struct {
		Key         []byte `json:"key,omitempty"`
		Fingerprint string `json:"fingerprint,omitempty"`
	}
	keyAnswer struct {
		Fingerprint string `json:"fingerprint"`
	}
	orderError struct {
		Error string `json:"error"`
	}
)

// handler serves the admin socket.
func (a *admin) handler() http.Handler {
	mux := http.NewServeMux()
	serve := func(pattern string, answer func(ctx context.Context, r *http.Request) (any, error)) {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			ctx, cancel := context.WithTimeout(r.Context(), orderTime)
			defer cancel()
			r.Body = http.MaxBytesReader(w, r.Body, longestOrder)
			got, err := answer(ctx, r)
			status := http.StatusOK
			if err != nil {
				status, got = http.StatusConflict, orderError{oneLine(err.Error())}
			}
			if r.Method != http.MethodGet {
				a.log.Info("Order on the admin socket", "order", r.URL.Path, "refused", err)
			}
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(status)
			_ = json.NewEncoder(w).Encode(got)
		})
	}
	serve("GET /members", func(ctx context.Context, _ *http.Request) (any, error) { return a.members(ctx), nil })
	serve("GET /rtt", a.rtt)
	serve("POST /reload", func(ctx context.Context, _ *http.Request) (any, error) {
		changes, err := a.reload(ctx)
		return reloadAnswer{changes}, err
	})
	serve("POST /join", a.join)
	serve("POST /leave", a.leaves)
	serve("POST /drain", a.drain)
	serve("POST /undrain", a.undrain)
	serve("GET /keys", a.listKeys)
	serve("POST /keys/install", a.changeKeys(func(ctx context.Context, k *membership.Keyring, o *keyOrder) error {
		o.Fingerprint = membership.Fingerprint(o.Key)
		return k.Install(ctx, o.Key)
	}))
	serve("POST /keys/use", a.changeKeys(func(ctx context.Context, k *membership.Keyring, o *keyOrder) error {
		return k.Use(ctx, o.Fingerprint)
	}))
	serve("POST /keys/remove", a.changeKeys(func(ctx context.Context, k *membership.Keyring, o *keyOrder) error {
		return k.Remove(ctx, o.Fingerprint)
	}))
	return mux
}

func readOrder(r *http.Request, order any) error {
	if err := json.NewDecoder(r.Body).Decode(order); err != nil {
		return fmt.Errorf("the order makes no sense: %w", err)
	}
	return nil
}

// errNoGossip is why a node has no members to do something with.
var errNoGossip = errors.New("this server does not gossip: it was started without --cluster, or with --no_gossip")

func (a *admin) gossip() (*membership.Cluster, error) {
	if c := a.node.Membership(); c != nil {
		return c, nil
	}
	return nil, errNoGossip
}

// find returns the ID and the name of a server of the cluster, given its name, its ID, or the beginning of
// that. A server that does not live counts only if there is no other.
func (a *admin) find(text string) (id, name string, err error) {
	type candidate struct {
		id, name string
		lives    bool
	}
	all := []candidate{{a.node.ID(), a.node.Name(), true}}
	add := func(c candidate) {
		if !slices.ContainsFunc(all, func(o candidate) bool { return o.id == c.id }) {
			all = append(all, c)
		}
	}
	for _, m := range a.node.Members() {
		add(candidate{m.ID, m.Name, m.Lives()})
	}
	for _, r := range a.node.Routes() {
		add(candidate{r.RemoteID, r.RemoteName, true})
	}
	const shortestID = 4
	for _, lives := range [...]bool{true, false} {
		var found []candidate
		for _, c := range all {
			if c.lives == lives && (c.name == text || c.id == text || len(text) >= shortestID && strings.HasPrefix(c.id, text)) {
				found = append(found, c)
			}
		}
		switch len(found) {
		case 0:
		case 1:
			return found[0].id, found[0].name, nil
		default:
			return "", "", fmt.Errorf("%q is the name of several servers, give the ID of one", text)
		}
	}
	return "", "", fmt.Errorf("no server of the cluster is called %q, see shoal members", text)
}

func (a *admin) rtt(_ context.Context, r *http.Request) (any, error) {
	c, err := a.gossip()
	if err != nil {
		return nil, err
	}
	from, fromName, err := a.find(r.FormValue("a"))
	if err != nil {
		return nil, err
	}
	to, toName, err := a.find(r.FormValue("b"))
	if err != nil {
		return nil, err
	}
	d, ok := c.RTT(from, to)
	if !ok {
		return nil, fmt.Errorf("nothing is known yet of the way between %s and %s, wait a few seconds", fromName, toName)
	}
	answer := rttAnswer{From: fromName, To: toName, Estimated: roundTrip(d)}
	if from == to {
		answer.Estimated = "0s"
	}
	return answer, nil
}

func (a *admin) join(ctx context.Context, r *http.Request) (any, error) {
	c, err := a.gossip()
	if err != nil {
		return nil, err
	}
	var order joinOrder
	if err := readOrder(r, &order); err != nil {
		return nil, err
	}
	if err := c.Join(ctx, order.Addrs); err != nil {
		return nil, fmt.Errorf("%w; it is going to be tried again", err)
	}
	return struct{}{}, nil
}

func (a *admin) leaves(ctx context.Context, r *http.Request) (any, error) {
	var order leaveOrder
	if err := readOrder(r, &order); err != nil {
		return nil, err
	}
	if order.Server != "" {
		id, name, err := a.find(order.Server)
		if err != nil {
			return nil, err
		}
		if id != a.node.ID() {
			connections, err := a.node.LeaveMember(ctx, id, order.Now)
			return leaveAnswer{name, connections}, naming(err, name)
		}
	}
	if !a.leave(order.Now) {
		return nil, errors.New("the server leaves already, an interrupt stops it at once")
	}
	return leaveAnswer{a.node.Name(), a.node.Stats().Connections}, nil
}

func (a *admin) drain(ctx context.Context, r *http.Request) (any, error) {
	var order drainOrder
	if err := readOrder(r, &order); err != nil {
		return nil, err
	}
	id, name, err := a.find(order.Server)
	if err != nil {
		return nil, err
	}
	return drainAnswer{name}, naming(a.node.DrainMember(ctx, id, order.Force), name)
}

func (a *admin) undrain(ctx context.Context, r *http.Request) (any, error) {
	var order drainOrder
	if err := readOrder(r, &order); err != nil {
		return nil, err
	}
	id, name, err := a.find(order.Server)
	if err != nil {
		return nil, err
	}
	return drainAnswer{name}, naming(a.node.UndrainMember(ctx, id), name)
}

// naming puts the name of a server in front of an error that does not have it.
func naming(err error, name string) error {
	var answered *node.AskError
	if err == nil || errors.As(err, &answered) {
		return err
	}
	return fmt.Errorf("%s: %w", name, err)
}

// keyList is what /keys answers.
type keyList struct {
	Keys   []keyRow          `json:"keys"`
	Silent map[string]string `json:"silent,omitempty"` // why servers did not tell, by name
}

// keyRow is a key and the names of servers that have it.
type keyRow struct {
	Fingerprint string   `json:"fingerprint"`
	Holders     []string `json:"holders"`
	Primary     []string `json:"primary"` // those that encrypt with it
}

func (a *admin) listKeys(ctx context.Context, _ *http.Request) (any, error) {
	c, err := a.gossip()
	if err != nil {
		return nil, err
	}
	list, err := c.Keyring().List(ctx)
	if err != nil {
		return nil, keyError(err)
	}
	names := func(ids []string) []string {
		all := make([]string, len(ids))
		for i, id := range ids {
			all[i] = id
			if m, ok := c.Member(id); ok {
				all[i] = m.Name
			}
		}
		slices.Sort(all)
		return all
	}
	answer := keyList{Silent: make(map[string]string)}
	for _, k := range list.Keys {
		answer.Keys = append(answer.Keys, keyRow{k.Fingerprint, names(k.Holders), names(k.Primary)})
	}
	for id, err := range list.Silent {
		answer.Silent[names([]string{id})[0]] = err.Error()
	}
	return answer, nil
}

// changeKeys returns what carries out an order about the keys of the cluster.
func (a *admin) changeKeys(change func(context.Context, *membership.Keyring, *keyOrder) error) func(context.Context, *http.Request) (any, error) {
	return func(ctx context.Context, r *http.Request) (any, error) {
		c, err := a.gossip()
		if err != nil {
			return nil, err
		}
		var order keyOrder
		if err := readOrder(r, &order); err != nil {
			return nil, err
		}
		if err := change(ctx, c.Keyring(), &order); err != nil {
			return nil, keyError(err)
		}
		return keyAnswer{order.Fingerprint}, nil
	}
}

// keyError says what to do about gossip that has no keys at all.
func keyError(err error) error {
	if errors.Is(err, membership.ErrPlaintext) {
		return errors.New("gossip is not encrypted, restart all servers with --gossip_key")
	}
	return err
}
