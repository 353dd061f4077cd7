package balance

// pool.go holds the histories and the operator's decisions that all balancers of a
// name share.

import (
	"maps"
	"sync"
	"sync/atomic"
	"time"
)

// forgetAfter is how long the history of an upstream that left is kept.
const forgetAfter = time.Hour

// Pool is what is known about the upstreams of one name.
type Pool struct {
	upstreams atomic.Pointer[map[string]*Upstream]
	// changes counts what moves weights: changed rates in its lower half, turns
	// (ejections, their ends, decisions) in its upper half. Balancers compare it
	// with what they last computed from.
	changes atomic.Uint64
	budget  budget

	mu        sync.Mutex
	used      bool
	held      int       // by how many balancers' members, in all
	emptied   time.Time // when held became 0
	decisions map[string]Decision
}

// turn is one turn in Pool.changes.
const turn = 1 << 32

// Decision is what an operator decided about an upstream.
type Decision struct {
	// Drain takes the upstream out of the rotation.
	Drain bool `json:"drain,omitempty"`
	// Weight stands for the configured weight.
	Weight *float64 `json:"weight,omitempty"`
	// Until is when the decision ends; zero means never.
	Until time.Time `json:"until,omitzero"`
	// Configured is the weight that was configured when the decision was made. A
	// decision does not hold against a configuration that has changed since.
	Configured float64 `json:"configured"`
}

// NewPool returns a pool without upstreams.
func NewPool() *Pool {
	p := &Pool{decisions: make(map[string]Decision)}
	p.upstreams.Store(new(map[string]*Upstream))
	p.budget.tokens.Store(budgetReserve)
	return p
}

// Upstream returns the history of an address, or nil.
func (p *Pool) Upstream(address string) *Upstream {
	return (*p.upstreams.Load())[address]
}

// Members is how many upstreams the pool knows.
func (p *Pool) Members() int { return len(*p.upstreams.Load()) }

// enter returns the histories of members, which the caller holds until leave.
func (p *Pool) enter(members []Member, now time.Time) []*Upstream {
	p.mu.Lock()
	defer p.mu.Unlock()
	known := maps.Clone(*p.upstreams.Load())
	if known == nil {
		known = make(map[string]*Upstream)
	}
	for address, u := range known {
		if u.holders == 0 && now.Sub(u.leftAt) > forgetAfter {
			delete(known, address)
		}
	}
	entered := make([]*Upstream, len(members))
	for i, m := range members {
		u := known[m.Address]
		if u == nil {
			u = newUpstream(m.Address)
			known[m.Address] = u
		}
		// An upstream is new if the pool was in use without it. Between the
		// cleanup of one configuration and the first request of the next there
		// may be no balancer at all: that makes nobody new.
		isNew := p.used && u.holders == 0 && (u.leftAt.IsZero() || !u.leftAt.Equal(p.emptied))
		u.join(m, isNew, now)
		entered[i] = u
	}
	for _, u := range entered {
		u.holders++
		p.held++
	}
	p.used = true
	p.upstreams.Store(&known)
	return entered
}

func (p *Pool) leave(upstreams []*Upstream, now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, u := range upstreams {
		p.held--
		if u.holders--; u.holders == 0 {
			u.leftAt = now
		}
	}
	if p.held == 0 {
		p.emptied = now
	}
}

// Decide sets the decision about an address; one that decides nothing is removed.
func (p *Pool) Decide(address string, d Decision) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if d.Drain || d.Weight != nil {
		p.decisions[address] = d
	} else {
		delete(p.decisions, address)
	}
	p.changes.Add(turn)
}

// Restore sets decisions that were made before the pool existed, except those
// that have ended.
func (p *Pool) Restore(decisions map[string]Decision, now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for address, d := range decisions {
		if d.Until.IsZero() || now.Before(d.Until) {
			p.decisions[address] = d
		}
	}
	p.changes.Add(turn)
}

// Decisions returns a copy of all decisions.
func (p *Pool) Decisions() map[string]Decision {
	p.mu.Lock()
	defer p.mu.Unlock()
	return maps.Clone(p.decisions)
}

// decision returns the decision about an address that holds now for a balancer
// with the given configured weight.
func (p *Pool) decision(address string, configured float64, now time.Time) (Decision, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	d, ok := p.decisions[address]
	if !ok || d.Configured != configured || !d.Until.IsZero() && !now.Before(d.Until) {
		return Decision{}, false
	}
	return d, true
}

// The retry budget follows Finagle's: a share of first attempts, and a reserve so
// that a service with little traffic can retry at all.
const (
	budgetToken   = 1000              // one retry
	budgetReserve = 100 * budgetToken // the most that is saved up
	budgetRefill  = 10 * budgetToken  // a second, whatever the traffic
	refillEvery   = 10 * time.Millisecond
)

type budget struct {
	tokens atomic.Int64
	mu     sync.Mutex
	filled time.Time
}

// deposit counts a first attempt.
func (b *budget) deposit(share float64) {
	if b.tokens.Load() < budgetReserve {
		b.tokens.Add(int64(share * budgetToken))
	}
}

// withdraw takes a retry from the budget, if there is one.
func (b *budget) withdraw(now time.Time) bool {
	b.refill(now)
	if b.tokens.Add(-budgetToken) >= 0 {
		return true
	}
	b.tokens.Add(budgetToken)
	return false
}

func (b *budget) refill(now time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	elapsed := now.Sub(b.filled)
	if elapsed < refillEvery {
		return
	}
	earned := min(int64(elapsed.Seconds()*budgetRefill), budgetReserve)
	if missing := budgetReserve - b.tokens.Load(); missing > 0 && !b.filled.IsZero() {
		b.tokens.Add(min(earned, missing))
	}
	b.filled = now
}
