package ramp

// gates.go holds what growth waits for: readiness, and rates of enough samples.

import (
	"fmt"
	"time"
)

const (
	// minSamples is how many it takes until a rate says anything.
	minSamples = 20

	// failedPolls and failedFor are how often in a row and for how long a readiness
	// check that has answered must fail until the service counts as cold again.
	failedPolls = 3
	failedFor   = 30 * time.Second

	// halfWindow is half of the time over which the cache-hit rate is measured. At a
	// request a second it holds 30 samples.
	halfWindow = 30 * time.Second
)

// tally counts what was good.
type tally struct{ good, all int }

func (t *tally) add(good bool) {
	t.all++
	if good {
		t.good++
	}
}

func (t tally) enough() bool { return t.all >= minSamples }

// calls counts what became of those that were admitted.
type calls struct {
	tally              // of those that ended and say something
	admitted, answered int
}

// rated is the tally with those as failures that hang, if they are enough to say so.
// Calls that were under way at the beginning, and are answered, make up for those that
// are under way at the end.
func (c calls) rated() tally {
	if hung := c.admitted - c.answered; hung >= minSamples {
		c.all += hung
	}
	return c.tally
}

// rate is 0 if there is nothing to rate.
func (t tally) rate() float64 { return float64(t.good) / float64(max(1, t.all)) }

// window counts over the time between one and two halves.
type window struct {
	began             time.Time // the current half
	current, previous tally
}

func (w *window) add(now time.Time, good bool) {
	w.turn(now)
	w.current.add(good)
}

// at is what the window holds.
func (w *window) at(now time.Time) tally {
	w.turn(now)
	return tally{w.current.good + w.previous.good, w.current.all + w.previous.all}
}

func (w *window) turn(now time.Time) {
	switch age := now.Sub(w.began); {
	case age < halfWindow:
	case age < 2*halfWindow:
		*w = window{began: w.began.Add(halfWindow), previous: w.current}
	default:
		*w = window{began: now}
	}
}

// readiness is what the readiness check told.
type readiness struct {
	open     bool // the last poll was answered
	answered bool // it was, at least once since it last failed for good
	failures int  // in a row
	failing  time.Time
}

// Polled takes the answer of the readiness check. When it has answered once, and
// then fails three times in a row over at least 30 s, the service counts as cold
// again: the warm-up goes back to half of what is in use and waits there until it
// is ready. It must answer again before that can happen again.
func (r *Ramp) Polled(now time.Time, ready bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.settings.Ready {
		return // a last answer to a check that is no longer configured
	}
	r.advance(now)
	c := &r.ready
	c.open = ready
	if ready {
		c.answered, c.failures = true, 0
		return
	}
	if c.failures == 0 {
		c.failing = r.now
	}
	c.failures++
	if c.answered && c.failures >= failedPolls && r.now.Sub(c.failing) >= failedFor {
		c.answered = false
		r.halve()
	}
}

// halve goes back to half of what is in use, but not below the start.
func (r *Ramp) halve() {
	why := fmt.Sprintf("the readiness check has failed %d times in %s", r.ready.failures, r.now.Sub(r.ready.failing))
	switch {
	case r.settings.Share != nil && r.share > 0:
		r.share = max(r.settings.Share.From, r.share/2)
		r.enter(Hold, true, fmt.Sprintf("%s: back to %s", why, percent(r.share)))
	case r.settings.Rate != nil && r.rate > 0:
		r.rate = max(r.settings.Rate.Probe.From, r.rate/2)
		r.enter(Hold, true, fmt.Sprintf("%s: back to %.4g requests a second", why, r.rate))
		r.setRate()
	}
}
