package command

import (
	"bytes"
	"strings"
	"testing"

	"golang.org/x/crypto/bcrypt"
)

func passwdOf(t *testing.T, input string, args ...string) (status int, out, errs string) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	status = run(append([]string{"shoal", "passwd"}, args...), streams{strings.NewReader(input), &stdout, &stderr})
	return status, stdout.String(), stderr.String()
}

func TestPasswdFromPipe(t *testing.T) {
	long := strings.Repeat("x", longestPassword)
	for _, tt := range []struct{ input, password string }{
		{"s3cret\n", "s3cret"},
		{"s3cret", "s3cret"},
		{"s3cret\r\n", "s3cret"},
		{" with blanks \n", " with blanks "},
		{long + "\n", long},
	} {
		status, out, errs := passwdOf(t, tt.input, "--cost", "4")
		hash := strings.TrimSuffix(out, "\n")
		if status != 0 || errs != "" || bcrypt.CompareHashAndPassword([]byte(hash), []byte(tt.password)) != nil {
			t.Errorf("%q: status %d, printed %q and %q", tt.input, status, out, errs)
		}
		if cost, err := bcrypt.Cost([]byte(hash)); err != nil || cost != 4 {
			t.Errorf("%q: cost %d, %v", tt.input, cost, err)
		}
	}
}

func TestPasswdGenerates(t *testing.T) {
	status, out, _ := passwdOf(t, "", "--generate", "--cost=4")
	lines := strings.Split(out, "\n")
	if status != 0 || len(lines) != 3 || len(lines[0]) < 22 {
		t.Fatalf("status %d, printed %q", status, out)
	}
	if err := bcrypt.CompareHashAndPassword([]byte(lines[1]), []byte(lines[0])); err != nil {
		t.Error(err)
	}
	if _, again, _ := passwdOf(t, "", "--generate", "--cost=4"); again == out {
		t.Error("the same password came twice")
	}
}

func TestPasswdDefaultCost(t *testing.T) {
	_, out, _ := passwdOf(t, "x\n")
	if cost, err := bcrypt.Cost([]byte(strings.TrimSpace(out))); err != nil || cost != defaultCost {
		t.Errorf("cost %d, %v", cost, err)
	}
}

func TestPasswdMistakes(t *testing.T) {
	for _, tt := range []struct {
		input string
		args  []string
		want  string
	}{
		{"", nil, "shoal: passwd: the password is empty\n"},
		{"\n", nil, "shoal: passwd: the password is empty\n"},
		{"hush\nhush\n", nil, "shoal: passwd: standard input has more than one line, only one password is hashed at a time\n"},
		{strings.Repeat("x", 73), nil, "shoal: passwd: the password has 73 bytes, of which bcrypt would ignore all after 72\n"},
		{"", []string{"hush"}, "shoal: passwd: takes no arguments, which everybody on this machine may see; it asks for the password\n"},
		{"", []string{"--cost", "3"}, `shoal: --cost: `},
		{"", []string{"--cost", "18"}, `shoal: --cost: `},
	} {
		status, out, errs := passwdOf(t, tt.input, tt.args...)
		if status == 0 || out != "" || !strings.HasPrefix(errs, tt.want) || strings.Contains(errs, "hush") {
			t.Errorf("%q %v: status %d, printed %q and %q", tt.input, tt.args, status, out, errs)
		}
	}
}
