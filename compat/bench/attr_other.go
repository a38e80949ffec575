//go:build !linux

package main

import "syscall"

// endWithParent has no counterpart here; the benchmark only runs on Linux.
func endWithParent() *syscall.SysProcAttr { return nil }
