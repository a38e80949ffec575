package command

import (
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// Every mistake is told in one line that begins with what was wrong.
func TestMistakes(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, []byte("not a pid"), 0o600); err != nil {
		t.Fatal(err)
	}
	below := filepath.Join(file, "below") // nobody, not even root, can write there
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	taken := strconv.Itoa(portOf(listener.Addr()))

	tests := []struct {
		args string
		want string
	}{
		{"-p 99999", "-p: 99999 is not a port, use 1 to 65535, or -1 for any free one"},
		{"--port=0", "--port: 0 is not a port, use 1 to 65535, or -1 for any free one"},
		{"-p x", `-p: "x" is not a port, use 1 to 65535, or -1 for any free one`},
		{"-p", "-p: needs a value"},
		{"-p 1 --port 2", "-p: is given twice, also as --port"},
		{"-clusters nats://x:1", "--clusters: unknown flag, see shoal --help"},
		{"-VVV", "-VVV: unknown flag, see shoal --help"},
		{"---p", "---p: is not a flag, see shoal --help"},
		{"-D=perhaps", `-D: "perhaps" is neither true nor false`},
		{"4222", "4222: unknown command, see shoal --help"},
		{"-p 4333 server -D", "server: unknown command, see shoal --help"},
		{"--max_payload 1TB", `--max_payload: "1TB" is not a size, use bytes or a unit as in 64MB`},
		{"--max_payload 64MB --max_pending 1MB", "--max_payload: 67108864 exceeds max_pending (1048576)"},
		{"--max_connections 0", "--max_connections: 0 is no limit that makes sense, use -1 to refuse everybody"},
		{"--max_connections -2", "--max_connections: -2 is too little, use at least -1"},
		{"--max_subscription_tokens 256", "--max_subscription_tokens: 256 is too much, use 255 at most"},
		{"--ping_interval soon", `--ping_interval: "soon" is not a duration, write it like 500ms, 10s or 2m`},
		{"--ping_interval -1s", `--ping_interval: "-1s" is too short, use more than 0s`},
		{"--client_advertise host:port", `--client_advertise: "port" is not a port`},
		{"--remote_syslog localhost", `--remote_syslog: "localhost" is not the address of a syslog, write it like udp://127.0.0.1:514, tcp://host:514 or unixgram:///dev/log`},
		{"-s --log_format json", "--log_format: a syslog takes no JSON, use text"},
		{"-r unix:///nowhere/log", "--remote_syslog: cannot be reached: no such file or directory"},
		{"--log_size_limit 0", `--log_size_limit: 0 is too little, use at least 1 byte`},
		{"--log_format xml", `--log_format: "xml" is not a format, use text or json`},
		{"--user bob", "--user: needs --pass as well"},
		{"--user= --pass=", "--user: is empty, leave it out to admit everybody"},
		{"--auth=", "--auth: is empty, leave it out to admit everybody"},
		{"--pass x", "--pass: needs --user as well"},
		{"--auth x --user bob --pass x", "--auth: a token replaces --user and --pass, use either"},
		{"--user bob --pass $2a$10$short", "--pass: the password looks like a bcrypt hash but is damaged, " +
			"quote it so that the shell leaves its $ alone"},
		{"-l " + below, "--log: cannot write " + below + ": not a directory"},
		{"-P " + below, "--pid: cannot write " + below + ": not a directory"},
		{"--ports_file_dir " + below, "--ports_file_dir: cannot write to " + below + ": not a directory"},
		{"-a 127.0.0.1 -p " + taken, "--port: " + taken + " is in use on 127.0.0.1, stop what listens there or take another port"},
		{"-a 127.0.0.1 -m " + taken, "--http_port: " + taken + " is in use on 127.0.0.1, stop what listens there or take another port"},
		{"--profile " + taken, "--profile: " + taken + " is in use on 127.0.0.1, stop what listens there or take another port"},
		{"-a 192.0.2.1 -p -1", "--addr: 192.0.2.1 is not an address of this machine"},
		{"-sl dance", `--signal: "dance" is not a command, use ldm, quit, reload, reopen, stop, term`},
		{"-sl term=" + below, `--signal: "` + below + `" is neither a process number nor a pid file that can be read: not a directory`},
		{"-sl term=" + file, "--signal: " + file + " does not contain a process number"},
		{"-sl term=-1", "--signal: -1 is not a process number"},
		{"-sl term=999999999", "--signal: there is no process 999999999"},

		{"--routes nats://a:1", "--routes: they need --cluster as well, for the port that peers connect to"},
		{"--routes nats://:1", `--routes: "nats://:1": has no host, write nats://host:6222`},
		{"--routes nats://u:s3cret@a:x", `--routes: "nats://xxxxx@a:x": is not a URL, write nats://host:6222, ` +
			`and in a user or password %40 for @, %2F for / and so on`},
		{"--routes a:99999", `--routes: "a:99999": needs the port that the other server listens on, 1 to 65535`},
		{"--routes a:-1", `--routes: "a:-1": needs the port that the other server listens on, 1 to 65535`},
		{"--routes http://u:s3cret@a", `--routes: "http://xxxxx@a": "http" is not spoken between servers, write nats://`},
		{"--routes nats://a/b", `--routes: "nats://a/b": goes on behind the port, write nats://host:6222`},
		{"-routes nats://a, nats://u:s3cret@b", `"nats://xxxxx@b": unknown command, see shoal --help`},
		{"--cluster=", `--cluster: "": has neither host nor port, write nats://host:6222`},
		{"--cluster nats://u:s3/cret@a:1", `--cluster: "nats://xxxxx@a:1": is not a URL, write nats://host:6222, ` +
			`and in a user or password %40 for @, %2F for / and so on`},
		{"--cluster_listen nats://bob@a:1", `--cluster_listen: "nats://xxxxx@a:1": needs both a user and a password before the @, or neither`},
		{"--cluster nats://bob:$2a$10$short@a:1", `--cluster: "nats://xxxxx@a:1": the password looks like a bcrypt hash but is damaged, ` +
			"quote it so that the shell leaves its $ alone"},
		{"--cluster nats://a:0", `--cluster: "nats://a:0": 0 is not a port, use 1 to 65535`},
		{"--cluster a:1 --cluster_listen b:1", "--cluster_listen: is given twice, also as --cluster"},
		{"--cluster a:1 --cluster_name _", "--cluster_name: the name _ is reserved, take another"},
		{"--cluster a:1 --cluster_advertise h:x", `--cluster_advertise: "x" is not a port`},
		{"--connect_retries -1", "--connect_retries: -1 is too little, use at least 0"},
		{"--cluster a:1 --pool_size 65", "--pool_size: 65 is not from 0 to 64"},
		{"--cluster a:1 --compression zip", `--compression: "zip" is not off, accept, s2_auto, s2_uncompressed, s2_fast, s2_better or s2_best`},
		{"--ready_timeout 0", "--ready_timeout: 0 is too short, use more than 0s"},
		{"--lame_duck_duration 1s --lame_duck_grace_period 2s", "--lame_duck_grace_period: 2s exceeds lame_duck_duration (1s)"},
		{"-p -1 --cluster nats://127.0.0.1:" + taken, "--cluster: " + taken + " is in use on 127.0.0.1, stop what listens there or take another port"},
		{"-a 127.0.0.1 -p -1 --cluster nats://192.0.2.1:-1", "--cluster: 192.0.2.1 is not an address of this machine"},

		{"--config=", "--config: is empty, leave it out to run without a file"},
		{"--join a", "--join: it needs --cluster as well, for the port that peers connect to"},
		{"--cluster a:1 --join a --no_gossip", "--join: there is nobody to join without gossip, leave --no_gossip out"},
		{"--cluster a:1 --join nats://u:s3cret@a", `--join: "nats://xxxxx@a": takes no user and password, they are those of the cluster`},
		{"--cluster a:1 --join http://a", `--join: "http://a": "http" is not spoken between servers, write nats://`},
		{"--cluster a:1 --join a:x", `--join: "a:x": is not a URL, write nats://host:6222, and in a user or password %40 for @, ` +
			`%2F for / and so on`},
		{"--cluster a:1 --join a:0", `--join: "a:0": needs the port that the other server listens on, 1 to 65535`},
		{"--cluster a:1 --join :1", `--join: ":1": has no host, write host or host:6222`},
		{"--cluster a:1 --join srv://a:1", `--join: "srv://a:1": is not the name of a SRV record, write srv://name`},
		{"--gossip_profile fast", `--gossip_profile: "fast" is not a profile, use local, lan or wan`},
		{"--gossip_key f", "--gossip_key: needs --cluster as well, alone there is nobody to gossip with"},
		{"--cluster a:1 --gossip_key " + below, "--gossip_key: cannot read " + below + ": not a directory"},
		{"--cluster a:1 --gossip_key " + file, "--gossip_key: key 1 is not base64, shoal keys generate makes one that is"},
		{"--cluster a:1 --gossip_key pXvpA6Ohd4oIQ3qJLmpJqA==", "--gossip_key: takes the name of a file, not a key: everybody on " +
			"this machine may see arguments"},
		{"--cluster a:1 --state_dir " + below, "--state_dir: cannot make " + below + ": not a directory"},
		{"keys", "an action is missing: shoal keys ACTION [KEY]"},

		{"-p 4333 pub a b", `-p: is a flag of the server; the flags of "shoal pub" come after it`},
		{"pub", "a subject is missing: shoal pub SUBJECT [BODY]"},
		{"pub a b c", `"c" is one argument too many, quote a text with spaces: shoal pub SUBJECT [BODY]`},
		{"pub a -1", "-1: unknown flag, see shoal pub --help; write -- before an argument that begins with a dash"},
		{"pub a..b x", `"a..b" is not a subject: a token between its dots is empty`},
		{"pub a.> x", `"a.>" has wildcards, a message goes to a subject without`},
		{"pub a x --reply b.", `--reply: "b." is not a subject: a token between its dots is empty`},
		{"pub a x -H key", `-H: "key" is not a header, write key:value`},
		{"pub a x --count 0", "--count: 0 is too little, use at least 1"},
		{"sub a.>.b", `"a.>.b" is not a subject: > can only be its last token`},
		{"sub a --queue", "--queue: needs a value"},
		{"sub a --timeout never", `--timeout: "never" is not a duration, write it like 500ms, 10s or 2m`},
		{"reply a", "say what to reply: either a BODY or --echo"},
		{"reply a b --echo", "say what to reply: either a BODY or --echo"},
		{"request a.* x", `"a.*" has wildcards, a message goes to a subject without`},
		{"bench a b", `"b" is one argument too many, quote a text with spaces: shoal bench [SUBJECT]`},
		{"bench a.*", `"a.*" has wildcards, a message goes to a subject without`},
		{"bench --size 4", "--size: 4 is too little, a message carries its number and time in 16 bytes"},
		{"bench --size 1TB", `--size: "1TB" is not a size, use bytes or a unit as in 64MB`},
		{"bench --pubs 0", "--pubs: 0 is too little, use at least 1"},
		{"bench --pubs 3 --msgs 2", "--msgs: 2 is too little for 3 publishers"},
		{"bench --pubs 2000 --subs 2000", "--subs: 2000 times 2000 publishers is too much, at most 1000000 pairs can be checked"},
		{"bench --queue q --subs 0", "--subs: a queue group needs subscribers"},
		{"bench --request --subs 0", "--subs: without responders, requests need the SUBJECT of a service that is there"},
		{"bench --msgs 1 --duration 1s", "--msgs: excludes --duration, a run ends after so many messages or so much time"},
		{"bench --rate 1 --in_flight 1", "--in_flight: is for full speed, with --rate the clock decides"},
		{"bench --json --csv", "--json: excludes --csv, results are written once"},
		{"bench --warmup x", `--warmup: "x" is not a duration, write it like 500ms, 10s or 2m`},
		{"bench --rate fast", `--rate: "fast" is not a whole number`},
	}
	for _, tt := range tests {
		t.Run(tt.args, func(t *testing.T) {
			status, stdout, stderr := runCommand("", strings.Fields(tt.args)...)
			if want := "shoal: " + tt.want + "\n"; status != 1 || stderr != want || stdout != "" {
				t.Errorf("status %d, stdout %q\nstderr %swant   %s", status, stdout, stderr, want)
			}
		})
	}
}

