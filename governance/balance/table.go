package balance

// table.go holds the members of a balancer with their effective weights, and the pick.

import (
	"math"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/weirproxy/weir/governance/swrr"
)

// Table is a fixed list of members. Its weights follow what happens to them.
type Table struct {
	balancer  *Balancer
	members   []Member
	upstreams []*Upstream
	scheduler *swrr.Scheduler
	// seek is 1 + the index of an ejected member that the next request tries, or 0.
	seek    atomic.Int32
	weights atomic.Pointer[weights]
	mu      sync.Mutex // held while weights are computed
}

// weights is what the histories came to at one time.
type weights struct {
	changes uint64
	at      time.Time
	// again is when the weights must be computed anew though nothing happened,
	// because they depend on time; zero if they don't.
	again time.Time
	// panicking is true if an ejection is ignored because too many members are
	// ejected already, or if no member is known to be well.
	panicking bool
	// plain is true if the schedule alone decides: no member is ejected or on
	// probation, and no weight depends on time.
	plain bool
	of    []weight
}

// weight is an effective weight with its factors.
type weight struct {
	base, rate, ramp float64
	effective        float64
	ejected          bool // and out of the rotation for it
	unproven         bool
	drained          bool
}

func newTable(b *Balancer, members []Member, old *Table, now time.Time) *Table {
	t := &Table{
		balancer:  b,
		members:   slices.Clone(members),
		upstreams: b.pool.enter(members, now),
	}
	if old != nil {
		t.scheduler = old.scheduler.Fork()
		from := make([]int, len(members))
		places := make(map[string]int, len(old.members))
		for i := range old.members {
			places[old.members[i].Address] = i
		}
		for i := range members {
			from[i] = -1
			if place, ok := places[members[i].Address]; ok {
				from[i] = place
			}
		}
		t.scheduler.Update(t.compute(now), from)
		return t
	}
	effective := t.compute(now)
	t.scheduler = swrr.New(effective)
	// Balancers that begin together, after a reload or in several gateways, must
	// not all begin with the same upstream.
	for range rand.IntN(2*len(members) + 1) {
		t.scheduler.Next()
	}
	return t
}

// Len is the number of members.
func (t *Table) Len() int { return len(t.members) }

// Address returns the address of a member.
func (t *Table) Address(i int) string { return t.members[i].Address }

// ConfiguredWeight returns the configured weight of the member at address.
func (t *Table) ConfiguredWeight(address string) (weight float64, known bool) {
	for i := range t.members {
		if t.members[i].Address == address {
			return t.members[i].Weight, true
		}
	}
	return 0, false
}

// Has reports whether members are the table's, in every respect.
func (t *Table) Has(members []Member) bool {
	return slices.EqualFunc(t.members, members, func(a, b Member) bool {
		return a.Address == b.Address && a.Weight == b.Weight && a.Instance == b.Instance && a.Since.Equal(b.Since)
	})
}

// Is reports whether the table's members have these addresses, in this order.
func (t *Table) Is(n int, address func(int) string) bool {
	if n != len(t.members) {
		return false
	}
	for i := range t.members {
		if t.members[i].Address != address(i) {
			return false
		}
	}
	return true
}

// Next is the quick form of Pick: the member that the schedule has next, or -1 if
// more than the schedule must be asked. Unlike Pick it does not know which members
// are available.
func (t *Table) Next() int {
	w := t.weights.Load()
	if !w.plain || w.changes != t.balancer.pool.changes.Load() || t.seek.Load() != 0 {
		return -1
	}
	return t.scheduler.Next()
}

// Pick returns the index of the member that the next attempt goes to, or -1 if
// there is none. available tells whether a member can take a request at all;
// tried, if not nil, whether this request was sent to it already: such members are
// the last choice. Ejected members are chosen rather than none.
func (t *Table) Pick(available, tried func(int) bool) int {
	w := t.current()
	if i := t.sought(); i >= 0 && available(i) && (tried == nil || !tried(i)) && t.upstreams[i].admitProbe(time.Now()) {
		return i
	}
	// The schedule, skipping whom this request cannot use, keeps the proportions
	// of the others. A few rounds find someone unless almost all weight is out.
	for range 2*len(t.members) + 8 {
		i := t.scheduler.Next()
		if i < 0 {
			break
		}
		if available(i) && (tried == nil || !tried(i)) && t.admit(w, i) {
			return i
		}
	}
	return t.pickAny(w, available, tried)
}

// sought takes the member that is to be tried at once.
func (t *Table) sought() int {
	i := t.seek.Load()
	if i == 0 || !t.seek.CompareAndSwap(i, 0) {
		return -1
	}
	return int(i) - 1
}

// admit reports whether a scheduled member may get an attempt now.
func (t *Table) admit(w *weights, i int) bool {
	of := &w.of[i]
	if of.unproven && !w.panicking {
		return t.upstreams[i].admitProbe(time.Now())
	}
	return !of.ejected
}

