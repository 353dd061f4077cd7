package retryqueue

// schedule.go holds what sets timers.

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"time"
)

// Timer says when an id is due.
type Timer struct {
	// ID is that of a row, 1 or more.
	ID int64
	// In is how long from now it is due, rounded up to ms; less than 0 for what is
	// overdue. Reading it from a row costs no clock: due_at - now().
	In time.Duration
}

// Schedule sets timers, also of ids that have one. An id that is leased is left alone:
// its owner returns it. The error leaves it open which timers were set; the sweep
// adds those that were not.
func (q *Queue) Schedule(ctx context.Context, timers ...Timer) error {
	_, err := q.set(ctx, "", timers)
	return err
}

// Reconcile makes the timers agree with what waits in PostgreSQL. An id that has neither
// a timer nor a lease gets a timer, and one that is late by its row is moved; how many were
// missing is returned. A timer that is early stays: whoever claims it returns it.
func (q *Queue) Reconcile(ctx context.Context, rows ...Timer) (missing int, err error) {
	return q.set(ctx, "LT", rows)
}

func (q *Queue) set(ctx context.Context, mode string, timers []Timer) (added int, err error) {
	for _, timer := range timers {
		if timer.ID < 1 {
			return 0, fmt.Errorf("setting timers: %d is not an id", timer.ID)
		}
	}
	for some := range slices.Chunk(timers, MaxCall) {
		args := append(make([]any, 0, 2+2*len(some)), q.wake, mode)
		for _, timer := range some {
			args = append(args, strconv.FormatInt(timer.ID, 10), milliseconds(timer.In))
		}
		answer, err := q.run(ctx, scheduleScript, []string{q.due, q.leased}, args)
		if err != nil {
			return added, fmt.Errorf("setting timers: %w", err)
		}
		n, err := answer.Int()
		if err != nil {
			return added, fmt.Errorf("setting timers: %w", err)
		}
		added += n
	}
	return added, nil
}

// milliseconds rounds up: a timer is never early.
func milliseconds(d time.Duration) string {
	ms := d / time.Millisecond
	if d > ms*time.Millisecond {
		ms++
	}
	return strconv.FormatInt(int64(ms), 10)
}
