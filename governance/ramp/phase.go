package ramp

// phase.go names where a warm-up stands and what it tells.

import "time"

// Phase is where a warm-up stands.
type Phase string

// Phases, in the order of each form: Hold, Grow, Follow, Warm; and Hold, Probe,
// Climb, Settle, Warm.
const (
	// Hold waits for the time to begin and for readiness. What was in use is
	// admitted, which is nothing at first.
	Hold Phase = "hold"
	// Grow multiplies the share.
	Grow Phase = "grow"
	// Follow has the share follow the success rate.
	Follow Phase = "follow"
	// Probe is the first slope.
	Probe Phase = "probe"
	// Climb is the second slope.
	Climb Phase = "climb"
	// Settle stays at the highest rate until the cache-hit rate is steady.
	Settle Phase = "settle"
	// Warm admits everything.
	Warm Phase = "warm"
)

// Phases are all phases.
var Phases = []Phase{Hold, Grow, Follow, Probe, Climb, Settle, Warm}

// Event is something that people should know of.
type Event struct {
	At      time.Time
	Phase   Phase  // from then on
	Text    string // what happened
	Warning bool   // whether it is not as it should be
}
