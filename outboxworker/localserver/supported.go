//go:build unix && !aix && !solaris

package localserver

// supported.go is what Linux, macOS and the BSDs have in common.

import (
	"os"
	"syscall"
)

const (
	supported = true
	// suspend stops a process, resume continues it.
	suspend, resume = syscall.SIGSTOP, syscall.SIGCONT
)

func (a *account) credential() *syscall.Credential {
	if a == nil {
		return nil
	}
	return &syscall.Credential{Uid: a.uid, Gid: a.gid}
}

// lock locks a file unless somebody else has. Closing it, here and in all processes that
// inherited it, unlocks it.
func lock(file *os.File) error {
	return syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
}
