package circuit

import (
	"testing"
	"time"
)

// inEach runs a test in each state that a breaker can be in by itself.
func inEach(t *testing.T, s Settings, test func(f *fixture, state string)) {
	for _, state := range []string{"closed", "open", "half_open", "recovering"} {
		t.Run(state, func(t *testing.T) {
			run(t, s, func(f *fixture) {
				f.call(1, Success)
				if state != "closed" {
					f.open()
				}
				switch state {
				case "half_open":
					f.wait()
				case "recovering":
					f.close()
				}
				f.changes = nil
				test(f, state)
			})
		})
	}
}

func stateOf(state string) State {
	switch state {
	case "open":
		return Open
	case "half_open":
		return HalfOpen
	}
	return Closed
}

func TestForcedOpen(t *testing.T) {
	inEach(t, recovering(), func(f *fixture, state string) {
		f.history.Decide(Decision{Mode: ForcedOpen, Until: time.Now().Add(3 * time.Second)})
		f.is(Open)
		if after := f.refuses(ReasonForced); after != 3*time.Second {
			f.Errorf("come back after %s, want 3s", after)
		}
		if f.Ready() {
			f.Error("it is ready")
		}
		if share, next := f.Share(time.Now()); share != 0 || time.Until(next) != 3*time.Second {
			f.Errorf("share %v until %s", share, next)
		}
		f.Healthy()
		c := f.Attempt()
		c.End(Success, 0)
		f.is(Open)
		if got := f.Snapshot(); got.Forced != "open" || got.ForcedUntil == nil || got.OpenFor != 3 || got.State != "open" {
			f.Errorf("%+v", got)
		}
		time.Sleep(3 * time.Second)
		if f.history.Decision() != (Decision{}) {
			f.Error("the decision holds after its time")
		}
		want := stateOf(state)
		if state == "open" {
			want = HalfOpen // the health check passed meanwhile
		}
		f.is(want)
	})
}

func TestForcedOpenWithoutEnd(t *testing.T) {
	run(t, quick(), func(f *fixture) {
		f.history.Decide(Decision{Mode: ForcedOpen})
		f.is(Open) // before the first call
		if after := f.refuses(ReasonForced); after != 30*time.Second {
			f.Errorf("come back after %s", after)
		}
		time.Sleep(24 * time.Hour)
		f.refuses(ReasonForced)
		f.history.Decide(Decision{})
		f.call(1, Success)
		f.told("open operator", "closed operator")
	})
}

// A breaker that an operator closed never opens; calls are counted, so that it opens when it
// may again.
func TestForcedClosed(t *testing.T) {
	s := recovering()
	s.MaxConcurrent, s.SlowCall, s.SlowRatio, s.MinCalls = 1000, time.Second, 0.5, 5
	inEach(t, s, func(f *fixture, state string) {
		f.history.Decide(Decision{Mode: ForcedClosed, Until: time.Now().Add(time.Minute)})
		f.is(Closed)
		f.call(50, Success) // also while it would recover
		var slow []Call
		for range 50 {
			slow = append(slow, f.enter())
		}
		time.Sleep(3 * time.Second)
		for i := range slow {
			slow[i].End(Failure, time.Hour)
		}
		f.is(Closed)
		if got := f.Snapshot(); got.Forced != "closed" || got.Calls.Slow != 50 || got.ConsecutiveFailures != 50 {
			f.Errorf("%+v", got)
		}
		time.Sleep(time.Minute)
		f.is(Closed)
		if state == "open" || state == "half_open" {
			f.told("closed operator")
		} else {
			f.told()
		}
		f.call(1, Failure)
		f.is(Open)
	})
}

func TestForcedClosedHasMaxConcurrent(t *testing.T) {
	s := quick()
	s.MaxConcurrent = 1
	run(t, s, func(f *fixture) {
		f.history.Decide(Decision{Mode: ForcedClosed})
		f.enter()
		f.refuses(ReasonMaxConcurrent)
		if f.Ready() {
			f.Error("it is ready with no room")
		}
	})
}

