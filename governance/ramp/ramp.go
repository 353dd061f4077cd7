// Package ramp admits few requests to a service that is cold, and more and more
// while it warms up: its caches, its connections, its compiler.
//
// There are two forms. A share of the requests, which grows geometrically and in
// the end follows the success rate: after it began at t = 0,
//
//	share(t) = min(1, From x Factor^floor(t / Interval))
//
// until that is at least Follow, for one more interval, and from then on at each
// interval's end what part of the calls that ended in it succeeded, but at least
// From; a part of at least Complete ends the warm-up. Or a rate of requests a
// second: nothing for Hold, then
//
//	rate(t) = From + (To - From) x t / Over
//
// for Probe and then for Climb, where t is the time that the cache-hit rate let it
// grow. A warm-up that is over is over: nothing is refused, until an operator
// restarts it or the readiness check fails again.
//
// Gates must not close a service for ever. A cache-hit rate of fewer than 20 samples
// is no reason to wait, neither is a success rate when fewer than 20 requests came in
// an interval, and neither is a gate that was closed for twice its phase: all are
// passed with a warning. When enough requests come, a success rate of fewer than 20
// samples is the service's own doing, whose failures made the share small or which
// answers nothing: then the samples of more intervals are put together, and 20 calls
// that are not answered count as failures. Readiness is no rate: one answer opens it, and
// its phase is what it holds up (Share.Interval; Rate.Hold, or Probe.Over without one).
// The phase of the success rate is what the share took to grow.
//
// Time is an argument of every method. The package depends on the standard library
// and on golang.org/x/time/rate, the token bucket behind the second form.
package ramp

import (
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"
)

// Ramp is one warm-up. Its methods can be called concurrently; times that run
// backwards, as those of concurrent callers do, count as the latest one.
type Ramp struct {
	warm atomic.Bool // whether phase is Warm, for the hot path

	mu       sync.Mutex
	settings Settings
	phase    Phase
	since    time.Time // when the phase began
	now      time.Time // until when all is computed
	ready    readiness
	events   []Event
	warned   bool // of too few samples, in this phase

	// The share form: the share in use, what is saved up for the next admission,
	// when the interval began, how many requests came in it, and how the calls did
	// since the share last changed.
	share  float64
	credit float64
	step   time.Time
	came   int
	calls  calls

	// The rate form: the rate in use, how much of the slope is done, for how long
	// the gate was closed in this phase, whether it was passed for that, and what it
	// goes by.
	rate     float64
	progress float64
	closed   time.Duration
	passed   bool
	bucket   *rate.Limiter
	hits     window
}

// New begins a warm-up. The settings must be valid.
func New(s Settings, now time.Time) *Ramp {
	r := &Ramp{settings: s, now: now}
	r.restart("the warm-up begins")
	return r
}

// Warm reports whether everything is admitted. It is one atomic load.
func (r *Ramp) Warm() bool { return r.warm.Load() }

// Admit decides about a request. Admissions of a share are spread evenly, not
// drawn: every 20th request of 5 %.
func (r *Ramp) Admit(now time.Time) bool {
	if r.warm.Load() {
		return true
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.advance(now)
	switch {
	case r.phase == Warm:
		return true
	case r.settings.Share != nil:
		r.came++
		if r.credit += r.share; r.credit < 1-epsilon {
			return false
		}
		r.credit--
		r.calls.admitted++
		return true
	case r.rate == 0:
		return false
	default:
		r.bucket.SetLimitAt(r.now, rate.Limit(r.rate))
		// Requests come in bursts, such as those for one page: up to ten may come at
		// once, or a tenth of a second's worth, but not more than a second's.
		r.bucket.SetBurstAt(r.now, max(1, int(max(min(r.rate, 10), r.rate/10))))
		return r.bucket.AllowN(r.now, 1)
	}
}

// RetryAfter is how long a refused client should wait before it tries again, at
// least a second: until there is any hope, and a part, by jitter from [0, 1), of the
// time until more is admitted, or of ten seconds where that grows all the time.
func (r *Ramp) RetryAfter(now time.Time, jitter float64) time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.advance(now)
	spread, earliest := 10*time.Second, time.Duration(0)
	switch r.phase {
	case Hold:
		earliest = max(0, r.earliest().Sub(r.now))
	case Grow, Follow:
		spread = r.step.Add(r.settings.Share.Interval).Sub(r.now)
	}
	return max(time.Second, earliest+time.Duration(jitter*float64(spread)))
}

