package main

// retryqueue.go measures package retryqueue.

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"
	"go.uber.org/zap"

	"github.com/weirproxy/weir/outboxworker/retryqueue"
)

// queues is package retryqueue with as many goroutines that call it, each call with so
// many timers. A timer is scheduled, claimed with a lease, and done with: three calls.
type queues struct {
	address       string
	callers, size int
}

func (q queues) measure(ctx context.Context, pairs int) (r result, err error) {
	client := redis.NewClient(&redis.Options{Addr: q.address, PoolSize: q.callers + 1, MaxRetries: -1})
	defer func() { err = errors.Join(err, client.Close()) }()
	queue, err := retryqueue.New(client, "bench", zap.NewNop())
	if err != nil {
		return r, err
	}
	nothing := func(context.Context) ([]retryqueue.Timer, error) { return nil, nil }
	if _, err := queue.Rebuild(ctx, nothing); err != nil {
		return r, err
	}
	calls := (pairs + q.size - 1) / q.size
	r.schedule, err = together(q.callers, calls, func(i int) error {
		timers := make([]retryqueue.Timer, 0, q.size)
		for id := i * q.size; id < min(pairs, (i+1)*q.size); id++ {
			timers = append(timers, retryqueue.Timer{ID: int64(id + 1), In: wait})
		}
		return queue.Schedule(ctx, timers...)
	})
	if err != nil {
		return r, err
	}
	if err := rest(ctx); err != nil {
		return r, err
	}
	r.claim, err = q.claim(ctx, queue, pairs)
	return r, err
}

// claim claims until nothing is left, and returns the time until the last is done with.
func (q queues) claim(ctx context.Context, queue *retryqueue.Queue, pairs int) (time.Duration, error) {
	l := newLedger(pairs)
	calls := (pairs + q.size - 1) / q.size
	took, err := together(q.callers, calls, func(int) error {
		claimed, err := queue.Claim(ctx, q.size, time.Minute)
		if err != nil {
			return err
		}
		for _, c := range claimed.Claims {
			if _, err := l.claimed(int(c.ID - 1)); err != nil {
				return err
			}
		}
		lost, err := queue.Done(ctx, claimed.Claims...)
		if err == nil && lost > 0 {
			err = fmt.Errorf("%d leases ended", lost)
		}
		return err
	})
	if err == nil && l.count.Load() != int64(pairs) {
		err = fmt.Errorf("%d of %d timers could be claimed when all were due", l.count.Load(), pairs)
	}
	return took, err
}
