package supervisor

// member.go keeps the runner of one service running.

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/weirproxy/weir/internal/backoff"
)

// again is the wait before a runner that ended by itself is started again. What ended
// it does not mend itself, but an operator may mend it, as by a migration.
var again = backoff.Policy{Base: time.Second, Cap: 30 * time.Second}

// member is a service that is served.
type member[S any] struct {
	service Service[S]
	logger  *zap.Logger
	// done is closed after the runner's end.
	done   chan struct{}
	ctx    context.Context
	cancel context.CancelFunc

	// mu guards what runs, or why nothing does.
	mu     sync.Mutex
	runner Runner[S]
	err    error
}

func newMember[S any](service Service[S], logger *zap.Logger) *member[S] {
	ctx, cancel := context.WithCancel(context.Background())
	return &member[S]{service: service, logger: logger, done: make(chan struct{}), ctx: ctx, cancel: cancel}
}

// run lets one runner after the other run until the member is cancelled.
func (m *member[S]) run() {
	defer close(m.done)
	defer m.cancel()
	for failures := 0; m.ctx.Err() == nil; failures++ {
		began := time.Now()
		err := m.runOnce()
		if m.ctx.Err() != nil {
			if err != nil {
				m.logger.Error("it stopped with an error", zap.Error(err))
			}
			return
		}
		if time.Since(began) > again.Cap {
			failures = 0
		}
		wait := again.Wait(failures)
		m.set(nil, err)
		m.logger.Error("it ended, and is started again", zap.Error(err), zap.Duration("after", wait))
		select {
		case <-m.ctx.Done():
		case <-time.After(wait):
		}
	}
}

// runOnce makes a runner and runs it to its end, which has an error unless the member
// was cancelled.
func (m *member[S]) runOnce() error {
	r, err := m.service.New()
	if err != nil {
		return fmt.Errorf("making it: %w", err)
	}
	m.set(r, nil)
	err = r.Run(m.ctx)
	if err == nil && m.ctx.Err() == nil {
		return errors.New("running it: it ended without a reason")
	}
	return err
}

func (m *member[S]) set(r Runner[S], err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.runner, m.err = r, err
}

func (m *member[S]) status() Status[S] {
	m.mu.Lock()
	defer m.mu.Unlock()
	status := Status[S]{Err: m.err}
	if m.runner != nil {
		status.Runner = m.runner.Status()
	}
	return status
}

// ending tells whether the member was cancelled.
func (m *member[S]) ending() bool { return m.ctx.Err() != nil }
