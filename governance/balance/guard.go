package balance

// guard.go holds how an attempt counts for the upstream's circuit breaker.

import (
	"time"

	"github.com/weirproxy/weir/governance/circuit"
)

// guard is the part of an attempt that its breaker looks at.
type guard struct {
	breaker   *circuit.Breaker
	call      circuit.Call
	wouldSkip bool // were it not in a dry run
}

// guard returns the guard of an attempt at u, or nil if it counts for no breaker.
func (b *Balancer) guard(u *Upstream) *guard {
	breaker, dryRun := b.breakerOf(u)
	if breaker == nil {
		return nil
	}
	u.waiting.Add(1)
	g := &guard{breaker: breaker, call: breaker.Attempt()}
	if dryRun {
		state, _ := breaker.State()
		g.wouldSkip = state == circuit.Open
	}
	return g
}

// Guarded reports whether the attempt counts for a breaker.
func (a *Attempt) Guarded() bool { return a.guard != nil }

// WouldSkip reports whether the upstream's breaker would have had the upstream skipped if
// it were not in a dry run: it is open.
func (a *Attempt) WouldSkip() bool { return a.guard != nil && a.guard.wouldSkip }

// Judge tells the upstream's breaker how the attempt ended, before Answered, where the
// outcome that Answered is told does not say it: the statuses that count may be others,
// and the upstream may have asked to be left alone for retryAfter.
func (a *Attempt) Judge(o circuit.Outcome, retryAfter time.Duration) {
	if a.guard != nil {
		a.guard.call.End(o, retryAfter)
	}
}

// Sending tells that the request's body begins to be sent: until Sent, the attempt is not
// slow for the breaker. It may be called on a copy of the attempt, at any time.
func (a *Attempt) Sending() {
	if a.guard != nil {
		a.guard.call.Sending()
	}
}

// Sent tells that all of the request is sent, or will not be. It may be called on a copy of
// the attempt, concurrently with the other methods, and late or more than once.
func (a *Attempt) Sent() {
	if a.guard != nil {
		a.guard.call.Sent()
	}
}

// answered has the breaker count the outcome, unless it was told another.
func (g *guard) answered(u *Upstream, o Outcome) {
	u.waiting.Add(-1)
	g.call.End(verdict(o), 0)
}

// verdict is an outcome as breakers count it.
func verdict(o Outcome) circuit.Outcome {
	switch {
	case o.Neutral():
		return circuit.Neutral
	case o.Failure():
		return circuit.Failure
	default:
		return circuit.Success
	}
}

// truncated has an answer that broke off count as a failure beside the success that its
// headers were, while the breaker is closed: a probe was over with its headers.
func (g *guard) truncated() {
	if state, _ := g.breaker.State(); state == circuit.Closed {
		call := g.breaker.Attempt()
		call.End(circuit.Failure, 0)
	}
}
