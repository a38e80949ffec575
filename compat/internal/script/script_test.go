package script

import (
	"bufio"
	"encoding/base64"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/nats-io/nkeys"
)

func TestEscapes(t *testing.T) {
	for text, want := range map[string]string{
		``:                         "",
		`PING\r\n`:                 "PING\r\n",
		`\t\s\\\x00\xfF`:           "\t \\\x00\xff",
		`\{3:ab\}c`:                "abababc",
		`\{2:\#\{2:x\#\}\}`:        "1x1x22x1x2",
		`{"verbose":false}\{1:}\}`: `{"verbose":false}}`,
	} {
		got, err := unescape(text, 0)
		if err != nil || string(got) != want {
			t.Errorf("unescape(%s) = %q, %v, want %q", text, got, err, want)
		}
	}
	for _, text := range []string{`\`, `\q`, `\x1`, `\xzz`, `\{3:x`, `\{x:y\}`, `\{0:y\}`, `x\}`} {
		if got, err := unescape(text, 0); err == nil {
			t.Errorf("unescape(%s) = %q, want an error", text, got)
		}
	}
}

func FuzzEscape(f *testing.F) {
	f.Add([]byte("MSG a 1 2\r\nhi"))
	f.Add([]byte(strings.Repeat(" ", 100) + "\xff\xff\x00\\#"))
	f.Add([]byte(strings.Repeat("\\", 100)))
	f.Fuzz(func(t *testing.T, data []byte) {
		got, err := unescape(escape(data), 0)
		if err != nil || string(got) != string(data) {
			t.Errorf("%q became %q by way of %s: %v", data, got, escape(data), err)
		}
	})
}

func TestNextOp(t *testing.T) {
	received := []byte("+OK\r\nMSG a 1 4\r\n\r\n\r\n\r\nHMSG a 1 r 2 3\r\nabc\r\nPONG\nMSG a 1 5\r\nhe")
	for _, want := range []string{"+OK", "MSG a 1 4\r\n\r\n\r\n", "HMSG a 1 r 2 3\r\nabc", "PONG\n"} {
		op, rest, ok := nextOp(received)
		if !ok || op != want {
			t.Fatalf("got %q, %v, want %q", op, ok, want)
		}
		received = rest
	}
	if op, _, ok := nextOp(received); ok {
		t.Errorf("got %q, which is not complete", op)
	}
}

func TestCutsKeepTheBytes(t *testing.T) {
	for _, size := range []int{0, 1, 2, 100, bytewiseLimit, 100_000} {
		data := []byte(strings.Repeat("0123456789", size/10+1)[:size])
		for _, cut := range []Cut{Whole, Bytewise(1), Random(2)} {
			joined, writes := "", 0
			for _, part := range cut.cut(data) {
				joined += string(part)
				writes++
			}
			if joined != string(data) {
				t.Errorf("%s changes %d bytes", cut.Name, size)
			}
			if size == 100 && cut.Name != Whole.Name && writes < 2 {
				t.Errorf("%s makes one write of %d bytes", cut.Name, size)
			}
		}
	}
}

func TestMalformedInfo(t *testing.T) {
	good := `INFO {"server_id":"x","proto":1} `
	if got := normaliseInfo(good, Target{Client: "127.0.0.1:1"}); !strings.HasPrefix(got, "INFO server_id=false ") {
		t.Errorf("got %q", got)
	}
	for _, bad := range []string{`INFO {"server_id":"x"}`, `INFO {`, `INFO {"a":} `} {
		if got := normaliseInfo(bad, Target{Client: "127.0.0.1:1"}); !strings.HasPrefix(got, "malformed ") {
			t.Errorf("%q became %q", bad, got)
		}
	}
}

func TestParseErrors(t *testing.T) {
	for _, text := range []string{
		"A> PING\\r\\n\n", "=== a\nserver nonsense=1\n", "=== a\noption nonsense\n", "=== a\nwhat is this\n",
		"=== a\nA> \\q\n", "=== a\nA< \\q\n", "=== a\npool< x\n", "=== a\nevery soon 3x A> x\n",
	} {
		file := filepath.Join(t.TempDir(), "script.txt")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := ReadFile(file); err == nil {
			t.Errorf("%q is accepted", text)
		}
	}
}

// TestPlayNotices plays against servers that are right, and wrong in different ways.
func TestPlayNotices(t *testing.T) {
	text := "=== test\nA> PING\\r\\n\nA< PONG\nA> SUB a 1\\r\\n\n"
	right := map[string]string{"PING": "PONG\r\n"}
	for name, answers := range map[string]map[string]string{
		"right":        right,
		"wrong answer": {"PING": "+OK\r\nPONG\r\n"},
		"bare LF":      {"PING": "PONG\n"},
		"one too many": {"PING": "PONG\r\n", "SUB a 1": "+OK\r\n"},
		"one too few":  {},
		"a message":    {"PING": "PONG\r\n", "SUB a 1": "MSG a 1 0\r\n\r\n"},
		"end":          {"PING": "PONG\r\n", "SUB a 1": ended},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			file := filepath.Join(t.TempDir(), "script.txt")
			if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			scripts, err := ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			transcript, err := scripts[0].Play(Target{Kind: "fake", Client: fakeServer(t, answers)}, Whole)
			var mismatch *Mismatch
			if noticed := errors.As(err, &mismatch); noticed != (name != "right") {
				t.Errorf("error %v after\n%v", err, transcript)
			}
		})
	}
}

func TestDiff(t *testing.T) {
	one := Transcript{conns: []string{"A"}, ops: map[string][]string{"A": {"PONG"}}}
	two := Transcript{conns: []string{"A"}, ops: map[string][]string{"A": {"PONG", "PONG"}}}
	if one.Diff(one) != "" || one.Diff(two) == "" || two.Diff(one) == "" {
		t.Errorf("%q, %q, %q", one.Diff(one), one.Diff(two), two.Diff(one))
	}
}

// fakeServer answers lines as told.
func fakeServer(t *testing.T, answers map[string]string) (addr string) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		socket, err := listener.Accept()
		if err != nil {
			return
		}
		defer socket.Close()
		_, _ = socket.Write([]byte("INFO {} \r\n"))
		for lines := bufio.NewScanner(socket); lines.Scan(); {
			answer := answers[lines.Text()]
			if answer == ended {
				return
			}
			_, _ = socket.Write([]byte(answer))
		}
	}()
	return listener.Addr().String()
}

func TestKeys(t *testing.T) {
	filled := strings.Fields(string(fillKeys([]byte("@nkey(alice) @sig(alice) @stdsig(alice) @sig() a@b"), "nonce")))
	key, err := nkeys.FromPublicKey(filled[0])
	if err != nil {
		t.Fatal(err)
	}
	for i, encoding := range []*base64.Encoding{base64.RawURLEncoding, base64.StdEncoding} {
		signature, err := encoding.DecodeString(filled[1+i])
		if err != nil || key.Verify([]byte("nonce"), signature) != nil {
			t.Errorf("%q is not the signature: %v", filled[1+i], err)
		}
	}
	if got := strings.Join(filled[3:], " "); got != "@sig() a@b" {
		t.Errorf("what is no key became %q", got)
	}
}

func TestConfigLines(t *testing.T) {
	folder := t.TempDir()
	if err := os.WriteFile(filepath.Join(folder, "one.conf"), []byte("max_payload: 1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	text := "=== a\nconfig one.conf\nserver ping_max=3\n| debug: true\n|\n|   trace: true\n"
	scripts, err := Parse(filepath.Join(folder, "script.txt"), text)
	if err != nil {
		t.Fatal(err)
	}
	got := scripts[0].Settings
	if got["config"] != "max_payload: 1\ndebug: true\n\n  trace: true\n" || got["ping_max"] != "3" {
		t.Errorf("the settings are %q", got)
	}
	if scripts[0].String() != text {
		t.Errorf("written again it is %q", scripts[0])
	}
	if _, err := Parse(filepath.Join(folder, "script.txt"), "=== a\nconfig two.conf\n"); err == nil {
		t.Error("a file that there is not is accepted")
	}
}

func TestHiddenRoundTrips(t *testing.T) {
	for op, want := range map[string]string{
		"HMSG a 1 _R_.x.y 57 59\r\nNATS/1.0\r\nNats-Request-Info: {\"acc\":\"A\",\"rtt\":123456}\r\n\r\nhi": "HMSG a 1 @reply(1) 52 54\r\nNATS/1.0\r\nNats-Request-Info: {\"acc\":\"A\",\"rtt\":0}\r\n\r\nhi",
		"MSG a 1 2\r\nhi":              "MSG a 1 2\r\nhi",
		"RMSG A a + _R_.x.y q 2\r\nhi": "RMSG A a + @reply(1) q 2\r\nhi",
		"RS+ A _R_.x.>":                "RS+ A _R_.*.>",
		"MSG _R_.x 1 2\r\nhi":          "MSG _R_.x 1 2\r\nhi",
		"-ERR 'no _R_.x.y'":            "-ERR 'no _R_.x.y'",
	} {
		if got := hideRTT(new(replies).hide(op)); got != want {
			t.Errorf("%q became %q, want %q", op, got, want)
		}
	}
}

func TestRepliesAreFilledIn(t *testing.T) {
	var r replies
	r.hide("MSG a 1 _R_.x.y 2\r\nhi")
	if got := r.hide("-ERR 'no _R_.x.y and no _R_.x.z'"); got != "-ERR 'no @reply(1) and no _R_.x.z'" {
		t.Errorf("got %q", got)
	}
	if got := string(r.fill([]byte("PUB @reply(1) @reply(2) @reply(0) 2"))); got != "PUB _R_.x.y @reply(2) @reply(0) 2" {
		t.Errorf("got %q", got)
	}
}
