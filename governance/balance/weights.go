package balance

// weights.go holds how effective weights come about.

import (
	"math"
	"slices"
	"time"

	"github.com/weirproxy/weir/governance/circuit"
)

// weights is what the histories came to at one time.
type weights struct {
	changes uint64
	at      time.Time
	// again is when the weights must be computed anew though nothing happened,
	// because they depend on time; zero if they don't.
	again time.Time
	// panicking is true if an ejection is ignored because too many members are
	// ejected already, or if nobody is proven.
	panicking bool
	// nobodyProven is true if every member is ejected or on probation, or its breaker
	// is not closed.
	nobodyProven bool
	// allOpen is true if no member's breaker is closed, and at least one is open.
	allOpen bool
	// plain is true if the schedule alone decides: no member is ejected or on
	// probation, has a limit of attempts at a time, or a weight that depends on time.
	plain bool
	// proven is the sum of the effective weights of those who are; 0 if nobody is.
	proven float64
	of     []weight
}

// weight is an effective weight with its factors.
type weight struct {
	base, rate, ramp float64
	effective        float64
	ejected          bool // or its breaker is open; and out of the rotation for it
	unproven         bool // or its breaker is not closed
	drained          bool

	state  circuit.State // of its breaker; closed in a dry run, and if there is none
	forced bool          // an operator opened it
	share  float64       // that the breaker leaves it while traffic grows back; part of ramp
	limit  int64         // of attempts that wait for an answer; 0 means none
	dryRun bool
}

// current returns the weights, computed anew if something happened or enough time
// passed. While all rates are 1 and nothing happens it reads no clock.
func (t *Table) current() *weights {
	w := t.weights.Load()
	changes := t.changes.Load()
	if w.changes == changes && w.again.IsZero() {
		return w
	}
	now := time.Now()
	turned := w.changes/turn != changes/turn
	due := !w.again.IsZero() && !now.Before(w.again)
	if !turned && !due && (w.changes == changes || now.Sub(w.at) < t.pause()) {
		return w
	}
	if !t.mu.TryLock() {
		return w // someone else computes them
	}
	defer t.mu.Unlock()
	return t.refresh(now)
}

// latest is current for those who want to see what was just decided.
func (t *Table) latest() *weights {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.refresh(time.Now())
}

// refresh computes the weights. The schedule changes before they are seen: whoever
// sees that a member is drained must not be given it by the old schedule. The
// caller holds mu.
func (t *Table) refresh(now time.Time) *weights {
	w, effective := t.compute(now)
	t.scheduler.Update(effective)
	t.weights.Store(w)
	return w
}

// pause is how long weights are left alone after they were computed, unless an
// ejection begins or ends: computing takes about 0.1 us a member, so this keeps it
// near a thousandth of the time.
func (t *Table) pause() time.Duration {
	return min(time.Duration(len(t.members))*100*time.Microsecond, 50*time.Millisecond)
}

// compute returns the weights at now, and the effective ones apart.
func (t *Table) compute(now time.Time) (*weights, []float64) {
	p, s := t.balancer.pool, &t.balancer.settings
	w := &weights{
		changes: p.changes.Load(),
		at:      now,
		of:      make([]weight, len(t.members)),
	}
	var ejected []ejection
	var n census
	for i, u := range t.upstreams {
		of := &w.of[i]
		of.base = t.members[i].Weight
		decision := p.Decision(t.members[i], now)
		of.drained = decision.Drain != nil
		if decision.Weight != nil {
			of.base = decision.Weight.Value
		}
		w.by(decision.until())
		t.weighBreaker(w, i, decision.Breaker, now)
		u.mu.Lock()
		of.rate, of.ramp = u.rateAt(now, s), u.rampAt(now, s)*of.share
		of.unproven = u.unproven || of.state != circuit.Closed
		e := ejection{member: i, at: u.ejectedAt, till: u.ejectedTill}
		out := now.Before(u.ejectedTill) && of.state == circuit.Closed
		if of.state == circuit.Open {
			out = true
			e.at, e.till = u.openedAt, time.Time{} // when it ends is known already
			e.forced = of.forced
		}
		w.by(u.nextChange(now, s))
		u.mu.Unlock()
		if of.base > 0 && !of.drained {
			n.count(of)
			if out {
				ejected = append(ejected, e)
			}
		}
	}
	w.nobodyProven = n.members > 0 && n.unproven == n.members
	w.allOpen = n.open > 0 && n.closed == 0
	ignored := w.eject(ejected, n.members, s)
	w.panicking = ignored || w.nobodyProven
	w.plain = w.again.IsZero() && n.unproven == 0 && n.limited == 0 && len(ejected) == 0
	return w, w.settle(s, n.advanced)
}

// census counts the members that are to have traffic.
type census struct {
	members, unproven, limited int
	closed, open               int     // breakers
	advanced                   float64 // the greatest ramp
}

func (n *census) count(of *weight) {
	n.members++
	n.advanced = max(n.advanced, of.ramp)
	if of.unproven {
		n.unproven++
	}
	if of.limit > 0 {
		n.limited++
	}
	switch of.state {
	case circuit.Closed:
		n.closed++
	case circuit.Open:
		n.open++
	}
}

// settle computes the effective weights from their factors. When every member is
// new they are compared with the most advanced one, so that all being new is no
// different from none being. On probation a member gets the floor's share of what
// it would have, but not of more than all the others have: a dead upstream must not
// cost more because it is a heavy one. One whose breaker is half-open costs no more
// than a few probes each time, and gets its whole share until it has them.
func (w *weights) settle(s *Settings, advanced float64) []float64 {
	effective := make([]float64, len(w.of))
	for i := range w.of {
		of := &w.of[i]
		if advanced > 0 {
			of.ramp = min(1, of.ramp/advanced)
		}
		if of.drained || of.ejected {
			continue
		}
		if of.unproven && !w.nobodyProven {
			if of.state == circuit.HalfOpen {
				of.effective = of.base
			}
			continue
		}
		of.effective = of.base * max(s.Floor, of.rate*of.ramp)
		if !of.unproven {
			w.proven = min(w.proven+of.effective, math.MaxFloat64) // JSON knows no infinity
		}
	}
	for i := range w.of {
		of := &w.of[i]
		if of.unproven && !of.drained && !of.ejected && of.state != circuit.HalfOpen && !w.nobodyProven {
			of.effective = s.Floor * min(of.base, w.proven)
		}
		effective[i] = of.effective
	}
	return effective
}

// ejection is a member that is to be out of the rotation for a time, because it was
// ejected or its breaker is open.
type ejection struct {
	member   int
	at, till time.Time
	forced   bool // an operator opened the breaker
}

// eject takes out the members whom an operator wants out and then those out first, as
// many as may be, and reports whether one had to stay. If all breakers are open, only
// the operator's count: the one that would stay would get everybody's traffic.
func (w *weights) eject(ejected []ejection, members int, s *Settings) (ignored bool) {
	slices.SortFunc(ejected, func(a, b ejection) int {
		if a.forced != b.forced {
			if a.forced {
				return -1
			}
			return 1
		}
		return a.at.Compare(b.at)
	})
	most := min(int(s.MaxEjected*float64(members)), members-1)
	for n, e := range ejected {
		if n >= most || w.allOpen && !e.forced {
			return true
		}
		w.of[e.member].ejected = true
		w.by(e.till)
	}
	return false
}

// by has the weights computed anew at t or before.
func (w *weights) by(t time.Time) {
	if !t.IsZero() && (w.again.IsZero() || t.Before(w.again)) {
		w.again = t
	}
}
