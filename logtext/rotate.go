package logtext

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// Rotation says when a [File] is moved away and begun anew, and what becomes of the old ones.
type Rotation struct {
	// Limit is the size in bytes beyond which that happens; 0 is never.
	Limit int
	// Files is how many there are at most, with the one in use; 0 is no limit.
	Files int
	// Note makes the line by which the log tells of it, with its end.
	Note func(level slog.Level, text string) []byte
}

// oldFile is how the name of a file goes on that was moved away, behind a dot.
const oldFile = "2006.01.02.15.04.05.000000000"

// Rotate has the file be rotated as r says from now on. What is no regular file is not rotated.
func (f *File) Rotate(r Rotation) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.rotation = r
}

// rotate moves the file away. If that fails, the old one remains in use until as much has been written to
// it again. The caller holds mu.
func (f *File) rotate() {
	f.size = 0
	old := f.path + "." + time.Now().Format(oldFile)
	err := os.Rename(f.path, old)
	gone := errors.Is(err, fs.ErrNotExist)
	var file *os.File
	if err == nil || gone {
		file, err = open(f.path)
		if err != nil && !gone {
			if err := os.Rename(old, f.path); err != nil {
				f.note(slog.LevelError, fmt.Sprintf("The log file is now called %s: %v", old, err))
			}
		}
	}
	if err != nil {
		f.note(slog.LevelError, fmt.Sprintf("Cannot rotate the log file, it remains in use: %v", err))
		return
	}
	f.file.Close()
	f.file, f.torn = file, false
	if gone {
		f.note(slog.LevelWarn, "Began a new log file, somebody has removed the old one or given it another name")
	} else {
		f.note(slog.LevelInfo, fmt.Sprintf("Rotated log, backup saved as %q", old))
	}
	if f.rotation.Files > 0 {
		f.purge()
	}
}

// purge removes the oldest files that are too many. The caller holds mu.
func (f *File) purge() {
	dir, prefix := filepath.Dir(f.path), filepath.Base(f.path)+"."
	entries, err := os.ReadDir(dir)
	if err != nil {
		f.note(slog.LevelError, fmt.Sprintf("Cannot look for old log files: %v", err))
		return
	}
	var old []string
	for _, e := range entries {
		stamp, ok := strings.CutPrefix(e.Name(), prefix)
		if _, err := time.Parse(oldFile, stamp); ok && err == nil && !e.IsDir() {
			old = append(old, filepath.Join(dir, e.Name()))
		}
	}
	slices.Sort(old)
	for _, path := range old[:max(0, len(old)-(f.rotation.Files-1))] {
		if err := os.Remove(path); err != nil {
			f.note(slog.LevelError, fmt.Sprintf("Cannot remove an old log file: %v", err))
			return
		}
		f.note(slog.LevelInfo, fmt.Sprintf("Purged log file %q", path))
	}
}

// note writes a line of its own. The caller holds mu.
func (f *File) note(level slog.Level, text string) {
	if f.rotation.Note != nil {
		_, _ = f.write(f.rotation.Note(level, text))
	}
}
