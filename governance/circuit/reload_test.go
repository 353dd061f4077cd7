package circuit

import (
	"testing"
	"time"
)

// otherSettings are each different in something that matters to the engine or the timer.
func otherSettings() map[string]Settings {
	same := recovering()
	window, probes, slow := same, same, same
	window.Window = 20 * time.Second
	probes.Probes = 2
	slow.SlowCall, slow.SlowRatio = time.Second, 0.5
	return map[string]Settings{"the same": same, "another window": window, "more probes": probes, "slow calls": slow}
}

// A breaker goes on in its state with whatever settings.
func TestReloadInEachState(t *testing.T) {
	for name, s := range otherSettings() {
		t.Run(name, func(t *testing.T) {
			inEach(t, recovering(), func(f *fixture, state string) {
				_, left := f.State()
				f.reload(s)
				time.Sleep(2 * time.Nanosecond) // for another engine
				f.is(stateOf(state))
				c := f.Attempt()
				c.End(Neutral, 0)
				f.is(stateOf(state))
				if _, now := f.State(); state == "open" && now != left-2 {
					f.Errorf("open for %s, want %s", now, left-2)
				}
				if got := f.Snapshot().Settings; got != s.snapshot() {
					f.Errorf("settings %+v", got)
				}
				switch state {
				case "open":
					f.wait()
					fallthrough
				case "half_open":
					f.call(s.Probes, Success)
					f.is(Closed)
				case "recovering":
					f.call(1, Success)
					f.refuses(ReasonRecovering)
				}
				time.Sleep(10 * time.Second)
				f.call(10, Success)
				if state != "closed" { // the doubling went on
					if left := f.open(); left <= 5*time.Second {
						f.Errorf("opens for %s", left)
					}
				} else {
					f.open()
				}
			})
		})
	}
}

// Counts begin anew where the engine does; failures in a row do not.
func TestReloadKeepsCounts(t *testing.T) {
	before := quick()
	before.Consecutive, before.FailureRatio = 5, 0.5
	more := before
	more.MinCalls, more.OpenFor, more.RecoverOver = 10, time.Minute, time.Minute
	more.OpenForMax = time.Hour
	run(t, before, func(f *fixture) {
		f.call(6, Success)
		f.call(3, Failure)
		f.reload(more)
		f.call(1, Success)
		if got := f.Snapshot().Window; got.Calls != 10 || got.Failures != 3 {
			f.Errorf("the window has %+v, want 10 calls", got)
		}
		f.call(3, Failure)
		again := more
		again.Window = time.Minute
		f.reload(again)
		f.call(1, Failure)
		f.is(Closed)
		if got := f.Snapshot(); got.Window.Calls != 1 || got.ConsecutiveFailures != 4 {
			f.Errorf("the window has %+v, %d in a row, want 1 call and 4", got.Window, got.ConsecutiveFailures)
		}
		f.call(1, Failure)
		f.told("open consecutive")
	})
}

// A configuration that fails to load has made breakers, and may have called them: its server may
// have started before something else did not.
func TestWhoIsNotAdoptedChangesNothing(t *testing.T) {
	other := quick()
	other.DryRun, other.Window, other.MaxConcurrent = true, time.Minute, 1
	inEach(t, quick(), func(f *fixture, state string) {
		before := f.Snapshot()
		fails := New(f.history, other, func(Change) { f.Error("it was told of a change") })
		fails.Ready()
		fails.Share(time.Now())
		fails.Snapshot()
		c, refusal := fails.Enter()
		if refusal != nil && (refusal.DryRun || state != "open") {
			f.Errorf("%s: refused: %+v", state, *refusal)
		}
		c.End(Neutral, 0)
		c = fails.Attempt()
		c.End(Neutral, 0)
		f.is(stateOf(state))
		if got := f.Snapshot(); got.Settings != before.Settings || got.Window != before.Window {
			f.Errorf("before %+v, after %+v", before, got)
		}
		fails.Healthy()
		if state == "open" {
			time.Sleep(2 * time.Nanosecond)
			f.is(HalfOpen)
			f.told("half_open health_check") // to the one that holds
		}
	})
}

// Nor does it take decided thresholds away from the one that runs.
func TestWhoIsNotAdoptedKeepsThresholds(t *testing.T) {
	configured, decided, other := quick(), quick(), quick()
	decided.Consecutive, other.Consecutive = 3, 7
	run(t, configured, func(f *fixture) {
		f.history.Decide(Decision{Thresholds: &decided, Configured: &configured})
		fails := New(f.history, other, nil)
		c, _ := fails.Enter()
		c.End(Success, 0)
		if got := f.Snapshot(); got.Settings.Consecutive != 3 || !got.Thresholds {
			f.Errorf("%+v", got.Settings)
		}
		fails.Adopt()
		if got := f.Snapshot(); got.Settings.Consecutive != 7 || f.history.Decision().Thresholds != nil {
			f.Errorf("%+v", got.Settings)
		}
	})
}

