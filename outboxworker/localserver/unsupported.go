//go:build !unix || aix || solaris

package localserver

// unsupported.go lets programs compile on systems where no server can be started.

import (
	"errors"
	"os"
	"syscall"
)

const (
	supported       = false
	suspend, resume = syscall.Signal(0), syscall.Signal(0)
)

func attributes(*account, syscall.Signal) *syscall.SysProcAttr { return &syscall.SysProcAttr{} }

func lock(*os.File) error { return errors.ErrUnsupported }

func childrenOf(int) []*os.Process { return nil }
