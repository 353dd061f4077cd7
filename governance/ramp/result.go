package ramp

// result.go takes what became of admitted calls.

import "time"

// Result is what became of an admitted call.
type Result struct {
	// Outcome is how it ended.
	Outcome Outcome
	// Cache tells whether it was answered from a cache.
	Cache Cache
	// Answered means that Answered was called for it.
	Answered bool
}

// Outcome is how a call ended.
type Outcome uint8

// Outcomes. Neutral says nothing about the service, as when the client went away.
const (
	Neutral Outcome = iota
	Success
	Failure
)

// Cache tells whether a call was answered from a cache.
type Cache uint8

// Answers of a cache.
const (
	NoCache Cache = iota
	Hit
	Miss
)

// Answered notes that the answer to an admitted call has begun. It is for calls whose
// Record comes much later, as that of a long answer: they do not hang.
func (r *Ramp) Answered(now time.Time) {
	if r.warm.Load() {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.advance(now)
	r.calls.answered++
}

// Record takes the result of an admitted call; each must have one, as those without
// count as hanging.
func (r *Ramp) Record(now time.Time, result Result) {
	if r.warm.Load() {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.advance(now)
	if !result.Answered {
		r.calls.answered++
	}
	if result.Outcome != Neutral {
		r.calls.add(result.Outcome == Success)
	}
	if result.Cache != NoCache {
		r.hits.add(r.now, result.Cache == Hit)
	}
}
