package circuit

import (
	"testing"
	"time"
)

func threeProbes() Settings {
	s := quick()
	s.Probes = 3
	return s
}

func TestProbesAtATime(t *testing.T) {
	run(t, threeProbes(), func(f *fixture) {
		f.open()
		f.wait()
		probes := []Call{f.enter(), f.enter(), f.enter()}
		if f.Ready() {
			f.Error("it is ready with all probes under way")
		}
		if after := f.refuses(ReasonHalfOpen); after != time.Second {
			f.Errorf("come back after %s", after)
		}
		uncounted := f.Attempt()
		uncounted.End(Failure, 0)
		f.is(HalfOpen)

		probes[0].End(Success, 0)
		f.is(HalfOpen)
		if !f.Ready() {
			f.Error("it is not ready with a probe's place free")
		}
		fourth := f.enter()
		f.refuses(ReasonHalfOpen)
		probes[1].End(Success, 0)
		f.is(HalfOpen)
		probes[2].End(Success, 0)
		f.is(Closed)
		fourth.End(Failure, 0) // began before it closed
		f.is(Closed)
	})
}

// Successes must be in a row: a failure among them opens again.
func TestAProbeThatFailsOpensAgain(t *testing.T) {
	run(t, threeProbes(), func(f *fixture) {
		f.open()
		f.wait()
		f.call(2, Success)
		f.call(1, Failure)
		f.is(Open)
		f.wait()
		f.call(2, Success)
		f.is(HalfOpen)
		f.call(1, Success)
		f.is(Closed)
	})
}

func TestNeutralProbesGiveTheirPlaceBack(t *testing.T) {
	run(t, threeProbes(), func(f *fixture) {
		f.open()
		f.wait()
		for range 10 {
			probes := []Call{f.enter(), f.enter(), f.enter()}
			f.refuses(ReasonHalfOpen)
			for i := range probes {
				probes[i].End(Neutral, 0)
			}
			f.is(HalfOpen)
		}
		f.call(3, Success)
		f.is(Closed)
	})
}

// A probe that hangs is a failure after its timeout; what comes of it later says
// nothing.
func TestAProbeThatHangs(t *testing.T) {
	for _, late := range []Outcome{Success, Failure, Neutral} {
		run(t, threeProbes(), func(f *fixture) {
			f.open()
			f.wait()
			hangs := f.enter()
			began := time.Now()
			time.Sleep(time.Second)
			f.enter()
			time.Sleep(4*time.Second - 1)
			f.is(HalfOpen)
			time.Sleep(1 * time.Nanosecond)
			f.is(Open)
			if _, left := f.State(); !within(left, 20*time.Second, 22*time.Second) {
				f.Errorf("open for %s, want it doubled", left)
			}
			last := f.changes[len(f.changes)-1]
			if last.Why != WhyProbeTimeout || !last.At.Equal(began.Add(5*time.Second)) || !within(last.OpenFor, 20*time.Second, 22*time.Second) {
				f.Errorf("it told %+v", last)
			}
			hangs.End(late, 0)
			f.is(Open)
			f.wait()
			f.call(3, Success)
			f.is(Closed)
			if got := f.Snapshot(); got.InFlight != 1 {
				f.Errorf("%d in flight, want the probe that never ended", got.InFlight)
			}
		})
	}
}

// Nobody looked for long: what should have happened meanwhile has happened.
func TestAProbeThatHangsWhileNobodyCalls(t *testing.T) {
	run(t, quick(), func(f *fixture) {
		f.open()
		f.wait()
		probe := f.enter()
		began := time.Now()
		time.Sleep(time.Hour)
		probe.End(Success, 0) // far too late
		time.Sleep(2 * time.Nanosecond)
		f.is(HalfOpen)
		f.told("open consecutive", "half_open open_for", "open probe_timeout", "half_open open_for")
		if reopened := f.changes[2].At; !reopened.Equal(began.Add(5 * time.Second)) {
			f.Errorf("it opened again %s after the probe began", reopened.Sub(began))
		}
		f.call(1, Success)
		f.is(Closed)
	})
}

func TestHealthCheckEndsTheOpenTime(t *testing.T) {
	run(t, quick(), func(f *fixture) {
		f.Healthy()
		f.is(Closed)
		f.open()
		f.Healthy() // in the same instant: the engine is not ready yet
		time.Sleep(2 * time.Nanosecond)
		f.is(HalfOpen)
		f.Healthy()
		f.is(HalfOpen)
		f.call(1, Failure)
		time.Sleep(time.Second)
		f.Healthy()
		f.is(HalfOpen)
		f.call(1, Success)
		f.told("open consecutive", "half_open health_check", "open probe_failed", "half_open health_check", "closed probes_succeeded")
	})
}

// With nobody else left, calls go into an open breaker: they close it if they go well, and do
// not keep it open for longer if they don't.
func TestAttemptsIntoAnOpenBreaker(t *testing.T) {
	s := quick()
	s.Probes = 2
	run(t, s, func(f *fixture) {
		left := f.open()
		if f.Ready() {
			f.Error("it is ready while open")
		}
		for range 10 {
			time.Sleep(time.Millisecond)
			c := f.Attempt()
			c.End(Failure, 0)
		}
		if _, now := f.State(); now != left-10*time.Millisecond {
			f.Errorf("open for %s more, want %s", now, left-10*time.Millisecond)
		}
		neutral := f.Attempt()
		neutral.End(Neutral, 0)
		f.is(Open)
		a, b, c := f.Attempt(), f.Attempt(), f.Attempt()
		a.End(Success, 0)
		f.is(HalfOpen)
		b.End(Failure, 0) // began before that
		c.End(Success, 0)
		f.is(HalfOpen)
		d := f.Attempt()
		d.End(Success, 0)
		f.is(Closed)
		f.told("open consecutive", "half_open attempt_succeeded", "closed probes_succeeded")
	})
}
