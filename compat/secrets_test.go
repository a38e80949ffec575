package compat

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"shoal/compat/internal/broker"
)

// plants are secrets, by what they are.
type plants map[string]string

// look reports the secrets in a text.
func (p plants) look(t *testing.T, where, text string) {
	t.Helper()
	for what, secret := range p {
		for i, form := range []string{secret, base64.StdEncoding.EncodeToString([]byte(secret)), fmt.Sprintf("%x", secret)} {
			if at := strings.Index(text, form); at >= 0 {
				t.Errorf("%s shows the %s (form %d): …%q", where, what, i, text[max(0, at-80):min(len(text), at+len(form)+20)])
			}
		}
	}
}

// TestSecrets starts servers with secrets in all the places where they can be, has clients and peers present
// right and wrong ones, and looks for them in everything that comes out: logs at trace level, the command
// line that others can see, monitoring, what clients are sent, files, and errors.
func TestSecrets(t *testing.T) {
	folder := t.TempDir()
	secret := plants{
		"gossip key":                base64.StdEncoding.EncodeToString([]byte("plantedgossipkey")),
		"user's password":           "planted-user-password",
		"password by a variable":    "planted-variable",
		"password from environment": "planted-environment",
		"hash":                      "$2a$04$0EYIVJ0anSCsRIEOQMdpEuUarrmTP0OCQgT3gmiTFSORXecjcQrci",
		"cluster's password":        "planted-cluster-password",
		"wrong route password":      "planted-wrong-route",
		"wrong password":            "planted-wrong-password",
		"token of a client":         "planted-client-token",
		"signature":                 "planted-signature",
		"JWT":                       "planted-jwt",
	}
	file := func(name, text string) string {
		path := filepath.Join(folder, name)
		must(t, os.WriteFile(path, []byte(text), 0o600))
		return path
	}
	first, err := broker.FreePort()
	must(t, err)
	keys := file("gossip.key", secret["gossip key"]+"\n")
	t.Setenv("PLANTED", secret["password from environment"])
	config := fmt.Sprintf(`
		VARIABLE: %q
		accounts {
			A { users: [ { user: a, password: %q }, { user: b, password: $VARIABLE }, { user: c, password: $PLANTED }, { user: d, password: %q } ] }
		}
		cluster {
			listen: "127.0.0.1:%s"
			name: C
			authorization { user: r, password: %q }
			gossip { key_file: %q, state_dir: %q }
		}
	`, secret["password by a variable"], secret["user's password"], secret["hash"], first, secret["cluster's password"], keys, folder)
	common := []string{"-a", "127.0.0.1", "-p", "-1", "-m", "-1", "-DV"}
	launch := func(name string, arguments ...string) *broker.Server {
		arguments = append(arguments, common...)
		arguments = append(arguments, "-n", name, "--admin_socket", filepath.Join(folder, name+".sock"))
		server, err := broker.Launch(broker.Shoal, "", arguments...)
		must(t, err)
		t.Cleanup(func() {
			if err := server.Stop(); err != nil {
				t.Error(err)
			}
			secret.look(t, name+"'s log", server.Log())
			if !strings.Contains(server.Log(), "CONNECT") {
				t.Errorf("%s's log is not at trace level:\n%s", name, server.Log())
			}
		})
		must(t, server.WaitReady())
		return server
	}
	one := launch("one", "-c", file("one.conf", config))
	// The second gets its own by flags, and has to hide them.
	secret["password of a flag"] = "planted-flag-password"
	two := launch("two", "--user", "flaguser", "--pass", secret["password of a flag"],
		"--cluster_name", "C", "--gossip_key", keys, "--join", "127.0.0.1:"+first,
		"--cluster", "nats://r:"+secret["cluster's password"]+"@127.0.0.1:-1")
	// The third knows a wrong password, and is told of it.
	three := launch("three", "--cluster_name", "C", "--no_gossip", "--cluster", "nats://127.0.0.1:-1",
		"--routes", "nats://r:"+secret["wrong route password"]+"@127.0.0.1:"+first)
	eventually(t, "the cluster", func() bool { return strings.Contains(get(t, two.Monitor+"/routez"), `"remote_name": "one"`) })
	eventually(t, "a refusal", func() bool {
		return strings.Contains(one.Log()+three.Log(), "Authorization Violation") || strings.Contains(one.Log(), "Authentication Failure")
	})

	for _, server := range []*broker.Server{one, two} {
		for _, line := range []string{
			fmt.Sprintf(`{"user":"a","pass":%q,"protocol":1}`, secret["user's password"]),
			fmt.Sprintf(`{"user":"b","pass":%q}`, secret["password by a variable"]),
			fmt.Sprintf(`{"user":"c","pass":%q}`, secret["password from environment"]),
			`{"user":"d","pass":"secret"}`,
			fmt.Sprintf(`{"user":%q,"pass":%q}`, "flaguser", secret["password of a flag"]),
			fmt.Sprintf(`{"user":"a","pass":%q}`, secret["wrong password"]),
			fmt.Sprintf(`{"auth_token":%q}`, secret["token of a client"]),
			fmt.Sprintf(`{"nkey":"UX","sig":%q,"jwt":%q}`, secret["signature"], secret["JWT"]),
			fmt.Sprintf(`{"USER":"a","Pass" : %q, "auth_token" :%q }`, secret["wrong password"], secret["token of a client"]),
			// What cannot be read may hold secrets as well.
			fmt.Sprintf(`{"user":"a","pass":%q`, secret["wrong password"]),
			fmt.Sprintf(`{"user":1,"pass":%q}`, secret["wrong password"]),
			fmt.Sprintf(`{"user":"a","pass":[%q]}`, secret["wrong password"]),
			fmt.Sprintf(`{"user":"a" "pass":%q}`, secret["wrong password"]),
			fmt.Sprintf(`{"pass":'%s'}`, secret["wrong password"]),
			fmt.Sprintf(`{"pass":"\u0070lanted-wrong-password"} %s`, secret["wrong password"]),
			secret["wrong password"],
			strings.Repeat(" ", 5000) + secret["wrong password"],
			fmt.Sprintf(`{"name":%q,"pass":%q}`, strings.Repeat("x", 5000), secret["wrong password"]),
		} {
			answer := talk(t, server.Addr, "CONNECT "+line+"\r\nPING\r\n")
			secret.look(t, "what a client is sent", answer)
		}
		talk(t, server.Addr, "connect"+`{"user":"a","pass":"`+secret["wrong password"]+"\"}\r\n")
		talk(t, server.Addr, "CONNECT "+`{"user":"a","pass":"`+secret["wrong password"]) // not finished
		talk(t, server.Addr, "CONNNECT "+secret["wrong password"]+"\r\n")

		for _, path := range []string{
			"/", "/varz", "/connz?auth=1&subs=detail", "/connz?state=all&auth=1", "/routez?subs=1", "/subsz?subs=1", "/accountz?acc=A",
			"/accountz", "/accstatz?unused=1", "/clusterz", "/healthz", "/gatewayz", "/leafz", "/jsz", "/stacksz", "/expvarz", "/debug/vars", "/metrics", "/nowhere",
		} {
			secret.look(t, server.Kind.Name+" "+path, get(t, server.Monitor+path))
		}
		cmdline, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", server.PID()))
		must(t, err)
		secret.look(t, "the command line", string(cmdline))
	}
	for _, arguments := range [][]string{{"members"}, {"members", "--json"}, {"members", "--drift"}, {"keys", "list"}, {"reload"}} {
		output := shoalPrints(t, append(arguments, "--socket", filepath.Join(folder, "one.sock"))...)
		secret.look(t, fmt.Sprint("shoal ", arguments), output)
	}
	for _, path := range []string{"one.sock", "one.conf", "gossip.key"} {
		must(t, os.Remove(filepath.Join(folder, path)))
	}
	files, err := os.ReadDir(folder)
	must(t, err)
	for _, f := range files {
		if content, err := os.ReadFile(filepath.Join(folder, f.Name())); err == nil {
			secret.look(t, f.Name(), string(content))
		}
	}
}

