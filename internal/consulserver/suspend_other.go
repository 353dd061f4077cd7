//go:build !unix || aix || solaris

package consulserver

// suspend_other.go is for systems where no server is started.

import "syscall"

const suspend, resume = syscall.Signal(0), syscall.Signal(0)
