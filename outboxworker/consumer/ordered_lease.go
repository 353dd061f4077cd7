package consumer

// ordered_lease.go holds what a lane's owner does beside its work: it extends its lease, and
// waits for new entries.

import (
	"context"
	"errors"
	"time"

	"github.com/redis/go-redis/v9"
)

// holdUntil notes when the lease ends.
func (t *tenure) holdUntil(end time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.until = end
}

// left is for how long the lane is certainly this consumer's.
func (t *tenure) left() time.Duration {
	t.mu.Lock()
	defer t.mu.Unlock()
	return time.Until(t.until)
}

// keep extends the lease until ctx is done. When that fails for too long, the lane is
// lost: handlers are told, as another consumer may take it.
func (t *tenure) keep(ctx context.Context) {
	lease := t.c.options.Lease
	trouble := &trouble{logger: t.lane.logger, what: "extending the lease of the lane"}
	for wait := lease / 3; ; {
		sleep(ctx, min(wait, max(t.left(), 0)))
		if ctx.Err() != nil {
			return
		}
		if t.left() <= 0 {
			t.lost()
			return
		}
		asked := time.Now()
		_, err := t.callWithin(t.left(), lease.Milliseconds())
		switch {
		case ctx.Err() != nil: // perhaps the lane has been given up
			return
		case err == nil:
			trouble.success()
			t.holdUntil(asked.Add(lease))
			wait = lease / 3
		case errors.Is(err, ErrLost):
			t.lost()
			return
		default:
			wait = min(trouble.failure(err), lease/12)
		}
	}
}

// callWithin calls lane_extend, and does not wait for longer than the lease lasts.
func (t *tenure) callWithin(d time.Duration, arg any) ([]any, error) {
	type answer struct {
		values []any
		err    error
	}
	answered := make(chan answer, 1)
	t.helpers.Go(func() {
		values, err := t.call(laneExtendScript, arg)
		answered <- answer{values, err}
	})
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case a := <-answered:
		return a.values, a.err
	case <-timer.C:
		return nil, context.DeadlineExceeded
	}
}

// lost tells handlers that the lane may be another consumer's.
func (t *tenure) lost() {
	if t.ctx.Err() == nil {
		t.c.metrics.lost(t.lane)
		t.lane.logger.Warn("the lane is lost: its lease has run out")
		t.lose(ErrLost)
	}
}

// watch waits for entries that are newer than those which work has read, and wakes it.
func (t *tenure) watch(ctx context.Context) {
	for after := ""; ctx.Err() == nil; {
		if after == "" { // work has not looked since it was woken
			select {
			case <-ctx.Done():
			case after = <-t.watched:
			}
			continue
		}
		err := t.peek(ctx, after)
		if errors.Is(err, redis.Nil) {
			select {
			case after = <-t.watched: // newer
			default:
			}
			continue
		}
		if err != nil {
			sleep(ctx, shortestWait) // work will say why
		}
		after = ""
		select {
		case t.wake <- struct{}{}:
		default:
		}
	}
}

// peek waits for an entry after that one, or looks for it where too many lanes are watched.
// What it sees work reads as the owner. The error is redis.Nil if there is none yet.
func (t *tenure) peek(ctx context.Context, after string) error {
	args := &redis.XReadArgs{Streams: []string{t.lane.name, after}, Count: 1, Block: block}
	select {
	case t.c.watching <- struct{}{}:
		defer func() { <-t.c.watching }()
	default:
		sleep(ctx, unwatched)
		args.Block = -1 // not at all
	}
	return t.c.client.XRead(context.WithoutCancel(ctx), args).Err()
}
