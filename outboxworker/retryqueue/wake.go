package retryqueue

// wake.go holds the waiting for something to claim.

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"
)

const (
	// longestSleep is after how long a claimer looks again though it has heard nothing.
	longestSleep = 5 * time.Second
	// deafSleep is that of a claimer which could not hear anything.
	deafSleep = time.Second
	// shortestSleep lets timers that are close together be claimed together.
	shortestSleep = 5 * time.Millisecond
)

// hint wakes all who wait.
type hint struct {
	mu sync.Mutex
	c  chan struct{}
	// hears is true once Redis has said that it will tell.
	hears atomic.Bool
}

// next returns a channel that is closed at the next hint.
func (h *hint) next() <-chan struct{} {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.c
}

func (h *hint) give() {
	h.mu.Lock()
	defer h.mu.Unlock()
	close(h.c)
	h.c = make(chan struct{})
}

// Listen wakes those who Wait when anybody makes something due sooner than all else, until
// ctx is done. Run it once beside the claimers of a process, over one connection: it
// connects again by itself. Without it Wait sleeps for a second at most.
func (q *Queue) Listen(ctx context.Context) {
	subscription := q.client.Subscribe(ctx, q.wake)
	defer func() { _ = subscription.Close() }()
	defer q.hint.hears.Store(false)
	events := subscription.ChannelWithSubscriptions()
	for {
		select {
		case event, open := <-events:
			if !open {
				return
			}
			if _, connected := event.(*redis.Subscription); connected {
				q.hint.hears.Store(true)
			}
			// After a new connection too: something may have been missed before it.
			q.hint.give()
		case <-ctx.Done():
			return
		}
	}
}

// Wait sleeps until there may be something to claim again. It returns the error of ctx
// when that is done.
func (q *Queue) Wait(ctx context.Context, after Claimed) error {
	sleep := after.Sleep
	if sleep > 0 {
		sleep = max(sleep, shortestSleep)
	}
	if !q.hint.hears.Load() {
		sleep = min(sleep, deafSleep)
	}
	timer := time.NewTimer(sleep)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-after.hint:
	case <-ctx.Done():
	}
	return ctx.Err()
}
