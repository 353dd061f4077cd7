package outbox

// orphan_linux.go has the kernel end workers that a test run leaves behind when it is
// killed or times out, so that no cleanup runs.

import (
	"os/exec"
	"syscall"
)

func endWithParent(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
}
