package rollout

// settings.go holds what can be set, and what of it makes no sense.

import (
	"fmt"
	"math"
	"slices"
	"time"
)

// Settings say how a rollout goes.
type Settings struct {
	// Steps are the shares to go through, each above 0, at most 1 and above the one
	// before. The next step is the first one above the present share. Without steps
	// nothing is promoted, and the canary is only watched.
	Steps []float64
	// Interval is how long a step lasts at least, above 0 and at most 24 h. A canary
	// that fails is taken back sooner: a fifth of it is the time between two looks.
	Interval time.Duration
	// MinRequests is how many answered requests of each stage a step needs before a
	// promotion, and before its latency can fail it: the first requests of a process are
	// slow. It is at least 1.
	MinRequests int
	// MaxErrorIncrease is by how much the canary's error rate may be above stable's, from
	// 0 to below 1: 0.01 lets 3 % pass where stable has 2 %.
	MaxErrorIncrease float64
	// MaxLatencyRatio is how many times as long as stable's the canary's Quantile of
	// latencies may be, at least 1.
	MaxLatencyRatio float64
	// Quantile is from 0.5 to 0.999.
	Quantile float64
	// Alpha is the probability that a look takes back, for errors or for latency, a
	// canary that is just as bad as may be. It is above 0 and at most 0.05.
	Alpha float64
	// MinErrors is how many errors of the canary in a step it takes to take it back for
	// them, at least 1.
	MinErrors int
	// OnFail is what happens to a canary that fails: Rollback, which the empty string
	// means, too, or Pause.
	OnFail Action
}

// DefaultSettings has no steps; the interval is 15 s. A step needs 200 requests of each
// stage. Errors may increase by 1 point and the 95th percentile of the latency to
// 1.5 times stable's, at a level of 0.001 and with at least 5 errors; a canary that
// fails is rolled back.
func DefaultSettings() Settings {
	return Settings{
		Interval:         15 * time.Second,
		MinRequests:      200,
		MaxErrorIncrease: 0.01,
		MaxLatencyRatio:  1.5,
		Quantile:         0.95,
		Alpha:            0.001,
		MinErrors:        5,
		OnFail:           Rollback,
	}
}

const (
	maxInterval = 24 * time.Hour
	maxRequests = 1_000_000_000
)

// Validate tells what is wrong with the settings. Its errors begin with the name of the
// setting, as in "min_requests".
func (s Settings) Validate() error {
	before := 0.0
	for _, step := range s.Steps {
		if !(step > 0 && step <= 1) {
			return fmt.Errorf("steps: %s is not above 0%% and at most 100%%", percent(step))
		}
		if step <= before {
			return fmt.Errorf("steps: %s after %s is no growth; put them in ascending order", percent(step), percent(before))
		}
		before = step
	}
	switch {
	case s.Interval <= 0 || s.Interval > maxInterval:
		return fmt.Errorf("interval: %s is not above 0 and at most %s", s.Interval, maxInterval)
	case s.MinRequests < 1 || s.MinRequests > maxRequests:
		return fmt.Errorf("min_requests: %d is not from 1 to %d", s.MinRequests, maxRequests)
	case !(s.MaxErrorIncrease >= 0 && s.MaxErrorIncrease < 1):
		return fmt.Errorf("max_error_increase: %s is not from 0%% to below 100%%", percent(s.MaxErrorIncrease))
	case !(s.MaxLatencyRatio >= 1) || math.IsInf(s.MaxLatencyRatio, 1):
		return fmt.Errorf("max_latency_ratio: %v is not at least 1: as slow as stable is 1", s.MaxLatencyRatio)
	case !(s.Quantile >= 0.5 && s.Quantile <= 0.999):
		return fmt.Errorf("quantile: %v is not from 0.5 to 0.999", s.Quantile)
	case !(s.Alpha > 0 && s.Alpha <= 0.05):
		return fmt.Errorf("alpha: %v is not above 0 and at most 0.05", s.Alpha)
	case s.MinErrors < 1:
		return fmt.Errorf("min_errors: %d is not at least 1", s.MinErrors)
	case s.OnFail != "" && s.OnFail != Rollback && s.OnFail != Pause:
		return fmt.Errorf("on_fail: %q is neither %s nor %s", s.OnFail, Rollback, Pause)
	}
	return nil
}

// next is the step after a share.
func (s Settings) next(share float64) (float64, bool) {
	i := slices.IndexFunc(s.Steps, func(step float64) bool { return step > share+epsilon })
	if i < 0 {
		return 0, false
	}
	return s.Steps[i], true
}

// lookEvery is the time between two looks.
func (s Settings) lookEvery() time.Duration { return max(s.Interval/5, 1) }

// epsilon absorbs the rounding of shares that ought to be equal.
const epsilon = 1e-9

func percent(share float64) string { return fmt.Sprintf("%.4g%%", 100*share) }