// pickAny looks at all members: first those in the rotation, then the ejected, of
// those not tried before those tried. Among equals it draws by weight, which keeps
// the proportions too, though not as smoothly as the schedule.
func (t *Table) pickAny(w *weights, available, tried func(int) bool) int {
	best, bestRank, total := -1, 4, 0.0
	for i := range w.of {
		of := &w.of[i]
		if of.drained || of.base <= 0 || !available(i) {
			continue
		}
		rank := 0
		if of.ejected || of.unproven {
			rank++
		}
		if tried != nil && tried(i) {
			rank += 2
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
	return best
}

// current returns the weights, computed anew if something happened or enough time
// passed. While all rates are 1 and nothing happens it reads no clock.
func (t *Table) current() *weights {
	w := t.weights.Load()
	changes := t.balancer.pool.changes.Load()
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
	t.scheduler.Update(t.compute(now), nil)
	return t.weights.Load()
}

// pause is how long weights are left alone after they were computed, unless an
// ejection begins or ends: computing takes about 0.1 us a member, so this keeps it
// near a thousandth of the time.
func (t *Table) pause() time.Duration {
	return min(time.Duration(len(t.members))*100*time.Microsecond, 50*time.Millisecond)
}

// compute computes the weights at now, publishes them, and returns the effective
// ones. The caller holds mu or is the only one to know t.
func (t *Table) compute(now time.Time) []float64 {
	p, s := t.balancer.pool, &t.balancer.settings
	w := &weights{
		changes: p.changes.Load(),
		at:      now,
		of:      make([]weight, len(t.members)),
	}
	var ejected []ejection
	members, unproven, advanced := 0, 0, 0.0
	for i, u := range t.upstreams {
		of := &w.of[i]
		decision, decided := p.decision(u.Address, t.members[i].Weight, now)
		of.base = t.members[i].Weight
		if decided {
			of.drained = decision.Drain
			if decision.Weight != nil {
				of.base = *decision.Weight
			}
			w.by(decision.Until)
		}
		u.mu.Lock()
		of.rate, of.ramp, of.unproven = u.rateAt(now, s), u.rampAt(now, s), u.unproven
		if now.Before(u.ejectedTill) && of.base > 0 && !of.drained {
			ejected = append(ejected, ejection{i, u.ejectedAt, u.ejectedTill})
		}
		w.by(u.nextChange(now, s))
		u.mu.Unlock()
		if of.base > 0 && !of.drained {
			members++
			advanced = max(advanced, of.ramp)
			if of.unproven {
				unproven++
			}
		}
	}
	ignored := w.eject(ejected, members, s)
	w.panicking = ignored || members > 0 && unproven == members
	w.plain = w.again.IsZero() && unproven == 0 && len(ejected) == 0
	effective := w.settle(s, advanced)
	t.weights.Store(w)
	return effective
}

// settle computes the effective weights from their factors. When every member is
// new they are compared with the most advanced one, so that all being new is no
// different from none being.
func (w *weights) settle(s *Settings, advanced float64) []float64 {
	effective := make([]float64, len(w.of))
	for i := range w.of {
		of := &w.of[i]
		if advanced > 0 {
			of.ramp = min(1, of.ramp/advanced)
		}
		switch {
		case of.drained || of.ejected:
		case of.unproven && !w.panicking:
			of.effective = of.base * s.Floor
		default:
			of.effective = of.base * max(s.Floor, of.rate*of.ramp)
		}
		effective[i] = of.effective
	}
	return effective
}

// ejection is a member that is to be out of the rotation for a time.
type ejection struct {
	member   int
	at, till time.Time
}

// eject takes out the members ejected first, as many as may be, and reports
// whether one had to stay.
func (w *weights) eject(ejected []ejection, members int, s *Settings) (ignored bool) {
	slices.SortFunc(ejected, func(a, b ejection) int { return a.at.Compare(b.at) })
	most := min(int(s.MaxEjected*float64(members)), members-1)
	for n, e := range ejected {
		if n >= most {
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

// nextChange is when the upstream's weight will have changed by time alone, or
// zero.
func (u *Upstream) nextChange(now time.Time, s *Settings) time.Time {
	var next time.Time
	if u.rate < 1 && !u.lastAttempt.IsZero() {
		next = u.lastAttempt.Add(s.HalfLife)
		if !next.After(now) {
			next = now.Add(s.HalfLife / 50)
		}
	}
	if u.rampAt(now, s) < 1 {
		step := now.Add(max(s.SlowStart/100, time.Millisecond))
		if next.IsZero() || step.Before(next) {
			next = step
		}
	}
	return next
}

// seekRecovered has the next request try an ejected member at once if a failure
// happened while too many are ejected: recovery must not wait for the end of the
// longest ejection when nobody is known to be well.
func (t *Table) seekRecovered() {
	w := t.current()
	if !w.panicking {
		return
	}
	sought := -1
	var oldest time.Time
	for i := range w.of {
		if !w.of[i].ejected {
			continue
		}
		u := t.upstreams[i]
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
