package balance

// choice.go holds how members compare as the choice for a request.

import (
	"time"

	"github.com/weirproxy/weir/governance/circuit"
)

// shunned reports whether somebody whose breaker is not closed is the last choice, after
// those who are well: an operator opened it, or others are known to be well.
func (w *weights) shunned(of *weight) bool {
	return of.forced || of.state != circuit.Closed && !w.nobodyProven
}

// usable reports whether a request that has other choices can go to member i. Retries do
// not go to whose breaker is open, even if too many are out for that one to be.
func (t *Table) usable(w *weights, i int, available, tried func(int) bool) bool {
	if !available(i) || t.full(w, i) {
		return false
	}
	of := &w.of[i]
	return tried == nil || !tried(i) && !(of.state == circuit.Open && w.shunned(of))
}

// The ranks of choices, best first. A member that this request has tried has rankTried
// more. Those who are out, or have their probe already, have odd ones.
const (
	rankIn      = 0
	rankOut     = 1 // ejected, or on probation
	rankTried   = 2
	rankShunned = 3 // because of its breaker
	ranks       = rankShunned + rankTried + 1
)

// rank is where among the choices for a request member i is.
func (t *Table) rank(w *weights, i int, now time.Time, tried func(int) bool) int {
	of := &w.of[i]
	out := of.ejected || of.unproven && !w.nobodyProven && t.busy(of, i, now)
	rank := rankIn
	switch {
	case w.shunned(of) && (out || tried != nil && of.state == circuit.Open):
		rank = rankShunned
	case out:
		rank = rankOut
	}
	if tried != nil && tried(i) {
		rank += rankTried
	}
	return rank
}

// busy reports whether a member on probation has all the probes it may have.
func (t *Table) busy(of *weight, i int, now time.Time) bool {
	if of.state == circuit.HalfOpen {
		return !t.breakers[i].Ready()
	}
	return t.upstreams[i].probing(now)
}
