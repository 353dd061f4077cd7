package main

// asynq.go measures asynq.

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/hibiken/asynq"
)

// within bounds the claiming: what has not come by then is lost.
const within = 5 * time.Minute

// asynqs is asynq with as many servers in this process, and as many goroutines that schedule
// as there are that handle.
//
// Its calls of Redis are internal, so it is measured from outside: a client schedules tasks
// with ProcessIn, and a server's forwarder moves those that are due, 100 a call, into the
// list from which its processor takes them, one a call, for a handler that does nothing.
// What it waits between looks at an empty list or set is set so low that it costs nothing
// here: TaskCheckInterval 1ms instead of 1s, DelayedTaskCheckInterval 10ms instead of 5s.
// ProcessIn is the cheaper of its two ways to a later time; a retry touches more keys.
type asynqs struct {
	address              string
	servers, concurrency int
}

func (a asynqs) redis() asynq.RedisClientOpt {
	return asynq.RedisClientOpt{Addr: a.address, PoolSize: a.concurrency + 10}
}

func (a asynqs) measure(ctx context.Context, pairs int) (r result, err error) {
	callers := a.servers * a.concurrency
	options := a.redis()
	options.PoolSize = callers
	client := asynq.NewClient(options)
	defer func() { err = errors.Join(err, client.Close()) }()
	r.schedule, err = together(callers, pairs, func(i int) error {
		task := asynq.NewTask("timer", binary.BigEndian.AppendUint64(nil, uint64(i)))
		_, err := client.EnqueueContext(ctx, task, asynq.ProcessIn(wait), asynq.MaxRetry(0))
		return err
	})
	if err != nil {
		return r, fmt.Errorf("scheduling: %w", err)
	}
	if err := rest(ctx); err != nil {
		return r, err
	}
	r.claim, err = a.handle(ctx, pairs)
	return r, err
}

// handle returns the time from the first task that is handled to the last.
func (a asynqs) handle(ctx context.Context, pairs int) (time.Duration, error) {
	l := newLedger(pairs)
	first, last := make(chan time.Time, 1), make(chan time.Time, 1)
	problem := make(chan error, 1)
	handler := asynq.HandlerFunc(func(_ context.Context, task *asynq.Task) error {
		select {
		case first <- time.Now():
		default:
		}
		var number int
		if payload := task.Payload(); len(payload) == 8 {
			number = int(binary.BigEndian.Uint64(payload))
		}
		done, err := l.claimed(number)
		if err != nil {
			select {
			case problem <- err:
			default:
			}
		}
		if done {
			last <- time.Now()
		}
		return nil
	})
	for range a.servers {
		server := asynq.NewServer(a.redis(), asynq.Config{
			Concurrency: a.concurrency, LogLevel: asynq.ErrorLevel,
			TaskCheckInterval: time.Millisecond, DelayedTaskCheckInterval: 10 * time.Millisecond,
		})
		if err := server.Start(handler); err != nil {
			return 0, fmt.Errorf("starting a server: %w", err)
		}
		defer server.Shutdown()
	}
	select {
	case end := <-last:
		return end.Sub(<-first), nil
	case err := <-problem:
		return 0, err
	case <-time.After(within):
		return 0, fmt.Errorf("%d of %d tasks came within %s", l.count.Load(), pairs, within)
	case <-ctx.Done():
		return 0, ctx.Err()
	}
}