func TestDisabled(t *testing.T) {
	s := recovering()
	s.MaxConcurrent, s.SlowCall, s.SlowRatio, s.MinCalls = 1, time.Second, 0.5, 1
	inEach(t, s, func(f *fixture, state string) {
		before := f.Snapshot()
		running := f.Attempt()
		f.history.Decide(Decision{Mode: Disabled})
		f.is(Closed)
		for range 10 {
			a, b := f.enter(), f.Attempt()
			a.End(Failure, 0)
			b.End(Failure, 0)
		}
		time.Sleep(3 * time.Second)
		running.End(Failure, 0)
		if share, next := f.Share(time.Now()); share != 1 || !next.IsZero() || !f.Ready() {
			f.Errorf("share %v until %s, ready %v", share, next, f.Ready())
		}
		got := f.Snapshot()
		if got.Calls != before.Calls || got.Forced != "disabled" || got.InFlight != 0 || got.Opened != before.Opened {
			f.Errorf("%+v\nbefore %+v", got, before)
		}
		f.history.Decide(Decision{})
		if s, _ := f.State(); s != stateOf(state) {
			f.Errorf("it is %s afterwards, was %s", s, state)
		}
	})
}

// A decision that is over when it is restored decides nothing.
func TestDecisionThatIsOver(t *testing.T) {
	run(t, quick(), func(f *fixture) {
		f.history.Decide(Decision{Mode: ForcedOpen, Until: time.Now()})
		f.call(1, Success)
		f.told()
	})
}

func TestThresholds(t *testing.T) {
	run(t, quick(), func(f *fixture) {
		f.call(1, Success)
		configured, other := quick(), quick()
		other.Consecutive = 3
		f.history.Decide(Decision{Thresholds: &other, Configured: &configured})
		other.Consecutive = 1 // the decision has its own
		if got := f.Snapshot(); got.Settings.Consecutive != 3 || !got.Thresholds {
			f.Errorf("%+v", got.Settings)
		}
		f.call(2, Failure)
		f.is(Closed)
		f.reload(quick()) // the same again
		f.call(1, Failure)
		f.is(Open)

		changed := quick()
		changed.Consecutive = 2
		f.reload(changed)
		f.is(Open)
		f.close()
		if got := f.Snapshot(); got.Settings.Consecutive != 2 || got.Thresholds {
			f.Errorf("after the configuration changed: %+v", got.Settings)
		}
		f.reload(quick())
		f.call(1, Success)
		if got := f.Snapshot(); got.Settings.Consecutive != 1 || f.history.Decision().Thresholds != nil {
			f.Errorf("thresholds came back: %+v", got.Settings)
		}
	})
}

// Decided for a configuration that is loaded but not adopted yet, they do not touch the one
// that serves.
func TestThresholdsForTheNextConfiguration(t *testing.T) {
	next, decided := quick(), quick()
	next.Consecutive, decided.Consecutive = 2, 4
	run(t, quick(), func(f *fixture) {
		f.call(1, Success)
		f.history.Decide(Decision{Thresholds: &decided, Configured: &next})
		if got := f.Snapshot(); got.Settings.Consecutive != 1 || got.Thresholds {
			f.Errorf("they hold for other settings: %+v", got.Settings)
		}
		f.reload(next)
		f.call(3, Failure)
		f.is(Closed)
		f.call(1, Failure)
		f.is(Open)
	})
}

// When a decision ends by itself, what is told of is what is left of the open time.
func TestOpenTimeAfterADecision(t *testing.T) {
	run(t, quick(), func(f *fixture) {
		left := f.open()
		f.history.Decide(Decision{Mode: Disabled, Until: time.Now().Add(3 * time.Second)})
		time.Sleep(4 * time.Second)
		f.is(Open)
		f.told("open consecutive", "closed operator", "open operator")
		if got := f.changes[2].OpenFor; got != left-3*time.Second {
			f.Errorf("open for %s, want what is left of %s after 3s", got, left)
		}
	})
	run(t, quick(), func(f *fixture) { // over before the decision is
		f.open()
		f.history.Decide(Decision{Mode: Disabled, Until: time.Now().Add(time.Minute)})
		time.Sleep(time.Hour)
		f.is(HalfOpen)
		f.told("open consecutive", "closed operator", "half_open operator")
	})
}

// A probe is given up also while the breaker is disabled, and does not count.
func TestProbesThatTimeOutWhileDisabled(t *testing.T) {
	for _, o := range []Outcome{Success, Failure} {
		run(t, quick(), func(f *fixture) {
			f.open()
			f.wait()
			c := f.enter()
			f.history.Decide(Decision{Mode: Disabled, Until: time.Now().Add(time.Minute)})
			time.Sleep(time.Hour)
			f.is(HalfOpen)
			c.End(o, 0)
			f.is(HalfOpen)
			if got := f.Snapshot(); got.Opened != 1 || got.Probing != 0 {
				f.Errorf("%+v", got)
			}
			f.told("open consecutive", "half_open open_for", "closed operator", "half_open operator")
			f.call(1, Success)
			f.is(Closed)
		})
	}
}
