package logtext

import (
	"os"
	"path/filepath"
	"testing"
)

func read(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func write(t *testing.T, f *File, line string) {
	t.Helper()
	if _, err := f.Write([]byte(line)); err != nil {
		t.Fatal(err)
	}
}

func TestFileReopen(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	if err := os.WriteFile(path, []byte("before\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := OpenFile(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	write(t, f, "one\n")
	if err := os.Rename(path, path+".1"); err != nil {
		t.Fatal(err)
	}
	write(t, f, "two\n")
	if err := f.Reopen(); err != nil {
		t.Fatal(err)
	}
	write(t, f, "three\n")
	if got, want := read(t, path+".1"), "before\none\ntwo\n"; got != want {
		t.Errorf("the old file has %q, want %q", got, want)
	}
	if got, want := read(t, path), "three\n"; got != want {
		t.Errorf("the new file has %q, want %q", got, want)
	}
}

func TestFileKeepsOldOneWhenReopenFails(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "logs")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	f, err := OpenFile(filepath.Join(dir, "log"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := os.Rename(dir, dir+".moved"); err != nil {
		t.Fatal(err)
	}
	if err := f.Reopen(); err == nil {
		t.Fatal("Reopen found a directory that is gone")
	}
	write(t, f, "still here\n")
	if got := read(t, filepath.Join(dir+".moved", "log")); got != "still here\n" {
		t.Errorf("the file has %q", got)
	}
}

func TestFileEndsTornLine(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	f, err := OpenFile(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	write(t, f, "half")
	f.torn = true
	write(t, f, "whole\n")
	if got, want := read(t, path), "half\nwhole\n"; got != want {
		t.Errorf("the file has %q, want %q", got, want)
	}
}

func TestOpenFileFails(t *testing.T) {
	if _, err := OpenFile(t.TempDir()); err == nil {
		t.Error("a directory was opened as a log")
	}
}
