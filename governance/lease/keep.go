package lease

// keep.go decides what is done when: one goroutine per lease, which makes one request at
// a time beside the read that waits for changes of the key.

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"
)

const (
	requestTimeout = 5 * time.Second
	// createEvery is the least time between two sessions, should Consul forget them as
	// fast as they are made.
	createEvery = time.Second
)

// keeper keeps a lease. Its fields are the run loop's alone. A time that is zero means
// that nothing is to be done.
type keeper struct {
	lease *Lease
	reads sync.WaitGroup

	session  string // empty: to be made
	previous string // what it was before
	ttl      time.Duration
	created  time.Time
	holds    bool // the key is there and the session's, as far as Consul told

	written   Instance // the value at the last write, and as bytes
	value     []byte
	writtenAt time.Time
	stray     bool   // somebody else changed the value
	writes    uint64 // writes of the key so far, failed ones too

	createAt, renewAt, doubtAt, writeAt, readAt, endAt time.Time

	noWriteBefore       time.Time // after a failed one
	renews, puts, looks retry

	read  *read // that waits for an answer; nil: none
	index uint64
	paced time.Time // of reads
}

func newKeeper(l *Lease) *keeper { return &keeper{lease: l, createAt: time.Now()} }

// run keeps the lease until it is released or ctx ends.
func (k *keeper) run(ctx context.Context) {
	l := k.lease
	defer close(l.done)
	defer l.cancel()
	defer k.reads.Wait()
	defer k.stopRead()
	release := l.release
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		if ctx.Err() != nil {
			k.abandon(ctx)
			return
		}
		timer.Reset(time.Until(k.due()))
		select {
		case <-ctx.Done():
		case <-release:
			release = nil
			if ctx.Err() == nil { // who gives the lease up does not want it drained
				k.drain()
			}
		case <-l.changed:
			k.plan()
		case a := <-k.read.answered():
			k.take(ctx, a)
		case <-timer.C:
			if isDue(k.endAt) {
				k.end(ctx)
				return
			}
			k.act(ctx)
		}
	}
}

// due returns when there is something to do next.
func (k *keeper) due() time.Time {
	var first time.Time
	for _, at := range [...]time.Time{k.createAt, k.renewAt, k.doubtAt, k.writeAt, k.readAt, k.endAt} {
		if !at.IsZero() && (first.IsZero() || at.Before(first)) {
			first = at
		}
	}
	if first.IsZero() { // never seen; a look too many costs less than one too few
		return time.Now().Add(time.Second)
	}
	return first
}

func isDue(at time.Time) bool { return !at.IsZero() && !time.Now().Before(at) }

// act does the most urgent of what is due. Renewals come first: they also tell whether
// the session, which all else needs, is still there.
func (k *keeper) act(ctx context.Context) {
	switch {
	case isDue(k.createAt):
		k.create(ctx)
	case isDue(k.renewAt):
		k.renew(ctx)
	case isDue(k.doubtAt):
		k.doubtAt = time.Time{}
		k.lose(NotRenewed)
	case isDue(k.writeAt):
		k.write(ctx)
	case isDue(k.readAt):
		k.startRead(ctx)
	}
}

// planRenewal notes that the session lives, by a request sent at start.
func (k *keeper) planRenewal(start time.Time) {
	k.renewAt = start.Add(spread(k.ttl / 3))
	k.doubtAt = start.Add(k.ttl)
	k.renews = retry{}
	k.lease.succeeded(renewing)
	k.lease.note(func(s *State) { s.Session, s.Renewed = k.session, start })
}

// forget gives up a session that Consul does not know any more.
func (k *keeper) forget() {
	k.lose(SessionGone)
	k.stopRead()
	k.previous, k.session = k.session, ""
	k.renewAt, k.doubtAt, k.readAt = time.Time{}, time.Time{}, time.Time{}
	k.createAt = latest(time.Now(), k.created.Add(createEvery))
	k.lease.note(func(s *State) { s.Session = "" })
}

// lose notes that the key is not ours, or may be no more.
func (k *keeper) lose(reason string) {
	k.writeAt = time.Time{}
	if !k.holds {
		return
	}
	k.holds = false
	k.lease.enter(Lost, func(s *State) { s.Losses[reason]++ }, slog.String("reason", reason))
}

// plan decides whether and when the value is to be written.
func (k *keeper) plan() {
	wanted := k.lease.instance()
	switch {
	case !k.holds: // it is written when the key is acquired
		return
	case !k.stray && k.noWriteBefore.IsZero() && !differs(k.written, wanted): // a failed write may have been one
		k.writeAt = time.Time{}
	case !k.endAt.IsZero() && !k.written.Draining:
		k.writeAt = latest(time.Now(), k.noWriteBefore)
	default:
		k.writeAt = latest(k.writtenAt.Add(k.lease.settings.UpdateEvery), k.noWriteBefore)
	}
}

// drain begins the end.
func (k *keeper) drain() {
	l := k.lease
	k.endAt = time.Now()
	if k.holds {
		k.endAt = k.endAt.Add(max(0, l.settings.Drain))
		if deadline, ok := l.releaseCtx.Deadline(); ok {
			k.endAt = earliest(k.endAt, latest(time.Now(), deadline.Add(-time.Second)))
		}
	}
	l.enter(Draining, func(*State) {})
	k.plan()
}

// end destroys the session, trying for a TTL.
func (k *keeper) end(ctx context.Context) {
	k.stopRead()
	tries, cancel := context.WithTimeout(ctx, k.ttl)
	defer cancel()
	for {
		err := k.destroy(tries)
		if err == nil {
			k.released(nil)
			return
		}
		again := time.NewTimer(k.puts.delay())
		select {
		case <-again.C:
		case <-tries.Done():
			again.Stop()
			if ctx.Err() != nil {
				k.abandon(ctx)
			} else {
				k.released(err)
			}
			return
		}
	}
}

// abandon destroys the session after ctx has ended, if that is possible at once.
func (k *keeper) abandon(ctx context.Context) {
	k.stopRead()
	k.released(k.destroy(context.WithoutCancel(ctx)))
}

func (k *keeper) released(err error) {
	l := k.lease
	l.allWell()
	var attrs []slog.Attr
	if err != nil {
		l.failed(writing, err)
		l.err = fmt.Errorf("lease: releasing %s, which ends by itself within %s: %w", l.key, 2*k.ttl, err)
		attrs = append(attrs, slog.Any("error", l.err))
	}
	k.holds = false
	l.enter(Released, func(s *State) { s.Session = "" }, attrs...)
}

func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

func earliest(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}
