package balance

// pool.go holds the histories that all balancers of a name share.

import (
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// forgetAfter is how long the history of an upstream that left is kept.
const forgetAfter = time.Hour

// mostGone is how many histories are kept beyond those of members: a source that
// names other upstreams for each request must not fill the memory.
const mostGone = 1000

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
	known := *p.upstreams.Load()
	unknown := func(m Member) bool { return known[m.Address].forgotten(now) }
	if slices.ContainsFunc(members, unknown) {
		known = maps.Clone(known)
		if known == nil {
			known = make(map[string]*Upstream)
		}
		defer func() {
			p.forget(known, now)
			p.upstreams.Store(&known)
		}()
	}
	entered := make([]*Upstream, len(members))
	for i, m := range members {
		u := known[m.Address]
		fresh := u.forgotten(now)
		if fresh {
			u = newUpstream(m.Address, now)
			known[m.Address] = u
		}
		// An upstream is new if the pool was in use without it. Between the
		// cleanup of one configuration and the first request of the next there
		// may be no balancer at all: that makes nobody new. A balancer that gets
		// no requests may hold an upstream long after its source stopped telling it.
		isNew := p.used && u.holders == 0 && (u.leftAt.IsZero() || !u.leftAt.Equal(p.emptied))
		isNew = isNew || m.Advertised && u.holders > 0 && u.away(now) > absence
		// Only who was told it just now knows which instance is there.
		if fresh || !adopted && !m.carried {
			u.join(m, isNew && !adopted, now)
		}
		entered[i] = u
	}
	for _, u := range entered {
		u.holders++
		p.held++
	}
	p.used = true
	return entered
}

// forget takes out of known the histories that are too old and, if too many are
// left of upstreams that are gone, those gone longest. The caller holds mu.
func (p *Pool) forget(known map[string]*Upstream, now time.Time) {
	var gone []*Upstream
	for address, u := range known {
		if u.forgotten(now) {
			delete(known, address)
		} else if u.holders == 0 {
			gone = append(gone, u)
		}
	}
	if len(gone) <= mostGone {
		return
	}
	slices.SortFunc(gone, func(a, b *Upstream) int { return b.leftAt.Compare(a.leftAt) })
	for _, u := range gone[mostGone:] {
		delete(known, u.Address)
	}
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
