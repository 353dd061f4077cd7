//go:build failpoint

package failpoint

// on.go is compiled into the binaries of fault tests only.

import (
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
)

// WEIR_FAILPOINT is name:n: the nth time that the place is reached, counted from 1, the
// process kills itself with SIGKILL.
var (
	name, nth = parse(os.Getenv("WEIR_FAILPOINT"))
	reached   atomic.Int64
)

func parse(text string) (string, int64) {
	name, count, _ := strings.Cut(text, ":")
	n, err := strconv.ParseInt(count, 10, 64)
	if err != nil {
		n = 1
	}
	return name, n
}

// Hit kills the process if this is the place and the time.
func Hit(place string) {
	if place == name && reached.Add(1) == nth {
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {} // the signal is on its way
	}
}
