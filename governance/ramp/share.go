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

// stepped begins an interval now, with another share.
func (r *Ramp) stepped() { r.step, r.came, r.calls = r.now, 0, calls{} }

// grow goes on until now, or until the next step if that comes first.
func (r *Ramp) grow(now time.Time) bool {
	s := r.settings.Share
	next := r.step.Add(s.Interval)
	if next.After(now) {
		r.now = now
		return false
	}
	r.skipTo(next)
	if r.phase == Follow {
		r.follow()
		return true
	}
	r.stepped()
	r.share = min(1, r.share*s.Factor)
	if r.growing() == Follow {
		r.enter(Follow, false, fmt.Sprintf("at %s the share follows the success rate", percent(r.share)))
	}
	return true
}

// follow has the share follow the success rate, at the end of an interval.
func (r *Ramp) follow() {
	s := r.settings.Share
	rated, longest := r.calls.rated(), 2*s.growth()
	switch {
	case rated.enough() && rated.rate() >= s.Complete-epsilon:
		r.enter(Warm, false, fmt.Sprintf("over: %s of %d calls succeeded", percent(rated.rate()), rated.all))
	case !rated.enough() && r.few():
		r.enter(Warm, true, fmt.Sprintf("over without a look at the success rate: only %d requests came in %s, fewer than %d", r.came, s.Interval, minSamples))
	case r.now.Sub(r.since) >= longest:
		r.enter(Warm, true, fmt.Sprintf("over though only %s of %d calls succeeded: it has followed the success rate for %s", percent(rated.rate()), rated.all, longest))
	case rated.enough():
		r.share = max(s.From, rated.rate())
		r.stepped()
	default: // on with the same share, until there are enough
		r.step, r.came = r.now, 0
	}
}

// few reports whether so few requests came in the interval that it is not for want of
// admissions or answers that there are few samples.
func (r *Ramp) few() bool { return r.came < minSamples }
