package circuit

// history.go holds the state that breakers share, and what changes it.

import (
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/weirproxy/weir/internal/backoff"
)

// History is what a breaker learnt and what was decided about it. It is shared by the
// breakers of one name and outlives them; the settings of the first breaker, and then
// of the last that was adopted, hold for all. Begin with NewHistory.
type History struct {
	inFlight             atomic.Int64
	refused, wouldRefuse [len(reasons)]atomic.Uint64
	// standing is what the check before a call reads.
	standing atomic.Pointer[standing]

	mu         sync.Mutex
	adopted    *Breaker // whose settings and callback are in effect; nil before the first
	configured Settings // its settings
	settings   Settings // those that hold
	decision   Decision
	engine     *engine // nil before the first breaker; open and closed as state is
	state      State   // without the decision
	// turn counts the changes of state: what began in another turn says nothing now.
	turn     uint64
	since    time.Time
	failures int   // in a row
	slow     *ring // the calls in flight that are not slow yet; nil unless closed
	calls    Calls

	opened     uint64
	inARow     int           // openings without a recovery
	openFor    time.Duration // the last one, without jitter
	until      time.Time     // when the open time is over
	endsBy     string        // why it is, WhyOpenFor unless something ended it before
	asked      time.Time     // until when who is called wants to be left alone
	probes     []probe       // under way
	nextProbe  uint32
	closedAt   time.Time // when it closed after an opening
	recovered  bool
	credit     float64 // how many calls the recovery owes
	admittedAt time.Time
	changes
}

// probe is one of the calls of a half-open breaker.
type probe struct {
	place    uint32    // Call.place
	deadline time.Time // zero if who calls is given all the time he needs
	answered bool
	sending  bool // who calls still sends the request
	noPlace  bool // it gave its place to another
}

// standing is what holds until something changes.
type standing struct {
	history *History
	// clear says that calls are let in as far as limit has room; 0 is no limit.
	clear  bool
	limit  int64
	dryRun bool
	turn   uint64
	slow   *ring
}

// NewHistory returns the history of a breaker that is closed.
func NewHistory() *History {
	h := &History{turn: 1, since: time.Now(), recovered: true}
	h.publish()
	return h
}

// publish tells the check before a call what holds now.
func (h *History) publish() {
	h.standing.Store(&standing{
		history: h,
		clear:   h.decision.Mode == Auto && h.state == Closed && h.recovered,
		limit:   int64(h.settings.MaxConcurrent),
		dryRun:  h.settings.DryRun,
		turn:    h.turn,
		slow:    h.slow,
	})
}

// adopt has the settings and the callback of a breaker hold.
func (h *History) adopt(b *Breaker) {
	h.adopted, h.tell = b, b.changed
	h.configured = b.settings
	h.apply()
}

// apply has the settings hold that are configured or decided. Where the engine cannot
// change its own, another one counts from here on.
func (h *History) apply() {
	before := h.settings
	h.settings = h.configured
	if h.decided() {
		h.settings = *h.decision.Thresholds
	}
	if h.adopted == nil {
		return
	}
	if h.engine == nil || before.Window != h.settings.Window || before.Probes != h.settings.Probes {
		h.replaceEngine()
	}
	if h.state == Closed && before.SlowCall != h.settings.SlowCall {
		h.slow = newRing(h)
	}
	h.publish()
}

func (h *History) replaceEngine() {
	h.engine = newEngine(h)
	if h.state == Closed {
		return
	}
	h.engine.trip(WhyOpenFor)
	if h.state == HalfOpen {
		// its probes begin anew, as soon as the engine lets them
		h.state, h.until, h.endsBy = Open, time.Now(), WhyOpenFor
		h.turn++
		h.probes = nil
	}
}

// advance does what time alone does up to now.
func (h *History) advance(now time.Time) {
	if u := h.decision.Until; h.decision.Mode != Auto && !u.IsZero() && !now.Before(u) {
		h.advanceState(u)
		h.decision.Mode, h.decision.Until = Auto, time.Time{}
		h.publish()
		h.show(WhyOperator, u, h.openLeft(u))
	}
	h.advanceState(now)
}

// advanceState is advance while what an operator decided stays as it is.
func (h *History) advanceState(now time.Time) {
	for {
		switch h.state {
		case Open:
			if now.Before(h.until) || !h.engine.halfOpen() {
				return
			}
			h.toHalfOpen(h.until, h.endsBy)
			return
		case HalfOpen:
			late := h.earliestDeadline()
			if late.IsZero() || now.Before(late) {
				return
			}
			if h.decision.Mode == Disabled {
				h.probes = slices.DeleteFunc(h.probes, func(p probe) bool { return !p.deadline.IsZero() && !now.Before(p.deadline) })
				continue
			}
			h.overdue(late)
		default:
			if !h.recovered && now.Sub(h.closedAt) >= h.settings.RecoverOver {
				h.recovered = true
				h.publish()
			}
			return
		}
	}
}

// trip opens a closed breaker for a reason that the engine does not see.
func (h *History) trip(why string) {
	h.engine.trip(why)
	h.toOpen(time.Now(), why)
}

// toOpen follows the engine, which has opened.
func (h *History) toOpen(at time.Time, why string) {
	s := &h.settings
	if h.state == Closed && (h.closedAt.IsZero() || at.Sub(h.closedAt) > s.RecoverOver+h.openFor) {
		h.inARow = 0
	}
	h.openFor = backoff.Policy{Base: s.OpenFor, Cap: s.OpenForMax}.Longest(h.inARow)
	// Gateways that opened together do not probe together. Nobody probes before the
	// time that was configured, nor after the longest one.
	wait := min(h.openFor+rand.N(h.openFor/10+1), s.OpenForMax)
	h.inARow++
	h.opened++
	h.until, h.endsBy = at.Add(wait), WhyOpenFor
	h.enterState(Open, at)
	h.leaveAlone(at)
	h.show(why, at, h.until.Sub(at))
}

// leaveAlone lengthens the open time to what who is called asked for.
func (h *History) leaveAlone(openedAt time.Time) {
	if most := openedAt.Add(h.settings.OpenForMax); h.asked.After(most) {
		h.asked = most
	}
	if h.asked.After(h.until) {
		h.until = h.asked
	}
}

func (h *History) toHalfOpen(at time.Time, why string) {
	h.enterState(HalfOpen, at)
	h.show(why, at, 0)
}

// toClosed follows the engine, which has closed.
func (h *History) toClosed(at time.Time) {
	h.closedAt, h.recovered = at, h.settings.RecoverOver == 0
	h.credit, h.admittedAt = 1, at
	h.asked = time.Time{}
	h.enterState(Closed, at)
	h.show(WhyProbeSucceeded, at, 0)
}

// reset closes the breaker as if nothing had happened.
func (h *History) reset(at time.Time) {
	if h.adopted != nil {
		h.engine = newEngine(h)
	}
	h.closedAt, h.recovered, h.asked, h.inARow = time.Time{}, true, time.Time{}, 0
	h.enterState(Closed, at)
}

func (h *History) enterState(s State, at time.Time) {
	h.state, h.since = s, at
	h.turn++
	h.failures, h.probes, h.slow = 0, nil, nil
	if s == Closed {
		h.slow = newRing(h)
	}
	h.publish()
}

// earliestDeadline is when the first of the probes under way is given up, or zero.
func (h *History) earliestDeadline() time.Time {
	var first time.Time
	for i := range h.probes {
		if d := h.probes[i].deadline; !d.IsZero() && (first.IsZero() || d.Before(first)) {
			first = d
		}
	}
	return first
}
