package consul

// registration_live.go is the live state of a registration: the lease, which outlives
// configurations, and the goroutine that has it follow settings and health.

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/weirproxy/weir/governance/lease"
)

const (
	// lookEvery is the time between two looks at the health of the process.
	lookEvery = time.Second
	// endTimeout bounds the end of a lease, beside its drain time.
	endTimeout = 5 * time.Second
)

// liveRegistration is one registration. The settings of its leader apply.
type liveRegistration struct {
	since time.Time
	wake  chan struct{} // tells keep to look at once
	log   logTarget

	mu      sync.Mutex
	holders int
	leader  *registrar // nil before the first, and when all have left
	keeping bool       // keep is at work
	closed  bool       // the process exits: nothing begins any more
	current *held      // nil before the first, and when it has ended
	leases  []*held    // all that have not ended; one, or two while the second takes over
	earlier counts     // of those that have ended
	health  string     // why weight or draining are not as configured; empty: they are
}

// held is a lease and what it was begun with.
type held struct {
	*lease.Lease
	id     string
	terms  terms
	told   lease.Instance // what was advertised last, but for id and started_at; keep's alone
	cancel context.CancelFunc
	ended  chan struct{}
}

// follow makes r the leader, unless it has left.
func (l *liveRegistration) follow(r *registrar) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if r.left || l.closed {
		return
	}
	l.leader = r
	l.log.set(r.slog)
	if !l.keeping {
		l.keeping = true
		go l.keep()
	}
	l.look()
}

// look makes keep look at once.
func (l *liveRegistration) look() {
	select {
	case l.wake <- struct{}{}:
	default: // it has yet to
	}
}

// leave takes r away. With the last one the registration is released in the background.
func (l *liveRegistration) leave(r *registrar) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if r.left {
		return
	}
	r.left = true
	l.holders--
	if l.holders > 0 {
		return // it leads until the next one does
	}
	l.leader, l.current = nil, nil
	l.look()
	go l.release()
}

// close releases the registration for good and waits for that.
func (l *liveRegistration) close() {
	l.mu.Lock()
	l.closed = true
	l.look()
	l.mu.Unlock()
	l.release()
}

// release releases all leases and waits until they have ended, for as long as they drain
// and endTimeout at most. What cannot be removed by then expires. One that is not
// registered does not drain, so that while Consul is away nobody waits for that.
func (l *liveRegistration) release() {
	l.mu.Lock()
	leases := slices.Clone(l.leases)
	l.mu.Unlock()
	var all sync.WaitGroup
	for _, h := range leases {
		timeout := endTimeout
		if phase := h.State().Phase; phase == lease.Registered || phase == lease.Draining {
			timeout += h.terms.drain
		}
		all.Go(func() { l.end(h, timeout) })
	}
	all.Wait()
}

// end releases a lease and adds up what it counted.
func (l *liveRegistration) end(h *held, timeout time.Duration) {
	ctx, stop := context.WithTimeout(context.Background(), timeout)
	defer stop()
	_ = h.Release(ctx) // the lease has logged what went wrong
	h.cancel()
	l.mu.Lock()
	defer l.mu.Unlock()
	i := slices.Index(l.leases, h)
	if i < 0 {
		return // somebody else has ended it too
	}
	l.leases = slices.Delete(l.leases, i, i+1)
	l.earlier.add(h.State())
	if l.current == h && !l.closed {
		l.current = nil
	}
	close(h.ended)
}

// keep has the lease follow the leader and the health of the process, until nobody leads.
func (l *liveRegistration) keep() {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		r, h := l.leading()
		switch {
		case r == nil:
			return
		case h == nil || h.terms != r.terms:
			l.begin(r, h)
		default:
			l.advertise(r, h)
		}
		select {
		case <-l.wake:
		case <-tick.C:
		}
	}
}

// leading returns the leader and the lease. Without a leader keep is over.
func (l *liveRegistration) leading() (*registrar, *held) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.leader == nil || l.closed {
		l.keeping = false
		return nil, nil
	}
	return l.leader, l.current
}

// begin makes a lease with the settings of r. That of before goes on until the new one is
// registered, so that the process never is without: both have one address.
func (l *liveRegistration) begin(r *registrar, before *held) {
	next := lease.Instance{ID: r.terms.id}
	if before != nil {
		next.StartedAt = before.State().Instance.StartedAt // the process is the same
		if before.id == next.ID {
			// both cannot hold one key
			before.cancel()
			l.end(before, endTimeout)
			before = nil
		}
	}
	wanted, why := r.wanted()
	if next.ID == "" {
		next.ID = newID(wanted)
	}
	settings := r.Registration.settings()
	settings.Logger = slog.New(l.log.handler())

	l.mu.Lock()
	defer l.mu.Unlock()
	if l.leader != r || l.closed {
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	held := &held{id: next.ID, terms: r.terms, told: wanted, cancel: cancel, ended: make(chan struct{})}
	var err error
	held.Lease, err = lease.Hold(ctx, r.client, settings, as(wanted, next))
	if err != nil { // provisioning has checked all of it
		cancel()
		r.slog.Error("the registration cannot begin", slog.String("registration", r.name()), slog.Any("error", err))
		return
	}
	l.leases, l.current = append(l.leases, held), held
	l.note(r, wanted, why)
	if before != nil {
		go l.replace(before, held)
	}
}

// as returns what is wanted as the instance that i is.
func as(wanted, i lease.Instance) lease.Instance {
	wanted.ID, wanted.StartedAt = i.ID, i.StartedAt
	return wanted
}

// replace ends the lease of before when the next one is registered, without draining. It
// does not wait for that for ever: it may be for a Consul that is not there.
func (l *liveRegistration) replace(before, next *held) {
	late := time.NewTimer(2 * next.terms.ttl)
	defer late.Stop()
	select {
	case <-next.Registered():
	case <-late.C:
	case <-before.ended:
		return
	case <-next.ended:
		// as a third takes over, or because all are released: then this one drains
		l.mu.Lock()
		over := l.closed || l.leader == nil
		l.mu.Unlock()
		if over {
			return
		}
	}
	before.cancel()
	l.end(before, endTimeout)
}

// advertise tells what has changed since the last time.
func (l *liveRegistration) advertise(r *registrar, h *held) {
	wanted, why := r.wanted()
	if wanted == h.told {
		return
	}
	h.told = wanted
	if err := h.Update(func(i *lease.Instance) { *i = as(wanted, *i) }); err != nil { // as above
		r.slog.Error("the registration cannot change", slog.String("registration", r.name()), slog.Any("error", err))
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.note(r, wanted, why)
}

// note logs a change of what the health of the process does to the registration. It is
// called with the lock held.
func (l *liveRegistration) note(r *registrar, wanted lease.Instance, why string) {
	if why == l.health {
		return
	}
	l.health = why
	if why == "" {
		why = "all is well again"
	}
	r.slog.Info("the health of the process changes what is registered", slog.String("registration", r.name()),
		slog.String("reason", why), slog.Float64("weight", wanted.Weight), slog.Bool("draining", wanted.Draining))
}
