package circuit

import (
	"testing"
	"testing/synctest"
	"time"
)

func slowSettings() Settings {
	s := DefaultSettings()
	s.SlowCall, s.SlowRatio, s.Consecutive, s.FailureRatio = 2*time.Second, 0.8, 0, 0
	return s
}

// load makes calls evenly, each of which takes as long as takes says, until the breaker
// refuses one or the time is over. It returns when that was.
func (f *fixture) load(perSecond int, over time.Duration, takes func() time.Duration) time.Duration {
	f.Helper()
	began := time.Now()
	for time.Since(began) < over {
		c, refusal := f.Enter()
		if refusal != nil {
			return time.Since(began)
		}
		time.AfterFunc(takes(), func() { c.End(Success, 0) })
		time.Sleep(time.Second / time.Duration(perSecond))
	}
	return over
}

// A back end that stalls opens the breaker within twice the mark, long before anything
// ends, though the window is full of calls that went well.
func TestAStallOpens(t *testing.T) {
	for _, perSecond := range []int{12, 20, 100, 1000} {
		run(t, slowSettings(), func(f *fixture) {
			quickly := func() time.Duration { return 20 * time.Millisecond }
			if got := f.load(perSecond, 20*time.Second, quickly); got != 20*time.Second {
				f.Fatalf("at %d a second it opened after %s without a reason", perSecond, got)
			}
			stalled := func() time.Duration { return 30 * time.Second }
			took := f.load(perSecond, 20*time.Second, stalled)
			f.Logf("at %d a second a stall was found after %s", perSecond, took)
			if took > 4*time.Second || took < 2*time.Second {
				f.Errorf("at %d a second a stall was found after %s, want 2s to 4s", perSecond, took)
			}
			f.told("open slow_ratio")
			time.Sleep(time.Minute) // what hangs ends
			if got := f.Snapshot(); got.InFlight != 0 {
				f.Errorf("%d in flight", got.InFlight)
			}
		})
	}
}

// With fewer calls the window has to do.
func TestAStallOpensWithFewCalls(t *testing.T) {
	run(t, slowSettings(), func(f *fixture) {
		f.load(3, 20*time.Second, func() time.Duration { return 20 * time.Millisecond })
		took := f.load(3, 20*time.Second, func() time.Duration { return 30 * time.Second })
		if took > 10*time.Second {
			f.Errorf("found after %s, want it within the window", took)
		}
		f.told("open slow_ratio")
	})
}

func TestSlowRatio(t *testing.T) {
	for _, test := range []struct {
		name string
		slow int // of ten
		min  int
		want State
	}{
		{"some are slow", 7, 20, Closed},
		{"enough are slow", 9, 20, Open},
		{"too few calls", 10, 1000, Closed},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := slowSettings()
			s.MinCalls = test.min
			run(t, s, func(f *fixture) {
				n := 0
				f.load(50, 20*time.Second, func() time.Duration {
					n++
					if n%10 < test.slow {
						return 2500 * time.Millisecond
					}
					return 1900 * time.Millisecond
				})
				f.is(test.want)
				if test.want != Closed {
					return
				}
				time.Sleep(3 * time.Second)
				got := f.Snapshot()
				if want := float64(test.slow) / 10; got.SlowRatio < want-0.03 || got.SlowRatio > want+0.03 {
					f.Errorf("the window has %+v, a ratio of %v, want about %v", got.Window, got.SlowRatio, want)
				}
				if got.Calls.Slow != uint64(test.slow)*100 || got.Calls.Success != 1000 {
					f.Errorf("calls %+v, want %d slow of 1000", got.Calls, test.slow*100)
				}
			})
		})
	}
}

// When a call is found to be slow.
func TestSlowMark(t *testing.T) {
	for _, mark := range []time.Duration{time.Millisecond, 3 * time.Millisecond, 10 * time.Millisecond, 2 * time.Second, time.Minute} {
		for _, offset := range []time.Duration{0, mark / 16, mark / 9, mark / 3} {
			s := slowSettings()
			s.SlowCall = mark
			run(t, s, func(f *fixture) {
				running := f.enter() // has time pass
				time.Sleep(offset)
				c := f.enter()
				running.End(Success, 0)
				time.Sleep(mark - 1)
				if got := f.Snapshot().Calls.Slow; got != 0 {
					f.Errorf("%s: slow before the mark", mark)
				}
				time.Sleep(max(mark/4, time.Millisecond) + 1)
				synctest.Wait()
				if got := f.Snapshot().Calls.Slow; got != 1 {
					f.Errorf("%s: not slow %s after the mark", mark, max(mark/4, time.Millisecond))
				}
				c.End(Failure, 0)
				got := f.Snapshot()
				if (got.Calls != Calls{Success: 1, Failure: 1, Slow: 1}) {
					f.Errorf("%s: %+v", mark, got.Calls)
				}
				// with a longer mark than the window it has left the window already
				if want := (WindowCounts{Calls: 2, Failures: 1, Slow: 1, Decided: 2}); mark < s.Window && got.Window != want {
					f.Errorf("%s: %+v, want %+v", mark, got.Window, want)
				}
			})
		}
	}
}

