package circuit

// call.go holds calls, and what is learnt from how they end.

import (
	"slices"
	"sync/atomic"
	"time"
)

// What a call means for the breaker: those from firstProbe on have a place among the probes
// of a half-open one.
const (
	ordinary uint32 = iota // of a closed breaker
	early                  // into an open one, because there was no better choice
	firstProbe
)

// Call is a call that was let in. It must not be copied after its first use. The zero Call
// is one that does not count.
type Call struct { // no more than fits in registers
	standing *standing // when it was let in
	step     uint64    // in which it began, in standing.slow; or one of the two below
	place    uint32
	ended    uint32
}

// What stands for the step of a call that has been answered: steps are higher.
const (
	answeredInTime uint64 = iota
	answeredSlowly
)

// Answered reports that a good answer has begun, for callers whose call lasts until all
// of it is passed on: from now on it is who reads the answer that may be slow. The call
// keeps its place among MaxConcurrent until End, which counts it. A probe has succeeded
// and is over. Answered must not be called concurrently with End.
func (c *Call) Answered() {
	switch {
	case c.standing == nil:
	case c.place != ordinary:
		c.End(Success, 0)
	case c.standing.slow != nil && c.step > answeredSlowly:
		h := c.standing.history
		h.mu.Lock()
		began := c.standing.slow
		slow := c.standing.turn == h.turn && began == h.slow && began.end(c.step)
		c.step = answeredInTime
		if slow {
			c.step = answeredSlowly
		}
		h.unlock()
	}
}

// endedSlow reports whether the call, which ends now, passed the slow mark before it was
// answered. The caller holds mu.
func (h *History) endedSlow(c *Call) bool {
	began := c.standing.slow
	switch {
	case began == nil || began != h.slow:
		return false
	case c.step <= answeredSlowly:
		return c.step == answeredSlowly
	default:
		return began.end(c.step)
	}
}

// End reports how the call ended; later calls do nothing. retryAfter, if positive, is for how long who was called
// asked to be left alone: a failure with it lengthens the open time, up to OpenForMax.
// End may be called concurrently; one of them counts.
func (c *Call) End(o Outcome, retryAfter time.Duration) {
	if c.standing == nil || !atomic.CompareAndSwapUint32(&c.ended, 0, 1) {
		return
	}
	h := c.standing.history
	h.inFlight.Add(-1)
	h.mu.Lock()
	if h.decision.Mode != Disabled {
		h.calls.count(o)
	}
	if o == Failure && retryAfter > 0 {
		h.ask(retryAfter)
	}
	switch c.place {
	case ordinary:
		h.endOrdinary(c, o)
	case early:
		h.endEarly(c, o)
	default:
		h.endProbe(c, o)
	}
	h.unlock()
}

// ask notes that who is called asks to be left alone.
func (h *History) ask(retryAfter time.Duration) {
	if until := time.Now().Add(retryAfter); until.After(h.asked) {
		h.asked = until
	}
	if h.state == Open {
		h.leaveAlone(h.since)
	}
}

func (h *History) endOrdinary(c *Call, o Outcome) {
	if c.standing.turn != h.turn {
		return // the breaker has opened since
	}
	slow := h.endedSlow(c)
	if o == Neutral || h.decision.Mode == Disabled {
		return
	}
	if slow {
		h.engine.slowEnded()
	} else if h.slow != nil {
		h.slow.fast()
	}
	if o == Success {
		if h.failures > 0 {
			h.failures, h.asked = 0, time.Time{}
		}
		if why := h.engine.success(h); why != "" {
			h.trip(why)
		}
		return
	}
	h.failures++
	if why := h.engine.failure(); why != "" {
		h.toOpen(time.Now(), why)
	}
}

func (h *History) endProbe(c *Call, o Outcome) {
	now := time.Now()
	h.advance(now)
	if c.standing.turn != h.turn {
		return // it was given up
	}
	h.probes = slices.DeleteFunc(h.probes, func(p probe) bool { return p.place == c.place })
	if h.decision.Mode == Disabled {
		return
	}
	switch o {
	case Success:
		h.probed(now)
	case Failure:
		h.engine.trip(WhyProbeFailed)
		h.toOpen(now, WhyProbeFailed)
	}
}

func (h *History) probed(now time.Time) {
	if h.engine.probed() {
		h.toClosed(now)
	}
}

// endEarly learns from a call into an open breaker only if it went well: failures there
// are no news, and must not open it for longer.
func (h *History) endEarly(c *Call, o Outcome) {
	now := time.Now()
	h.advance(now)
	if o != Success || c.standing.turn != h.turn || h.decision.Mode == Disabled {
		return
	}
	h.endOpenTime(now, WhyAttempt)
	if h.state == HalfOpen {
		h.probed(now)
	}
}

// endOpenTime has an open breaker let probes in.
func (h *History) endOpenTime(now time.Time, why string) {
	if h.state == Open {
		h.until, h.endsBy = now, why
		h.advance(now)
	}
}
