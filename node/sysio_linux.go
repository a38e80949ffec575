package node

import (
	"syscall"
	"unsafe"
)

// sysRead and sysWrite are the system calls on a socket that never blocks. They do not tell the
// scheduler, as [syscall.Read] and [syscall.Write] do: that a call which takes microseconds might
// block keeps the runtime's monitor awake, which costs more than the call.

func sysRead(fd uintptr, b []byte) (int, error) {
	n, _, errno := syscall.RawSyscall(syscall.SYS_READ, fd, uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)))
	if errno != 0 {
		return 0, errno
	}
	return int(n), nil
}

func sysWrite(fd uintptr, b []byte) (int, error) {
	n, _, errno := syscall.RawSyscall(syscall.SYS_WRITE, fd, uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)))
	if errno != 0 {
		return 0, errno
	}
	return int(n), nil
}
