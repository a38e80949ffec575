package wire_test

import (
	"bytes"
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"shoal/wire"
)

// FuzzConnect merges two CONNECT one behind the other.
func FuzzConnect(f *testing.F) {
	f.Fuzz(func(t *testing.T, first, second []byte) {
		c := wire.DefaultConnect
		for _, arg := range [][]byte{first, second} {
			before := c
			if err := c.Merge(arg); err != nil {
				checkError(t, err, "bad CONNECT")
				return
			}
			checkMerge(t, before, c, arg)
		}
		line := c.Append(nil)
		if bytes.Count(line, []byte("\n")) != 1 {
			t.Fatalf("not one line: %q", line)
		}
		p := wire.Parser{MaxControlLine: len(line)}
		if n, err := p.Next(line); n != len(line) || err != nil || p.Op.Verb != wire.Connect {
			t.Fatalf("%q: Next = %d, %v", line, n, err)
		}
		var back wire.ConnectOptions
		if err := back.Merge(p.Op.Arg); err != nil || back != c {
			t.Fatalf("%q is read back as %+v, %v", line, back, err)
		}
		if r := c.Redacted(); shows(c.Pass, r.Pass) || shows(c.Token, r.Token) || shows(c.JWT, r.JWT) || shows(c.Sig, r.Sig) {
			t.Fatalf("secrets in %+v", r)
		}
	})
}

// shows is true if a secret is shown, or if none is shown as one.
func shows(secret, shown string) bool {
	return secret == "" && shown != "" || secret != "" && shown != "[REDACTED]"
}

// checkMerge fails if a field has changed that the JSON does not name.
func checkMerge(t *testing.T, before, after wire.ConnectOptions, arg []byte) {
	var named map[string]json.RawMessage
	if err := json.Unmarshal(arg, &named); err != nil {
		t.Fatalf("%q is accepted: %v", arg, err)
	}
	b, a := reflect.ValueOf(before), reflect.ValueOf(after)
	for i := range b.NumField() {
		key, _, _ := strings.Cut(b.Type().Field(i).Tag.Get("json"), ",")
		isNamed := false
		for name := range named {
			isNamed = isNamed || strings.EqualFold(name, key)
		}
		if !isNamed && !b.Field(i).Equal(a.Field(i)) {
			t.Fatalf("%q changes %s", arg, key)
		}
	}
}

// FuzzInfo reads an INFO and writes it again.
func FuzzInfo(f *testing.F) {
	f.Fuzz(func(t *testing.T, arg []byte) {
		info, err := wire.ParseInfo(arg)
		if err != nil {
			checkError(t, err, "bad INFO")
			return
		}
		line := info.Append(nil)
		if bytes.Count(line, []byte("\n")) != 1 || !bytes.HasSuffix(line, []byte("} \r\n")) {
			t.Fatalf("not one line: %q", line)
		}
		p := wire.Parser{Role: wire.FromServer, MaxControlLine: len(line)}
		if n, err := p.Next(line); n != len(line) || err != nil || p.Op.Verb != wire.Info {
			t.Fatalf("%q: Next = %d, %v", line, n, err)
		}
		back, err := wire.ParseInfo(p.Op.Arg)
		if err != nil || !bytes.Equal(back.Append(nil), line) {
			t.Fatalf("%q is read back as %+v, %v", line, back, err)
		}
	})
}
