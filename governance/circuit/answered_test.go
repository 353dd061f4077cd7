package circuit

import (
	"testing"
	"time"
)

// Who reads an answer slowly is not the one that was called.
func TestReadingAnAnswerSlowlyIsNotSlow(t *testing.T) {
	run(t, slowSettings(), func(f *fixture) {
		var calls []*Call
		for range 100 {
			c := f.enter()
			c.Answered()
			c.Answered()
			calls = append(calls, &c)
		}
		time.Sleep(time.Minute)
		if n := f.Snapshot().InFlight; n != 100 {
			t.Errorf("%d in flight, want 100: their answers are not over", n)
		}
		for _, c := range calls {
			c.End(Success, 0)
		}
		s := f.Snapshot()
		if s.InFlight != 0 || s.Calls.Success != 100 || s.Calls.Slow != 0 {
			t.Errorf("after all: %+v", s)
		}
		f.is(Closed)
	})
}

func TestAnAnswerThatBeginsTooLateIsSlow(t *testing.T) {
	run(t, slowSettings(), func(f *fixture) {
		for range 19 {
			c := f.enter()
			time.AfterFunc(3*time.Second, func() {
				c.Answered()
				time.Sleep(time.Second)
				c.End(Success, 0)
			})
		}
		time.Sleep(5 * time.Second)
		if s := f.Snapshot(); s.Calls.Slow != 19 || s.Calls.Success != 19 || s.InFlight != 0 || s.Window.Slow != 19 || s.Window.Calls != 19 {
			t.Errorf("after all: %+v", s)
		}
	})
}

// A call that was answered may end as a failure: the answer broke off.
func TestAnAnswerMayBreakOff(t *testing.T) {
	s := slowSettings()
	s.Consecutive = 3
	run(t, s, func(f *fixture) {
		for range 3 {
			c := f.enter()
			c.Answered()
			c.End(Failure, 0)
		}
		f.told("open consecutive")
	})
}

func TestAnAnswerKeepsItsPlace(t *testing.T) {
	s := slowSettings()
	s.MaxConcurrent = 1
	run(t, s, func(f *fixture) {
		c := f.enter()
		c.Answered()
		f.refuses(ReasonMaxConcurrent)
		c.End(Success, 0)
		f.call(1, Success)
	})
}

// What a probe is to show, an answer shows when it begins: how long a client takes to
// read it is no reason to open again.
func TestAProbeThatIsAnsweredIsOver(t *testing.T) {
	run(t, threeProbes(), func(f *fixture) {
		f.open()
		f.wait()
		var probes []*Call
		for range 3 {
			c := f.enter()
			c.Answered()
			probes = append(probes, &c)
		}
		f.is(Closed)
		time.Sleep(time.Minute)
		for _, c := range probes {
			c.End(Failure, 0)
		}
		f.is(Closed)
	})
}

// What was answered before the breaker opened says nothing after it.
func TestAnsweredAcrossAnOpening(t *testing.T) {
	s := slowSettings()
	s.Consecutive, s.RecoverOver = 1, 0
	run(t, s, func(f *fixture) {
		before, after := f.enter(), f.enter()
		before.Answered()
		f.call(1, Failure)
		f.is(Open)
		after.Answered()
		before.End(Success, 0)
		after.End(Failure, 0)
		f.told("open consecutive")
		if n := f.Snapshot().InFlight; n != 0 {
			t.Errorf("%d in flight", n)
		}
		var none Call
		none.Answered()
	})
}
