package localserver

// ending.go stops and kills servers.

import (
	"context"
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"
)

// pid returns 0 when the server does not run.
func (s *server) pid() int {
	if p := s.process.Load(); p != nil && p.running() {
		return p.pid()
	}
	return 0
}

// stop ends the server and removes its folder if that is temporary.
func (s *server) stop(ctx context.Context) error {
	s.busy.Lock()
	defer s.busy.Unlock()
	if err := s.halt(ctx); err != nil {
		return err
	}
	if !s.temporary {
		return nil
	}
	return s.remove()
}

// remove removes the server's folder for good.
func (s *server) remove() error {
	s.removed = true
	var uncleaned error
	if s.crashed && s.clean != nil {
		uncleaned = s.clean()
		s.crashed = false
	}
	err := os.RemoveAll(s.dir)
	_ = s.owner.Close()
	if err != nil {
		return errors.Join(uncleaned, fmt.Errorf("removing the folder of %s: %w", s.name, err))
	}
	return uncleaned
}

// restart ends the server if it runs and starts it on the same port and folder.
func (s *server) restart(ctx context.Context) error {
	s.busy.Lock()
	defer s.busy.Unlock()
	if err := s.halt(ctx); err != nil {
		return err
	}
	return s.launch(ctx)
}

// halt ends the server if it runs.
func (s *server) halt(ctx context.Context) error {
	p := s.process.Load()
	if p == nil {
		return nil
	}
	if err := s.end(ctx, p); err != nil {
		return err
	}
	s.process.Store(nil)
	return nil
}

// end ends a process. Only the gentlest signal is subject to ctx: what was started
// must end.
func (s *server) end(ctx context.Context, p *process) error {
	ctx, cancel := withDeadline(ctx, stopWithin)
	defer cancel()
	for i, ending := range s.endings {
		if i > 0 {
			var stop context.CancelFunc
			ctx, stop = context.WithTimeout(context.WithoutCancel(ctx), quitWithin)
			defer stop()
		}
		p.signal(ending)
		select {
		case <-p.gone:
			<-p.exited
			return nil
		case <-ctx.Done():
		}
	}
	return s.destroy(p)
}

// kill ends the server as a crash does.
func (s *server) kill() error {
	s.busy.Lock()
	defer s.busy.Unlock()
	p := s.process.Load()
	if p == nil || !p.running() {
		return fmt.Errorf("killing %s: it does not run", s.name)
	}
	if err := s.destroy(p); err != nil {
		return err
	}
	s.process.Store(nil)
	return nil
}

// destroy kills a process. Its children get a moment to notice; those that don't,
// since they are at work, are killed too.
func (s *server) destroy(p *process) error {
	// A process that is stopped makes no more children.
	_ = p.cmd.Process.Signal(suspend)
	children := childrenOf(p.pid())
	_ = p.cmd.Process.Kill()
	<-p.exited
	s.crashed = true
	if !within(p.gone, orphansWithin) {
		for _, child := range children {
			_ = child.Signal(syscall.SIGKILL)
		}
	}
	for _, child := range children {
		_ = child.Release()
	}
	if !within(p.gone, quitWithin) {
		return fmt.Errorf("killing %s: processes that it made are still at work", s.name)
	}
	return nil
}

// within reports whether done is closed before d has passed.
func within(done <-chan struct{}, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-done:
		return true
	case <-timer.C:
		return false
	}
}