// Restart begins again from the start.
func (r *Ramp) Restart(now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.advance(now)
	r.restart("restarted by the operator")
}

// Skip ends the warm-up. why is for people, as in "skipped by the operator".
func (r *Ramp) Skip(now time.Time, why string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.advance(now)
	if r.phase != Warm {
		r.enter(Warm, false, why)
	}
}

// Configure changes the settings, which must be valid, of a warm-up under way. It
// goes on where it stands, unless it is of another form now and begins again. One
// that is over stays over.
func (r *Ramp) Configure(now time.Time, s Settings) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.advance(now)
	before := r.settings
	r.settings = s
	if !s.Ready {
		r.ready = readiness{}
	}
	switch {
	case r.phase == Warm:
		r.fill()
	case (before.Share == nil) != (s.Share == nil):
		r.restart("begins again: the configuration has another form of warm-up now")
	case s.Share != nil:
		if r.share > 0 {
			r.share = max(r.share, s.Share.From)
		}
	case s.Rate.Climb == nil && (r.phase == Climb || r.phase == Settle):
		r.enter(Warm, false, "the configuration has no climb any more")
	default:
		r.setRate()
	}
}

// Advance computes the state until now and returns what has happened since it was
// last called. Its caller need not hurry: every other method advances, too.
func (r *Ramp) Advance(now time.Time) []Event {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.advance(now)
	events := r.events
	r.events = nil
	return events
}

// advance computes the state until now. It is called with mu held.
func (r *Ramp) advance(now time.Time) {
	if now.Before(r.now) {
		now = r.now
	}
	for changed := true; changed && r.phase != Warm; {
		switch r.phase {
		case Hold:
			changed = r.hold(now)
		case Grow, Follow:
			changed = r.grow(now)
		default:
			changed = r.climb(now)
		}
	}
	r.now = now
}

// hold waits for the time to begin and for readiness, which does not change before
// now: its changes advance first. Like grow and climb, it sets now to what comes
// first, the end of what it waits for or now, and reports whether it was the end.
func (r *Ramp) hold(now time.Time) bool {
	ends, passed := r.earliest(), false
	if r.settings.Ready && !r.ready.open {
		ends, passed = r.since.Add(2*r.settings.holdPhase()), true
	}
	if ends.After(now) {
		r.now = now
		return false
	}
	r.skipTo(ends)
	text := "nothing to wait for any more"
	switch {
	case passed:
		text = fmt.Sprintf("the readiness check has not answered for %s, twice its phase: going on without it", 2*r.settings.holdPhase())
	case r.settings.Ready:
		text = "the readiness check answers"
	}
	if r.settings.Share != nil {
		r.beginShare(passed, text)
	} else {
		r.beginRate(passed, text)
	}
	return true
}

// skipTo sets now, which does not run backwards: the end of a wait that a new
// configuration has made shorter can be in the past.
func (r *Ramp) skipTo(end time.Time) {
	if end.After(r.now) {
		r.now = end
	}
}

// earliest is when hold can end, readiness apart. Only a cold start takes the time
// to hold.
func (r *Ramp) earliest() time.Time {
	if r.settings.Rate != nil && r.rate == 0 {
		return r.since.Add(r.settings.Rate.Hold)
	}
	return r.since
}

// restart begins from the start, with nothing admitted.
func (r *Ramp) restart(text string) {
	r.share, r.rate, r.hits = 0, 0, window{}
	r.enter(Hold, false, text)
}

// enter begins a phase now.
func (r *Ramp) enter(phase Phase, warning bool, text string) {
	r.phase, r.since = phase, r.now
	r.progress, r.closed, r.warned = 0, 0, false
	if phase == Warm {
		r.fill()
	}
	r.warm.Store(phase == Warm)
	r.tell(warning, text)
}

// fill puts to use all that there is.
func (r *Ramp) fill() {
	r.share, r.rate = 1, 0
	if r.settings.Rate != nil {
		r.rate = r.settings.Rate.top()
	}
}

// tell notes what happened now.
func (r *Ramp) tell(warning bool, text string) {
	r.events = append(r.events, Event{At: r.now, Phase: r.phase, Text: text, Warning: warning})
}
