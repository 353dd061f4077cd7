// Package circuit stops calls to somebody who does not answer, and finds out when
// he does again.
//
// sony/gobreaker is the engine: it counts calls in a rolling window, opens, and closes
// after probes. Around it stands what it lacks:
//
//   - the check before a call reads one word, without a lock, an allocation or the clock;
//   - a call counts when it ends, however long it took: the engine is asked for
//     permission and told the outcome back to back, so nothing that is forgotten or
//     hangs keeps a place in it;
//   - calls are slow from when they pass a mark, not from when they end, so a stall opens
//     the breaker before the timeouts come;
//   - open times that double, wait for a Retry-After, or end with a health check;
//   - probes that are given up after a while, and traffic that grows back after them;
//   - a limit of calls at a time, what an operator decides, and a dry run;
//   - a History that breakers with other settings go on with, as after a reload.
//
// The package depends on sony/gobreaker, on internal/backoff, which needs nothing else, and
// on the standard library.
package circuit

import "time"

// Outcome is how a call ended, as far as the breaker is concerned.
type Outcome uint8

const (
	// Neutral says nothing about who was called, or there was no call after all.
	Neutral Outcome = iota
	// Success and Failure count.
	Success
	Failure
)

// State is what a breaker is in.
type State uint8

const (
	// Closed lets calls in.
	Closed State = iota
	// HalfOpen lets some in, to find out whether they succeed.
	HalfOpen
	// Open lets none in.
	Open
)

// String returns closed, half_open or open.
func (s State) String() string { return [...]string{"closed", "half_open", "open"}[s] }

// Reason is why a call is refused, as in metrics and placeholders.
type Reason string

const (
	ReasonOpen          Reason = "open"
	ReasonHalfOpen      Reason = "half_open"      // all probes are under way
	ReasonRecovering    Reason = "recovering"     // traffic grows back
	ReasonMaxConcurrent Reason = "max_concurrent" // semaphore isolation
	ReasonForced        Reason = "forced_open"    // by an operator
)

var reasons = [...]Reason{ReasonOpen, ReasonHalfOpen, ReasonRecovering, ReasonMaxConcurrent, ReasonForced}

func (r Reason) index() int {
	for i, other := range reasons {
		if r == other {
			return i
		}
	}
	return 0
}

// Refusal is a call that may not be made.
type Refusal struct {
	Reason Reason
	// RetryAfter is when it may be worth trying again: what is left of the open time, at least a second.
	RetryAfter time.Duration
	// DryRun says that the call may be made nevertheless.
	DryRun bool
}

// Why a breaker changed its state.
const (
	WhyConsecutive    = "consecutive"       // opened: failures in a row
	WhyFailureRatio   = "failure_ratio"     // opened
	WhySlowRatio      = "slow_ratio"        // opened
	WhySlowInARow     = "slow_in_a_row"     // opened: slow calls in a row
	WhyProbeFailed    = "probe_failed"      // opened again
	WhyProbeTimeout   = "probe_timeout"     // opened again
	WhyOpenFor        = "open_for"          // half-open: its open time is over
	WhyHealthCheck    = "health_check"      // half-open before that
	WhyAttempt        = "attempt_succeeded" // half-open before that: a call of Attempt went well
	WhyProbeSucceeded = "probes_succeeded"  // closed
	WhyOperator       = "operator"          // a decision began or ended
)

// Change is a change of state.
type Change struct {
	From, To State
	// Why is one of the constants above.
	Why string
	At  time.Time
	// OpenFor is how long it stays open; 0 unless To is Open, and for an operator's decision without an end.
	OpenFor time.Duration
}
