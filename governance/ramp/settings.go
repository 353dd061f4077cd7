package ramp

// settings.go holds what can be set, and what of it makes no sense.

import (
	"errors"
	"fmt"
	"math"
	"time"
)

// Settings say how a warm-up goes. Exactly one of Share and Rate is set.
type Settings struct {
	// Share grows a share of the requests.
	Share *Share
	// Rate grows a number of requests a second.
	Rate *Rate
	// Ready means that a readiness check reports through Polled, and that nothing
	// grows until it has answered.
	Ready bool
}

// Share is the form that admits a share of the requests.
type Share struct {
	// From is the share to begin with, above 0 and at most Follow.
	From float64
	// Follow is the share from which on it follows the success rate, at most 1.
	Follow float64
	// Factor multiplies the share at each step, above 1.
	Factor float64
	// Interval is the time between two steps, above 0 and at most 24 h.
	Interval time.Duration
	// Complete is the success rate that ends the warm-up, above 0 and at most 1.
	Complete float64
}

// Rate is the form that admits a number of requests a second.
type Rate struct {
	// Hold is how long nothing is admitted at first; 0 is not at all.
	Hold time.Duration
	// Probe is the first slope.
	Probe Slope
	// Climb is the second one; nil ends the warm-up with Probe.
	Climb *Slope
	// CacheHit makes Climb depend on the cache-hit rate, if it is set.
	CacheHit *CacheHit
}

// Slope is a rate that grows linearly.
type Slope struct {
	// Over is how long it takes, above 0.
	Over time.Duration
	// From and To are requests a second, above 0; To is at least From.
	From, To float64
}

// CacheHit are cache-hit rates, above 0 and at most 1.
type CacheHit struct {
	// Grow is the rate above which the climb goes on. It is at most Steady.
	Grow float64
	// Steady is the rate from which on the warm-up is over after the climb.
	Steady float64
}

// DefaultShare is 5 % x 1.5 every 30 s, which follows the success rate from 80 %
// on until that is 95 %.
func DefaultShare() Share {
	return Share{From: 0.05, Follow: 0.8, Factor: 1.5, Interval: 30 * time.Second, Complete: 0.95}
}

// Validate tells what is wrong with the settings.
func (s Settings) Validate() error {
	switch {
	case s.Share != nil && s.Rate != nil:
		return errors.New("a warm-up grows either a share (ramp) or a rate (probe), not both")
	case s.Share != nil:
		return s.Share.Validate()
	case s.Rate != nil:
		return s.Rate.Validate()
	default:
		return errors.New("nothing grows: either a share (ramp) or a rate (probe) is needed")
	}
}

// Validate tells what is wrong with the form.
func (s *Share) Validate() error {
	switch {
	case !isShare(s.From):
		return fmt.Errorf("ramp: it begins at %s, which is not above 0%% and at most 100%%", percent(s.From))
	case !isShare(s.Follow):
		return fmt.Errorf("ramp: %s to follow the success rate from is not above 0%% and at most 100%%", percent(s.Follow))
	case s.From > s.Follow:
		return fmt.Errorf("ramp: it begins at %s, above the %s from which on it follows the success rate; swap them", percent(s.From), percent(s.Follow))
	case !(s.Factor > 1) || math.IsInf(s.Factor, 1):
		return fmt.Errorf("ramp: factor %v does not make the share grow: it must be above 1", s.Factor)
	case s.Interval <= 0:
		return fmt.Errorf("ramp: interval %s is not above 0", s.Interval)
	case s.Interval > mostInterval:
		return fmt.Errorf("ramp: interval %s is more than %s", s.Interval, mostInterval)
	case !isShare(s.Complete):
		return fmt.Errorf("ramp: complete %s is not above 0%% and at most 100%%", percent(s.Complete))
	case s.steps() > mostSteps:
		return fmt.Errorf("ramp: from %s to %s by the factor %v takes more than %d steps; make the factor larger",
			percent(s.From), percent(s.Follow), s.Factor, mostSteps)
	}
	return nil
}

// Validate tells what is wrong with the form.
func (r *Rate) Validate() error {
	if r.Hold < 0 {
		return fmt.Errorf("hold: %s is negative", r.Hold)
	}
	if err := r.Probe.Validate("probe"); err != nil {
		return err
	}
	if r.Climb == nil {
		if r.CacheHit != nil {
			return errors.New("cache_hit works on climb, and there is none; add climb or remove cache_hit")
		}
		return nil
	}
	if err := r.Climb.Validate("climb"); err != nil {
		return err
	}
	if r.Climb.From < r.Probe.To {
		return fmt.Errorf("climb begins at %v requests a second, below the %v that probe ends with", r.Climb.From, r.Probe.To)
	}
	if r.CacheHit != nil {
		return r.CacheHit.Validate()
	}
	return nil
}

// Validate tells what is wrong with the slope of that name.
func (s Slope) Validate(name string) error {
	switch {
	case s.Over <= 0:
		return fmt.Errorf("%s: %s is not above 0", name, s.Over)
	case !(s.From > 0) || !(s.To > 0) || s.From > mostRate || s.To > mostRate:
		return fmt.Errorf("%s: from %v to %v requests a second: both must be above 0 and at most %v", name, s.From, s.To, mostRate)
	case s.From > s.To:
		return fmt.Errorf("%s: from %v to %v requests a second is no growth; swap them", name, s.From, s.To)
	}
	return nil
}

// Validate tells what is wrong with the rates.
func (c *CacheHit) Validate() error {
	switch {
	case !isShare(c.Grow) || !isShare(c.Steady):
		return fmt.Errorf("cache_hit: %s and %s must both be above 0%% and at most 100%%", percent(c.Grow), percent(c.Steady))
	case c.Grow > c.Steady:
		return fmt.Errorf("cache_hit: the rate to grow above, %s, is higher than the one to be steady from, %s; swap them", percent(c.Grow), percent(c.Steady))
	}
	return nil
}

const (
	// mostSteps bounds the work that a long pause can leave to do at once.
	mostSteps = 10_000
	mostRate  = 1e9

	// mostInterval keeps twice the time of all steps a time.Duration.
	mostInterval = 24 * time.Hour
)

// steps is the number of steps until the share reaches Follow.
func (s *Share) steps() float64 {
	return math.Ceil(math.Log(s.Follow/s.From)/math.Log(s.Factor) - epsilon)
}

// growth is how long the share takes to reach Follow, at least one interval.
func (s *Share) growth() time.Duration {
	return time.Duration(max(1, s.steps())) * s.Interval
}

// top is the highest rate.
func (r *Rate) top() float64 {
	if r.Climb != nil {
		return r.Climb.To
	}
	return r.Probe.To
}

// holdPhase is the phase that readiness is measured by: it holds up for at most
// twice as long.
func (s Settings) holdPhase() time.Duration {
	switch {
	case s.Share != nil:
		return s.Share.Interval
	case s.Rate.Hold > 0:
		return s.Rate.Hold
	default:
		return s.Rate.Probe.Over
	}
}

// epsilon absorbs the rounding of shares that ought to be equal.
const epsilon = 1e-9

func isShare(v float64) bool { return v > 0 && v <= 1 }

func percent(share float64) string { return fmt.Sprintf("%.4g%%", 100*share) }
