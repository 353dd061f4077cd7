package ramp

// snapshot.go shows a warm-up to people and programs.

import "time"

// Snapshot is a warm-up at one time.
type Snapshot struct {
	Phase Phase     `json:"phase"`
	Since time.Time `json:"since"`
	// Share is the part of the requests that is admitted, of the share form.
	Share *float64 `json:"share,omitempty"`
	// Rate is how many requests a second are admitted, of the rate form; without it
	// there is no limit.
	Rate *float64 `json:"rate,omitempty"`
	// NextStep is when that changes, or the phase can end, if nothing holds it up.
	NextStep *time.Time `json:"next_step,omitempty"`
	// Ready is the readiness check, if there is one.
	Ready *ReadySnapshot `json:"ready,omitempty"`
	// Success is the success rate, of the share form, since the share last changed.
	Success *RateSnapshot `json:"success,omitempty"`
	// CacheHit is the cache-hit rate, if growth goes by it, over the last 30 to 60 s.
	CacheHit *RateSnapshot `json:"cache_hit,omitempty"`
}

// ReadySnapshot is the state of the readiness check.
type ReadySnapshot struct {
	Open        bool `json:"open"` // the last poll was answered
	FailedPolls int  `json:"failed_polls"`
}

// RateSnapshot is a rate that growth goes by.
type RateSnapshot struct {
	Rate    float64 `json:"rate"`
	Samples int     `json:"samples"`
	// Open is whether the phase goes on, or would end, as things stand.
	Open bool `json:"open"`
}

// Snapshot returns the state.
func (r *Ramp) Snapshot(now time.Time) Snapshot {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.advance(now)
	s := Snapshot{Phase: r.phase, Since: r.since}
	if r.settings.Ready {
		s.Ready = &ReadySnapshot{Open: r.ready.open, FailedPolls: r.ready.failures}
	}
	if r.settings.Share != nil {
		s.Share = new(r.share)
	} else if r.phase != Warm {
		s.Rate = new(r.rate)
	}
	if r.phase == Warm {
		return s
	}
	s.NextStep = r.nextStep()
	if share := r.settings.Share; share != nil {
		rated := r.calls.rated()
		open := rated.enough() && rated.rate() >= share.Complete-epsilon || !rated.enough() && r.few()
		s.Success = rateSnapshot(rated, r.phase != Follow || open)
	} else if gate := r.settings.Rate.CacheHit; gate != nil {
		seen := r.hits.at(r.now)
		open := r.passed || !seen.enough() || r.phase != Settle && seen.rate() > gate.Grow || seen.rate() >= gate.Steady-epsilon
		s.CacheHit = rateSnapshot(seen, open)
	}
	return s
}

func rateSnapshot(t tally, open bool) *RateSnapshot {
	return &RateSnapshot{Rate: t.rate(), Samples: t.all, Open: open}
}

// nextStep is nil where nothing but a gate ends the phase.
func (r *Ramp) nextStep() *time.Time {
	var next time.Time
	switch r.phase {
	case Hold:
		next = r.earliest()
	case Grow, Follow:
		next = r.step.Add(r.settings.Share.Interval)
	case Probe:
		next = r.now.Add(time.Duration((1 - r.progress) * float64(r.settings.Rate.Probe.Over)))
	case Climb:
		next = r.now.Add(time.Duration((1 - r.progress) * float64(r.settings.Rate.Climb.Over)))
	}
	if !next.After(r.now) {
		return nil
	}
	return &next
}
