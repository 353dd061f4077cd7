package relay

// timers.go has workers try again when a message is due, to the millisecond, by timers in
// Redis. They wake and decide nothing: what a worker finds due in PostgreSQL it tries, and
// the scout finds that too, later, if there is no timer. So a claim is over once its
// lane's worker has been told, who forgets it no more than what the scout tells.

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/weirproxy/weir/internal/failpoint"
	"github.com/weirproxy/weir/outboxworker/retryqueue"
)

const (
	// timerLease is for the time between a claim and the worker's being told.
	timerLease = 10 * time.Second
	// claimEvery is the time between two claims at least, which lets retries that are
	// due together be one batch.
	claimEvery = 10 * time.Millisecond
	// timerBuffer is the most timers that wait to be set. What a Redis that is slow
	// or away leaves no room for, the sweep adds.
	timerBuffer = 10_000
	// A sweep every sweepMin to sweepMax looks for messages without a timer that are
	// due within sweepAhead, or were within sweepBehind. What is overdue for longer has
	// been added once, and its worker asked: it waits for the receiver or for an
	// operator, and may be a great many.
	sweepMin, sweepMax = 5 * time.Second, 15 * time.Second
	sweepAhead         = time.Minute
	sweepBehind        = 2 * sweepMax
	// inHand is how long after its time a message is taken to be in its worker's hands.
	inHand = time.Second
)

// timers are the timers of an outbox. A nil one has none.
type timers struct {
	relay *Relay
	queue *retryqueue.Queue
	table *timerTable
	set   chan newTimer
	// works is false while Redis or the database does not answer, and at first.
	works atomic.Bool
	told  bool // that it does not
	// sweepNow is given when it works again.
	sweepNow chan struct{}
}

// newTimer is a timer that is to be set. since says when its time began to run.
type newTimer struct {
	retryqueue.Timer
	since time.Time
}

func newTimers(r *Relay, sql *statements) *timers {
	if r.settings.Timers == nil {
		return nil
	}
	return &timers{
		relay: r, queue: r.settings.Timers,
		table: &timerTable{relay: r, sql: sql},
		set:   make(chan newTimer, timerBuffer), sweepNow: make(chan struct{}, 1),
	}
}

// run serves the timers until ctx is done.
func (t *timers) run(ctx context.Context) {
	if t == nil {
		return
	}
	t.show(false)
	var all sync.WaitGroup
	all.Go(func() { t.queue.Listen(ctx) })
	all.Go(func() { t.pass(ctx) })
	all.Go(func() { t.sweeps(ctx) })
	t.claims(ctx)
	all.Wait()
	t.table.close(ctx)
}

// schedule sets the timers of what a batch has left waiting, now that it is committed. It
// waits for nobody.
func (t *timers) schedule(f *fate, wf *waitingFate) {
	if t == nil {
		return
	}
	now := time.Now()
	add := func(id, wait int64) {
		failpoint.Hit("before_schedule")
		if id < 1 { // as in timers.sql
			return
		}
		select {
		case t.set <- newTimer{retryqueue.Timer{ID: id, In: milliseconds(wait)}, now}:
		default:
		}
	}
	for i, id := range f.deferred.ids {
		switch wait := f.deferred.waits[i]; wait {
		case parked:
		case delayed:
			add(id, 0) // whoever claims it reads when it is due, and returns it
		default:
			add(id, wait)
		}
	}
	for i, id := range wf.retried.ids {
		add(id, wf.retried.waits[i])
	}
}

// pass passes timers on to Redis.
func (t *timers) pass(ctx context.Context) {
	for {
		var some []retryqueue.Timer
		add := func(n newTimer) {
			some = append(some, retryqueue.Timer{ID: n.ID, In: n.In - time.Since(n.since)})
		}
		select {
		case <-ctx.Done():
			return
		case n := <-t.set:
			add(n)
		}
		for more := true; more && len(some) < retryqueue.MaxCall; {
			select {
			case n := <-t.set:
				add(n)
			default:
				more = false
			}
		}
		if !t.works.Load() {
			continue
		}
		if err := t.queue.Schedule(ctx, some...); err != nil && ctx.Err() == nil {
			t.relay.logger.Debug("timers of retries could not be set; the next sweep adds them", zap.Int("timers", len(some)), zap.Error(err))
		}
	}
}

