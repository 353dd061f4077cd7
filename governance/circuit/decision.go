package circuit

// decision.go holds what an operator decided about a breaker.

import "time"

// Mode is what an operator decided.
type Mode uint8

const (
	// Auto is a breaker that works.
	Auto Mode = iota
	// ForcedOpen refuses every call. When it ends, the breaker is what it was before.
	ForcedOpen
	// ForcedClosed refuses none for its state and never opens; calls are counted, and MaxConcurrent holds.
	// It forgets why the breaker was open, so that it is closed when the decision ends.
	ForcedClosed
	// Disabled does nothing at all: calls are neither refused nor counted.
	Disabled
)

// String returns auto, open, closed or disabled.
func (m Mode) String() string { return [...]string{"auto", "open", "closed", "disabled"}[m] }

// Decision is what an operator decided; the zero Decision decides nothing.
type Decision struct {
	Mode Mode
	// Until is when Mode ends; zero means never.
	Until time.Time
	// Thresholds, if not nil, stand for the configured settings, as long as those
	// are Configured, which must be given with them. Both must be valid.
	Thresholds *Settings
	Configured *Settings
}

// Decide sets the decision.
func (h *History) Decide(d Decision) {
	if d.Thresholds != nil && d.Configured != nil {
		thresholds, configured := *d.Thresholds, *d.Configured
		d.Thresholds, d.Configured = &thresholds, &configured
	} else {
		d.Thresholds, d.Configured = nil, nil
	}
	h.mu.Lock()
	defer h.unlock()
	now := time.Now()
	h.advance(now)
	if !d.Until.IsZero() && !now.Before(d.Until) {
		d.Mode = Auto
	}
	if d.Mode == Auto {
		d.Until = time.Time{}
	}
	h.decision = d
	h.apply()
	if d.Mode == ForcedClosed && !(h.state == Closed && h.recovered) {
		h.reset(now)
	}
	h.publish()
	h.show(WhyOperator, now, h.openLeft(now))
	h.advance(now)
}

// Decision returns what holds now. Thresholds are there also while the configured settings
// are not those they were decided for, until a breaker with others is adopted.
func (h *History) Decision() Decision {
	h.mu.Lock()
	defer h.unlock()
	h.advance(time.Now())
	d := h.decision
	if d.Thresholds != nil {
		thresholds, configured := *d.Thresholds, *d.Configured
		d.Thresholds, d.Configured = &thresholds, &configured
	}
	return d
}

// decided reports whether the settings that hold are an operator's.
func (h *History) decided() bool {
	return h.decision.Thresholds != nil && h.adopted != nil && *h.decision.Configured == h.configured
}

// visible is the state with the decision.
func (h *History) visible() State {
	switch h.decision.Mode {
	case ForcedOpen:
		return Open
	case ForcedClosed, Disabled:
		return Closed
	}
	return h.state
}

// openUntil is when an open breaker is open no more; zero means never by itself.
func (h *History) openUntil() time.Time {
	if h.decision.Mode == ForcedOpen {
		return h.decision.Until
	}
	return h.until
}

// openLeft is for how long the breaker is still open; 0 if it is not, or has no end.
func (h *History) openLeft(now time.Time) time.Duration {
	until := h.openUntil()
	if h.visible() != Open || until.IsZero() {
		return 0
	}
	return max(0, until.Sub(now))
}

// forcedFor is when to come back to a breaker that an operator opened.
func (h *History) forcedFor(now time.Time) time.Duration {
	if h.decision.Until.IsZero() {
		return forcedRetryAfter
	}
	return h.decision.Until.Sub(now)
}
