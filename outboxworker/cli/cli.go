// Package cli is the command line of the worker: it runs relays, checks configurations,
// migrates schemas and looks for what is wrong.
//
// It depends on cobra for commands and flags, on zap to log, and on pgx to connect for
// migrations.
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

// Execute runs a command line and returns its exit code: 0 if all went well, 1 after an
// error and 2 if the command line cannot be understood. When ctx is done, a command
// that runs stops as after SIGTERM.
func Execute(ctx context.Context, process Process) int {
	root := newRoot(process)
	root.SetArgs(process.Args)
	root.SetOut(process.Out)
	root.SetErr(process.Err)
	command, err := root.ExecuteContextC(ctx)
	usage := (*usageError)(nil)
	switch {
	case err == nil:
		return exitOK
	case errors.As(err, &usage):
		_, _ = fmt.Fprintf(process.Err, "outboxworker: %v\nSee %s --help.\n", err, command.CommandPath())
		return exitUsage
	case errors.Is(err, silentError{}):
		return exitError
	default:
		_, _ = fmt.Fprintf(process.Err, "outboxworker: %v\n", err)
		return exitError
	}
}
