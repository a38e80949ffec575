package deploy

import (
	"bytes"
	"debug/elf"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
)

// stages are those of the Dockerfile: the one that builds, and the image.
func stages(t *testing.T) (build, image instructions.Stage) {
	t.Helper()
	parsed, err := parser.Parse(bytes.NewReader(read(t, "docker", "Dockerfile")))
	must(t, err)
	if len(parsed.Warnings) > 0 {
		t.Errorf("the parser warns of %v", parsed.Warnings)
	}
	all, _, err := instructions.Parse(parsed.AST, nil)
	must(t, err)
	if len(all) != 2 {
		t.Fatalf("the Dockerfile has %d stages", len(all))
	}
	return all[0], all[1]
}

// only returns the one command of a kind.
func only[C instructions.Command](t *testing.T, stage instructions.Stage) (found C) {
	t.Helper()
	n := 0
	for _, command := range stage.Commands {
		if c, ok := command.(C); ok {
			found = c
			n++
		}
	}
	if n != 1 {
		t.Fatalf("there are %d commands of type %T", n, found)
	}
	return found
}

func TestImage(t *testing.T) {
	build, image := stages(t)
	if image.BaseName != "scratch" {
		t.Errorf("the image is made from %s", image.BaseName)
	}
	if from := only[*instructions.CopyCommand](t, image).From; from != build.Name {
		t.Errorf("the image is a copy of %q, not of %q", from, build.Name)
	}
	uid, gid := imageUser(t, image)
	if uid == 0 || gid == 0 {
		t.Error("the server runs as root")
	}
	if got := only[*instructions.ExposeCommand](t, image).Ports; !slices.Equal(got, []string{"4222", "6222/tcp", "6222/udp", "8222"}) {
		t.Errorf("the image exposes %v", got)
	}
	entry := only[*instructions.EntrypointCommand](t, image)
	if entry.PrependShell || only[*instructions.CmdCommand](t, image).PrependShell {
		t.Error("the image has no shell to start the server with")
	}
	if goMod, err := os.ReadFile("../../go.mod"); err != nil || !strings.Contains(string(goMod), "\ngo "+
		strings.TrimSuffix(strings.TrimPrefix(build.BaseName, "golang:"), "-bookworm")+".") {
		t.Errorf("%s does not have the Go of go.mod, %v", build.BaseName, err)
	}
}

// TestImageHasItsSource makes sure that nothing which the build needs is kept from it.
func TestImageHasItsSource(t *testing.T) {
	list := exec.Command("go", "list", "-deps", "-f", "{{if not .Standard}}{{.ImportPath}}/{{end}}", ".")
	list.Dir = "../.."
	packages, err := list.Output()
	must(t, err)
	for ignored := range strings.FieldsSeq(string(read(t, "docker", "Dockerfile.dockerignore"))) {
		if bytes.Contains(packages, []byte("\nshoal/"+ignored+"/")) {
			t.Errorf("the program is built from %s, which Docker ignores", ignored)
		}
	}
	if !bytes.Contains(packages, []byte("\nshoal/command/")) {
		t.Errorf("the program is built from %s", packages)
	}
}

func imageUser(t *testing.T, image instructions.Stage) (uid, gid uint32) {
	t.Helper()
	user, group, _ := strings.Cut(only[*instructions.UserCommand](t, image).User, ":")
	number := func(text string) uint32 {
		n, err := strconv.ParseUint(text, 10, 32)
		must(t, err)
		return uint32(n)
	}
	return number(user), number(group)
}

// TestImageRuns runs what the Dockerfile builds where there is nothing else, as the user of the image.
func TestImageRuns(t *testing.T) {
	build, image := stages(t)
	root := filepath.Join(t.TempDir(), "image")
	for _, command := range build.Commands {
		run, ok := command.(*instructions.RunCommand)
		if !ok || strings.HasPrefix(run.CmdLine[0], "go mod ") {
			continue
		}
		sh := exec.Command("sh", "-c", strings.ReplaceAll(run.CmdLine[0], "/image", root))
		sh.Dir = "../.."
		if out, err := sh.CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", run.CmdLine[0], err, out)
		}
	}
	entry := only[*instructions.EntrypointCommand](t, image).CmdLine
	binary, err := elf.Open(filepath.Join(root, entry[0]))
	must(t, err)
	defer binary.Close()
	if needs, err := binary.ImportedLibraries(); err != nil || len(needs) > 0 {
		t.Errorf("the program needs libraries: %v, %v", needs, err)
	}
	for _, p := range binary.Progs {
		if p.Type == elf.PT_INTERP {
			t.Error("the program needs a dynamic linker")
		}
	}

	if os.Geteuid() != 0 {
		t.Skip("only root may change the root folder")
	}
	uid, gid := imageUser(t, image)
	for dir := root; dir != os.TempDir(); dir = filepath.Dir(dir) {
		must(t, os.Chmod(dir, 0o755))
	}
	for _, dir := range []string{"", "run", "data"} {
		must(t, os.Chown(filepath.Join(root, dir), int(uid), int(gid)))
	}
	inside := func(args ...string) *exec.Cmd {
		cmd := exec.Command(entry[0], args...)
		cmd.Dir = "/"
		for _, kv := range only[*instructions.EnvCommand](t, image).Env {
			cmd.Env = append(cmd.Env, kv.Key+"="+kv.Value)
		}
		cmd.SysProcAttr = &syscall.SysProcAttr{Chroot: root, Credential: &syscall.Credential{Uid: uid, Gid: gid}}
		return cmd
	}
	// Ports that nobody has, and no other server to wait for.
	args := strings.NewReplacer("8222", "-1", "0.0.0.0:6222", "127.0.0.1:-1").
		Replace(strings.Join(only[*instructions.CmdCommand](t, image).CmdLine, " "))
	server := inside(append(strings.Fields(args), "-a", "127.0.0.1", "-p", "-1", "-n", "boxed")...)
	_, ended := process(t, server)
	eventually(t, "shoal members answers", func() bool {
		out, err := inside("members").CombinedOutput()
		return err == nil && bytes.Contains(out, []byte("boxed"))
	})
	if out, err := inside("leave", "--now").CombinedOutput(); err != nil {
		t.Fatalf("shoal leave: %v, %s", err, out)
	}
	ends(t, server, ended)
	if _, err := os.Stat(filepath.Join(root, "data", "state")); err != nil {
		t.Error(err)
	}
}
