// Package cli is the command line of the worker: it runs relays and consumers, checks
// configurations, migrates schemas, looks for what is wrong, and is what an operator works
// with on messages that died or wait.
//
// It depends on cobra for commands and flags, on zap to log, on pgx to connect for
// migrations, on go-redis for timers and consumers, and on uuid for ids of messages.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
)

// The exit codes.
const (
	exitOK    = 0
	exitError = 1
	exitUsage = 2
	// exitNothing: what a command selected by matches nothing.
	exitNothing = 3
	// exitPartly: a change skipped some, or ended half-way.
	exitPartly = 4
)

// Process is what a command sees of the process that it runs in.
type Process struct {
	// Args are the arguments, without the name of the program.
	Args []string
	// Environ has the form of os.Environ.
	Environ []string
	// Out is for results, Err for errors and the log.
	Out, Err io.Writer
}

// usageError is an error in the command line itself.
type usageError struct{ cause error }

func (e *usageError) Error() string { return e.cause.Error() }
func (e *usageError) Unwrap() error { return e.cause }

// silentError is the error of a command that has shown what is wrong by itself.
type silentError struct{}

func (silentError) Error() string { return "" }

// codedError is an error with an exit code of its own. Without a cause the command has
// shown by itself what is the matter.
type codedError struct {
	code  int
	cause error
}

func (e *codedError) Error() string {
	if e.cause == nil {
		return ""
	}
	return e.cause.Error()
}

func (e *codedError) Unwrap() error { return e.cause }

// Execute runs a command line and returns its exit code: 0 if all went well, 1 after an
// error, 2 if the command line cannot be understood, 3 if nothing matched and 4 if
// something was done in part. When ctx is done, a command that runs stops as after SIGTERM.
func Execute(ctx context.Context, process Process) int {
	root := newRoot(process)
	root.SetArgs(process.Args)
	root.SetOut(process.Out)
	root.SetErr(process.Err)
	command, err := root.ExecuteContextC(ctx)
	usage := (*usageError)(nil)
	coded := (*codedError)(nil)
	switch {
	case err == nil:
		return exitOK
	case errors.As(err, &usage):
		_, _ = fmt.Fprintf(process.Err, "outboxworker: %v\nSee %s --help.\n", err, command.CommandPath())
		return exitUsage
	case errors.Is(err, silentError{}):
		return exitError
	case errors.As(err, &coded):
		if coded.cause != nil {
			_, _ = fmt.Fprintf(process.Err, "outboxworker: %v\n", err)
		}
		return coded.code
	default:
		_, _ = fmt.Fprintf(process.Err, "outboxworker: %v\n", err)
		return exitError
	}
}
