package circuit

import (
	"testing"
	"time"
)

// rowSettings are the defaults with a slow mark.
func rowSettings() Settings {
	s := DefaultSettings()
	s.SlowCall, s.SlowRatio = 2*time.Second, 0.8
	return s
}

func quickly() time.Duration { return 20 * time.Millisecond }
func stalled() time.Duration { return 30 * time.Second }

// At one call a second, the window never holds as many as the ratio needs.
func TestAStallOpensAtOneCallASecond(t *testing.T) {
	for _, tries := range []Settings{rowSettings(), func() Settings { s := rowSettings(); s.FailureRatio = 0; return s }()} {
		run(t, tries, func(f *fixture) {
			if got := f.load(1, time.Minute, quickly); got != time.Minute {
				f.Fatalf("it opened after %s without a reason", got)
			}
			took := f.load(1, time.Minute, stalled)
			f.Logf("a stall at 1 call a second was found after %s", took)
			if took > 8*time.Second {
				f.Errorf("found after %s, want it after five calls and the mark", took)
			}
			f.told("open slow_in_a_row")
		})
	}
}

// One call at a time, each of which hangs: none is answered, so they are in a row.
func TestCallsOneAfterTheOtherThatHang(t *testing.T) {
	s := rowSettings()
	s.OpenFor = time.Minute
	run(t, s, func(f *fixture) {
		f.call(1, Success)
		for n := range 5 {
			c := f.enter()
			time.Sleep(10 * time.Second)
			if got := f.Snapshot().ConsecutiveSlow; n < 4 && got != n+1 {
				f.Errorf("after %d calls it counts %d", n+1, got)
			}
			c.End(Neutral, 0)
		}
		f.told("open slow_in_a_row")
	})
}

// What is answered in time in between, well or not, breaks the row.
func TestSlowCallsThatAreNotInARow(t *testing.T) {
	for name, inTime := range map[string]func(c *Call){
		"a success": func(c *Call) { c.End(Success, 0) },
		"a failure": func(c *Call) { c.End(Failure, 0) },
		"an answer": func(c *Call) { c.Answered() },
	} {
		t.Run(name, func(t *testing.T) {
			run(t, rowSettings(), func(f *fixture) {
				for range 20 {
					for range 4 {
						c := f.enter()
						time.AfterFunc(3*time.Second, func() { c.End(Success, 0) })
						time.Sleep(time.Second)
					}
					time.Sleep(3 * time.Second)
					c := f.enter()
					inTime(&c)
					if n := f.Snapshot().ConsecutiveSlow; n != 0 {
						f.Fatalf("%d are in a row", n)
					}
				}
				f.told()
			})
		})
	}
}

// A client that leaves says nothing about the calls before and after.
func TestNeutralCallsAreNotInARow(t *testing.T) {
	run(t, rowSettings(), func(f *fixture) {
		for range 5 {
			c := f.enter()
			f.call(1, Neutral)
			time.AfterFunc(30*time.Second, func() { c.End(Success, 0) })
			time.Sleep(time.Second)
			f.call(1, Neutral)
		}
		time.Sleep(3 * time.Second)
		f.told("open slow_in_a_row")
	})
}

// With much traffic a few slow calls become so at once, and others are answered meanwhile.
func TestSomeSlowCallsAmongMany(t *testing.T) {
	run(t, rowSettings(), func(f *fixture) {
		n := 0
		f.load(1000, 10*time.Second, func() time.Duration {
			if n++; n%1000 < 200 { // 200 of a row
				return 3 * time.Second
			}
			return quickly()
		})
		f.told()
		if got := f.Snapshot(); got.Calls.Slow < 1000 {
			f.Errorf("only %d were slow: the test tests nothing", got.Calls.Slow)
		}
	})
}

func TestSlowCallsInARowTurnedOff(t *testing.T) {
	s := rowSettings()
	s.Consecutive = 0
	run(t, s, func(f *fixture) {
		if got := f.load(1, time.Minute, stalled); got != time.Minute {
			f.Errorf("it opened after %s", got)
		}
	})
}

// While an operator keeps it closed they are counted, and open it with the next one after.
func TestSlowCallsInARowWhileForced(t *testing.T) {
	for _, mode := range []Mode{ForcedClosed, Disabled} {
		run(t, rowSettings(), func(f *fixture) {
			f.call(1, Success)
			f.history.Decide(Decision{Mode: mode, Until: time.Now().Add(time.Minute)})
			f.load(1, 58*time.Second, stalled)
			if got := f.Snapshot().ConsecutiveSlow; (got > 50) != (mode == ForcedClosed) {
				f.Errorf("%s: %d in a row", mode, got)
			}
			f.told()
			took := f.load(1, time.Minute, stalled)
			if want := map[Mode]time.Duration{ForcedClosed: 3 * time.Second, Disabled: 10 * time.Second}[mode]; took > want {
				f.Errorf("%s: opened %s after, want within %s", mode, took, want)
			}
			f.told("open slow_in_a_row")
		})
	}
}
