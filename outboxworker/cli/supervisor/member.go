package supervisor

// member.go keeps the relay of one outbox running.

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/weirproxy/weir/internal/backoff"
	"github.com/weirproxy/weir/outboxworker/relay"
)

// again is the wait before a relay that ended by itself is started again. What ended
// it does not mend itself, but an operator may mend it, as by a migration.
var again = backoff.Policy{Base: time.Second, Cap: 30 * time.Second}

// member is an outbox that is served.
type member struct {
	outbox Outbox
	logger *zap.Logger
	// done is closed after the relay's end.
	done   chan struct{}
	ctx    context.Context
	cancel context.CancelFunc

	// mu guards what runs, or why nothing does.
	mu    sync.Mutex
	relay Relay
	err   error
}

func newMember(outbox Outbox, logger *zap.Logger) *member {
	ctx, cancel := context.WithCancel(context.Background())
	return &member{outbox: outbox, logger: logger, done: make(chan struct{}), ctx: ctx, cancel: cancel}
}

// run runs a relay after the other until the member is cancelled.
func (m *member) run() {
	defer close(m.done)
	defer m.cancel()
	for failures := 0; m.ctx.Err() == nil; failures++ {
		began := time.Now()
		err := m.runOnce()
		if m.ctx.Err() != nil {
			if err != nil {
				m.logger.Error("a relay stopped with an error", zap.Error(err))
			}
			return
		}
		if time.Since(began) > again.Cap {
			failures = 0
		}
		wait := again.Wait(failures)
		m.set(nil, err)
		m.logger.Error("a relay ended; it is started again", zap.Error(err), zap.Duration("after", wait))
		select {
		case <-m.ctx.Done():
		case <-time.After(wait):
		}
	}
}

// runOnce makes a relay and runs it to its end, which has an error unless the member
// was cancelled.
func (m *member) runOnce() error {
	r, err := m.outbox.New()
	if err != nil {
		return fmt.Errorf("making the relay: %w", err)
	}
	m.set(r, nil)
	err = r.Run(m.ctx)
	if err == nil && m.ctx.Err() == nil {
		return errors.New("running the relay: it ended without a reason")
	}
	return err
}

func (m *member) set(r Relay, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.relay, m.err = r, err
}

func (m *member) status() Status {
	m.mu.Lock()
	defer m.mu.Unlock()
	status := Status{Err: m.err}
	if m.relay != nil {
		status.Status = m.relay.Status()
	}
	return status
}

// ending tells whether the member was cancelled.
func (m *member) ending() bool { return m.ctx.Err() != nil }

var _ Relay = (*relay.Relay)(nil)
