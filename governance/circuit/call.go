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
	step     uint64    // in which the time to its mark began, or what stands for that: see mark.go
	place    uint32
	ended    uint32
}

// Enforced reports whether the breaker acts on what it finds: not in a dry run, nor while
// an operator has disabled it.
func (c *Call) Enforced() bool { return c.standing != nil && !c.standing.dryRun }

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
	i := h.probeOf(c)
	if i < 0 {
		return // it was given up
	}
	h.probes = slices.Delete(h.probes, i, i+1)
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

// probeOf returns the index of the probe that c is, or -1.
func (h *History) probeOf(c *Call) int {
	if c.standing.turn != h.turn {
		return -1
	}
	return slices.IndexFunc(h.probes, func(p probe) bool { return p.place == c.place })
}

// sendingProbe notes that the request of a probe begins to be sent.
func (h *History) sendingProbe(c *Call) {
	h.advance(time.Now())
	if i := h.probeOf(c); i >= 0 && !h.probes[i].answered {
		h.probes[i].sending = true
	}
}

// sentProbe notes that the request of a probe has been sent, or has been answered before
// that: its time begins.
func (h *History) sentProbe(c *Call, answered bool) {
	now := time.Now()
	h.advance(now)
	i := h.probeOf(c)
	if i < 0 {
		return
	}
	p := &h.probes[i]
	p.answered = p.answered || answered
	if p.sending {
		p.sending, p.deadline = false, now.Add(h.settings.ProbeTimeout)
	}
}

// overdue judges the probe whose time is up at late: if it has been answered, how fast the
// answer is read is not its fault. Nor is it how fast the request is sent: such a probe
// gives its place to another, and is judged when it ends.
func (h *History) overdue(late time.Time) {
	for i, p := range h.probes {
		if !p.deadline.Equal(late) {
			continue
		}
		switch {
		case p.answered:
			h.probes = slices.Delete(h.probes, i, i+1)
			h.probed(late)
		case p.sending:
			h.probes[i].deadline, h.probes[i].noPlace = time.Time{}, true
		default:
			h.engine.trip(WhyProbeTimeout)
			h.toOpen(late, WhyProbeTimeout)
		}
		return
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
