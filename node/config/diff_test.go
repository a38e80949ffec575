package config

import (
	"net/url"
	"reflect"
	"slices"
	"strings"
	"testing"

	"shoal/node"
)

func TestDiff(t *testing.T) {
	old := load(t, `max_payload: 1MB, authorization { user: a, password: s3cret }
		cluster { routes: [ "nats://u:s3cret@a:1" ], authorization { user: u, password: s3cret } }`)
	changed := load(t, `max_payload: 2MB, ping_interval: "1m", server_tags: [a, b], server_metadata { b: c, a: d }, http: "h:8222", authorization { user: a, password: s3cret2 }
		cluster { routes: [ "nats://u:s3cret@a:1", "b:1" ], authorization { user: u, password: s3cret2 }, join: [ x ] }`)
	var got []string
	for _, c := range Diff(old, changed) {
		got = append(got, c.String())
	}
	want := []string{
		"server_tags = [a, b] (was [])",
		"server_metadata = {a: d, b: c} (was {})",
		"max_payload = 2097152 (was 1048576)",
		"ping_interval = 1m0s (was 2m0s)",
		"http = http://h:8222 (was off)",
		"authorization (changed)",
		"cluster.routes = [nats://a:1, nats://b:1] (was [nats://a:1])",
		"cluster.join = [x] (was [])",
		"cluster.authorization (changed)",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if again := Diff(old, old); len(again) > 0 {
		t.Errorf("the same differs in %v", again)
	}
}

// Whatever can be set can also change.
func TestDiffKnowsEverything(t *testing.T) {
	// What is made of other options, or not an option.
	derived := []string{"Digest", "keys", "Authenticator", "Logger", "Leave", "KeepGossipKeys"}
	served := func() *Settings {
		s := Default()
		s.Node.WebSocket = &node.WebSocketOptions{}
		return s
	}
	var visit func(field func(*Settings) reflect.Value, name string)
	visit = func(field func(*Settings) reflect.Value, name string) {
		changed := served()
		v := field(changed)
		if v.Type() == reflect.TypeFor[*node.WebSocketOptions]() {
			visit(func(s *Settings) reflect.Value { return field(s).Elem() }, name)
			return
		}
		switch v.Kind() {
		case reflect.Struct:
			for i := range v.NumField() {
				f := v.Type().Field(i)
				if !slices.Contains(derived, f.Name) && f.Type.String() != "*node.TLSOptions" {
					visit(func(s *Settings) reflect.Value { return field(s).Field(i) }, name+"."+f.Name)
				}
			}
			return
		case reflect.String:
			v.SetString("x")
		case reflect.Bool:
			v.SetBool(!v.Bool())
		case reflect.Int, reflect.Int64:
			v.SetInt(v.Int() + 1)
		case reflect.Slice:
			v.Set(reflect.MakeSlice(v.Type(), 1, 1))
			if v.Type() == reflect.TypeFor[[]*url.URL]() {
				v.Index(0).Set(reflect.ValueOf(&url.URL{Host: "x"}))
			}
			if v.Type() == reflect.TypeFor[[][]byte]() {
				v.Index(0).SetBytes([]byte("x"))
			}
		case reflect.Map:
			v.Set(reflect.ValueOf(map[string]string{"x": "y"}))
		case reflect.Pointer:
			v.Set(reflect.New(v.Type().Elem()))
		default:
			if v.Kind() != reflect.Uint8 {
				t.Errorf("%s is of kind %v", name, v.Kind())
				return
			}
			v.SetUint(v.Uint() + 1)
		}
		if len(Diff(served(), changed)) == 0 {
			t.Errorf("a change of %s is not seen", name)
		}
	}
	visit(func(s *Settings) reflect.Value { return reflect.ValueOf(s).Elem() }, "Settings")
	if len(Diff(Default(), served())) == 0 {
		t.Error("a new port for WebSocket is not seen")
	}
}
