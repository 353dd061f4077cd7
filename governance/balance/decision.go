package balance

// decision.go holds what an operator decided about an upstream.

import (
	"maps"
	"slices"
	"time"

	"github.com/weirproxy/weir/governance/circuit"
)

// Decision is what an operator decided about an upstream.
type Decision struct {
	// Drain, if not nil, takes the upstream out of the rotation.
	Drain *Drain `json:"drain,omitempty"`
	// Weight, if not nil, stands for the configured weight.
	Weight *Weight `json:"weight,omitempty"`
	// Breaker, if not nil, is about the upstream's circuit breaker. Whoever stores
	// decisions stores it in a form of its own.
	Breaker *circuit.Decision `json:"-"`
}

// Drain is the decision to give an upstream no new requests.
type Drain struct {
	// Until is when the decision ends; zero means never.
	Until time.Time `json:"until,omitzero"`
}

// Weight is the decision to give an upstream another weight.
type Weight struct {
	Value float64   `json:"value"`
	Until time.Time `json:"until,omitzero"`
	// Configured is the weight that was configured when the decision was made: it
	// does not hold against a configuration that has changed since. It is nil if
	// the weight came from a source, which may change it at any time.
	Configured *float64 `json:"configured,omitempty"`
}

func holds(until, now time.Time) bool { return until.IsZero() || now.Before(until) }

// at is what holds of the decision now for m; a part that never will again is
// dropped.
func (d Decision) at(m *Member, now time.Time) Decision {
	if d.Drain != nil && !holds(d.Drain.Until, now) {
		d.Drain = nil
	}
	if w := d.Weight; w != nil {
		changed := m != nil && !m.Advertised && w.Configured != nil && *w.Configured != m.Weight
		if changed || !holds(w.Until, now) {
			d.Weight = nil
		}
	}
	if b := d.Breaker; b != nil && b.Mode != circuit.Auto && !holds(b.Until, now) {
		d.Breaker = nil
		if b.Thresholds != nil {
			d.Breaker = &circuit.Decision{Thresholds: b.Thresholds, Configured: b.Configured}
		}
	}
	return d
}

// until is when d changes by itself, or zero.
func (d Decision) until() time.Time {
	var until time.Time
	if d.Drain != nil {
		until = d.Drain.Until
	}
	if w := d.Weight; w != nil && !w.Until.IsZero() && (until.IsZero() || w.Until.Before(until)) {
		until = w.Until
	}
	if b := d.Breaker; b != nil && !b.Until.IsZero() && (until.IsZero() || b.Until.Before(until)) {
		until = b.Until
	}
	return until
}

// Decide sets the decision about an address; one that decides nothing is removed.
func (p *Pool) Decide(address string, d Decision) {
	p.mu.Lock()
	before := p.decisions[address]
	if d != (Decision{}) {
		p.decisions[address] = d
	} else {
		delete(p.decisions, address)
	}
	p.mu.Unlock()
	if d.Breaker != before.Breaker {
		p.decideBreaker(address, d)
	}
	p.changes.Add(turn)
}

// Restore adds decisions that were made before the pool existed, except those
// that have ended and those about upstreams that were decided about since.
func (p *Pool) Restore(decisions map[string]Decision, now time.Time) {
	restored := make(map[string]Decision, len(decisions))
	p.mu.Lock()
	for address, d := range decisions {
		d = d.at(nil, now)
		if _, decided := p.decisions[address]; !decided && d != (Decision{}) {
			p.decisions[address], restored[address] = d, d
		}
	}
	p.mu.Unlock()
	for address, d := range restored {
		p.decideBreaker(address, d)
	}
	p.changes.Add(turn)
}

// Decisions returns a copy of all decisions.
func (p *Pool) Decisions() map[string]Decision {
	p.mu.Lock()
	defer p.mu.Unlock()
	return maps.Clone(p.decisions)
}

// absent returns what holds now of the decisions about upstreams that t, which may
// be nil, does not have.
func (p *Pool) absent(t *Table, now time.Time) []AbsentSnapshot {
	var absent []AbsentSnapshot
	decisions := p.Decisions()
	for _, address := range slices.Sorted(maps.Keys(decisions)) {
		if d := decisions[address].at(nil, now); t.Index(address) < 0 && d != (Decision{}) {
			absent = append(absent, AbsentSnapshot{address, &d})
		}
	}
	return absent
}

// Decision returns what holds now of the decision about m.
func (p *Pool) Decision(m Member, now time.Time) Decision {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.decisions[m.Address].at(&m, now)
}
