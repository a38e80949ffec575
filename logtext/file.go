package logtext

import (
	"os"
	"sync"
)

// File is a log file that can be reopened, which is how log rotation works on Unix: somebody moves
// the file away, and the service goes on with a new one of the old name.
type File struct {
	path string

	mu       sync.Mutex // guards the fields below, and keeps lines whole
	file     *os.File
	torn     bool // the last write stopped in the middle of a line
	size     int  // -1 for what is no regular file
	rotation Rotation
}

// OpenFile opens the file at path for appending, and creates it if need be.
func OpenFile(path string) (*File, error) {
	file, err := open(path)
	if err != nil {
		return nil, err
	}
	return &File{path: path, file: file, size: sizeOf(file)}, nil
}

func open(path string) (*os.File, error) {
	// A log may contain what clients send, so other users of the machine need not read it.
	return os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o640)
}

// sizeOf returns the size of a file, -1 for what is no regular file.
func sizeOf(file *os.File) int {
	if info, err := file.Stat(); err == nil && info.Mode().IsRegular() {
		return int(info.Size())
	}
	return -1
}

// Write appends line, which is one or more whole lines.
func (f *File) Write(line []byte) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	n, err := f.write(line)
	if f.rotation.Limit > 0 && f.size > f.rotation.Limit {
		f.rotate()
	}
	return n, err
}

// write does that for a caller who holds mu.
func (f *File) write(line []byte) (int, error) {
	if f.torn {
		// Half a line is in the file, say because the disk was full: end it before the next one.
		if _, err := f.file.Write([]byte{'\n'}); err != nil {
			return 0, err
		}
		f.torn = false
	}
	n, err := f.file.Write(line)
	f.torn = n > 0 && n < len(line)
	if f.size >= 0 {
		f.size += n
	}
	return n, err
}

// Reopen opens the file of the same name anew. If that fails, the old one remains in use.
func (f *File) Reopen() error {
	file, err := open(f.path)
	if err != nil {
		return err
	}
	f.mu.Lock()
	old := f.file
	f.file, f.torn, f.size = file, false, sizeOf(file)
	f.mu.Unlock()
	return old.Close()
}

// Close closes the file.
func (f *File) Close() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.file.Close()
}
