package balance

// upstream.go holds what is known about one upstream, and how an attempt changes it.

import (
	"math"
	"sync"
	"sync/atomic"
	"time"

	"github.com/weirproxy/weir/governance/circuit"
)

// steadyRate is where a recovering success rate counts as 1: what is left is
// under a hundredth of the least useful difference between two weights, and a
// pool whose rates are all 1 needs no clock.
const steadyRate = 0.999

// probeTimeout is when an upstream on probation that has not answered its probe
// may get another one.
const probeTimeout = 10 * time.Second

// Upstream is the history of one upstream. It is shared by all balancers of its
// pool and survives them.
type Upstream struct {
	// Address is what upstreams are keyed by.
	Address string

	attempts  [outcomes]atomic.Uint64
	truncated atomic.Uint64
	inFlight  atomic.Int64
	// breaker is what the upstream's circuit breaker learnt, nil until one is needed;
	// waiting counts attempts without an answer and turns the changes to each state,
	// both while there is one.
	breaker atomic.Pointer[circuit.History]
	waiting atomic.Int64
	turns   [3]atomic.Uint64

	firstByte histogram
	// steady is true while a success changes nothing, so that recording one is a
	// few atomic operations.
	steady atomic.Bool
	// origin is where the clock of probeUntil and seen begins: they are
	// nanoseconds since then, so that a clock that is set back disturbs nothing.
	origin time.Time
	// probeUntil is when the running probe of an upstream on probation is given
	// up; 0 if there is none.
	probeUntil atomic.Int64
	// seen is when the upstream was last among those that a source told.
	seen atomic.Int64

	mu          sync.Mutex
	rate        float64
	lastAttempt time.Time
	inARow      int
	joined      time.Time // zero: was there from the beginning
	since       time.Time // as it was told
	instance    string
	// heedFrom is from when on attempts must have begun to say anything: another instance
	// was told then, or the breaker opened and has closed since.
	heedFrom    time.Time
	ejectedAt   time.Time
	ejectedTill time.Time
	ejectedFor  time.Duration
	provenAt    time.Time
	openedAt    time.Time // when the breaker opened last
	unproven    bool      // ejected, and not yet proven well again
	holders     int       // tables it is in; guarded by Pool.mu
	leftAt      time.Time
}

func newUpstream(address string, now time.Time) *Upstream {
	u := &Upstream{Address: address, origin: now, rate: 1}
	u.steady.Store(true)
	return u
}

// clock is t on the upstream's clock; it is positive.
func (u *Upstream) clock(t time.Time) int64 { return int64(t.Sub(u.origin)) + 1 }

// away is for how long no source has told the upstream.
func (u *Upstream) away(now time.Time) time.Duration {
	return time.Duration(u.clock(now) - u.seen.Load())
}

// forgotten reports whether there is no history to go on with. The caller holds the
// pool's mu.
func (u *Upstream) forgotten(now time.Time) bool {
	return u == nil || u.holders == 0 && now.Sub(u.leftAt) > forgetAfter
}

// join notes that the upstream entered a pool, newly or again, and forgets what
// does not hold for another instance at the same address.
func (u *Upstream) join(m Member, isNew bool, now time.Time) {
	u.mu.Lock()
	defer u.mu.Unlock()
	restarted := u.instance != "" && m.Instance != "" && m.Instance != u.instance
	// also one that keeps its id is another process when it has another start
	restarted = restarted || !u.since.IsZero() && !m.Since.IsZero() && !m.Since.Equal(u.since)
	if restarted {
		u.rate, u.inARow, u.unproven = 1, 0, false
		u.ejectedTill, u.ejectedFor = time.Time{}, 0
		u.heedFrom = now
		u.probeUntil.Store(0)
		u.breaker.Store(nil)
		isNew = true
	}
	if m.Instance != "" {
		u.instance = m.Instance
	}
	if isNew {
		u.joined = now
	}
	if !m.Since.IsZero() && (isNew || !m.Since.Equal(u.since)) {
		u.joined = m.Since
		if now.Before(u.joined) { // another machine's clock
			u.joined = now
		}
	}
	u.since = m.Since
	u.settle()
}

// rateAt is the success rate at now, with the drift of an idle upstream.
func (u *Upstream) rateAt(now time.Time, s *Settings) float64 {
	if u.rate >= 1 || u.lastAttempt.IsZero() {
		return u.rate
	}
	idle := now.Sub(u.lastAttempt) - s.HalfLife
	if idle <= 0 {
		return u.rate
	}
	return 1 - (1-u.rate)*math.Exp2(-float64(idle)/float64(s.HalfLife))
}

// rampAt is the slow-start factor at now.
func (u *Upstream) rampAt(now time.Time, s *Settings) float64 {
	if s.SlowStart <= 0 || u.joined.IsZero() {
		return 1
	}
	age := now.Sub(u.joined)
	if age >= s.SlowStart {
		return 1
	}
	return max(s.SlowStartFloor, float64(age)/float64(s.SlowStart))
}

