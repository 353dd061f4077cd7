package circuit

// engine.go holds what is between the breaker and gobreaker.

import (
	"errors"
	"time"

	"github.com/sony/gobreaker/v2"
)

var (
	errFailure = errors.New("failure")
	errSlow    = errors.New("slow")
)

// engine is gobreaker's, used for one history under its lock. Permission is asked for
// when the outcome is known, so a request and its result are one step.
//
// Slow calls are counted in the same buckets, as exclusions, which nothing else uses: one
// when a call passes the mark, and, when it ends after all, a request without a result
// besides its own. In a window of exclusions X, results F and S, and requests R, there were
// then X slow calls, F + S calls ended, and R - F - S - X of these had been slow before.
type engine struct {
	two *gobreaker.TwoStepCircuitBreaker[struct{}]
	// why is the reason to open that is not in the counts, and then the one that opened it.
	why string
	// failed says that the window may hold failures.
	failed bool
}

func newEngine(h *History) *engine {
	e := new(engine)
	e.two = gobreaker.NewTwoStepCircuitBreaker[struct{}](gobreaker.Settings{
		MaxRequests:  uint32(h.settings.Probes),
		Interval:     h.settings.Window,
		BucketPeriod: h.settings.Window / buckets,
		// its open time cannot change: the breaker's own is waited for first
		Timeout: time.Nanosecond,
		ReadyToTrip: func(c gobreaker.Counts) bool {
			if e.why == "" {
				e.why = h.reason(countsOf(c))
			}
			return e.why != ""
		},
		IsExcluded: func(err error) bool { return err == errSlow },
	})
	return e
}

// reason is why these counts open the breaker, or empty.
func (h *History) reason(w WindowCounts) string {
	s := &h.settings
	switch {
	case h.decision.Mode == ForcedClosed || h.decision.Mode == Disabled:
		return ""
	case s.Consecutive > 0 && h.failures >= s.Consecutive:
		return WhyConsecutive
	case s.FailureRatio > 0 && w.Calls >= s.MinCalls && w.FailureRatio() >= s.FailureRatio:
		return WhyFailureRatio
	}
	return ""
}

func (e *engine) tell(err error) {
	if done, refused := e.two.Allow(); refused == nil {
		done(err)
	}
}

// success counts a success of a closed breaker and returns why it opens, as far as that is
// known: it may be the one that makes enough calls.
func (e *engine) success(h *History) (why string) {
	e.tell(nil)
	if !e.failed {
		return ""
	}
	counts := e.two.Counts()
	e.failed = counts.TotalFailures > 0
	return h.reason(countsOf(counts))
}

// failure counts a failure of a closed breaker and returns why it has opened, or empty.
func (e *engine) failure() (why string) {
	e.failed = true
	e.tell(errFailure)
	why, e.why = e.why, ""
	return why
}

// passed counts a call that has become slow, and slowEnded that one of these has ended.
func (e *engine) passed() { e.tell(errSlow) }

func (e *engine) slowEnded() { _, _ = e.two.Allow() }

// probed tells the success of a probe and returns whether the breaker is closed with it.
func (e *engine) probed() bool {
	e.tell(nil)
	return e.two.State() == gobreaker.StateClosed
}

// trip opens the engine.
func (e *engine) trip(why string) {
	e.why = why
	e.tell(errFailure)
	e.why, e.failed = "", false
}

// halfOpen reports whether an open engine lets probes in: always, but for the instant
// in which it opened.
func (e *engine) halfOpen() bool { return e.two.State() == gobreaker.StateHalfOpen }

// counts returns what the window holds now.
func (e *engine) counts() WindowCounts {
	if e.two.State() != gobreaker.StateClosed { // State has the window roll on
		return WindowCounts{}
	}
	return countsOf(e.two.Counts())
}

func countsOf(c gobreaker.Counts) WindowCounts {
	ended := int(c.TotalSuccesses) + int(c.TotalFailures)
	slowEnded := int(c.Requests) - ended - int(c.TotalExclusions)
	return WindowCounts{
		Calls:    ended,
		Failures: int(c.TotalFailures),
		Slow:     int(c.TotalExclusions),
		// a slow call may have ended after its mark has left the window
		Decided: max(0, ended-max(0, slowEnded)) + int(c.TotalExclusions),
	}
}
