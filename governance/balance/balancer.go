package balance

// balancer.go holds what picks: settings over the histories of a pool.

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/weirproxy/weir/governance/circuit"
)

// absence is how long a member that a source does not tell any more stays in the
// table. Sources differ from request to request (a fallback, a filter, two that
// take turns); throwing members out each time would forget their place in the
// rotation and start their ramp anew.
const absence = 10 * time.Second

// Member is an upstream as the configuration or a discovery source describes it.
type Member struct {
	// Address keys the upstream's history.
	Address string
	// Weight is the configured weight; 0 keeps the upstream out.
	Weight float64
	// Advertised tells that the weight comes from a source, which may change it
	// at any time, and not from the configuration.
	Advertised bool
	// Instance identifies the process behind the address, if that is known: when
	// it changes, the history of the address starts over.
	Instance string
	// Since is when the instance started, if that is known: another start is another
	// instance, also with the same id.
	Since time.Time

	// carried tells that the member stays though its source did not tell it: what
	// is said here of its instance may be old.
	carried bool
}

func (m Member) equal(o Member) bool {
	return m.Address == o.Address && m.Weight == o.Weight && m.Advertised == o.Advertised &&
		m.Instance == o.Instance && m.Since.Equal(o.Since)
}

// Balancer picks among the members of a pool by its own settings.
type Balancer struct {
	pool     *Pool
	settings Settings
	table    atomic.Pointer[Table]
	watch    func(address string, c circuit.Change)

	mu      sync.Mutex // held while the table changes
	serving bool
	closed  bool
}

// NewBalancer returns a Balancer without members. settings must be valid.
func NewBalancer(pool *Pool, settings Settings) *Balancer {
	if settings.Breaker != nil {
		settings.Breaker = new(*settings.Breaker) // the caller may change its own
	}
	return &Balancer{pool: pool, settings: settings}
}

// Sync makes members, which must have different addresses, the ones to pick from
// and returns the table to pick with. Members that stay keep their history and
// their place; one that was there a moment ago stays for that long.
func (b *Balancer) Sync(members []Member) *Table {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.sync(members, false)
}

// Learn is Sync for members that a source told for a request: other balancers of
// the pool may adopt them.
func (b *Balancer) Learn(members []Member) *Table {
	b.mu.Lock()
	defer b.mu.Unlock()
	t := b.sync(members, false)
	if !b.closed {
		b.pool.remember(t.members)
	}
	return t
}

// Adopt takes over the members that a source told last, to whichever balancer of
// the pool, so that one which has had no request yet, or none for long, knows them
// too.
func (b *Balancer) Adopt() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if members := b.pool.remembered(); members != nil && !b.closed {
		b.sync(members, true)
	}
}

func (b *Balancer) sync(members []Member, adopt bool) *Table {
	now := time.Now()
	old := b.table.Load()
	if old != nil && !adopt {
		members = old.merge(members, now)
	}
	if old != nil && old.has(members) {
		return old
	}
	t := newTable(b, members, old, adopt, now)
	b.table.Store(t)
	if old != nil && !b.closed {
		b.pool.leave(old.upstreams, now)
	}
	return t
}

// Close gives up the members. The balancer can still pick for requests that are
// under way, also among other members.
func (b *Balancer) Close() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if t := b.table.Load(); t != nil && !b.closed {
		b.pool.leave(t.upstreams, time.Now())
	}
	b.closed = true
}

// Table returns the table of the latest Sync, or nil.
func (b *Balancer) Table() *Table { return b.table.Load() }

// Attempt is one try to get an answer from an upstream.
type Attempt struct {
	balancer *Balancer
	upstream *Upstream
	start    time.Time
	outcome  Outcome
	change   change
	guard    *guard // nil if it counts for no breaker
}

// Begin notes that a request is sent to u.
func (b *Balancer) Begin(u *Upstream) Attempt {
	u.inFlight.Add(1)
	if b.settings.Breaker != nil {
		return Attempt{balancer: b, upstream: u, start: time.Now(), guard: b.guard(u)}
	}
	return Attempt{balancer: b, upstream: u, start: time.Now()}
}

// Answered notes the outcome of the attempt when its headers have come or it has
// failed.
func (a *Attempt) Answered(o Outcome) {
	now := time.Now()
	if o == Success || o == FailedStatus {
		a.upstream.firstByte.observe(now.Sub(a.start))
	}
	a.outcome = o
	if a.guard != nil {
		a.guard.answered(a.upstream, o)
	}
	a.change = a.upstream.record(o, a.start, now, &a.balancer.settings)
	a.balancer.follow(a.change, o.Failure())
}

// Truncated notes that the answer's body broke off after Answered: what was
// recorded as a success was none.
func (a *Attempt) Truncated() {
	a.upstream.truncated.Add(1)
	if a.outcome != Success {
		return
	}
	if a.guard != nil {
		a.guard.truncated()
	}
	a.balancer.follow(a.upstream.truncate(a.change, a.start, time.Now(), &a.balancer.settings), true)
}

// End notes that the answer has been passed on, or will not come.
func (a *Attempt) End() { a.upstream.inFlight.Add(-1) }

// follow has the weights follow what an attempt changed.
func (b *Balancer) follow(c change, failed bool) {
	if c.turn {
		b.pool.changes.Add(turn)
	} else if c.weight {
		b.pool.changes.Add(1)
	}
	if failed {
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

// Retry reports whether the budget allows another attempt, and if so uses it. A
// retry that is not made after all must be given back with Refund.
func (b *Balancer) Retry() bool {
	if b.settings.RetryBudget <= 0 {
		return b.settings.RetryBudget < 0
	}
	return b.pool.budget.withdraw(time.Now())
}

// Refund gives back what Retry took.
func (b *Balancer) Refund() {
	if b.settings.RetryBudget > 0 {
		b.pool.budget.tokens.Add(budgetToken)
	}
}
