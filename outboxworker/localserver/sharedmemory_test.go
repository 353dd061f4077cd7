//go:build unix && !aix && !solaris

package localserver

import (
	"os"
	"os/exec"
	"strings"
	"testing"
)

// segment is a segment of System V shared memory, by its id.
type segment string

// sharedMemory reads the segment of a server from its postmaster.pid.
func sharedMemory(t *testing.T, pidFile string) segment {
	t.Helper()
	fields := strings.Fields(strings.Split(pidFile, "\n")[6]) // key and id
	if len(fields) != 2 {
		t.Fatalf("no segment in %q", pidFile)
	}
	return segment(fields[1])
}

func (s segment) exists(t *testing.T) bool {
	t.Helper()
	list, err := os.ReadFile("/proc/sysvipc/shm")
	if err != nil { // not Linux
		if list, err = exec.Command("ipcs", "-m").Output(); err != nil {
			t.Fatal(err)
		}
	}
	for line := range strings.Lines(string(list)) {
		if fields := strings.Fields(line); len(fields) > 1 && fields[1] == string(s) {
			return true
		}
	}
	return false
}
