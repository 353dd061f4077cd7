//go:build unix && !aix && !solaris

package filelock

// filelock_unix.go locks with flock.

import (
	"fmt"
	"os"
	"syscall"
)

// Lock waits until no other process has locked the file. The system unlocks it
// when the process dies.
func Lock(name string) (unlock func(), err error) {
	f, err := os.OpenFile(name, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("opening the lock: %w", err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX); err != nil {
		_ = f.Close()
		return nil, fmt.Errorf("locking %s: %w", name, err)
	}
	return func() { _ = f.Close() }, nil
}
