package command

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/nats-io/nats.go"
)

// TestServerWithSystemUser asks a server about itself as the user of one flag, reloads it that way, and
// changes the password.
func TestServerWithSystemUser(t *testing.T) {
	password := filepath.Join(t.TempDir(), "pass")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(password, []byte(text+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("s3cret")
	path := configure(t, "max_payload: 1KB")
	s := startServer(t, "-c", path, "--sys_user", "admin", "--sys_pass_file", password, "-V")
	dial := func(options ...nats.Option) *nats.Conn {
		t.Helper()
		nc, err := nats.Connect(s.url(), append(options, nats.NoReconnect())...)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(nc.Close)
		return nc
	}
	for _, options := range [][]nats.Option{nil, {nats.UserInfo("anybody", "else")}, {nats.Token("t")}} {
		nc := dial(options...)
		m, err := nc.Request("$SYS.REQ.USER.INFO", nil, patience)
		if err != nil || !strings.Contains(string(m.Data), `"account":"$G"`) {
			t.Errorf("who is no system user is %v, %v", m, err)
		}
		if _, err := nc.Request("$SYS.REQ.SERVER.PING", nil, patience); err != nats.ErrNoResponders {
			t.Errorf("who is no system user may ask: %v", err)
		}
	}
	if _, err := nats.Connect(s.url(), nats.UserInfo("admin", "s3crex")); err == nil {
		t.Error("the system user is let in with a wrong password")
	}
	admin := dial(nats.UserInfo("admin", "s3cret"))
	ask := func(what string) (answer struct {
		Server struct{ ID string }
		Data   struct {
			MaxPayload int `json:"max_payload"`
		}
		Error struct{ Description string }
	}) {
		t.Helper()
		m, err := admin.Request("$SYS.REQ.SERVER."+what, nil, patience)
		if err == nil {
			err = json.Unmarshal(m.Data, &answer)
		}
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		return answer
	}
	varz := ask("PING.VARZ")
	if varz.Data.MaxPayload != 1024 {
		t.Errorf("%+v", varz)
	}
	rewrite(t, path, "max_payload: 2KB")
	if got := ask(varz.Server.ID + ".RELOAD"); got.Error.Description != "" {
		t.Errorf("reload: %+v", got)
	}
	if got := ask("PING.VARZ"); got.Data.MaxPayload != 2048 {
		t.Errorf("after a reload: %+v", got)
	}
	rewrite(t, path, "max_paylod: 2KB")
	if got := ask(varz.Server.ID + ".RELOAD"); !strings.Contains(got.Error.Description, `did you mean "max_payload"`) &&
		!strings.Contains(got.Error.Description, "max_payload") {
		t.Errorf("reload of a file with a mistake: %+v", got)
	}
	rewrite(t, path, "max_payload: 3KB")
	write("an0ther")
	s.signal(syscall.SIGHUP)
	eventually(t, "who has the old password is disconnected", admin.IsClosed)
	admin = dial(nats.UserInfo("admin", "an0ther"))
	if got := ask("PING.VARZ"); got.Data.MaxPayload != 3072 {
		t.Errorf("after another reload: %+v", got)
	}
	if all := s.err.String(); strings.Contains(all, "s3cret") || strings.Contains(all, "an0ther") {
		t.Errorf("a password is in the log:\n%s", all)
	}
	if cmdline := readFile(t, fmt.Sprintf("/proc/%d/cmdline", s.cmd.Process.Pid)); strings.Contains(cmdline, "s3cret") {
		t.Error("the password is in the list of processes")
	}
}
