package circuit

// breaker.go holds the breaker that callers ask.

import (
	"time"
)

const (
	// leastShare is the share of its traffic that a breaker lets in just after closing,
	// and leastEvery how often one call is let in however small that is.
	leastShare = 0.1
	leastEvery = time.Second / 2
	// leastRetryAfter is what a refusal says when no time is known, or a shorter one.
	leastRetryAfter = time.Second
	// forcedRetryAfter is what it says when an operator has set no end.
	forcedRetryAfter = 30 * time.Second
)

// Breaker is closed at first: calls pass. Its methods may be called concurrently.
type Breaker struct {
	history  *History
	settings Settings
	changed  func(Change)
}

// New returns a breaker over history; settings must be valid. changed, if not nil, is called with
// each change of state, in order, never under a lock of the breaker. It runs on the
// goroutine of whoever's call changed the state, so it should return soon.
//
// Over a new history, the settings and changed are those in effect. For the others of a
// history nothing changes until Adopt, even if the breaker is called: a configuration may
// be called before it is known whether it will stay.
func New(h *History, s Settings, changed func(Change)) *Breaker {
	b := &Breaker{history: h, settings: s, changed: changed}
	h.mu.Lock()
	defer h.unlock()
	if h.adopted == nil {
		h.adopt(b)
	}
	return b
}

// Adopt puts the settings and the callback of b into effect, and forgets thresholds that were
// decided for other settings.
func (b *Breaker) Adopt() {
	h := b.history
	h.mu.Lock()
	defer h.unlock()
	if h.decision.Thresholds != nil && *h.decision.Configured != b.settings {
		h.decision.Thresholds, h.decision.Configured = nil, nil
	}
	h.adopt(b)
	h.advance(time.Now())
}

// Enter asks for a call. If it may be made, refusal is nil and the call must be ended.
// In a dry run both are returned, and the call does not count.
func (b *Breaker) Enter() (call Call, refusal *Refusal) {
	s := b.history.standing.Load()
	if !s.clear {
		return b.history.enter()
	}
	return s.admit()
}

// Attempt is Enter for callers that have no better choice: it never refuses. A call
// beyond the probes of a half-open breaker does not count; one into an open
// breaker, with nobody else left, is a probe before its time: if it goes well, the
// breaker is half-open and has its first success; if not, nothing changes. Into one that an
// operator opened, calls do not count.
func (b *Breaker) Attempt() Call {
	s := b.history.standing.Load()
	if !s.clear {
		return b.history.attempt()
	}
	if s.limit > 0 && s.dryRun && b.history.inFlight.Load() >= s.limit {
		b.history.refuse(true, ReasonMaxConcurrent, leastRetryAfter)
	}
	return s.letIn()
}

// Ready reports whether Enter would let a call in, and takes nothing. Of a breaker that
// recovers, it does not say which calls are refused: Share does.
func (b *Breaker) Ready() bool {
	h := b.history
	if s := h.standing.Load(); s.clear {
		return s.limit == 0 || s.dryRun || h.inFlight.Load() < s.limit
	}
	h.mu.Lock()
	defer h.unlock()
	h.advance(time.Now())
	switch {
	case h.settings.DryRun || h.decision.Mode == Disabled:
		return true
	case h.visible() == Open:
		return false
	case h.visible() == HalfOpen:
		return h.freeProbe()
	}
	return h.settings.MaxConcurrent == 0 || h.inFlight.Load() < int64(h.settings.MaxConcurrent)
}

// State returns the state, and for how long it is still open: 0 if an operator
// opened it without an end.
func (b *Breaker) State() (State, time.Duration) {
	h := b.history
	if h.standing.Load().clear {
		return Closed, 0
	}
	h.mu.Lock()
	defer h.unlock()
	now := time.Now()
	h.advance(now)
	s := h.visible()
	if until := h.openUntil(); s == Open && !until.IsZero() {
		return s, max(0, until.Sub(now))
	}
	return s, 0
}

// Share returns the share of its traffic that is to get through at now: 0 while
// open or half-open, growing while it recovers, and when it next changes by time alone (zero: never).
// In a dry run everything gets through.
func (b *Breaker) Share(now time.Time) (share float64, next time.Time) {
	h := b.history
	if h.standing.Load().clear {
		return 1, time.Time{}
	}
	h.mu.Lock()
	defer h.unlock()
	h.advance(now)
	switch {
	case h.settings.DryRun:
	case h.decision.Mode != Auto:
		next = h.decision.Until
	case h.state == Open:
		next = h.until
	case h.state == HalfOpen:
		next = h.earliestDeadline()
	case !h.recovered:
		next = now.Add(max(h.settings.RecoverOver/100, time.Millisecond))
		if end := h.closedAt.Add(h.settings.RecoverOver); end.Before(next) {
			next = end
		}
	}
	return h.shareNow(now), next
}

// Healthy tells that an active health check has passed: an open breaker becomes half-open.
func (b *Breaker) Healthy() {
	h := b.history
	if h.standing.Load().clear {
		return
	}
	h.mu.Lock()
	defer h.unlock()
	now := time.Now()
	h.advance(now)
	h.endOpenTime(now, WhyHealthCheck)
}
