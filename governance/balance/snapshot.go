package balance

// snapshot.go holds what a balancer shows of itself.

import (
	"time"

	"github.com/weirproxy/weir/governance/circuit"
)

// Snapshot is the state of a balancer at one time, for people and for metrics.
type Snapshot struct {
	// Panic is true while ejections are ignored because too many upstreams are
	// ejected, or no upstream is known to be well.
	Panic bool `json:"panic"`
	// Floor is the least share of its weight that an upstream keeps, and
	// ProvenWeight the sum of the effective weights of those known to be well; 0
	// if none is. With them all effective weights follow from their factors:
	//
	//	in:              weight x max(floor, success rate x ramp)
	//	half_open:       weight
	//	probing, others: floor x min(weight, proven weight)
	//
	// If none is known to be well, the first holds for all who are not out.
	Floor        float64 `json:"floor"`
	ProvenWeight float64 `json:"proven_weight"`
	// Upstreams are in the order of the configuration; those that a source told
	// later come last.
	Upstreams []UpstreamSnapshot `json:"upstreams"`
	// Absent are those that the pool does not have now though an operator decided
	// about them: the decision will hold when they come back. In order of address.
	Absent []AbsentSnapshot `json:"absent,omitempty"`
}

// AbsentSnapshot is an upstream that is not there, but decided about.
type AbsentSnapshot struct {
	Address string `json:"address"`
	// Decision is nil if it was just taken back.
	Decision *Decision `json:"decision,omitempty"`
}

// UpstreamSnapshot is one upstream with every factor of its weight.
type UpstreamSnapshot struct {
	Address string `json:"address"`
	// State is in, ejected, probing (back from an ejection, not yet proven), open or
	// half_open (its circuit breaker is), or draining.
	State string `json:"state"`
	// Weight is the configured weight, or the operator's.
	Weight float64 `json:"weight"`
	// SuccessRate and Ramp are the factors; Ramp is slow start, and growth after the
	// breaker has closed.
	SuccessRate float64 `json:"success_rate"`
	Ramp        float64 `json:"ramp"`
	// EffectiveWeight is what comes of them, and Share its part of the pool's.
	EffectiveWeight float64 `json:"effective_weight"`
	Share           float64 `json:"share"`
	// FailuresInARow counts since the last success.
	FailuresInARow int `json:"failures_in_a_row"`
	// EjectedFor is the rest of the ejection in seconds.
	EjectedFor float64 `json:"ejected_for_seconds,omitempty"`
	InFlight   int64   `json:"in_flight"`
	// Attempts counts by outcome since the pool exists, and Truncated those of
	// them whose answer broke off after its headers.
	Attempts  map[string]uint64 `json:"attempts"`
	Truncated uint64            `json:"truncated"`
	// Decision is the operator's, as far as it holds; what is decided about the breaker
	// shows there.
	Decision *Decision `json:"decision,omitempty"`
	// Breaker is nil if there is none.
	Breaker *circuit.Snapshot `json:"breaker,omitempty"`

	// BreakerState is what the breaker is in, and BreakerChanges counts the changes to
	// each state.
	BreakerState   circuit.State     `json:"-"`
	BreakerChanges map[string]uint64 `json:"-"`
	FirstByte      FirstByte         `json:"-"`
}

// Snapshot returns the balancer's state now.
func (b *Balancer) Snapshot() Snapshot {
	now := time.Now()
	t := b.Table()
	s := Snapshot{Floor: b.settings.Floor, Upstreams: []UpstreamSnapshot{}, Absent: b.pool.absent(t, now)}
	if t == nil {
		return s
	}
	w := t.latest()
	s.Panic, s.ProvenWeight = w.panicking, w.proven
	total := 0.0
	for i := range w.of {
		s.Upstreams = append(s.Upstreams, t.snapshot(w, i, now))
		total += w.of[i].effective
	}
	for i := range s.Upstreams {
		if total > 0 {
			s.Upstreams[i].Share = w.of[i].effective / total
		}
	}
	return s
}

func (t *Table) snapshot(w *weights, i int, now time.Time) UpstreamSnapshot {
	u, of := t.upstreams[i], &w.of[i]
	s := UpstreamSnapshot{
		Address:         u.Address,
		State:           "in",
		Weight:          of.base,
		SuccessRate:     of.rate,
		Ramp:            of.ramp,
		EffectiveWeight: of.effective,
		InFlight:        u.inFlight.Load(),
		Attempts:        make(map[string]uint64, outcomes),
		Truncated:       u.truncated.Load(),
		FirstByte:       u.firstByte.read(),
	}
	for o := range u.attempts {
		s.Attempts[Outcome(o).String()] = u.attempts[o].Load()
	}
	if d := t.balancer.pool.Decision(t.members[i], now); d.Drain != nil || d.Weight != nil {
		s.Decision = &d
	}
	t.snapshotBreaker(&s, i)
	u.mu.Lock()
	defer u.mu.Unlock()
	s.FailuresInARow = u.inARow
	switch {
	case of.drained:
		s.State = "draining"
	case of.state != circuit.Closed:
		s.State = of.state.String()
	case now.Before(u.ejectedTill):
		s.State = "ejected"
		s.EjectedFor = u.ejectedTill.Sub(now).Seconds()
	case u.unproven:
		s.State = "probing"
	}
	return s
}

func (t *Table) snapshotBreaker(s *UpstreamSnapshot, i int) {
	if t.breakers == nil {
		return
	}
	shown := t.breakers[i].Snapshot()
	s.Breaker = &shown
	s.BreakerState, _ = t.breakers[i].State()
	s.BreakerChanges = make(map[string]uint64, len(t.upstreams[i].turns))
	for state := range t.upstreams[i].turns {
		s.BreakerChanges[circuit.State(state).String()] = t.upstreams[i].turns[state].Load()
	}
}
