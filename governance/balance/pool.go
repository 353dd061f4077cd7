package balance

// pool.go holds the histories that all balancers of a name share.

import (
	"maps"
	"sync"
	"sync/atomic"
	"time"
)

// forgetAfter is how long the history of an upstream that left is kept.
const forgetAfter = time.Hour

// turn is one turn in Pool.changes.
const turn = 1 << 32

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
	held      int       // by how many tables' members, in all
	emptied   time.Time // when held became 0
	members   []Member  // as a source told them last; nil if none did
	decisions map[string]Decision
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

// remember notes the members that a source told some balancer of the pool.
func (p *Pool) remember(members []Member) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.members = members
}

func (p *Pool) remembered() []Member {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.members
}

// enter returns the histories of members, which the caller holds until leave. They
// are known already, and none of them new, if the caller adopts them.
func (p *Pool) enter(members []Member, adopted bool, now time.Time) []*Upstream {
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
			u = newUpstream(m.Address, now)
			known[m.Address] = u
		}
		// An upstream is new if the pool was in use without it. Between the
		// cleanup of one configuration and the first request of the next there
		// may be no balancer at all: that makes nobody new. A balancer that gets
		// no requests may hold an upstream long after its source stopped telling it.
		isNew := p.used && u.holders == 0 && (u.leftAt.IsZero() || !u.leftAt.Equal(p.emptied))
		isNew = isNew || m.Advertised && u.holders > 0 && u.away(now) > absence
		u.join(m, isNew && !adopted, now)
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

// visit returns the histories of members for a balancer that is closed: it holds
// none, and those it does not find are nobody else's.
func (p *Pool) visit(members []Member, now time.Time) []*Upstream {
	visited := make([]*Upstream, len(members))
	for i, m := range members {
		if visited[i] = p.Upstream(m.Address); visited[i] == nil {
			visited[i] = newUpstream(m.Address, now)
		}
	}
	return visited
}
