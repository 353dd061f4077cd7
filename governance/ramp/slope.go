package ramp

// slope.go holds the form that admits a number of requests a second.

import (
	"fmt"
	"time"

	"golang.org/x/time/rate"
)

// beginRate begins to grow, from the start or from the rate in use.
func (r *Ramp) beginRate(warning bool, text string) {
	s := r.settings.Rate
	phase, slope := Probe, s.Probe
	if s.Climb != nil && r.rate > s.Probe.To {
		phase, slope = Climb, *s.Climb
	}
	at := r.rate
	r.passed = false
	r.enter(phase, warning, text)
	if slope.To > slope.From {
		r.progress = min(1, max(0, (at-slope.From)/(slope.To-slope.From)))
	}
	if at == 0 {
		r.bucket = nil // a cold start saves nothing up
	}
	r.setRate()
}

// setRate computes the rate in use from where the phase stands.
func (r *Ramp) setRate() {
	s := r.settings.Rate
	switch r.phase {
	case Probe:
		r.rate = s.Probe.at(r.progress)
	case Climb:
		r.rate = s.Climb.at(r.progress)
	case Settle:
		r.rate = s.top()
	}
	if r.bucket == nil && r.rate > 0 {
		r.bucket = rate.NewLimiter(rate.Limit(r.rate), 1)
	}
}

// at is the rate when a part of the slope is done.
func (s Slope) at(progress float64) float64 { return s.From + (s.To-s.From)*progress }

// climb goes on until now, or until the next change if that comes first.
func (r *Ramp) climb(now time.Time) bool {
	if r.phase != Probe && !r.passed && r.shut(now) {
		return r.wait(now)
	}
	if r.phase == Settle {
		r.enter(Warm, false, "over")
		return true
	}
	slope := r.settings.Rate.Probe
	if r.phase == Climb {
		slope = *r.settings.Rate.Climb
	}
	left := time.Duration((1 - r.progress) * float64(slope.Over))
	if passes := now.Sub(r.now); passes < left {
		r.progress += float64(passes) / float64(slope.Over)
		r.now = now
		r.setRate()
		return false
	}
	r.now = r.now.Add(left)
	r.endSlope()
	r.setRate()
	return true
}

// endSlope begins what comes after a slope.
func (r *Ramp) endSlope() {
	s := r.settings.Rate
	switch {
	case r.phase == Probe && s.Climb != nil:
		r.enter(Climb, false, "the probe is over")
	case r.phase == Climb && s.CacheHit != nil && !r.passed:
		r.enter(Settle, false, fmt.Sprintf("steady as soon as the cache-hit rate is %s", percent(s.CacheHit.Steady)))
	default:
		r.enter(Warm, false, "over: the highest rate is reached")
	}
}

// shut reports whether the cache-hit rate keeps the phase from going on.
func (r *Ramp) shut(now time.Time) bool {
	gate := r.settings.Rate.CacheHit
	if gate == nil {
		return false
	}
	seen := r.hits.at(now)
	switch {
	case !seen.enough():
		if !r.warned {
			r.warned = true
			r.tell(true, fmt.Sprintf("going on without a look at the cache-hit rate: only %d answers tell of a cache, fewer than %d", seen.all, minSamples))
		}
		return false
	case r.phase == Climb:
		return !(seen.rate() > gate.Grow)
	default:
		return seen.rate() < gate.Steady-epsilon
	}
}

// wait passes the time until now at a closed gate, or until it was closed for twice
// its phase.
func (r *Ramp) wait(now time.Time) bool {
	longest := 2 * r.settings.Rate.Climb.Over
	passes := now.Sub(r.now)
	if r.closed+passes < longest {
		r.closed += passes
		r.now = now
		return false
	}
	r.now = r.now.Add(max(0, longest-r.closed))
	r.passed = true
	r.tell(true, fmt.Sprintf("the cache-hit rate was too low for %s, twice the climb: going on without it", longest))
	return true
}
