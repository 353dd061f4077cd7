package balance

// table.go holds the members of a balancer, and the pick.

import (
	"math"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/weirproxy/weir/governance/circuit"
	"github.com/weirproxy/weir/governance/swrr"
)

// Table is a fixed list of members. Its weights follow what happens to them.
type Table struct {
	balancer  *Balancer
	members   []Member
	index     map[string]int
	upstreams []*Upstream
	breakers  []breaker // nil if the balancer has none
	scheduler *swrr.Scheduler
	changes   *atomic.Uint64 // the pool's
	// seek is 1 + the index of an ejected member that the next request tries, or 0.
	seek    atomic.Int32
	weights atomic.Pointer[weights]
	mu      sync.Mutex // held while weights are computed
}

// newTable is called with b.mu held.
func newTable(b *Balancer, members []Member, old *Table, adopted bool, now time.Time) *Table {
	t := &Table{
		balancer: b,
		members:  members,
		changes:  &b.pool.changes,
		index:    make(map[string]int, len(members)),
	}
	if b.closed {
		t.upstreams = b.pool.visit(members, now)
	} else {
		t.upstreams = b.pool.enter(members, adopted, now)
	}
	for i, m := range members {
		t.index[m.Address] = i
		if u := t.upstreams[i]; u.seen.Load() == 0 || !adopted && old.Index(m.Address) < 0 {
			u.seen.Store(u.clock(now))
		}
	}
	t.breakers = b.breakersOf(t.upstreams, old)
	w, effective := t.compute(now)
	t.weights.Store(w)
	if old != nil {
		from := make([]int, len(members))
		for i := range members {
			from[i] = old.Index(members[i].Address)
		}
		t.scheduler = old.scheduler.Successor(effective, from)
		return t
	}
	t.scheduler = swrr.New(effective)
	// Balancers that begin together, after a reload or in several gateways, must
	// not all begin with the same upstream.
	for range rand.IntN(2*len(members) + 1) {
		t.scheduler.Next()
	}
	return t
}

// merge returns members in the table's order, then newcomers, and with those that
// went away just now; if those are too many, without the first of them.
func (t *Table) merge(members []Member, now time.Time) []Member {
	told := make(map[string]int, len(members))
	for i, m := range members {
		told[m.Address] = i
	}
	merged := make([]Member, 0, len(members))
	carried := 0
	for i, m := range t.members {
		u := t.upstreams[i]
		place, present := told[m.Address]
		switch {
		case present:
			merged = append(merged, members[place])
			delete(told, m.Address)
			u.seen.Store(u.clock(now))
		case u.away(now) < absence:
			m.carried = true
			merged = append(merged, m)
			carried++
		}
	}
	if excess := carried - mostCarried(len(members)); excess > 0 {
		merged = slices.DeleteFunc(merged, func(m Member) bool {
			if !m.carried || excess == 0 {
				return false
			}
			excess--
			return true
		})
	}
	for _, m := range members {
		if _, newcomer := told[m.Address]; newcomer {
			merged = append(merged, m)
		}
	}
	return merged
}

// mostCarried is how many absent members a table has room for beside those told: each
// newcomer costs time in proportion to them all, so a source that names others for
// each request must not have many. Sources of like size may take turns.
func mostCarried(told int) int { return 100 + 4*told }

func (t *Table) has(members []Member) bool {
	return slices.EqualFunc(t.members, members, Member.equal)
}

// Index returns the index of the member at address, or -1; a nil table has none.
func (t *Table) Index(address string) int {
	if t != nil {
		if i, ok := t.index[address]; ok {
			return i
		}
	}
	return -1
}

// Len is the number of members.
func (t *Table) Len() int { return len(t.members) }

// Member returns a member.
func (t *Table) Member(i int) Member { return t.members[i] }

// Next is the quick form of Pick: the member that the schedule has next, or -1 if
// more than the schedule must be asked. Unlike Pick it does not know which members
// are available.
func (t *Table) Next() int {
	w := t.weights.Load()
	if !w.plain || w.changes != t.changes.Load() || t.seek.Load() != 0 {
		return -1
	}
	return t.scheduler.Next()
}

