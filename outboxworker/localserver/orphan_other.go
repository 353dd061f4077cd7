//go:build unix && !linux && !aix && !solaris

package localserver

// orphan_other.go is for systems that cannot end a process with its parent.

import (
	"os"
	"syscall"
)

func attributes(as *account, _ syscall.Signal) *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Credential: as.credential()}
}

// childrenOf knows no children: a killed server is waited for, and its children are
// not killed.
func childrenOf(int) []*os.Process { return nil }
