package localserver

// server.go is what PostgreSQL and Redis have in common: a folder, a port, a log, and
// how they are started and ended.

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

const (
	// look is the time between two looks whether a server is ready.
	look = 10 * time.Millisecond
	// leftover is how long what an earlier server left, a port, a lock or shared
	// memory, is waited for. PostgreSQL kills children that do not end after 5 s.
	leftover = 15 * time.Second
	// quitWithin is how long each signal harder than the first gets.
	quitWithin = 8 * time.Second
	// orphansWithin is how long the children of a killed server get to notice it.
	orphansWithin = 2 * time.Second
	// portAttempts bounds how many ports are tried when others take them first.
	portAttempts = 10

	portTaken = "Address already in use"
)

// server is a server that runs or can be started again.
type server struct {
	name string // as errors call it
	// dir is its folder; a temporary one is removed by stop.
	dir       string
	temporary bool
	port      int
	anyPort   bool // until the first start has succeeded
	// owner is open while a temporary folder is in use.
	owner *os.File

	// command is its program with its arguments.
	command func() *exec.Cmd
	// ready reports whether the process pid, and no other, takes connections.
	ready func(ctx context.Context, pid int) bool
	// waits are texts in the log of a failed start that say that an earlier server
	// has not ended yet.
	waits []string
	// endings are the signals that end it, the gentlest first.
	endings []syscall.Signal
	// clean is called after a crash when the server will not start again; may be nil.
	clean func() error

	busy    sync.Mutex // held while the server is started or ended
	crashed bool       // ended by SIGKILL and not started since
	removed bool
	process atomic.Pointer[process]
}

// logFile is where the server's standard output and error go.
func (s *server) logFile() string { return filepath.Join(s.dir, "server.log") }

// prepareFolder makes the folder dir, or a temporary one if dir is empty, for as.
func (s *server) prepareFolder(dir, prefix string, as *account) error {
	if dir == "" {
		made, owner, err := makeTemporary(prefix)
		if err != nil {
			return err
		}
		s.dir, s.owner, s.temporary = made, owner, true
		return as.own(made)
	}
	absolute, err := filepath.Abs(dir)
	if err != nil {
		return fmt.Errorf("finding the server's folder: %w", err)
	}
	s.dir = absolute
	if _, err := os.Stat(absolute); err == nil {
		return nil // somebody's; it may hold more than the server
	}
	if err := os.MkdirAll(filepath.Dir(absolute), 0o755); err != nil {
		return fmt.Errorf("making the server's folder: %w", err)
	}
	if err := os.Mkdir(absolute, 0o700); err != nil {
		return fmt.Errorf("making the server's folder: %w", err)
	}
	return as.own(absolute)
}

// choosePort takes port, or a free one if it is 0.
func (s *server) choosePort(port int) (err error) {
	s.port, s.anyPort = port, port == 0
	if s.anyPort {
		s.port, err = freePort()
	}
	return err
}

// launchError is a start that failed.
type launchError struct {
	reason error
	log    string
}

func (e *launchError) Error() string {
	if e.log == "" {
		return e.reason.Error()
	}
	return e.reason.Error() + "; the end of its log:\n" + e.log
}

func (e *launchError) Unwrap() error { return e.reason }

// launch starts the server and returns when it takes connections.
func (s *server) launch(ctx context.Context) error {
	if s.removed {
		return fmt.Errorf("starting %s: its folder was removed when it was stopped", s.name)
	}
	ctx, cancel := withDeadline(ctx, startWithin)
	defer cancel()
	giveUp := time.Now().Add(leftover)
	for attempt := 1; ; attempt++ {
		err := s.try(ctx)
		if err == nil {
			s.anyPort, s.crashed = false, false
			return nil
		}
		err = fmt.Errorf("starting %s: %w", s.name, err)
		var failed *launchError
		if ctx.Err() != nil || !errors.As(err, &failed) {
			return err
		}
		taken := strings.Contains(failed.log, portTaken)
		waits := slices.ContainsFunc(s.waits, func(text string) bool { return strings.Contains(failed.log, text) })
		switch {
		case taken && s.anyPort && attempt < portAttempts:
			if s.port, err = freePort(); err != nil {
				return err
			}
		case (taken && !s.anyPort || waits) && time.Now().Before(giveUp):
			pause(ctx, 10*look)
		default:
			return err
		}
	}
}

// try starts the server once.
func (s *server) try(ctx context.Context) error {
	log, err := os.OpenFile(s.logFile(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("opening its log: %w", err)
	}
	defer func() { _ = log.Close() }()
	before, err := log.Stat()
	if err != nil {
		return fmt.Errorf("opening its log: %w", err)
	}
	cmd := s.command()
	cmd.Stdout, cmd.Stderr = log, log
	if s.owner != nil {
		cmd.ExtraFiles = []*os.File{s.owner}
	}
	p, err := startProcess(cmd)
	if err != nil {
		return fmt.Errorf("running %s: %w", cmd.Path, err)
	}
	for !s.ready(ctx, p.pid()) {
		switch {
		case !p.running():
			<-p.gone
			reason := fmt.Errorf("waiting for it: it ended with %s", cmd.ProcessState)
			return &launchError{reason, tail(s.logFile(), before.Size())}
		case ctx.Err() != nil:
			reason := fmt.Errorf("waiting for it: %w", context.Cause(ctx))
			return &launchError{errors.Join(reason, s.end(ctx, p)), tail(s.logFile(), before.Size())}
		}
		pause(ctx, look)
	}
	s.process.Store(p)
	return nil
}

func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
