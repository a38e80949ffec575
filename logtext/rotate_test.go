package logtext

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// rotated opens a log file that is rotated.
func rotated(t *testing.T, path string, limit, files int) *File {
	t.Helper()
	f, err := OpenFile(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	f.Rotate(Rotation{Limit: limit, Files: files, Note: func(level slog.Level, text string) []byte {
		return fmt.Appendf(nil, "%s %s\n", levelName(level), text)
	}})
	return f
}

// files returns the names in a directory, sorted.
func files(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

func TestRotate(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "log")
	others := []string{"log.1", "log.2026.01.02.03.04.05", "log2.2026.01.02.03.04.05.000000001", "a.log.2026.01.02.03.04.05.000000001"}
	for _, name := range append(others, "log.2025.01.02.03.04.05.000000001") {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(path, []byte("before\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	f := rotated(t, path, 1000, 3)
	line := strings.Repeat("x", 493) + "\n"
	write(t, f, line)
	write(t, f, line[1:])
	if names := files(t, dir); len(names) != 6 {
		t.Fatalf("there are %v at the limit", names)
	}
	write(t, f, line)
	var old string
	for _, name := range files(t, dir) {
		if name > "log.2026.01.02.03.04.05" && strings.HasPrefix(name, "log.") {
			old = filepath.Join(dir, name)
		}
	}
	if got := read(t, old); got != "before\n"+line+line[1:]+line {
		t.Errorf("the old file has %d bytes", len(got))
	}
	if got, want := read(t, path), fmt.Sprintf("INF Rotated log, backup saved as %q\n", old); got != want {
		t.Errorf("the new file has %q, want %q", got, want)
	}
	for range 20 {
		write(t, f, line)
	}
	names := files(t, dir)
	for _, name := range others {
		if !slices.Contains(names, name) {
			t.Errorf("%s is gone", name)
		}
	}
	if len(names) != len(others)+3 {
		t.Errorf("there are %v, want three with those that are moved away", names)
	}
	if !strings.Contains(read(t, path), "INF Purged log file") {
		t.Error("the log does not tell what was purged")
	}

	f.Rotate(Rotation{})
	for range 20 {
		write(t, f, line)
	}
	if again := files(t, dir); !slices.Equal(again, names) {
		t.Errorf("without a limit it is rotated: %v", again)
	}
	f.Rotate(Rotation{Limit: 1, Files: 1})
	write(t, f, line)
	if again := files(t, dir); len(again) != len(others)+1 {
		t.Errorf("with one file there are %v", again)
	}
}

// A file that cannot be moved away remains in use.
func TestRotateFails(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "logs")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	f := rotated(t, filepath.Join(dir, "log"), 100, 2)
	if err := os.Rename(dir, dir+".moved"); err != nil {
		t.Fatal(err)
	}
	line := strings.Repeat("x", 80) + "\n"
	for range 4 {
		write(t, f, line)
	}
	got := read(t, filepath.Join(dir+".moved", "log"))
	if strings.Count(got, line) != 4 || strings.Count(got, "ERR Cannot rotate the log file") < 1 {
		t.Errorf("the file has\n%s", got)
	}
	if err := os.Rename(dir+".moved", dir); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		write(t, f, line)
	}
	if names := files(t, dir); len(names) != 2 {
		t.Errorf("there are %v", names)
	}
}

func TestOnlyRegularFilesAreRotated(t *testing.T) {
	f := rotated(t, os.DevNull, 1, 1)
	write(t, f, "something\n")
	if _, err := os.Stat(os.DevNull); err != nil {
		t.Error(err)
	}
}

// TestRotateWhatIsGone has somebody remove the file that is in use.
func TestRotateWhatIsGone(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "log")
	f := rotated(t, path, 10, 0) // the first line is longer
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	write(t, f, "the first line\n")
	f.Rotate(Rotation{})
	write(t, f, "2\n")
	const want = "WRN Began a new log file, somebody has removed the old one or given it another name\n2\n"
	if got := read(t, path); got != want {
		t.Errorf("the new file has %q, want %q", got, want)
	}
}
