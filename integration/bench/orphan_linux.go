package main

// orphan_linux.go has the kernel end a proxy that the benchmark leaves behind when
// it is killed: one more process that takes CPU time would spoil the next run.

import (
	"os/exec"
	"syscall"
)

// endWithParent has a command end with the thread that starts it.
func endWithParent(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
}