// Pick returns the index of the member that the next attempt goes to, or -1 if
// there is none. available tells whether a member can take this request at all;
// tried, if not nil, whether the request was sent to it already: such members are
// the last choice. Ejected members are chosen rather than none, but those whose breaker is
// not closed only if nobody else is there: one that is full, or was tried, is.
func (t *Table) Pick(available, tried func(int) bool) int {
	w := t.current()
	usable := func(i int) bool { return t.usable(w, i, available, tried) }
	if i := t.sought(w, usable); i >= 0 {
		return i
	}
	// The schedule, skipping whom this request cannot use, keeps the proportions
	// of the others. A few rounds find someone unless almost all weight is out.
	for range 2*len(t.members) + 8 {
		i := t.scheduler.Next()
		if i < 0 {
			break
		}
		if usable(i) && t.admit(w, i) {
			return i
		}
	}
	return t.draw(w, available, tried)
}

// Draw is Pick for a request that can use only a part of the members at all, as
// when sources differ from request to request. A member that the schedule has next
// but the request cannot use would lose its turn, and requests that come in a
// rhythm would starve some; drawing by weight keeps the proportions of any part.
func (t *Table) Draw(available, tried func(int) bool) int {
	w := t.current()
	usable := func(i int) bool { return t.usable(w, i, available, tried) }
	if i := t.sought(w, usable); i >= 0 {
		return i
	}
	return t.draw(w, available, tried)
}

// sought takes the member that is to be tried at once, if it still is.
func (t *Table) sought(w *weights, usable func(int) bool) int {
	sought := t.seek.Load()
	if sought == 0 {
		return -1
	}
	i := int(sought) - 1
	of := &w.of[i]
	needed := w.nobodyProven && !of.drained && of.base > 0 && !of.forced
	if needed && !usable(i) {
		return -1 // it is left to a request that can use it
	}
	if !t.seek.CompareAndSwap(sought, 0) || !needed || !t.upstreams[i].admitProbe(time.Now()) {
		return -1
	}
	return i
}

// admit reports whether a scheduled member may get an attempt now.
func (t *Table) admit(w *weights, i int) bool {
	of := &w.of[i]
	if of.ejected || of.drained || of.base <= 0 {
		return false
	}
	if of.state == circuit.HalfOpen && !w.nobodyProven {
		return t.breakers[i].Ready() // the attempt takes the place
	}
	return !of.unproven || w.nobodyProven || t.upstreams[i].admitProbe(time.Now())
}

// draw looks at all members in order of their rank. Among equals it draws by weight.
func (t *Table) draw(w *weights, available, tried func(int) bool) int {
	for {
		now := time.Now()
		best, lastResort := t.drawOnce(w, now, available, tried)
		if best < 0 || !w.of[best].unproven || w.of[best].state == circuit.HalfOpen {
			return best
		}
		// The place for a probe was free when the member was drawn. If another
		// request has it now, someone else must do, unless there is no one.
		if t.upstreams[best].admitProbe(now) || lastResort || w.nobodyProven {
			return best
		}
	}
}

// drawOnce is draw as things are at now; lastResort tells that the member is ejected
// or has its probe already. What others have no room for goes to nobody rather than to one
// who is known not to be well.
func (t *Table) drawOnce(w *weights, now time.Time, available, tried func(int) bool) (best int, lastResort bool) {
	best = -1
	bestRank, total := ranks, 0.0
	crowded := false
	for i := range w.of {
		of := &w.of[i]
		if of.drained || of.base <= 0 || !available(i) {
			continue
		}
		rank := t.rank(w, i, now, tried)
		if t.full(w, i) {
			crowded = crowded || rank < rankShunned
			continue
		}
		if rank > bestRank {
			continue
		}
		if rank < bestRank {
			bestRank, total = rank, 0
		}
		chance := max(of.effective, math.SmallestNonzeroFloat32)
		total += chance
		if rand.Float64()*total < chance {
			best = i
		}
	}
	if crowded && bestRank >= rankShunned {
		return -1, false
	}
	return best, bestRank%2 == 1
}

// seekRecovered has the next request try an ejected member at once if a failure
// happened while no member is known to be well: recovery must not wait for the end
// of the longest ejection then. As long as there is a good one, probation does.
func (t *Table) seekRecovered() {
	w := t.current()
	if !w.nobodyProven {
		return
	}
	sought := -1
	var oldest time.Time
	for i, u := range t.upstreams {
		if of := &w.of[i]; of.drained || of.base <= 0 || of.forced {
			continue
		}
		u.mu.Lock()
		last := u.lastAttempt
		u.mu.Unlock()
		if sought < 0 || last.Before(oldest) {
			sought, oldest = i, last
		}
	}
	if sought >= 0 {
		t.seek.Store(int32(sought) + 1)
	}
}