// While both configurations serve, the newer one's settings hold for both, and it is told of
// what the older one's calls do.
func TestTheLastThatWasAdoptedHolds(t *testing.T) {
	newer := quick()
	newer.Consecutive = 3
	run(t, quick(), func(f *fixture) {
		old := f.Breaker
		late := f.enter()
		f.reload(newer)
		late.End(Failure, 0) // of the same turn
		c, _ := old.Enter()
		c.End(Failure, 0)
		f.is(Closed)
		c, _ = old.Enter()
		c.End(Failure, 0)
		f.is(Open)
		if got := f.Snapshot().Settings; got != newer.snapshot() {
			f.Errorf("a call through the old one took its settings back: %+v", got)
		}
		old.Adopt() // as when it was made while the other was provisioned
		if got := f.Snapshot().Settings; got != quick().snapshot() {
			f.Errorf("the last one to be adopted does not hold: %+v", got)
		}
		f.told("open consecutive")
	})
}

// With another number of probes they begin anew.
func TestReloadWithAProbeUnderWay(t *testing.T) {
	more := quick()
	more.Probes = 2
	run(t, quick(), func(f *fixture) {
		f.open()
		f.wait()
		probe := f.enter()
		f.reload(more)
		f.Enter()
		time.Sleep(2 * time.Nanosecond)
		a, b := f.enter(), f.enter()
		f.refuses(ReasonHalfOpen)
		probe.End(Success, 0)
		a.End(Success, 0)
		f.is(HalfOpen)
		b.End(Success, 0)
		f.is(Closed)
	})
}

// Calls in flight are found to be slow, or not, by the settings they began with.
func TestSlowCallChangesWithCallsInFlight(t *testing.T) {
	before, after := slowSettings(), slowSettings()
	before.MinCalls, after.MinCalls = 1000, 1000
	after.SlowCall = time.Second
	off := after
	off.SlowCall, off.SlowRatio, off.FailureRatio = 0, 0, 0.5
	for _, next := range []Settings{after, off} {
		run(t, before, func(f *fixture) {
			calls := []Call{f.enter(), f.enter(), f.enter()}
			time.Sleep(time.Second)
			f.reload(next)
			f.call(1, Success)
			time.Sleep(5 * time.Second)
			for i := range calls {
				calls[i].End(Success, 0)
			}
			if got := f.Snapshot(); got.InFlight != 0 || got.Calls.Success != 4 || got.Window.Calls != 4 {
				f.Errorf("%+v", got)
			}
		})
	}
}

// A configuration that is loaded and never used, as one that fails to load, is not told.
func TestWhoIsToldBeforeTheFirstCall(t *testing.T) {
	run(t, quick(), func(f *fixture) {
		other := New(f.history, quick(), func(c Change) { f.Errorf("the other is told %+v", c) })
		f.history.Decide(Decision{Mode: ForcedOpen})
		f.told("open operator")
		if got := other.Snapshot().State; got != "open" {
			f.Errorf("it is %s", got)
		}
	})
}

// Who adopts is told at once, and his settings hold; an older one changes nothing.
func TestAdopt(t *testing.T) {
	inEach(t, recovering(), func(f *fixture, state string) {
		old, oldChanges := f.Breaker, &f.changes
		before := f.Snapshot()
		s := recovering()
		s.Consecutive, s.MinCalls = 7, 3
		var told []Change
		f.Breaker = New(f.history, s, func(c Change) { told = append(told, c) })
		f.Adopt()
		after := f.Snapshot()
		if after.Settings != s.snapshot() || after.State != before.State || after.InFlight != 0 || len(told) != 0 {
			f.Errorf("before %+v, after %+v, told %v", before, after, told)
		}
		old.Adopt()
		f.Adopt()
		if got := f.Snapshot().Settings; got != s.snapshot() {
			f.Errorf("after an older one adopted: %+v", got)
		}
		f.history.Decide(Decision{Mode: ForcedOpen})
		f.history.Decide(Decision{Mode: ForcedClosed})
		if len(told) == 0 || len(*oldChanges) != 0 {
			f.Errorf("told %v, the older %v", told, *oldChanges)
		}
	})
}
