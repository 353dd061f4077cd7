package balance

// breakers.go holds the circuit breakers of upstreams: how they take upstreams out of
// the rotation, and how attempts count for them.

import (
	"time"

	"github.com/weirproxy/weir/governance/circuit"
)

// breaker is a balancer's breaker for one upstream.
type breaker struct {
	*circuit.Breaker
	history *circuit.History
}

// Watch has f called with each change of the state of an upstream's breaker. f must not
// use the balancer. Watch is called before the first Sync.
func (b *Balancer) Watch(f func(address string, c circuit.Change)) { b.watch = f }

// breakersOf returns the breakers for upstreams, those of old for whom it has them; nil
// if there are none.
func (b *Balancer) breakersOf(upstreams []*Upstream, old *Table) []breaker {
	if b.settings.Breaker == nil {
		return nil
	}
	breakers := make([]breaker, len(upstreams))
	for i, u := range upstreams {
		history := b.pool.breakerHistory(u)
		if j := old.Index(u.Address); j >= 0 && old.breakers[j].history == history {
			breakers[i] = old.breakers[j]
			continue
		}
		breakers[i] = breaker{
			circuit.New(history, *b.settings.Breaker, func(c circuit.Change) {
				if u.breaker.Load() == history { // and not that of an instance that was replaced
					b.turned(u, c)
				}
			}),
			history,
		}
		if b.serving && !b.closed {
			breakers[i].Adopt()
		}
	}
	return breakers
}

// Serve tells that requests come to the balancer, and so that its configuration is the one
// that runs: its settings hold, and Watch is told, for the breakers of all members and of
// those that join later. Without it that is so only for breakers that are new to the pool.
func (b *Balancer) Serve() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.serving || b.closed {
		return
	}
	b.serving = true
	if t := b.Table(); t != nil && t.breakers != nil {
		for i := range t.breakers {
			t.breakers[i].Adopt()
		}
		b.pool.changes.Add(turn) // limits may be others
	}
}

// breakerHistory returns the history of u's breaker, made when it is first needed.
func (p *Pool) breakerHistory(u *Upstream) *circuit.History {
	p.mu.Lock()
	defer p.mu.Unlock()
	history := u.breaker.Load()
	if history == nil {
		history = circuit.NewHistory()
		if d := p.decisions[u.Address].Breaker; d != nil {
			history.Decide(*d)
		}
		u.breaker.Store(history)
	}
	return history
}

// decideBreaker has the breaker at address follow what was decided. It is called
// without mu: a decision may change the breaker's state, and whoever is told of that
// may look at the pool.
func (p *Pool) decideBreaker(address string, d Decision) {
	u := p.Upstream(address)
	if u == nil {
		return
	}
	if history := u.breaker.Load(); history != nil {
		var decision circuit.Decision
		if d.Breaker != nil {
			decision = *d.Breaker
		}
		history.Decide(decision)
	}
}

// breakerSettings are the settings that hold for a breaker, given what an operator
// decided about it.
func (b *Balancer) breakerSettings(d *circuit.Decision) *circuit.Settings {
	if d != nil && d.Thresholds != nil && d.Configured != nil && *d.Configured == *b.settings.Breaker {
		return d.Thresholds
	}
	return b.settings.Breaker
}

// turned follows a change of the state of u's breaker.
func (b *Balancer) turned(u *Upstream, c circuit.Change) {
	u.turns[c.To].Add(1)
	decided := b.pool.Decision(Member{Address: u.Address, Advertised: true}, c.At).Breaker
	if !b.breakerSettings(decided).DryRun {
		switch {
		case c.To == circuit.Open:
			u.opened(c.At)
		case c.Why == circuit.WhyProbeSucceeded, c.To == circuit.Closed && decided != nil && decided.Mode == circuit.ForcedClosed:
			u.cleared()
		}
	}
	b.pool.changes.Add(turn)
	if t := b.Table(); t != nil && c.To == circuit.Closed {
		t.hasten()
	}
	if b.watch != nil {
		b.watch(u.Address, c)
	}
}

// opened notes when the breaker opened. While it is not closed, ejections do not count:
// its times hold.
func (u *Upstream) opened(at time.Time) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.openedAt = at
}

// cleared forgets what was learnt before the breaker closed: its probes have shown more,
// or an operator knows better, and its own growth is caution enough. A breaker that is
// only out of an operator's hands again, or disabled, has shown nothing.
func (u *Upstream) cleared() {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.rate, u.inARow, u.unproven = 1, 0, false
	u.ejectedTill, u.ejectedFor = time.Time{}, 0
	u.probeUntil.Store(0)
	if u.openedAt.After(u.heedFrom) { // what hung then may fail only now
		u.heedFrom = u.openedAt
	}
	u.settle()
}

// hasten lets the other breakers probe when the first one closes of a pool in which
// all were open: what made them all fail may be over, and the first one must not carry
// everything until the others' open time ends.
func (t *Table) hasten() {
	if !t.weights.Load().allOpen {
		return
	}
	for i := range t.breakers {
		if state, _ := t.breakers[i].State(); state == circuit.Open {
			t.breakers[i].Healthy()
		}
	}
}

// weighBreaker takes the state of member i's breaker into its weight, unless it does not
// count: in a dry run, or because it is disabled.
func (t *Table) weighBreaker(w *weights, i int, d *circuit.Decision, now time.Time) {
	of := &w.of[i]
	of.share = 1
	if t.breakers == nil {
		return
	}
	settings := t.balancer.breakerSettings(d)
	of.dryRun = settings.DryRun
	if of.dryRun || d != nil && d.Mode == circuit.Disabled {
		return
	}
	of.limit = int64(settings.MaxConcurrent)
	state, left := t.breakers[i].State()
	of.state = state
	switch state {
	case circuit.Open:
		of.forced = d != nil && d.Mode == circuit.ForcedOpen
		if left > 0 {
			w.by(now.Add(left))
		} else if !of.forced { // its time is just over
			w.by(now.Add(time.Millisecond))
		}
	case circuit.Closed:
		var next time.Time
		of.share, next = t.breakers[i].Share(now)
		w.by(next)
	}
}

// full reports whether a member has as many attempts waiting for an answer as it may. Those
// that hung before its breaker opened do not keep its probes out.
func (t *Table) full(w *weights, i int) bool {
	of := &w.of[i]
	return of.limit > 0 && t.upstreams[i].waiting.Load() >= of.limit &&
		!(of.state == circuit.HalfOpen && t.breakers[i].Ready())
}

// Full reports whether some member cannot have an attempt because of
// circuit.Settings.MaxConcurrent.
func (t *Table) Full() bool {
	w := t.weights.Load()
	for i := range w.of {
		if t.full(w, i) {
			return true
		}
	}
	return false
}

// breakerOf returns the breaker for u, and whether it is in a dry run; nil if it has
// none: u may have left the table.
func (b *Balancer) breakerOf(u *Upstream) (breaker *circuit.Breaker, dryRun bool) {
	t := b.Table()
	if i := t.Index(u.Address); i >= 0 && t.upstreams[i] == u && t.breakers != nil {
		return t.breakers[i].Breaker, t.weights.Load().of[i].dryRun
	}
	return nil, false
}

// Healthy tells that an active health check of an upstream has passed: if its breaker
// is open, it probes.
func (b *Balancer) Healthy(u *Upstream) {
	if breaker, _ := b.breakerOf(u); breaker != nil {
		breaker.Healthy()
	}
}
