package ramp

// share.go holds the form that admits a share of the requests.

import (
	"fmt"
	"time"
)

// beginShare begins to grow, from the start or from the share in use.
func (r *Ramp) beginShare(warning bool, text string) {
	if r.share == 0 {
		r.share = r.settings.Share.From
		r.credit = 1 - r.share // the first request is admitted
	}
	r.stepped()
	r.enter(r.growing(), warning, text)
}

// growing is the phase that the share in use belongs to.
func (r *Ramp) growing() Phase {
	if r.share < r.settings.Share.Follow-epsilon {
		return Grow
	}
	return Follow
}

// stepped begins an interval now.
func (r *Ramp) stepped() { r.step, r.calls = r.now, tally{} }

// grow goes on until now, or until the next step if that comes first.
func (r *Ramp) grow(now time.Time) bool {
	s := r.settings.Share
	next := r.step.Add(s.Interval)
	if next.After(now) {
		r.now = now
		return false
	}
	r.skipTo(next)
	calls := r.calls
	r.stepped()
	if r.phase == Follow {
		r.follow(calls)
		return true
	}
	r.share = min(1, r.share*s.Factor)
	if r.growing() == Follow {
		r.enter(Follow, false, fmt.Sprintf("at %s the share follows the success rate", percent(r.share)))
	}
	return true
}

// follow has the share follow the success rate of the interval that is over.
func (r *Ramp) follow(calls tally) {
	s := r.settings.Share
	longest := 2 * s.growth()
	switch {
	case !calls.enough():
		r.enter(Warm, true, fmt.Sprintf("over without a look at the success rate: only %d calls ended in %s, fewer than %d", calls.all, s.Interval, minSamples))
	case calls.rate() >= s.Complete-epsilon:
		r.enter(Warm, false, fmt.Sprintf("over: %s of %d calls succeeded", percent(calls.rate()), calls.all))
	case r.now.Sub(r.since) >= longest:
		r.enter(Warm, true, fmt.Sprintf("over though only %s of %d calls succeeded: it has followed the success rate for %s", percent(calls.rate()), calls.all, longest))
	default:
		r.share = max(s.From, calls.rate())
	}
}
