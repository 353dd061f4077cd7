package circuit

// snapshot.go holds what a breaker shows of itself.

import (
	"sync/atomic"
	"time"
)

// Calls count by outcome since the history exists. Slow ones have an outcome too, once
// they have ended.
type Calls struct {
	Success uint64 `json:"success"`
	Failure uint64 `json:"failure"`
	Neutral uint64 `json:"neutral"`
	Slow    uint64 `json:"slow"`
}

func (c *Calls) count(o Outcome) {
	switch o {
	case Success:
		c.Success++
	case Failure:
		c.Failure++
	default:
		c.Neutral++
	}
}

// WindowCounts are the calls of the rolling window.
type WindowCounts struct {
	// Calls ended in it, Failures of them failed.
	Calls    int `json:"calls"`
	Failures int `json:"failures"`
	// Slow passed the slow mark in it; Decided are these and those that ended before.
	Slow    int `json:"slow"`
	Decided int `json:"decided"`
}

// FailureRatio is the share of failures; 0 if there are no calls.
func (w WindowCounts) FailureRatio() float64 { return ratio(w.Failures, w.Calls) }

// SlowRatio is the share of slow calls; 0 if there are no calls.
func (w WindowCounts) SlowRatio() float64 { return ratio(w.Slow, w.Decided) }

func ratio(part, of int) float64 {
	if of == 0 {
		return 0
	}
	return float64(part) / float64(of)
}

// Snapshot is a breaker for people and programs.
type Snapshot struct {
	// State is closed, half_open or open, with what an operator decided; Forced is that:
	// open, closed, disabled.
	State  string `json:"state"`
	Forced string `json:"forced,omitempty"`
	// ForcedUntil is when that ends by itself.
	ForcedUntil *time.Time `json:"forced_until,omitempty"`
	// Since is since when the breaker by itself is in its state, Why the reason of the
	// last change of State that was told.
	Since time.Time `json:"since"`
	Why   string    `json:"why,omitempty"`
	// OpenUntil is when an open breaker lets probes in, and OpenFor how many seconds that is from now.
	OpenUntil *time.Time `json:"open_until,omitempty"`
	OpenFor   float64    `json:"open_for_seconds,omitempty"`
	// Opened counts since the history exists, OpenedInARow without having recovered.
	Opened       uint64 `json:"opened"`
	OpenedInARow int    `json:"opened_in_a_row"`
	// Share is the part of its traffic that the breaker lets in.
	Share  float64      `json:"share"`
	Window WindowCounts `json:"window"`
	// FailureRatio and SlowRatio are those of the window.
	FailureRatio float64 `json:"failure_ratio"`
	SlowRatio    float64 `json:"slow_ratio"`
	// ConsecutiveFailures is how many there were since the last success.
	ConsecutiveFailures int `json:"consecutive_failures"`
	// ConsecutiveSlow is how many calls became slow since one was answered or ended in time.
	ConsecutiveSlow int   `json:"consecutive_slow"`
	InFlight        int64 `json:"in_flight"`
	Probing         int   `json:"probing"`
	Calls           Calls `json:"calls"`
	// Refused and WouldRefuse, in a dry run, have every reason.
	Refused     map[Reason]uint64 `json:"refused"`
	WouldRefuse map[Reason]uint64 `json:"would_refuse"`
	// Settings are those that hold, and Thresholds whether they are an operator's.
	Settings   SettingsSnapshot `json:"settings"`
	Thresholds bool             `json:"operator_thresholds,omitempty"`
}

// SettingsSnapshot is Settings in base units.
type SettingsSnapshot struct {
	Window        float64 `json:"window_seconds"`
	MinCalls      int     `json:"min_calls"`
	FailureRatio  float64 `json:"failure_ratio"`
	Consecutive   int     `json:"consecutive"`
	SlowCall      float64 `json:"slow_call_seconds"`
	SlowRatio     float64 `json:"slow_ratio"`
	OpenFor       float64 `json:"open_for_seconds"`
	OpenForMax    float64 `json:"open_for_max_seconds"`
	Probes        int     `json:"probes"`
	ProbeTimeout  float64 `json:"probe_timeout_seconds"`
	RecoverOver   float64 `json:"recover_over_seconds"`
	MaxConcurrent int     `json:"max_concurrent"`
	DryRun        bool    `json:"dry_run"`
}

func (s Settings) snapshot() SettingsSnapshot {
	return SettingsSnapshot{
		Window: s.Window.Seconds(), MinCalls: s.MinCalls, FailureRatio: s.FailureRatio, Consecutive: s.Consecutive,
		SlowCall: s.SlowCall.Seconds(), SlowRatio: s.SlowRatio,
		OpenFor: s.OpenFor.Seconds(), OpenForMax: s.OpenForMax.Seconds(),
		Probes: s.Probes, ProbeTimeout: s.ProbeTimeout.Seconds(), RecoverOver: s.RecoverOver.Seconds(),
		MaxConcurrent: s.MaxConcurrent, DryRun: s.DryRun,
	}
}

// Snapshot returns the breaker as it is now.
func (b *Breaker) Snapshot() Snapshot {
	h := b.history
	h.mu.Lock()
	defer h.unlock()
	now := time.Now()
	h.advance(now)
	s := Snapshot{
		State: h.visible().String(), Since: h.since, Why: h.why,
		Opened: h.opened, OpenedInARow: h.inARow, Share: h.shareNow(now),
		ConsecutiveFailures: h.failures, InFlight: h.inFlight.Load(), Probing: h.probing(),
		Calls: h.calls, Refused: byReason(&h.refused), WouldRefuse: byReason(&h.wouldRefuse),
		Settings: h.settings.snapshot(), Thresholds: h.decided(),
	}
	if h.engine != nil {
		s.Window = h.engine.counts()
		s.FailureRatio, s.SlowRatio = s.Window.FailureRatio(), s.Window.SlowRatio()
	}
	if h.slow != nil {
		s.ConsecutiveSlow = h.slow.inARow
	}
	if h.decision.Mode != Auto {
		s.Forced = h.decision.Mode.String()
		s.ForcedUntil = timeOrNil(h.decision.Until)
	}
	if h.visible() == Open {
		s.OpenUntil, s.OpenFor = timeOrNil(h.openUntil()), h.openLeft(now).Seconds()
	}
	return s
}

func byReason(counts *[len(reasons)]atomic.Uint64) map[Reason]uint64 {
	all := make(map[Reason]uint64, len(reasons))
	for i, r := range reasons {
		all[r] = counts[i].Load()
	}
	return all
}

func timeOrNil(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}
