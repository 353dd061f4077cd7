package redisclaim

// claim.go holds what the owner of a claim does with it.

import (
	"context"
	_ "embed"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/weirproxy/weir/outboxworker/idempotency"
)

var (
	//go:embed done-1.lua
	doneText string
	//go:embed release-1.lua
	releaseText string
	//go:embed extend-1.lua
	extendText string

	done    = redis.NewScript(doneText)
	release = redis.NewScript(releaseText)
	extend  = redis.NewScript(extendText)
)

// claim is a claim of one message.
type claim struct {
	store *Store
	keys  []string // the one key
	token string
	began time.Time // before Redis was asked
	// unguarded: Redis was away, and nobody knows whether another has the message.
	unguarded bool
}

// Done marks the message, also when the claim has run out, and even if another handler
// has it by now: that one then loses its claim, perhaps before its own effect.
func (c *claim) Done(ctx context.Context) error {
	s := c.store
	found, err := done.Run(ctx, s.client, c.keys, c.token, s.settings.DoneTTL.Milliseconds()).Text()
	if err == nil {
		switch found {
		case "own":
			return nil
		case "expired":
			if c.unguarded { // there was no claim that could have run out
				return nil
			}
			return fmt.Errorf("marking a message done: %w: nobody had it", idempotency.ErrOverran)
		case "taken":
			return fmt.Errorf("marking a message done: %w: another handler has it", idempotency.ErrOverran)
		case "done":
			return fmt.Errorf("marking a message done: %w: another handler was done", idempotency.ErrOverran)
		case "foreign":
			err = idempotency.ErrForeign
		default:
			err = errAnswer
		}
	}
	if s.mayPass(ctx, err) {
		s.unmarked.Add(1)
		return nil
	}
	return failed(ctx, "marking a message done", err)
}

// Release deletes the claim.
func (c *claim) Release(ctx context.Context) error {
	err := release.Run(ctx, c.store.client, c.keys, c.token).Err()
	if err == nil || c.unguarded && c.store.mayPass(ctx, err) {
		return nil
	}
	return failed(ctx, "releasing a message", err)
}

// Extend extends the claim. One that was let through without Redis cannot be lost.
func (c *claim) Extend(ctx context.Context) error {
	if c.unguarded {
		return nil
	}
	n, err := extend.Run(ctx, c.store.client, c.keys, c.token, c.store.settings.Lease.Milliseconds()).Int()
	switch {
	case err != nil:
		return failed(ctx, "extending the claim of a message", err)
	case n == 0:
		return idempotency.ErrLost
	}
	return nil
}

// Keep extends the claim every third of the lease, and more often while Redis does not
// answer. When the last answer is a lease ago the claim is given up: Redis, which began
// to count later, may give it to another from then on.
func (c *claim) Keep(ctx context.Context) (context.Context, func()) {
	kept, cancel := context.WithCancelCause(ctx)
	if c.unguarded {
		return kept, func() { cancel(context.Canceled) }
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		c.heartbeat(kept, cancel)
	}()
	return kept, func() {
		cancel(context.Canceled)
		<-ended
	}
}

func (c *claim) heartbeat(ctx context.Context, cancel context.CancelCauseFunc) {
	lease := c.store.settings.Lease
	// A timer of its own, as a call may hang for longer.
	lost := time.AfterFunc(time.Until(c.began.Add(lease)), func() { cancel(idempotency.ErrLost) })
	defer lost.Stop()
	// From Begin on: whoever takes long to begin keeping does not lose by it.
	next := time.NewTimer(time.Until(c.began.Add(lease / 3)))
	defer next.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-next.C:
		}
		asked := time.Now()
		switch err := c.Extend(ctx); err {
		case nil:
			// Too late if lost has fired: then ctx is done.
			lost.Reset(time.Until(asked.Add(lease)))
			next.Reset(time.Until(asked.Add(lease / 3)))
		case idempotency.ErrLost:
			cancel(err)
			return
		default:
			next.Reset(lease / 10)
		}
	}
}
