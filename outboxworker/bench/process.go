package bench

// process.go starts the processes of workers, and ends them.

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
)

// process is a worker's process.
type process struct {
	cmd      *exec.Cmd
	stdin    io.WriteCloser
	reports  *json.Decoder
	problems bytes.Buffer
}

// startProcess starts a worker and waits until its connections are there. What it is to
// do, which may have a password in it, others could see in arguments.
func (b *bench) startProcess(ctx context.Context, j *job) (*process, error) {
	if len(b.Worker) == 0 {
		return nil, errNoWorker
	}
	p := &process{cmd: exec.CommandContext(ctx, b.Worker[0], b.Worker[1:]...)}
	p.cmd.Stderr = &p.problems
	p.cmd.Env = os.Environ()
	p.cmd.WaitDelay = closeWithin
	var err error
	if p.stdin, err = p.cmd.StdinPipe(); err != nil {
		return nil, fmt.Errorf("starting a worker: %w", err)
	}
	stdout, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("starting a worker: %w", err)
	}
	p.reports = json.NewDecoder(stdout)
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("starting a worker: %w", err)
	}
	var ready report
	err = json.NewEncoder(p.stdin).Encode(j)
	if err == nil {
		err = p.reports.Decode(&ready)
	}
	if err != nil || !ready.Ready {
		return nil, fmt.Errorf("starting a worker: %w", errors.Join(err, p.kill()))
	}
	return p, nil
}

// wait waits for the end of the worker's work.
func (p *process) wait() (done report, err error) {
	decodeErr := p.reports.Decode(&done)
	if err := p.cmd.Wait(); err != nil {
		return done, fmt.Errorf("waiting for a worker: %w\n%s", err, bytes.TrimSpace(p.problems.Bytes()))
	}
	if decodeErr != nil {
		return done, fmt.Errorf("reading a worker's report: %w", decodeErr)
	}
	return done, nil
}

// kill ends the worker as a crash does, also when it is stopped or has ended. An error
// tells what a worker that ended by itself had to say.
func (p *process) kill() error {
	_ = p.cmd.Process.Kill() // it may have ended
	err := p.cmd.Wait()
	if state := p.cmd.ProcessState; state != nil && state.Exited() {
		return fmt.Errorf("running a worker: %w\n%s", err, bytes.TrimSpace(p.problems.Bytes()))
	}
	return nil
}
