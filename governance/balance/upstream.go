package balance

// upstream.go holds what is known about one upstream, and how an attempt changes it.

import (
	"math"
	"sync"
	"sync/atomic"
	"time"
)

// steadyRate is where a recovering success rate counts as 1: what is left is
// under a hundredth of the least useful difference between two weights, and a
// pool whose rates are all 1 needs no clock.
const steadyRate = 0.999

// probeTimeout is when an unproven upstream that has not answered its probe may
// get another one.
const probeTimeout = 10 * time.Second

// Upstream is the history of one upstream. It is shared by all balancers of its
// pool and survives them.
type Upstream struct {
	// Address is what upstreams are keyed by.
	Address string

	attempts  [outcomes]atomic.Uint64
	inFlight  atomic.Int64
	firstByte histogram
	// steady is true while a success changes nothing, so that recording one is a
	// few atomic operations.
	steady atomic.Bool
	// probeUntil is when the running probe of an unproven upstream is given up,
	// in nanoseconds of the Unix epoch; 0 if there is none.
	probeUntil atomic.Int64

	mu          sync.Mutex
	rate        float64
	lastAttempt time.Time
	inARow      int
	joined      time.Time // zero: was there from the beginning
	instance    string
	ejectedAt   time.Time
	ejectedTill time.Time
	ejectedFor  time.Duration
	provenAt    time.Time
	unproven    bool
	holders     int // balancers whose pool it is in; guarded by Pool.mu
	leftAt      time.Time
}

func newUpstream(address string) *Upstream {
	u := &Upstream{Address: address, rate: 1}
	u.steady.Store(true)
	return u
}

// join notes that the upstream entered a pool, newly or again, and forgets what
// does not hold for another instance at the same address.
func (u *Upstream) join(m Member, isNew bool, now time.Time) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if restarted := u.instance != "" && m.Instance != "" && m.Instance != u.instance; restarted {
		u.rate, u.inARow, u.unproven = 1, 0, false
		u.ejectedTill, u.ejectedFor = time.Time{}, 0
		isNew = true
	}
	if m.Instance != "" {
		u.instance = m.Instance
	}
	switch {
	case !m.Since.IsZero():
		u.joined = m.Since
	case isNew:
		u.joined = now
	}
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

// record counts an attempt that started at start and ended now. It reports
// whether a weight changed and whether the upstream's ejection began or ended.
func (u *Upstream) record(o Outcome, start, now time.Time, s *Settings) (changed, turned bool) {
	u.attempts[o].Add(1)
	if o == Success && u.steady.Load() {
		return false, false
	}
	u.probeUntil.Store(0)
	if o.Neutral() {
		return false, false
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	defer u.settle()
	rate := u.rateAt(now, s)
	u.lastAttempt = now
	if o == Success {
		rate += s.Alpha * (1 - rate)
		if rate > steadyRate {
			rate = 1
		}
		changed = rate != u.rate
		u.rate, u.inARow = rate, 0
		return changed, u.prove(start, now)
	}
	u.rate = rate * (1 - s.Alpha)
	u.inARow++
	return true, u.eject(o, start, now, s)
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

// eject ejects the upstream after a failure if the failure is reason enough.
func (u *Upstream) eject(o Outcome, start, now time.Time, s *Settings) bool {
	if s.EjectAfter == 0 || now.Before(u.ejectedTill) {
		return false
	}
	// attempts that were under way when it was ejected must not eject it again
	if !u.ejectedAt.IsZero() && start.Before(u.ejectedAt) {
		return false
	}
	if !u.unproven && o != Refused && u.inARow < s.EjectAfter {
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

// admitProbe reports whether an unproven upstream may get an attempt now, and if
// so takes the only place.
func (u *Upstream) admitProbe(now time.Time) bool {
	until := u.probeUntil.Load()
	if until > now.UnixNano() {
		return false
	}
	return u.probeUntil.CompareAndSwap(until, now.Add(probeTimeout).UnixNano())
}