// Slow calls are no failures, and a client that gave up waiting has seen one.
func TestSlowCallsByOutcome(t *testing.T) {
	for _, o := range []Outcome{Success, Failure, Neutral} {
		s := slowSettings()
		s.MinCalls = 3
		run(t, s, func(f *fixture) {
			calls := []Call{f.enter(), f.enter()}
			time.Sleep(3 * time.Second)
			for i := range calls {
				calls[i].End(o, 0)
			}
			f.is(Closed)
			last := f.enter()
			time.Sleep(3 * time.Second)
			f.is(Open)
			last.End(o, 0)
			f.told("open slow_ratio")
		})
	}
}

// An idle breaker has no timer; after a rest, calls are not older than they are.
func TestTimePassesOnlyWithCalls(t *testing.T) {
	run(t, slowSettings(), func(f *fixture) {
		f.call(1, Success)
		time.Sleep(10 * time.Second)
		if f.history.slow.armed.Load() {
			f.Error("the timer runs without calls")
		}
		for range 3 {
			time.Sleep(time.Hour)
			c := f.enter()
			time.Sleep(1900 * time.Millisecond)
			c.End(Success, 0)
		}
		c := f.enter()
		time.Sleep(2500 * time.Millisecond)
		c.End(Success, 0)
		if got := f.Snapshot().Calls; got.Slow != 1 {
			f.Errorf("%+v, want one slow", got)
		}
		time.Sleep(time.Hour)
		if f.history.slow.armed.Load() {
			f.Error("the timer still runs")
		}
	})
}

// What was slow before a rest says nothing after it.
func TestSlowCallsAreForgotten(t *testing.T) {
	s := slowSettings()
	s.MinCalls = 5
	run(t, s, func(f *fixture) {
		var calls []Call
		for range 4 {
			calls = append(calls, f.enter())
		}
		time.Sleep(2300 * time.Millisecond)
		for i := range calls {
			calls[i].End(Success, 0)
		}
		time.Sleep(time.Hour)
		f.call(1, Success)
		time.Sleep(time.Minute)
		f.is(Closed)
		if got := f.Snapshot(); got.Calls.Slow != 4 {
			f.Errorf("%+v", got.Calls)
		}
	})
}

// Whoever is late in entering counts for the step that it is now.
func TestBeginInAStepThatHasGone(t *testing.T) {
	h := NewHistory()
	h.settings = slowSettings()
	r := newRing(h)
	r.armed.Store(true) // time passes by hand
	now := r.now.Load()
	r.advance()
	gone := r.marked
	r.now.Store(gone)
	began := make(chan uint64)
	go func() { began <- r.begin() }()
	select {
	case step := <-began:
		t.Fatalf("counted for step %d, which has gone", step)
	case <-time.After(10 * time.Millisecond):
	}
	r.now.Store(now + 1)
	if step := <-began; step != now+1 || r.end(step) || !r.idle() {
		t.Errorf("counted for step %d, want %d", step, now+1)
	}
}

// The doubling of a back end that answers, but slowly, goes on: probes succeed, and traffic
// opens it again.
func TestSlowBackEndStaysMostlyOpen(t *testing.T) {
	s := slowSettings()
	s.Probes, s.RecoverOver, s.MinCalls = 1, 0, 5
	run(t, s, func(f *fixture) {
		for range 600 {
			c, refusal := f.Enter()
			if refusal == nil {
				time.AfterFunc(3*time.Second, func() { c.End(Success, 0) })
			}
			time.Sleep(100 * time.Millisecond)
		}
		if got := f.Snapshot(); got.Opened < 3 || got.OpenedInARow != int(got.Opened) {
			f.Errorf("opened %d times, %d in a row", got.Opened, got.OpenedInARow)
		}
		time.Sleep(time.Minute)
	})
}
