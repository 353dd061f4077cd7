package retryqueue

import (
	"context"
	"errors"
	"math/rand/v2"
	"strconv"
	"sync"
	"testing"
	"time"
)

// table stands for PostgreSQL: it has what waits, and is the truth.
type table struct {
	mu       sync.Mutex
	rows     map[int64]time.Time // and when they are due
	last     int64
	handled  int
	again    int // claims of rows that were gone
	missing  int // rows that a sweep found without a timer
	rebuilds int
}

func (tb *table) insert(in time.Duration) Timer {
	tb.mu.Lock()
	defer tb.mu.Unlock()
	tb.last++
	tb.rows[tb.last] = time.Now().Add(in)
	return Timer{tb.last, in}
}

// waiting returns all rows as timers.
func (tb *table) waiting() []Timer {
	tb.mu.Lock()
	defer tb.mu.Unlock()
	var all []Timer
	for id, due := range tb.rows {
		all = append(all, Timer{id, time.Until(due)})
	}
	return all
}

// handle handles a row that is due. It returns the rest of the time of one that is early.
func (tb *table) handle(id int64) time.Duration {
	tb.mu.Lock()
	defer tb.mu.Unlock()
	due, waits := tb.rows[id]
	switch rest := time.Until(due); {
	case !waits:
		tb.again++
	case rest > 0:
		return rest
	default:
		delete(tb.rows, id)
		tb.handled++
	}
	return 0
}

// gone returns how many of the ids have no row.
func (tb *table) gone(ids []string) int {
	tb.mu.Lock()
	defer tb.mu.Unlock()
	n := 0
	for _, text := range ids {
		id, _ := strconv.ParseInt(text, 10, 64)
		if _, waits := tb.rows[id]; !waits {
			n++
		}
	}
	return n
}

func (tb *table) count(what func() int) int {
	tb.mu.Lock()
	defer tb.mu.Unlock()
	return what()
}

func (tb *table) handledNow() int { return tb.count(func() int { return tb.handled }) }

// relay claims as the package says, whatever Redis does.
func (tb *table) relay(ctx context.Context, q *Queue) {
	for ctx.Err() == nil {
		claimed, err := q.Claim(ctx, 50, time.Second)
		if errors.Is(err, ErrNotWhole) {
			if _, err = q.Rebuild(ctx, pages(100, tb.waiting()...)); err == nil {
				tb.count(func() int { tb.rebuilds++; return 0 })
				continue
			}
		}
		if err != nil {
			pause(ctx, 10*time.Millisecond)
			continue
		}
		var done []Claim
		var early []Returned
		for _, c := range claimed.Claims {
			if rest := tb.handle(c.ID); rest > 0 {
				early = append(early, Returned{c, rest})
			} else {
				done = append(done, c)
			}
		}
		// What cannot be told to Redis now, the end of the lease tells.
		_, _ = q.Done(ctx, done...)
		_, _ = q.Return(ctx, early...)
		_ = q.Wait(ctx, claimed)
	}
}

// sweep gives what waits to Reconcile, more often than a relay would.
func (tb *table) sweep(ctx context.Context, q *Queue) {
	for ctx.Err() == nil {
		missing, _ := q.Reconcile(ctx, tb.waiting()...)
		tb.count(func() int { tb.missing += missing; return 0 })
		pause(ctx, 300*time.Millisecond)
	}
}

// produce inserts rows and sets their timers, if it can.
func (tb *table) produce(ctx context.Context, q *Queue) {
	for ctx.Err() == nil {
		_ = q.Schedule(ctx, tb.insert(rand.N(300*time.Millisecond)))
		pause(ctx, rand.N(6*time.Millisecond))
	}
}

func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// through runs relays while rows come, has Redis suffer a fault, and returns the table
// when relays have handled all rows, those of before and those of afterwards.
func through(t *testing.T, q *Queue, fault func(tb *table)) *table {
	t.Helper()
	tb := &table{rows: make(map[int64]time.Time)}
	ctx, cancel := context.WithCancel(t.Context())
	producing, stop := context.WithCancel(ctx)
	var all sync.WaitGroup
	defer all.Wait()
	defer cancel()
	for range 3 {
		all.Go(func() { tb.relay(ctx, q) })
	}
	all.Go(func() { q.Listen(ctx) })
	all.Go(func() { tb.sweep(ctx, q) })
	all.Go(func() { tb.produce(producing, q) })
	eventually(t, "rows are handled", func() bool { return tb.handledNow() > 100 })
	fault(tb)
	before, began := tb.handledNow(), time.Now()
	eventually(t, "rows are handled again", func() bool { return tb.handledNow() > before })
	recovered := time.Since(began)
	eventually(t, "many are", func() bool { return tb.handledNow() > before+100 })
	stop()
	for deadline := time.Now().Add(time.Minute); len(tb.waiting()) > 0; pause(ctx, 10*time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%d of %d rows are lost", len(tb.waiting()), tb.last)
		}
	}
	heard := q.hint.next()
	eventually(t, "the claimers hear", func() bool {
		_ = q.client.Publish(ctx, q.wake, "").Err()
		select {
		case <-heard:
			return true
		default:
			return false
		}
	})
	tb.mu.Lock()
	defer tb.mu.Unlock()
	t.Logf("%d rows, the first handled %s after the fault; %d claims of rows that were gone, %d rows had no timer, %d rebuilds",
		tb.handled, recovered, tb.again, tb.missing, tb.rebuilds)
	return tb
}
