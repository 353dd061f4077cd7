package consulserver

// orphan_linux.go has the kernel end a program whose parent was killed.

import (
	"os/exec"
	"syscall"
)

// endWithParent also keeps the terminal's Ctrl-C away from the program.
func endWithParent(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