// change is what an attempt did to an upstream.
type change struct {
	weight bool // its weight changed
	turn   bool // its ejection began or ended
	// streak is the number of failures in a row that a success ended, and proved
	// whether it ended a probation: should the answer break off later, neither
	// happened, unless there was another success since. successes is how many
	// there were.
	streak    int
	proved    bool
	successes uint64
}

// record counts an attempt that started at start and ended now.
func (u *Upstream) record(o Outcome, start, now time.Time, s *Settings) change {
	n := u.attempts[o].Add(1)
	if o == Success && u.steady.Load() {
		return change{successes: n}
	}
	u.endProbe(start)
	u.mu.Lock()
	defer u.mu.Unlock()
	if start.Before(u.heedFrom) {
		return change{} // it was another process that did well or not, or another trouble
	}
	defer u.settle()
	rate := u.rateAt(now, s)
	u.lastAttempt = now
	if o.Neutral() {
		// It was tried: what is known of it must not fade as if it were idle. One
		// that hangs until each client gives up would get its share back.
		u.rate = rate
		return change{}
	}
	if o != Success {
		u.rate = rate * (1 - s.Alpha)
		return change{weight: true, turn: u.fail(o == Refused, start, now, s)}
	}
	rate += s.Alpha * (1 - rate)
	if rate > steadyRate {
		rate = 1
	}
	c := change{weight: rate != u.rate, streak: u.inARow, proved: u.prove(start, now), successes: n}
	c.turn = c.proved
	u.rate, u.inARow = rate, 0
	return c
}

// truncate makes a failure of an attempt that was recorded as a success: the
// answer's body broke off.
func (u *Upstream) truncate(c change, start, now time.Time, s *Settings) change {
	u.mu.Lock()
	defer u.mu.Unlock()
	if start.Before(u.heedFrom) {
		return change{}
	}
	defer u.settle()
	// A failure would have left (1-alpha) r of the rate r; the success made it
	// (1-alpha) r + alpha.
	u.rate = max(0, u.rateAt(now, s)-s.Alpha)
	u.lastAttempt = now
	if u.attempts[Success].Load() == c.successes {
		u.inARow = max(u.inARow, c.streak)
		u.unproven = u.unproven || c.proved
	}
	return change{weight: true, turn: u.fail(false, start, now, s)}
}

// prove ends an ejection after a success, unless the attempt began before it: an
// answer that was under way says nothing about what came after.
func (u *Upstream) prove(start, now time.Time) bool {
	if !u.unproven || start.Before(u.ejectedAt) {
		return false
	}
	u.unproven = false
	u.provenAt = now
	u.ejectedTill = time.Time{}
	return true
}

// fail counts a failure in a row and ejects the upstream if that is reason enough.
func (u *Upstream) fail(refused bool, start, now time.Time, s *Settings) bool {
	u.inARow++
	if s.EjectAfter == 0 || now.Before(u.ejectedTill) {
		return false
	}
	// attempts that were under way when it was ejected must not eject it again
	if !u.ejectedAt.IsZero() && start.Before(u.ejectedAt) {
		return false
	}
	if !u.unproven && !refused && u.inARow < s.EjectAfter {
		return false
	}
	again := u.unproven || !u.provenAt.IsZero() && now.Sub(u.provenAt) < s.EjectForMax
	if again && u.ejectedFor > 0 {
		u.ejectedFor = min(2*u.ejectedFor, s.EjectForMax)
	} else {
		u.ejectedFor = s.EjectFor
	}
	u.ejectedAt = now
	u.ejectedTill = now.Add(u.ejectedFor)
	u.unproven = true
	u.inARow = 0
	return true
}

// settle publishes whether a success would change anything.
func (u *Upstream) settle() {
	u.steady.Store(u.rate >= 1 && u.inARow == 0 && !u.unproven)
}

// probing reports whether a probe is under way.
func (u *Upstream) probing(now time.Time) bool { return u.probeUntil.Load() > u.clock(now) }

// admitProbe reports whether an upstream on probation may get an attempt now, and
// if so takes the only place.
func (u *Upstream) admitProbe(now time.Time) bool {
	until := u.probeUntil.Load()
	if until > u.clock(now) {
		return false
	}
	return u.probeUntil.CompareAndSwap(until, u.clock(now.Add(probeTimeout)))
}

// endProbe gives the place of a probe back when the attempt that took it is over.
// Attempts that began before the place was taken did not take it.
func (u *Upstream) endProbe(start time.Time) {
	if until := u.probeUntil.Load(); until != 0 && u.clock(start) >= until-int64(probeTimeout) {
		u.probeUntil.CompareAndSwap(until, 0)
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
