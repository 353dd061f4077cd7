package outbox

// worker.go runs worker processes.

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// worker is a process of the worker's binary.
type worker struct {
	t    testing.TB
	cmd  *exec.Cmd
	log  string // the file that it logs to
	gone chan struct{}
}

var workersStarted atomic.Int64

// startWorker runs the worker with a configuration. environment is added to what it
// inherits. It is killed when the test ends, should it still run.
func startWorker(t testing.TB, config string, environment ...string) *worker {
	t.Helper()
	return startCommand(t, "run", config, environment...)
}

// startCommand is startWorker for run or consume.
func startCommand(t testing.TB, command, config string, environment ...string) *worker {
	t.Helper()
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(path, command, "-c", config)
	cmd.Env = append([]string{"PATH=" + os.Getenv("PATH")}, environment...)
	return startProcess(t, cmd)
}

// startProcess runs another process like a worker.
func startProcess(t testing.TB, cmd *exec.Cmd) *worker {
	t.Helper()
	w := &worker{t: t, cmd: cmd, gone: make(chan struct{})}
	w.log = filepath.Join(t.TempDir(), fmt.Sprintf("worker-%d.log", workersStarted.Add(1)))
	log, err := os.Create(w.log)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = log.Close() }()
	w.cmd.Stdout, w.cmd.Stderr = log, log
	endWithParent(w.cmd)
	started := make(chan error)
	go w.run(started)
	if err := <-started; err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.kill)
	return w
}

// run starts the process and waits for it, on one thread: the kernel takes the end of
// the thread that started a process for the end of its parent.
func (w *worker) run(started chan<- error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	err := w.cmd.Start()
	started <- err
	if err == nil {
		_ = w.cmd.Wait() // the state is kept in cmd
		close(w.gone)
	}
}

func (w *worker) pid() int { return w.cmd.Process.Pid }

func (w *worker) runs() bool {
	select {
	case <-w.gone:
		return false
	default:
		return true
	}
}

// signal does nothing to a process that has ended.
func (w *worker) signal(s syscall.Signal) { _ = w.cmd.Process.Signal(s) }

// kill ends the process as a crash does, also one that is stopped.
func (w *worker) kill() {
	w.signal(syscall.SIGKILL)
	<-w.gone
}

// freeze stops the process as a machine does that is paused; thaw lets it go on.
func (w *worker) freeze() { w.signal(syscall.SIGSTOP) }
func (w *worker) thaw()   { w.signal(syscall.SIGCONT) }

// terminate ends the process as an operator does, and tells when it does not end well.
func (w *worker) terminate() {
	w.t.Helper()
	w.signal(syscall.SIGTERM)
	select {
	case <-w.gone:
	case <-time.After(20 * time.Second):
		w.t.Errorf("worker %d does not end after SIGTERM; its log ends with\n%s", w.pid(), w.tail())
		return
	}
	if code := w.cmd.ProcessState.ExitCode(); code != 0 {
		w.t.Errorf("worker %d ended with %s after SIGTERM; its log ends with\n%s", w.pid(), w.cmd.ProcessState, w.tail())
	}
}

// killedItself tells whether the process ended at its failpoint.
func (w *worker) killedItself() bool {
	if w.runs() {
		return false
	}
	status, ok := w.cmd.ProcessState.Sys().(syscall.WaitStatus)
	return ok && status.Signaled() && status.Signal() == syscall.SIGKILL
}

// output is all that the process logged.
func (w *worker) output() []byte {
	w.t.Helper()
	content, err := os.ReadFile(w.log)
	if err != nil {
		w.t.Fatal(err)
	}
	return content
}

// logged tells whether a text is in the log.
func (w *worker) logged(text string) bool { return bytes.Contains(w.output(), []byte(text)) }

// tail is the end of the log.
func (w *worker) tail() string {
	content := w.output()
	return string(content[max(0, len(content)-2000):])
}
