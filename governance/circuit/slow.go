package circuit

// slow.go finds the calls in flight that pass the slow mark, with one timer.

import (
	"sync/atomic"
	"time"
)

const (
	// steps is the number of parts of SlowCall in which time passes for a ring.
	steps = 8
	// slots is more than the number of steps until a call is slow.
	slots = 16
)

// ring counts the calls in flight by the step of time in which they began. When a step is
// SlowCall ago, what is left of its calls is slow. Steps pass with a timer that runs
// while there are calls; without any, time need not pass.
type ring struct {
	history *History
	step    time.Duration
	age     uint64 // steps until a call is slow
	timer   *time.Timer
	armed   atomic.Bool
	now     atomic.Uint64 // the current step
	// begun are the calls in flight of the latest steps: the step in the upper half,
	// so that nobody counts for a step that has gone meanwhile, and how many.
	begun [slots]atomic.Uint64

	// guarded by History.mu:
	marked  uint64 // calls that began up to this step are slow
	latest  [steps + 2]tally
	sum     tally  // of latest, the last SlowCall
	current *tally // of latest, the current step's
	// inARow are the slow calls since one was answered or ended in time, and inTime is the
	// step in which that was.
	inARow int
	inTime uint64
}

// tally is how many calls ended before the mark, and how many passed it.
type tally struct{ fast, slow int }

// newRing returns the ring of a closed breaker, nil if it has no slow calls.
func newRing(h *History) *ring {
	if h.settings.SlowCall <= 0 {
		return nil
	}
	r := &ring{history: h, step: max(h.settings.SlowCall/steps, time.Millisecond)}
	r.age = uint64((h.settings.SlowCall-1)/r.step + 1)
	r.marked = slots
	first := r.marked + r.age + 1
	for s := r.marked + 1; s <= first; s++ {
		r.slot(s).Store(word(s))
	}
	r.now.Store(first)
	r.current = &r.latest[first%(r.age+1)]
	r.timer = time.AfterFunc(time.Hour, r.tick)
	r.timer.Stop()
	return r
}

func (r *ring) slot(step uint64) *atomic.Uint64 { return &r.begun[step%slots] }

// word is a step with no calls.
func word(step uint64) uint64 { return step << 32 }

// begin counts a call in, and returns the step in which it began.
func (r *ring) begin() uint64 {
	for {
		step := r.now.Load()
		slot := r.slot(step)
		w := slot.Load()
		if w>>32 != step&(1<<32-1) || !slot.CompareAndSwap(w, w+1) {
			continue
		}
		if !r.armed.Load() {
			r.arm()
		}
		return step
	}
}

func (r *ring) arm() {
	if r.armed.CompareAndSwap(false, true) {
		r.timer.Reset(r.step)
	}
}

// end counts a call out, and reports whether it was slow.
func (r *ring) end(step uint64) (slow bool) {
	if step <= r.marked {
		return true
	}
	r.slot(step).Add(^uint64(0))
	return false
}

// fast counts a call that ended in time.
func (r *ring) fast() {
	r.sum.fast++
	r.current.fast++
	r.breakRow()
}

// breakRow notes that a call was answered in time.
func (r *ring) breakRow() { r.inARow, r.inTime = 0, r.now.Load() }

// tick is a step of time.
func (r *ring) tick() {
	h := r.history
	h.mu.Lock()
	defer h.unlock()
	if h.slow != r {
		return
	}
	passed := r.advance()
	if h.decision.Mode != Disabled {
		h.passed(passed)
		if h.slow != r {
			return // that opened it
		}
	}
	if r.idle() {
		r.armed.Store(false)
		if r.idle() {
			return
		}
		if !r.armed.CompareAndSwap(false, true) {
			return
		}
	}
	r.timer.Reset(r.step)
}

// advance begins the next step and returns how many calls are slow with it. A step is over
// for certain when the timer says so, and calls of the one that began age steps before
// have been under way for SlowCall at least.
func (r *ring) advance() (passed int) {
	now := r.now.Load() + 1
	r.slot(now).Store(word(now))
	r.now.Store(now)
	left := &r.latest[now%(r.age+1)]
	r.sum.fast -= left.fast
	r.sum.slow -= left.slow
	*left, r.current = tally{}, left

	old := now - r.age - 1
	passed = int(r.slot(old).Swap(0) & (1<<32 - 1))
	r.marked = old
	left.slow = passed
	r.sum.slow += passed
	if r.inTime <= old { // nobody was answered while these waited
		r.inARow += passed
	}
	return passed
}

// idle reports whether time need not pass.
func (r *ring) idle() bool {
	for i := range r.begun {
		if r.begun[i].Load()&(1<<32-1) != 0 {
			return false
		}
	}
	return r.sum == tally{}
}

// passed counts calls that have become slow, and opens the breaker if they are too many.
func (h *History) passed(n int) {
	h.calls.Slow += uint64(n)
	for range n {
		h.engine.passed()
	}
	s, recent := &h.settings, h.slow.sum
	if h.decision.Mode == ForcedClosed || recent.slow == 0 {
		return
	}
	if n > 0 && s.Consecutive > 0 && h.slow.inARow >= s.Consecutive {
		h.trip(WhySlowInARow)
		return
	}
	window := h.engine.counts()
	all := WindowCounts{Slow: recent.slow, Decided: recent.slow + recent.fast}
	for _, c := range []WindowCounts{all, window} {
		if c.Decided >= s.MinCalls && c.SlowRatio() >= s.SlowRatio {
			h.trip(WhySlowRatio)
			return
		}
	}
}
