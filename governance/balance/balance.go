// Package balance shares traffic out among upstreams by how well each one does.
//
// The effective weight of an upstream is
//
//	configured weight x success rate x ramp
//
// and never below a floor, so that probes keep flowing. The success rate is an
// exponential moving average over attempts, s = (1-alpha) s + alpha outcome, which
// begins at 1. When an upstream has had no attempt for a half-life, its rate
// drifts back towards 1, so that one that recovered is found again; drifting all
// the time would leave a dead upstream a third of one request a second. The ramp
// is slow start: it grows from a small share to 1 after an upstream joined.
//
// Picks are smooth weighted round robin over the effective weights (package swrr).
//
// A refused connection, or several failures in a row, ejects an upstream at once,
// whatever its rate, for a second first and up to half a minute when it keeps
// failing. An ejected upstream comes back on probation: it gets the floor's share,
// one attempt at a time, until one succeeds. So a dead upstream costs at most that
// share of requests, at any rate of traffic and whatever its weight. Never more
// than a set part of a pool is ejected; the rest is on probation at once. That, and
// nobody being proven, is called panic.
//
// Beside it, an upstream can have a circuit breaker (package circuit): out is who either
// of the two takes out. When the breaker opens it takes over from the ejection, and its
// times hold; half-open, the upstream gets its configured share, but no more attempts at
// a time than the breaker has probes; after closing, its share grows. If every breaker
// of a pool is open or half-open, all members get their shares as if none were, so that
// nobody is overrun, and those attempts are probes: the pool recovers with the first
// answers.
//
// A Pool holds what was learnt about upstreams and is shared by all Balancers of
// its name; a Balancer has settings and is what picks.
//
// The package depends on the standard library and on the packages swrr and circuit.
package balance

import (
	"fmt"
	"time"

	"github.com/weirproxy/weir/governance/circuit"
)

// Outcome is how an attempt ended.
type Outcome uint8

// The outcomes. Two are neutral: they say nothing about the upstream.
const (
	// Success is an answer whose status is not a failure.
	Success Outcome = iota
	// FailedStatus is an answer with a status that counts as a failure.
	FailedStatus
	// Refused means that no connection could be made.
	Refused
	// TimedOut means that no answer came in time.
	TimedOut
	// Broken means that the connection broke before the answer's headers.
	Broken
	// Canceled means that the client left: neutral.
	Canceled
	// ClientFault means that the request's body could not be sent, because the
	// client broke it or an earlier attempt used it up: neutral.
	ClientFault

	outcomes = iota
)

var outcomeNames = [outcomes]string{
	"success", "failed_status", "refused", "timed_out", "broken", "canceled", "client_fault",
}

// String returns the outcome as it appears in metrics and logs.
func (o Outcome) String() string {
	if int(o) < len(outcomeNames) {
		return outcomeNames[o]
	}
	return fmt.Sprintf("outcome %d", uint8(o))
}

// Failure reports whether the upstream is to blame.
func (o Outcome) Failure() bool { return o != Success && !o.Neutral() }

// Neutral reports whether the outcome says nothing about the upstream.
func (o Outcome) Neutral() bool { return o == Canceled || o == ClientFault }

// Settings are a Balancer's; begin with DefaultSettings.
type Settings struct {
	// Alpha is the weight of the latest attempt in the success rate, in (0,1].
	Alpha float64
	// Floor is the least share of its configured weight that an upstream keeps,
	// in (0,1].
	Floor float64
	// HalfLife is how long an upstream goes without an attempt before its success
	// rate drifts towards 1, and the half-life of the drift.
	HalfLife time.Duration
	// SlowStart is how long an upstream that joins takes to its full weight; 0
	// means at once.
	SlowStart time.Duration
	// SlowStartFloor is the share it begins with, in (0,1].
	SlowStartFloor float64
	// EjectAfter is the number of failures in a row that eject an upstream; with
	// 0 nothing does, not even a refused connection.
	EjectAfter int
	// EjectFor is how long the first ejection lasts; each further one doubles it,
	// up to EjectForMax. An upstream that stayed in for EjectForMax begins anew.
	EjectFor, EjectForMax time.Duration
	// MaxEjected is the largest part of a pool that ejections and breakers take out, in
	// [0,1]; at least one upstream stays.
	MaxEjected float64
	// RetryBudget caps retries to this share of first attempts, in (0,1], beyond a
	// reserve of a hundred and one a second for little traffic. 0 means no
	// retries, negative means no cap.
	RetryBudget float64
	// Breaker, if not nil, are the settings of a circuit breaker for each upstream.
	Breaker *circuit.Settings
}

// DefaultSettings returns the settings that are safe for a pool of two and for
// one request a second.
func DefaultSettings() Settings {
	return Settings{
		Alpha:          0.1,
		Floor:          0.05,
		HalfLife:       30 * time.Second,
		SlowStartFloor: 0.1,
		EjectAfter:     5,
		EjectFor:       time.Second,
		EjectForMax:    30 * time.Second,
		MaxEjected:     0.5,
		RetryBudget:    0.2,
	}
}

// Validate returns an error that names the first setting that makes no sense.
func (s Settings) Validate() error {
	switch {
	case !(s.Alpha > 0 && s.Alpha <= 1):
		return fmt.Errorf("alpha: %v is not above 0 and at most 1", s.Alpha)
	case !(s.Floor > 0 && s.Floor <= 1):
		return fmt.Errorf("floor: %v is not above 0 and at most 100%%; a failed upstream would never be tried again", s.Floor)
	case s.HalfLife <= 0:
		return fmt.Errorf("half_life: %v is not positive", s.HalfLife)
	case s.SlowStart < 0:
		return fmt.Errorf("slow_start: %v is negative", s.SlowStart)
	case s.SlowStart > 0 && !(s.SlowStartFloor > 0 && s.SlowStartFloor <= 1):
		return fmt.Errorf("slow_start: the share to begin with, %v, is not above 0 and at most 100%%", s.SlowStartFloor)
	case s.EjectAfter < 0:
		return fmt.Errorf("eject_after: %d is negative", s.EjectAfter)
	case s.EjectAfter > 0 && (s.EjectFor <= 0 || s.EjectForMax < s.EjectFor):
		return fmt.Errorf("eject_for: %v up to %v is no range of durations", s.EjectFor, s.EjectForMax)
	case !(s.MaxEjected >= 0 && s.MaxEjected <= 1):
		return fmt.Errorf("max_ejected: %v is not between 0 and 100%%", s.MaxEjected)
	case !(s.RetryBudget <= 1):
		return fmt.Errorf("retry_budget: %v is more than 100%%", s.RetryBudget)
	}
	if s.Breaker != nil {
		if err := s.Breaker.Validate(); err != nil {
			return fmt.Errorf("breaker: %w", err)
		}
	}
	return nil
}
