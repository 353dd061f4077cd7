package consulserver

// suspended_linux.go knows when a process has stopped.

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
)

// isSuspended reports whether no thread of a process goes on.
func isSuspended(pid int) bool {
	threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", pid))
	for _, thread := range threads {
		stat, readErr := os.ReadFile(thread)
		// the state follows the name, which is in parentheses
		if end := bytes.LastIndexByte(stat, ')'); readErr == nil && (end < 0 || !bytes.HasPrefix(stat[end:], []byte(") T"))) {
			return false
		}
	}
	return err == nil
}
