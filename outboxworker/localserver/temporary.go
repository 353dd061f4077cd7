package localserver

// temporary.go makes temporary folders, and removes those that killed processes left.

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// ownerFile is a file in a temporary folder that its owners have locked: the process
// that made the folder and, by inheritance, the server. The system unlocks it when all
// of them have ended.
const ownerFile = "owner"

// makeTemporary makes a folder whose name begins with prefix. The folder is in use
// until owner is closed.
func makeTemporary(prefix string) (dir string, owner *os.File, err error) {
	sweep(os.TempDir(), prefix)
	if dir, err = os.MkdirTemp("", prefix); err != nil {
		return "", nil, fmt.Errorf("making a temporary folder: %w", err)
	}
	// It has its name only when it is locked, or another process could find it
	// without an owner.
	unlocked := filepath.Join(dir, "new")
	owner, err = os.OpenFile(unlocked, os.O_CREATE|os.O_RDWR, 0o600)
	if err == nil {
		if err = lock(owner); err == nil {
			err = os.Rename(unlocked, filepath.Join(dir, ownerFile))
		}
		if err != nil {
			err = errors.Join(err, owner.Close())
		}
	}
	if err != nil {
		return "", nil, errors.Join(fmt.Errorf("making a temporary folder: %w", err), os.RemoveAll(dir))
	}
	return dir, owner, nil
}

// sweep removes the folders of makeTemporary that nobody uses. What it cannot remove
// is left to its owner.
func sweep(dir, prefix string) {
	found, _ := filepath.Glob(filepath.Join(dir, prefix+"*", ownerFile)) // at worst nothing is removed
	for _, file := range found {
		owner, err := os.OpenFile(file, os.O_RDWR, 0)
		if err != nil {
			continue
		}
		if lock(owner) == nil {
			_ = os.RemoveAll(filepath.Dir(file))
		}
		_ = owner.Close()
	}
}
