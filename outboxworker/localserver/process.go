package localserver

// process.go runs a server's program and knows when it and all that it forked has
// ended.

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"sync"
	"syscall"
)

// process is a program that was started.
type process struct {
	cmd *exec.Cmd
	// exited is closed when the program itself has ended, gone when what it forked
	// has ended as well.
	exited, gone chan struct{}
}

// startProcess starts cmd, whose SysProcAttr are set.
func startProcess(cmd *exec.Cmd) (*process, error) {
	// Whatever the program forks inherits the end of a pipe and never uses it: when
	// nobody has it any more, all are gone. Process ids could not tell that, as
	// orphans get another parent.
	ours, theirs, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("making a pipe: %w", err)
	}
	cmd.ExtraFiles = append(cmd.ExtraFiles, theirs)
	p := &process{cmd: cmd, exited: make(chan struct{}), gone: make(chan struct{})}
	started := make(chan error)
	go p.run(started)
	err = <-started
	_ = theirs.Close()
	if err != nil {
		_ = ours.Close()
		return nil, err
	}
	go func() {
		_, _ = io.Copy(io.Discard, ours)
		_ = ours.Close()
		close(p.gone)
	}()
	return p, nil
}

// run starts the program and waits for it.
func (p *process) run(started chan<- error) {
	_, _ = onOneThread(func() (struct{}, error) {
		err := p.cmd.Start()
		started <- err
		if err == nil {
			_ = p.cmd.Wait() // the state is kept in cmd
			close(p.exited)
		}
		return struct{}{}, err
	})
}

// onOneThread calls f, which starts a program and waits for it, in a goroutine whose
// thread lives as long: Linux ends a child not with its parent but with the thread
// that started it, and a thread ends with a goroutine that locked it.
func onOneThread[T any](f func() (T, error)) (result T, err error) {
	var done sync.WaitGroup
	done.Go(func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		result, err = f()
	})
	done.Wait()
	return result, err
}

func (p *process) pid() int { return p.cmd.Process.Pid }

// running reports whether the program itself runs.
func (p *process) running() bool {
	select {
	case <-p.exited:
		return false
	default:
		return true
	}
}

// signal has no effect on a program that has ended. A stopped one is continued, as
// it could not react otherwise.
func (p *process) signal(signal syscall.Signal) {
	_ = p.cmd.Process.Signal(signal)
	_ = p.cmd.Process.Signal(resume)
}
