package wire_test

import (
	"reflect"
	"strings"
	"testing"

	"shoal/wire"
)

func TestConnectDefaults(t *testing.T) {
	if want := (wire.ConnectOptions{Echo: true, Verbose: true, Pedantic: true}); wire.DefaultConnect != want {
		t.Errorf("%+v", wire.DefaultConnect)
	}
	for _, arg := range []string{"{}", "null", ` {"unknown":[1,{"verbose":false}]} `, `{"verbose":null,"pedantic":null,"echo":null}`,
		`{"tls_required":false}`} {
		c := wire.DefaultConnect
		if err := c.Merge([]byte(arg)); err != nil || c != wire.DefaultConnect {
			t.Errorf("%s: %+v, %v", arg, c, err)
		}
	}
}

func TestConnectMerge(t *testing.T) {
	c := wire.DefaultConnect
	for _, step := range []struct {
		arg  string
		want wire.ConnectOptions
	}{
		// What nats.go sends.
		{`{"verbose":false,"pedantic":false,"user":"u","pass":"p","tls_required":false,"name":"","lang":"go","version":"1.2.3","protocol":1,"echo":true,"headers":true,"no_responders":true}`,
			wire.ConnectOptions{Echo: true, User: "u", Pass: "p", Lang: "go", Version: "1.2.3", Protocol: 1, Headers: true, NoResponders: true}},
		{`{"VERBOSE":true,"Echo":false,"PasS":"q"}`,
			wire.ConnectOptions{Verbose: true, User: "u", Pass: "q", Lang: "go", Version: "1.2.3", Protocol: 1, Headers: true, NoResponders: true}},
		{`{"user":"","protocol":0}`,
			wire.ConnectOptions{Verbose: true, Pass: "q", Lang: "go", Version: "1.2.3", Headers: true, NoResponders: true}},
		{`{"verbose":false,"verbose":true,"verbose":false}`,
			wire.ConnectOptions{Pass: "q", Lang: "go", Version: "1.2.3", Headers: true, NoResponders: true}},
	} {
		if err := c.Merge([]byte(step.arg)); err != nil || c != step.want {
			t.Errorf("%s:\n%+v, %v, want\n%+v", step.arg, c, err, step.want)
		}
	}
	if wire.DefaultConnect.Verbose != true {
		t.Error("the defaults have changed")
	}
}

func TestConnectErrors(t *testing.T) {
	for _, arg := range []string{"", "hello", "{bad", "{} {}", "{}x", "[]", "true", `"x"`, `{"verbose":"yes"}`, `{"verbose":1}`,
		`{"protocol":"1"}`, `{"protocol":1.5}`, `{"name":1}`, `{"user":["u"]}`, `{"headers":"true"}`, `{"verbose":true`, "{\"name\":\"\n\"}"} {
		c := wire.DefaultConnect
		err := c.Merge([]byte(arg))
		if err == nil {
			t.Errorf("%s is accepted", arg)
			continue
		}
		checkError(t, err, "bad CONNECT")
	}
}

// The reason of an error is logged, and so must not tell what the client sent for a password.
func TestConnectErrorsHideSecrets(t *testing.T) {
	for _, arg := range []string{`{"pass":73910042}`, `{"pass":["s3cret"]}`, `{"pass":"s3cret`, `{"pass":s3cret}`, `{"pass":"s3cret\x"}`,
		`{"auth_token":{"s3cret":1}}`, `{"verbose":"s3cret"}`, `{"pass":"s3cret"} s3cret`, `s3cret`, `{"pass":"s3cret","port":}`} {
		c := wire.DefaultConnect
		err := c.Merge([]byte(arg))
		if err == nil {
			t.Errorf("%s is accepted", arg)
		} else if s := err.Error(); strings.Contains(s, "s3c") || strings.Contains(s, "739") {
			t.Errorf("%s: %s", arg, s)
		}
	}
}

func TestConnectAppend(t *testing.T) {
	for _, c := range []struct {
		options wire.ConnectOptions
		line    string
	}{
		{wire.ConnectOptions{}, `CONNECT {"echo":false,"verbose":false,"pedantic":false,"tls_required":false}`},
		// What nats-server sends to a route.
		{wire.ConnectOptions{Echo: true, Headers: true, Name: "n1", Cluster: "C", LNOC: true, LNOCU: true, LN: true},
			`CONNECT {"echo":true,"verbose":false,"pedantic":false,"tls_required":false,"name":"n1","headers":true,"cluster":"C","lnoc":true,"lnocu":true,"ln":true}`},
		{wire.ConnectOptions{User: "u<", Pass: "\r\n"},
			`CONNECT {"echo":false,"verbose":false,"pedantic":false,"tls_required":false,"user":"u\u003c","pass":"\r\n"}`},
	} {
		line := string(c.options.Append([]byte("PING\r\n")))
		if line != "PING\r\n"+c.line+"\r\n" {
			t.Errorf("%q, want\n%q", line, c.line)
		}
		p := route
		if n, err := p.Next([]byte(c.line + "\r\n")); n == 0 || err != nil || p.Op.Verb != wire.Connect {
			t.Fatalf("%q: Next = %d, %v", c.line, n, err)
		}
		var back wire.ConnectOptions
		if err := back.Merge(p.Op.Arg); err != nil || back != c.options {
			t.Errorf("%q: read back as %+v, %v", c.line, back, err)
		}
	}
}

// Whoever adds a field has to say here whether it may be logged.
func TestRedacted(t *testing.T) {
	public := map[string]bool{"User": true, "NKey": true, "Account": true, "Name": true, "Lang": true, "Version": true,
		"Cluster": true, "Gateway": true}
	var c wire.ConnectOptions
	v := reflect.ValueOf(&c).Elem()
	for i := range v.NumField() {
		if f := v.Field(i); f.Kind() == reflect.String {
			f.SetString("s3cret")
		}
	}
	before := c
	r := reflect.ValueOf(c.Redacted())
	for i := range r.NumField() {
		if f := r.Field(i); f.Kind() == reflect.String {
			if name := r.Type().Field(i).Name; public[name] != (f.String() == "s3cret") {
				t.Errorf("%s is shown as %q", name, f.String())
			}
		}
	}
	if c != before {
		t.Error("Redacted changes its receiver")
	}
	empty := wire.ConnectOptions{Verbose: true}
	if empty.Redacted() != empty {
		t.Error("what is not set is shown as set")
	}
}
