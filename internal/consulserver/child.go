package consulserver

// child.go runs a program that makes no processes of its own, and ends it.

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"syscall"
)

// tailBytes bounds what is shown of a log.
const tailBytes = 4 << 10

// child is a program that runs or can be started again. Its methods may be called
// concurrently.
type child struct {
	name    string // as errors call it
	program string
	args    []string
	log     string // the file that its output is added to

	mu     sync.Mutex
	cmd    *exec.Cmd     // nil until the first start
	exited chan struct{} // closed when cmd has ended
}

func (c *child) start() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.runningLocked() {
		return fmt.Errorf("starting %s: it runs already", c.name)
	}
	log, err := os.OpenFile(c.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("starting %s: opening its log: %w", c.name, err)
	}
	defer func() { _ = log.Close() }()
	cmd, exited := exec.Command(c.program, c.args...), make(chan struct{})
	cmd.Stdout, cmd.Stderr = log, log
	started := make(chan error)
	go func() {
		defer close(exited)
		_ = onOneThread(func() error {
			endWithParent(cmd)
			err := cmd.Start()
			started <- err
			if err == nil {
				_ = cmd.Wait() // that it has ended is all that matters
			}
			return err
		})
	}()
	if err := <-started; err != nil {
		return fmt.Errorf("starting %s: %w", c.name, err)
	}
	c.cmd, c.exited = cmd, exited
	return nil
}

// onOneThread calls f, which starts a program and waits for it. Linux ends a child with
// the thread that started it, which therefore must live as long.
func onOneThread(f func() error) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	return f()
}

func (c *child) runningLocked() bool {
	if c.cmd == nil {
		return false
	}
	select {
	case <-c.exited:
		return false
	default:
		return true
	}
}

// pid is 0 when the program does not run.
func (c *child) pid() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.runningLocked() {
		return 0
	}
	return c.cmd.Process.Pid
}

func (c *child) signal(signal syscall.Signal) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.runningLocked() {
		return fmt.Errorf("sending %s to %s: it does not run", signal, c.name)
	}
	if err := c.cmd.Process.Signal(signal); err != nil {
		return fmt.Errorf("sending %s to %s: %w", signal, c.name, err)
	}
	return nil
}

// Stop ends the program with SIGTERM, or SIGKILL when ctx is done, if it runs.
func (c *child) Stop(ctx context.Context) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.runningLocked() {
		return nil
	}
	_ = c.cmd.Process.Signal(syscall.SIGTERM)
	_ = c.cmd.Process.Signal(resume) // suspended, it would not react
	select {
	case <-c.exited:
		return nil
	case <-ctx.Done():
	}
	c.killLocked()
	return fmt.Errorf("stopping %s: it did not end with SIGTERM", c.name)
}

// kill ends the program as a crash does.
func (c *child) kill() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.runningLocked() {
		return fmt.Errorf("killing %s: it does not run", c.name)
	}
	c.killLocked()
	return nil
}

func (c *child) killLocked() {
	_ = c.cmd.Process.Kill()
	<-c.exited
}

// LogTail returns the end of the log, in whole lines.
func (c *child) LogTail() string {
	f, err := os.Open(c.log)
	if err != nil {
		return ""
	}
	defer func() { _ = f.Close() }()
	info, err := f.Stat()
	if err != nil {
		return ""
	}
	from := max(0, info.Size()-tailBytes)
	content, err := io.ReadAll(io.NewSectionReader(f, from, tailBytes))
	if err != nil {
		return ""
	}
	text := string(content)
	if _, rest, ok := strings.Cut(text, "\n"); ok && from > 0 {
		text = rest
	}
	return strings.TrimSpace(text)
}