func TestHelp(t *testing.T) {
	for _, tt := range []struct {
		args     string
		contains []string
	}{
		{"--help", []string{"-p, --port PORT", "(4222)", "-DV, -DVV", "Limits:", "pub SUBJECT [BODY]", "[$SHOAL_PASS]"}},
		{"-h", []string{"-sl, --signal CMD[=PID]"}},
		{"sub --help", []string{"shoal sub SUBJECT", "--queue GROUP", "-s, --server URL", "[$SHOAL_URL, $NATS_URL]"}},
		{"bench --help", []string{"shoal bench [SUBJECT]", "--rate N", "--warmup TIME", "(500ms)"}},
		{"request -h", []string{"--replies N", "-H, --header KEY:VALUE"}},
	} {
		status, stdout, stderr := runCommand("", strings.Fields(tt.args)...)
		if status != 0 || stderr != "" {
			t.Errorf("%s: status %d, stderr %q", tt.args, status, stderr)
		}
		for _, text := range tt.contains {
			if !strings.Contains(stdout, text) {
				t.Errorf("%s does not mention %q", tt.args, text)
			}
		}
		for line := range strings.Lines(stdout) {
			if line = strings.TrimSuffix(line, "\n"); len(line) > helpWidth || strings.TrimRight(line, " ") != line {
				t.Errorf("%s: a line is too long or ends in blanks: %q", tt.args, line)
			}
		}
	}
}