// TestSecretsInErrors has settings that are wrong just where the secrets are.
func TestSecretsInErrors(t *testing.T) {
	folder := t.TempDir()
	secret := plants{"secret": "planted", "key": base64.StdEncoding.EncodeToString([]byte("sixteen letters!"))}
	t.Setenv("SHOAL_GOSSIP_KEY", "")
	for i, text := range []string{
		"authorization { user: u, password: planted, passwrd: planted }",
		"authorization { user: u, password: [planted] }",
		"authorization { user: u, password: { planted: planted } }",
		"authorization { user: u, password: $planted }",
		"authorization { user: u, password: \"planted }",
		"authorization { token: planted, user: u, password: planted }",
		"authorization { token: \"$2a$planted\" }",
		"authorization { users: [ { user: u, password: \"$2a$04$planted\" } ] }",
		"authorization { users: [ { user: u, password: planted }, { user: u, password: planted } ] }",
		"authorization { users: [ { password: planted } ] }",
		"authorization { users: [ { nkey: SUplanted } ] }",
		"authorization { users: [ planted ] }",
		"password: planted",
		"cluster { port: 6222, authorization { password: planted } }",
		"cluster { port: 6222, authorization { user: u, pass: planted, timeout: x } }",
		"cluster { port: 6222, routes: [ \"nats://u:planted@h:x\" ] }",
		"cluster { port: 6222, routes: [ \"http://u:planted@h:1\" ] }",
		"cluster { listen: \"nats://u:planted@h:x\" }",
		"cluster { port: 6222, join: [ \"nats://u:planted@h:x:y\" ] }",
		"cluster { port: 6222, gossip { key: planted } }",
		"authorization {\n user: u\n password: planted\n",
	} {
		file := filepath.Join(folder, fmt.Sprintf("%d.conf", i))
		must(t, os.WriteFile(file, []byte(text+"\n"), 0o600))
		secret.look(t, text, strings.ReplaceAll(shoalPrints(t, "-t", "-c", file), file, "FILE"))
	}
	for _, arguments := range [][]string{
		{"--pass", "planted"},
		{"--auth", "planted", "--user", "u", "--pass", "planted"},
		{"--user", "u", "--pass", "$2a$planted"},
		{"--cluster", "nats://u:planted@h:x"},
		{"--cluster", "http://u:planted@h:1"},
		{"--cluster", "nats://planted@h:1"},
		{"--routes", "nats://u:planted@h:x", "--cluster", "nats://:-1"},
		{"--routes", "nats://u:planted@", "--cluster", "nats://:-1"},
		{"--join", "nats://u:planted@h:x:y", "--cluster", "nats://:-1"},
		{"--gossip_key", secret["key"], "--cluster", "nats://:-1"},
		{"--pass=planted", "--nonsense"},
		{"-t", "--user", "u", "--pass", "planted"},
		{"--user", "u", "--pass", "planted", "--help"},
		{"pub", "-s", "nats://u:planted@127.0.0.1:1", "a"},
		{"pub", "-s", "nats://u:planted@h:x", "a"},
		{"pub", "--user", "u", "--password", "planted", "-s", "127.0.0.1:1", "a"},
	} {
		secret.look(t, fmt.Sprint(arguments), shoalPrints(t, arguments...))
	}
	t.Run("environment", func(t *testing.T) {
		t.Setenv("SHOAL_GOSSIP_KEY", "planted")
		secret.look(t, "a key that is none", shoalPrints(t, "--cluster", "nats://:-1", "-p", "-1", "-a", "127.0.0.1"))
	})
}

// shoalPrints runs shoal for a moment and returns what it prints.
func shoalPrints(t *testing.T, arguments ...string) string {
	t.Helper()
	binary, err := broker.Shoal.Binary()
	must(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	var output bytes.Buffer
	command := exec.CommandContext(ctx, binary, arguments...)
	command.Stdout, command.Stderr = &output, &output
	if err := command.Run(); ctx.Err() != nil {
		t.Errorf("shoal %q did not end: %v\n%s", arguments, err, &output)
	}
	return output.String()
}

// talk sends something to a server and returns what that sends until it closes or falls silent.
func talk(t *testing.T, addr, text string) string {
	t.Helper()
	socket, err := net.Dial("tcp", addr)
	must(t, err)
	defer socket.Close()
	_, err = socket.Write([]byte(text))
	must(t, err)
	var answer bytes.Buffer
	_ = socket.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
	_, _ = io.Copy(&answer, socket)
	return answer.String()
}

// get returns what a URL shows, whatever the status.
func get(t *testing.T, url string) string {
	t.Helper()
	response, err := http.Get(url)
	must(t, err)
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	must(t, err)
	return fmt.Sprint(response.Header) + string(body)
}
