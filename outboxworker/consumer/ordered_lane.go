package consumer

// ordered_lane.go holds the work of a lane's owner.

import (
	"context"
	"errors"
	"sync"
	"time"

	"go.uber.org/zap"
)

// tenure is the time for which a consumer owns a lane. What it remembers of the lane are
// the jobs that it has taken; all else is in Redis. So a tenure that does not know what
// a call did ends, and the next one begins with what Redis has.
//
// Its goroutines are work, which alone decides about the lane, and two that help: keep
// extends the lease, watch waits for new entries.
type tenure struct {
	c     *Consumer
	lane  *stream
	token string
	// turn is the number of the last call of lane_take, or of lane_settle that was answered.
	turn int
	// look is when to take again without being woken.
	look time.Time
	// nextMend is when to mend, and mended the key up to which that has come, or 0.
	nextMend time.Time
	mended   string
	// from is the id from which on entries of owners before are taken over, and raise what
	// that counts. It is empty when all are.
	from  string
	raise int
	// barred tells that the next of them is a suspect, and another in hand.
	barred bool
	// ctx is done when the lane is lost.
	ctx  context.Context
	lose context.CancelCauseFunc

	mu sync.Mutex
	// until is when the lease ends, by this consumer's clock.
	until time.Time

	queues  queues
	ended   chan *job      // jobs that handlers are through with
	through []*job         // those of them that work has received
	watched chan string    // after which entry watch is to look
	wake    chan struct{}  // has an element when there may be new entries
	helpers sync.WaitGroup // keep and watch
}

func newTenure(c *Consumer, lane *stream, token string) *tenure {
	t := &tenure{
		c: c, lane: lane, token: token,
		look: time.Now(), mended: "0",
		queues:  newQueues(),
		ended:   make(chan *job, maxCall),
		watched: make(chan string, 1),
		wake:    make(chan struct{}, 1),
	}
	t.ctx, t.lose = context.WithCancelCause(c.hard)
	return t
}

const (
	// mendEvery is how often it is checked that nothing waits behind nothing. Where much
	// waits, a call looks at a part; until the next it works mendPart times as long.
	mendEvery = 5 * time.Second
	mendPart  = 9
)

// work works on the lane until it is lost, or leave is done and handlers are through.
func (t *tenure) work(leave context.Context) {
	helping, stop := context.WithCancel(context.WithoutCancel(t.ctx))
	t.helpers.Go(func() { t.keep(helping) })
	t.helpers.Go(func() { t.watch(helping) })
	err := t.loop(leave)
	if errors.Is(err, ErrLost) {
		t.lost()
	}
	t.release()
	for t.queues.running > 0 { // after an error
		t.queues.end(<-t.ended)
	}
	stop()
	if err == nil {
		// What has not begun is pending in the stream, for the next owner.
		_, err := t.callWithin(min(giveBackWithin, max(t.left(), 0)), "")
		if err != nil && !errors.Is(err, ErrLost) {
			t.lane.logger.Warn("the lane could not be given up: its lease runs out", zap.Error(err))
		}
	}
	t.helpers.Wait()
	t.lose(ErrLost)
}

// release lets go of what has not begun.
func (t *tenure) release() {
	for _, j := range t.queues.all() {
		t.c.held.remove(j)
	}
}

// loop takes what is next, has it handled, and writes down what became of it, until the
// lane is lost or to be left.
func (t *tenure) loop(leave context.Context) error {
	leave, anew := context.WithCancel(leave)
	defer anew()
	mending := &trouble{logger: t.lane.logger, what: "looking through what waits in the lane"}
	for {
		err := t.conclude()
		until := time.Now()
		if err == nil && leave.Err() == nil {
			until, err = t.step(mending)
		}
		if errors.Is(err, errAnew) {
			anew()
		} else if err != nil {
			return err
		}
		if leave.Err() != nil {
			t.release()
			if t.queues.running == 0 {
				return nil
			}
		}
		if err := t.wait(leave, until); err != nil {
			return err
		}
	}
}

// step does what it is time for, and returns until when it is for nothing.
func (t *tenure) step(mending *trouble) (until time.Time, err error) {
	if began := time.Now(); !began.Before(t.nextMend) {
		if err := t.persist(mending, t.mend); err != nil {
			return until, err
		}
		t.nextMend = time.Now().Add(mendPart * time.Since(began))
		if t.mended == "0" {
			t.nextMend = began.Add(mendEvery)
		}
	}
	room := t.queues.room(t.c.options.Batch)
	if room > 0 && !time.Now().Before(t.look) {
		if err := t.takeMore(room); err != nil {
			return until, err
		}
		room = t.queues.room(t.c.options.Batch)
	}
	if room > 0 && t.look.Before(t.nextMend) {
		return t.look, nil
	}
	return t.nextMend, nil
}

// takeMore takes what is next and queues it.
func (t *tenure) takeMore(room int) error {
	found, err := t.take(room)
	if errors.Is(err, errAnew) {
		t.lane.trouble.failure(err)
	}
	if err != nil {
		return err
	}
	t.look = t.accept(found, room)
	return nil
}

// lookIn has work look for what waits when the next is due: in so many ms, or never if that
// is negative.
func (t *tenure) lookIn(ms int64) {
	if ms < 0 {
		return
	}
	if at := time.Now().Add(time.Duration(ms) * time.Millisecond); at.Before(t.look) {
		t.look = at
	}
}

// accept queues what was taken and returns when to look again.
func (t *tenure) accept(found laneTaken, room int) time.Time {
	t.c.metrics.claimed(t.lane, found.retries)
	t.barred = found.left
	for _, j := range found.jobs {
		if t.c.held.add(t.ctx, j) {
			t.queues.add(j)
		}
	}
	now := time.Now()
	switch {
	case found.left && found.sleep < 0:
		return now.Add(longestSleep)
	case found.left:
		return now.Add(max(shortestSleep, min(found.sleep, longestSleep)))
	case found.last == "" || found.parked > 0 || len(found.retries.jobs) == room:
		return now // there may be more
	case found.sleep == 0:
		return now.Add(shortestSleep)
	}
	select {
	case t.watched <- found.last:
	default: // it is looking
	}
	if found.sleep < 0 {
		return now.Add(longestSleep)
	}
	return now.Add(min(found.sleep, longestSleep))
}

// wait offers jobs to handlers until something has changed, or it is time.
func (t *tenure) wait(leave context.Context, until time.Time) error {
	next := t.queues.ready()
	var offer chan *job
	var alone alone
	if t.barred {
		alone = t.c.alone
	}
	if next != nil {
		offer = t.c.jobs
	}
	timer := time.NewTimer(time.Until(until))
	defer timer.Stop()
	timeout, leaving, lost := timer.C, leave.Done(), t.ctx.Done()
	if leave.Err() != nil { // what is under way ends
		offer, alone, timeout, leaving = nil, nil, nil, nil
	}
	if t.c.hard.Err() != nil { // handlers have been told to end
		lost = nil
	}
	select {
	case offer <- next:
		t.queues.begin(next)
	case j := <-t.ended:
		t.through = append(t.through, j)
	case <-timeout:
	case alone <- struct{}{}:
		alone.leave()
		t.barred, t.look = false, time.Now()
	case <-t.wake:
		t.look = time.Now()
	case <-leaving:
	case <-lost:
		if cause := context.Cause(t.ctx); errors.Is(cause, ErrLost) {
			return cause
		}
	}
	return nil
}
