package circuit

// settings.go holds what a breaker can be told, and what makes no sense.

import (
	"errors"
	"fmt"
	"time"
)

const (
	// buckets is the number of parts that the window rolls on by.
	buckets = 10
	// mostCalls, mostProbes and longest are beyond what makes sense, and within what can be
	// counted: the engine does so in 32 bits, all probes are looked at with each, and
	// open times double.
	mostCalls  = 1_000_000_000
	mostProbes = 1000
	longest    = 365 * 24 * time.Hour
)

// Settings are what a breaker can be told; begin with DefaultSettings. Two are equal
// if they compare as equal.
type Settings struct {
	// Window is the rolling time over which calls are counted, in ten buckets. Default: 10s.
	Window time.Duration
	// MinCalls is the number of calls in the window from which on the ratios count. Default: 20.
	MinCalls int
	// FailureRatio opens the breaker from this share of failures on, in (0,1]; 0 means never.
	// Default: 0.5.
	FailureRatio float64
	// Consecutive opens the breaker after this number of failures in a row, however long they
	// took; 0 means never. Slow calls are no failures, but the same number of these in a row
	// opens it too: calls that passed SlowCall while none was answered or ended in
	// time. So a stall is found with fewer calls than MinCalls. Default: 5.
	Consecutive int
	// SlowCall is from when on a call is slow, whether it has ended or not; 0 means never.
	// That is found out in steps of an eighth of it, and of 1ms at least: a call that ends
	// within a step after the mark may not be noticed. Default: 0.
	SlowCall time.Duration
	// SlowRatio opens the breaker from this share of slow calls on, in (0,1]: of those that
	// ended in time or became slow within the window, or within the last SlowCall, whichever
	// shows it first. So a stall opens it within twice SlowCall if MinCalls come in in
	// SlowCall. Required with SlowCall.
	SlowRatio float64
	// OpenFor is how long the breaker is open first; it doubles each time it opens again before
	// it has recovered and stayed closed for the last open time, up to OpenForMax. Jitter adds
	// up to a tenth, but nothing to OpenForMax. Defaults: 5s, 5m.
	OpenFor, OpenForMax time.Duration
	// Probes is how many probes run at a time while half-open, and how many
	// must succeed in a row to close it. Default: 3.
	Probes int
	// ProbeTimeout is when a probe that has neither ended nor been answered is a failure. Default: 10s.
	ProbeTimeout time.Duration
	// RecoverOver is how long traffic takes to grow from a tenth to all after closing; 0 means
	// it is all there at once. Default: 10s.
	RecoverOver time.Duration
	// MaxConcurrent is how many calls run at a time; 0 means any number. Probes are let in
	// nevertheless: who hangs must not keep them out. Default: 0.
	MaxConcurrent int
	// DryRun has Enter report what it would refuse and refuse nothing.
	DryRun bool
}

// DefaultSettings returns the settings that are safe for one call a second.
func DefaultSettings() Settings {
	return Settings{
		Window: 10 * time.Second, MinCalls: 20, FailureRatio: 0.5, Consecutive: 5,
		OpenFor: 5 * time.Second, OpenForMax: 5 * time.Minute,
		Probes: 3, ProbeTimeout: 10 * time.Second, RecoverOver: 10 * time.Second,
	}
}

// Validate returns an error that names the first setting that makes no sense, in the
// words of the Caddyfile (window, min_calls, failure_ratio, ...).
func (s Settings) Validate() error {
	switch {
	case s.Window < buckets*time.Millisecond:
		return fmt.Errorf("window: %s is too short for ten buckets of 1ms; give 10ms at least", s.Window)
	case s.Window > 24*time.Hour:
		return fmt.Errorf("window: %s is longer than a day", s.Window)
	case s.MinCalls < 1:
		return fmt.Errorf("min_calls: %d is not a number of calls; give 1 at least", s.MinCalls)
	case !(s.FailureRatio >= 0 && s.FailureRatio <= 1):
		return fmt.Errorf("failure_ratio: %s is not between 0%% and 100%%", percent(s.FailureRatio))
	case s.Consecutive < 0:
		return fmt.Errorf("consecutive: %d is negative; give 0 to turn it off", s.Consecutive)
	case s.MaxConcurrent < 0:
		return fmt.Errorf("max_concurrent: %d is negative; give 0 to turn it off", s.MaxConcurrent)
	case s.FailureRatio == 0 && s.Consecutive == 0 && s.SlowCall == 0 && s.MaxConcurrent == 0:
		return errors.New("nothing can open the breaker: set failure_ratio, consecutive or slow_call")
	}
	if err := s.validateSlow(); err != nil {
		return err
	}
	if err := s.validateOpen(); err != nil {
		return err
	}
	return s.validateMost()
}

func (s Settings) validateSlow() error {
	switch {
	case s.SlowCall < 0 || s.SlowCall > 0 && s.SlowCall < time.Millisecond:
		return fmt.Errorf("slow_call: %s is below 1ms; leave it out to turn it off", s.SlowCall)
	case s.SlowCall == 0 && s.SlowRatio != 0:
		return fmt.Errorf("slow_call: the ratio %s says nothing without the time from which on a call is slow", percent(s.SlowRatio))
	case s.SlowCall > 0 && !(s.SlowRatio > 0 && s.SlowRatio <= 1):
		return fmt.Errorf("slow_call: the ratio %s is not above 0%% and at most 100%%", percent(s.SlowRatio))
	}
	return nil
}

func (s Settings) validateOpen() error {
	switch {
	case s.OpenFor < time.Millisecond:
		return fmt.Errorf("open_for: %s is below 1ms", s.OpenFor)
	case s.OpenFor > longest:
		return fmt.Errorf("open_for: %s is longer than a year", s.OpenFor)
	case s.OpenForMax < s.OpenFor:
		return fmt.Errorf("open_for: the cap %s is below the first open time %s", s.OpenForMax, s.OpenFor)
	case s.Probes < 1:
		return fmt.Errorf("probes: with %d the breaker never closes again; give 1 at least", s.Probes)
	case s.ProbeTimeout < time.Millisecond:
		return fmt.Errorf("probe_timeout: %s is below 1ms", s.ProbeTimeout)
	case s.RecoverOver < 0:
		return fmt.Errorf("recover_over: %s is negative; give 0 to turn it off", s.RecoverOver)
	}
	return nil
}

func (s Settings) validateMost() error {
	for _, n := range []struct {
		name        string
		value, most int
	}{
		{"min_calls", s.MinCalls, mostCalls},
		{"consecutive", s.Consecutive, mostCalls},
		{"max_concurrent", s.MaxConcurrent, mostCalls},
		{"probes", s.Probes, mostProbes},
	} {
		if n.value > n.most {
			return fmt.Errorf("%s: %d is too many; give %d at most", n.name, n.value, n.most)
		}
	}
	return nil
}

func percent(ratio float64) string { return fmt.Sprintf("%g%%", ratio*100) }
