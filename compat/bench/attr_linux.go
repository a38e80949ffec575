package main

import "syscall"

// endWithParent makes the kernel end a child when this program dies, however
// that happens.
func endWithParent() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
}
