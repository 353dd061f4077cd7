package consumer

// gate.go holds the pause of a consumer whose handlers miss something they need.

import (
	"context"
	"sync"
	"time"
)

// longestPause is the longest pause that no handler asked for.
const longestPause = 30 * time.Second

// gate lets handlers begin. After Unavailable it is closed for a time; then one of those
// who wait is let through as a probe, in turn, and opens it or closes it again.
type gate struct {
	mu     sync.Mutex
	closed bool
	until  time.Time
	pauses int
	opened chan struct{} // closed when the gate opens
	probe  chan struct{} // has an element while somebody is the probe
}

func newGate() *gate { return &gate{probe: make(chan struct{}, 1)} }

func (g *gate) look() (closed bool, left time.Duration, opened <-chan struct{}) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.closed, time.Until(g.until), g.opened
}

// enter waits until a handler may begin, and tells whether it is the probe. The error is
// that of one of the contexts.
func (g *gate) enter(ctx, job context.Context) (probe bool, err error) {
	for {
		if ctx.Err() != nil || job.Err() != nil {
			return false, context.Canceled
		}
		closed, _, opened := g.look()
		if !closed {
			return false, nil
		}
		select {
		case <-opened:
		case <-ctx.Done():
		case <-job.Done():
		case g.probe <- struct{}{}: // those who wait are served in turn
			if g.pass(ctx, job) {
				return true, nil
			}
			<-g.probe
		}
	}
}

// pass waits for the end of the pause.
func (g *gate) pass(ctx, job context.Context) bool {
	for {
		closed, left, opened := g.look()
		if !closed {
			return false
		}
		if left <= 0 {
			return ctx.Err() == nil && job.Err() == nil
		}
		timer := time.NewTimer(left)
		select {
		case <-timer.C:
		case <-opened:
		case <-ctx.Done():
		case <-job.Done():
		}
		timer.Stop()
		if ctx.Err() != nil || job.Err() != nil {
			return false
		}
	}
}

// pause waits for the end of the pause, if there is one: until then nothing need be read.
func (g *gate) pause(ctx context.Context) {
	if closed, left, opened := g.look(); closed && left > 0 {
		timer := time.NewTimer(left)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-opened:
		case <-ctx.Done():
		}
	}
}

// giveUp notes that a handler ended in a way that tells nothing: if it was the probe, another
// is.
func (g *gate) giveUp(probe bool) {
	if probe {
		<-g.probe
	}
}

// leave notes how a handler ended: away if it was Unavailable, and for how long. It tells
// whether the gate has opened or closed by that.
func (g *gate) leave(probe, away bool, after time.Duration) (changed bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if probe {
		defer func() { <-g.probe }()
	}
	switch {
	case away:
		changed = !g.closed
		if changed {
			g.closed, g.opened = true, make(chan struct{})
		}
		if changed || probe { // else it began before the others ended
			g.pauses++
		}
		if after <= 0 {
			after = min(longestPause, time.Second<<min(g.pauses-1, 10))
		}
		if until := time.Now().Add(after); until.After(g.until) {
			g.until = until
		}
	case probe && g.closed:
		changed = true
		g.closed, g.pauses, g.until = false, 0, time.Time{}
		close(g.opened)
	}
	return changed
}