func TestVersion(t *testing.T) {
	for _, flag := range []string{"-v", "--version"} {
		status, stdout, _ := runCommand("", flag)
		if status != 0 || !strings.HasPrefix(stdout, "shoal version ") {
			t.Errorf("%s: status %d, %q", flag, status, stdout)
		}
	}
}

func TestFlagsFirst(t *testing.T) {
	app := newApp(nil, streams{})
	for _, tt := range []struct{ args, want string }{
		{"shoal", "shoal"},
		{"shoal -p 4222", "shoal -p 4222"},
		{"shoal frob x -D", "shoal frob x -D"},
		{"shoal sub a", "shoal sub -- a"},
		{"shoal sub a --count 3", "shoal sub --count 3 -- a"},
		{"shoal sub a --count=3 --raw", "shoal sub --count=3 --raw -- a"},
		{"shoal sub --raw a -s x", "shoal sub --raw -s x -- a"},
		{"shoal pub a -H k:v - --count 2", "shoal pub -H k:v --count 2 -- a -"},
		{"shoal pub --count 2 -- a -b", "shoal pub --count 2 -- a -b"},
		{"shoal pub a -- --count", "shoal pub -- a --count"},
		{"shoal pub a --count", "shoal pub --count"},
	} {
		if got := flagsFirst(app, strings.Fields(tt.args)); !slices.Equal(got, strings.Fields(tt.want)) {
			t.Errorf("%s became %v, want %s", tt.args, got, tt.want)
		}
	}
}
