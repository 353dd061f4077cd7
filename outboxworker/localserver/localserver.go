// Package localserver starts private PostgreSQL and Redis servers, for development,
// benchmarks and tests: each in a folder of its own, on a loopback port of its own,
// as a child of the calling process. It starts programs that are installed, and
// installs nothing.
//
// The servers ask for no password. Whoever can connect to loopback on the machine can
// use them, so they are not for data that matters.
//
// On Linux a server ends with the process that started it, also when that process is
// killed; the temporary folder that it leaves is removed by whoever starts a server
// next. On macOS and the BSDs a killed process leaves its servers running; other systems
// are not supported.
package localserver

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"time"
)

const (
	// startWithin and stopWithin bound starting and stopping when the caller's
	// context does not. Starting may include the recovery after a crash.
	startWithin = 2 * time.Minute
	stopWithin  = 30 * time.Second
)

// NotInstalledError says that a program is not there, or only in versions that are
// too old.
type NotInstalledError struct {
	// Name is what is missing, as people call it: "Redis".
	Name string
	// Looked are the places where it was looked for, with what was found there if
	// that did not fit.
	Looked []string
	// How names the commands that install it.
	How string
}

// Error says what is missing, where it was looked for and how to get it.
func (e *NotInstalledError) Error() string {
	return fmt.Sprintf("finding %s: it is not in %s; to install it: %s", e.Name, strings.Join(e.Looked, ", "), e.How)
}

// withDeadline gives ctx a deadline if it has none.
func withDeadline(ctx context.Context, within time.Duration) (context.Context, context.CancelFunc) {
	if _, has := ctx.Deadline(); has {
		return context.WithCancel(ctx)
	}
	return context.WithTimeout(ctx, within)
}

func checkSystem() error {
	if !supported {
		return fmt.Errorf("starting a private server on %s: %w", runtime.GOOS, errors.ErrUnsupported)
	}
	return nil
}