// claims claims timers that have come and wakes workers.
func (t *timers) claims(ctx context.Context) {
	var last time.Time
	for failures := 0; ctx.Err() == nil; {
		sleep(ctx, claimEvery-time.Since(last), nil)
		last = time.Now()
		if wait := t.relay.pausedFor(); wait > 0 {
			// Nothing may be sent, and workers look for themselves afterwards.
			sleep(ctx, min(wait, time.Second), nil)
			continue
		}
		claimed, err := t.queue.Claim(ctx, retryqueue.MaxCall, timerLease)
		switch {
		case errors.Is(err, retryqueue.ErrNotWhole):
			err = t.rebuild(ctx)
		case err == nil:
			err = t.wake(ctx, claimed.Claims)
		}
		if err != nil {
			t.failed(ctx, err)
			sleep(ctx, reconnect.Wait(failures), nil)
			failures++
			continue
		}
		failures = 0
		t.succeeded()
		_ = t.queue.Wait(ctx, claimed)
	}
}

// wake wakes the workers of the lanes in which claimed messages are due. Claims of others,
// which are parked or gone, are over too, and of those that are early returned.
func (t *timers) wake(ctx context.Context, claims []retryqueue.Claim) error {
	if len(claims) == 0 {
		return nil
	}
	found, err := t.table.find(ctx, claims)
	if err != nil {
		return err
	}
	var due [lanes]bool
	var done []retryqueue.Claim
	var early []retryqueue.Returned
	for _, c := range claims {
		row, waits := found[c.ID]
		if waits && row.in > 0 {
			early = append(early, retryqueue.Returned{Claim: c, In: row.in})
			continue
		}
		done = append(done, c)
		if waits {
			due[row.lane] = true
		}
	}
	// Before the worker is told: when it sets the next timer of a message, the lease of
	// the last one must be over.
	_, doneErr := t.queue.Done(ctx, done...)
	for number, is := range due {
		if is {
			t.relay.ask(int16(number))
		}
	}
	_, returnErr := t.queue.Return(ctx, early...)
	return errors.Join(doneErr, returnErr)
}

// ask tells the worker of a lane that something has become due there.
func (r *Relay) ask(number int16) {
	w := r.workers[int(number)%len(r.workers)]
	l := w.lanes[int(number)/len(r.workers)]
	l.timed.Store(true)
	l.asked.Store(true)
	w.awake()
}

// sweeps adds the timers that are missing, all the time, since Redis need not know that
// it lost some.
func (t *timers) sweeps(ctx context.Context) {
	for {
		if t.works.Load() {
			if err := t.sweep(ctx); err != nil && ctx.Err() == nil {
				t.relay.logger.Debug("looking for messages without timers", zap.Error(err))
			}
		}
		if sleep(ctx, sweepMin+rand.N(sweepMax-sweepMin), t.sweepNow) == "stop" {
			return
		}
	}
}

func (t *timers) sweep(ctx context.Context) error {
	next := t.table.pages(sweepBehind, sweepAhead)
	for {
		rows, err := next(ctx)
		if err != nil || len(rows) == 0 {
			return err
		}
		without := make([]retryqueue.Timer, 0, len(rows))
		for _, row := range rows {
			if row.In > 0 || row.In < -inHand {
				without = append(without, row)
			}
		}
		missing, err := t.queue.Reconcile(ctx, without...)
		t.relay.metrics.timers.missing.WithLabelValues(t.relay.settings.Schema).Add(float64(missing))
		if err != nil {
			return err
		}
	}
}

// rebuild adds all timers, since Redis has lost them, or never had any.
func (t *timers) rebuild(ctx context.Context) error {
	added, err := t.queue.Rebuild(ctx, t.table.pages(everything, everything))
	if err != nil {
		return err
	}
	t.relay.logger.Info("Redis had no timers of retries; they were added from the outbox", zap.Int("timers", added))
	t.relay.metrics.timers.rebuilds.WithLabelValues(t.relay.settings.Schema).Inc()
	return nil
}

// failed notes that there are no timers at the moment.
func (t *timers) failed(ctx context.Context, err error) {
	t.works.Store(false)
	t.show(false)
	if !t.told && ctx.Err() == nil {
		t.told = true
		t.relay.logger.Warn("there are no timers of retries; what is due is found by looking for it every poll_max", zap.Error(err))
	}
}

func (t *timers) succeeded() {
	if t.works.Swap(true) {
		return
	}
	t.show(true)
	select {
	case t.sweepNow <- struct{}{}:
	default:
	}
	if t.told {
		t.told = false
		t.relay.logger.Info("there are timers of retries again")
	}
}

func (t *timers) show(works bool) {
	t.relay.metrics.timers.up.WithLabelValues(t.relay.settings.Schema).Set(number(works))
}
