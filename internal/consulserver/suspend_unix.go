//go:build unix && !aix && !solaris

package consulserver

// suspend_unix.go has the signals that other systems lack.

import "syscall"

// suspend stops a process, resume continues it.
const suspend, resume = syscall.SIGSTOP, syscall.SIGCONT
