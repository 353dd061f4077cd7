package balance

// balancer.go holds what picks: settings over the histories of a pool.

import (
	"sync"
	"time"
)

// Member is an upstream as the configuration or a discovery source describes it.
type Member struct {
	// Address keys the upstream's history.
	Address string
	// Weight is the configured weight; 0 keeps the upstream out.
	Weight float64
	// Instance identifies the process behind the address, if that is known: when
	// it changes, the history of the address starts over.
	Instance string
	// Since is when the instance started, if that is known.
	Since time.Time
}

// Balancer picks among the members of a pool by its own settings.
type Balancer struct {
	pool     *Pool
	settings Settings

	mu    sync.Mutex
	table *Table
}

// NewBalancer returns a Balancer without members. settings must be valid.
func NewBalancer(pool *Pool, settings Settings) *Balancer {
	return &Balancer{pool: pool, settings: settings}
}

// Pool is the pool that the balancer picks from.
func (b *Balancer) Pool() *Pool { return b.pool }

// Sync makes members the ones to pick from and returns the table to pick with.
// Upstreams that stay keep their history and their place in the rotation.
func (b *Balancer) Sync(members []Member) *Table {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := time.Now()
	old := b.table
	b.table = newTable(b, members, old, now)
	if old != nil {
		b.pool.leave(old.upstreams, now)
	}
	return b.table
}

// Close gives up the members. The balancer can still pick for requests that are
// under way.
func (b *Balancer) Close() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.table != nil {
		b.pool.leave(b.table.upstreams, time.Now())
	}
	b.table = nil
}

// Table returns the table of the latest Sync, or nil.
func (b *Balancer) Table() *Table {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.table
}

// Attempt is one try to get an answer from an upstream.
type Attempt struct {
	balancer *Balancer
	upstream *Upstream
	start    time.Time
}

// Begin notes that a request is sent to u.
func (b *Balancer) Begin(u *Upstream) Attempt {
	u.inFlight.Add(1)
	return Attempt{balancer: b, upstream: u, start: time.Now()}
}

// Answered notes the outcome of the attempt when its headers have come or it has
// failed, and reports how long that took.
func (a Attempt) Answered(o Outcome) time.Duration {
	now := time.Now()
	took := now.Sub(a.start)
	if o == Success || o == FailedStatus {
		a.upstream.firstByte.observe(took)
	}
	a.balancer.record(a.upstream, o, a.start, now)
	return took
}

// Truncated notes that the answer's body broke after Answered.
func (a Attempt) Truncated() {
	a.balancer.record(a.upstream, Truncated, a.start, time.Now())
}

// End notes that the answer has been passed on, or will not come.
func (a Attempt) End() { a.upstream.inFlight.Add(-1) }

func (b *Balancer) record(u *Upstream, o Outcome, start, now time.Time) {
	changed, turned := u.record(o, start, now, &b.settings)
	if turned {
		b.pool.changes.Add(turn)
	} else if changed {
		b.pool.changes.Add(1)
	}
	if o.Failure() {
		if t := b.Table(); t != nil {
			t.seekRecovered()
		}
	}
}

// FirstAttempt notes that a request makes its first attempt, which earns its
// share of a retry.
func (b *Balancer) FirstAttempt() {
	if b.settings.RetryBudget > 0 {
		b.pool.budget.deposit(b.settings.RetryBudget)
	}
}

// Retry reports whether the budget allows another attempt, and if so uses it.
func (b *Balancer) Retry() bool {
	return b.settings.RetryBudget < 0 || b.pool.budget.withdraw(time.Now())
}
