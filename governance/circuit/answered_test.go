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

// Who reads the answer of a probe slowly holds nothing up for longer than probes may take.
func TestAProbeThatIsAnsweredAndReadSlowly(t *testing.T) {
	run(t, threeProbes(), func(f *fixture) {
		f.open()
		f.wait()
		began := time.Now()
		probes := []*Call{new(f.enter()), new(f.enter()), new(f.enter())}
		for _, c := range probes {
			c.Answered()
		}
		time.Sleep(5*time.Second - 1)
		f.is(HalfOpen)
		f.refuses(ReasonHalfOpen)
		time.Sleep(1 * time.Nanosecond)
		f.is(Closed)
		f.told("open consecutive", "half_open open_for", "closed probes_succeeded")
		if at := f.changes[2].At; !at.Equal(began.Add(5 * time.Second)) {
			f.Errorf("it closed %s after the probes began", at.Sub(began))
		}
		for _, c := range probes {
			c.End(Failure, 0)
		}
		f.is(Closed)
		if s := f.Snapshot(); s.InFlight != 0 || s.ConsecutiveFailures != 0 {
			f.Errorf("after all: %+v", s)
		}
	})
}

// Before that a probe is what it ends as.
func TestAProbeThatIsAnsweredMayBreakOff(t *testing.T) {
	for o, want := range map[Outcome]State{Success: Closed, Failure: Open, Neutral: HalfOpen} {
		run(t, quick(), func(f *fixture) {
			f.open()
			f.wait()
			c := f.enter()
			c.Answered()
			f.is(HalfOpen)
			c.End(o, 0)
			f.is(want)
		})
	}
}

// What is answered too late is answered in vain; one that is not answered fails for all.
func TestAProbeThatIsAnsweredTooLate(t *testing.T) {
	run(t, threeProbes(), func(f *fixture) {
		f.open()
		f.wait()
		late, answered := f.enter(), f.enter()
		answered.Answered()
		time.Sleep(5 * time.Second)
		late.Answered()
		f.is(Open)
		f.told("open consecutive", "half_open open_for", "open probe_timeout")
		f.wait()
		again := f.enter()
		late.Answered() // of the turn before
		answered.End(Success, 0)
		again.End(Success, 0)
		f.call(1, Success)
		f.is(HalfOpen)
		f.call(1, Success)
		f.is(Closed)
	})
}

// An answer to a call into an open breaker may break off too.
func TestAnAttemptIntoAnOpenBreakerIsAnswered(t *testing.T) {
	run(t, quick(), func(f *fixture) {
		f.open()
		time.Sleep(time.Second)
		a, b := f.Attempt(), f.Attempt()
		a.Answered()
		f.is(Open)
		a.End(Failure, 0)
		f.is(Open)
		b.Answered()
		b.End(Success, 0)
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
