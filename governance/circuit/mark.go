package circuit

// mark.go holds from when until when a call can be slow: while it is waited for who is called.

import "sync/atomic"

// What stands for the step of a call that cannot become slow now: steps are higher.
const (
	answeredInTime uint64 = iota
	answeredSlowly
	sending
)

// Sending reports that who calls is sending the request, as fast as he can, as when its
// body is read for the first time: until Sent, the call is not slow. The time to the
// mark begins then, and so does ProbeTimeout: a probe that is not sent by then gives its
// place to another, and counts when it ends. It does nothing once the call is slow,
// answered or ended. It may be called concurrently with Answered and End, and must be
// called only once.
func (c *Call) Sending() {
	if !c.isProbe() && !c.marked() {
		return
	}
	h := c.standing.history
	h.mu.Lock()
	defer h.unlock()
	if c.isProbe() {
		h.sendingProbe(c)
	} else if c.counts() && c.step > sending && !h.slow.end(c.step) {
		c.step = sending
	}
}

// Sent reports that the request has been sent, or will not be sent further. It does nothing
// without Sending, nor once the call is answered or ended. It may be called
// more than once, and concurrently with itself, Answered and End.
func (c *Call) Sent() {
	if !c.isProbe() && !c.marked() {
		return
	}
	h := c.standing.history
	h.mu.Lock()
	defer h.unlock()
	if c.isProbe() {
		h.sentProbe(c, false)
	} else if c.counts() && c.step == sending {
		c.step = h.slow.begin()
	}
}

// Answered reports that a good answer has begun, for callers whose call lasts until all
// of it is passed on: from now on it is who reads the answer that may be slow. The call
// keeps its place among MaxConcurrent until End, which counts it. So does a probe, but not
// beyond ProbeTimeout: if its answer has not broken off by then, it has succeeded. Answered
// must not be called concurrently with End.
func (c *Call) Answered() {
	if !c.isProbe() && !c.marked() {
		return
	}
	h := c.standing.history
	h.mu.Lock()
	defer h.unlock()
	if c.isProbe() {
		h.sentProbe(c, true)
		return
	}
	switch {
	case c.step <= answeredSlowly:
	case c.step > sending && c.counts() && h.slow.end(c.step):
		c.step = answeredSlowly
	default:
		c.step = answeredInTime
		if c.counts() {
			h.slow.breakRow()
		}
	}
}

func (c *Call) isProbe() bool { return c.standing != nil && c.place >= firstProbe }

// marked reports whether the call is one of those that can become slow.
func (c *Call) marked() bool {
	return c.standing != nil && c.place == ordinary && c.standing.slow != nil
}

// counts reports whether a marked call is under way in the breaker as it is now. The
// caller holds mu.
func (c *Call) counts() bool {
	h := c.standing.history
	return c.standing.turn == h.turn && c.standing.slow == h.slow && atomic.LoadUint32(&c.ended) == 0
}

// endedSlow reports whether the call, which ends now, passed the slow mark before it was
// answered. The caller holds mu.
func (h *History) endedSlow(c *Call) bool {
	began := c.standing.slow
	switch {
	case began == nil || began != h.slow:
		return false
	case c.step <= sending:
		return c.step == answeredSlowly
	default:
		return began.end(c.step)
	}
}
