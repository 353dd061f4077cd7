package ramp

import (
	"math"
	"testing"
	"time"
)

// A thousand requests a second for the whole ramp: what is admitted is the closed
// form, in each step and in all.
func TestShareIsTheClosedForm(t *testing.T) {
	s := newService(t, defaultShare())
	sum := 0.0
	for step, want := range []float64{0.05, 0.075, 0.1125, 0.16875, 0.253125, 0.3796875, 0.56953125, 0.854296875} {
		share := min(1, 0.05*math.Pow(1.5, float64(step)))
		if math.Abs(share-want) > 1e-12 {
			t.Fatalf("step %d of the closed form is %v, want %v", step, share, want)
		}
		s.wantShare(want)
		sum += 30_000 * share
		within(t, "step", s.run(1000, 30*time.Second), 30_000*share, 0.02)
	}
	within(t, "all", s.calls, sum, 0.02)
	s.wantPhase(Warm)
	s.wantWarnings("", 0)
	if n := s.run(1000, 10*time.Second); n != 10_000 {
		t.Errorf("%d of 10000 admitted when it is over", n)
	}
}

// The share is spread evenly: of any 20 requests in a row, 5 % is one.
func TestShareIsSpread(t *testing.T) {
	r := New(defaultShare(), start)
	for i := range 1000 {
		if admitted := r.Admit(start); admitted != (i%20 == 0) {
			t.Fatalf("request %d: admitted is %v", i, admitted)
		}
	}
}

func TestShareFollowsTheSuccessRate(t *testing.T) {
	s := newService(t, defaultShare())
	s.success = 0.6 // which below 80 % is no matter
	s.run(100, 210*time.Second)
	s.wantPhase(Follow)
	s.wantShare(0.854296875)
	s.run(100, 30*time.Second)
	s.wantShare(0.6)
	s.success = 0.9
	within(t, "at 60 %", s.run(100, 30*time.Second), 3000*0.6, 0.02)
	s.wantShare(0.9)
	s.success = 0
	s.run(100, 30*time.Second)
	s.wantShare(0.05) // at least what it began with
	s.success = 0.94
	s.run(100, 30*time.Second)
	s.wantPhase(Follow)
	s.success = 0.96
	s.run(100, 30*time.Second)
	s.wantPhase(Warm)
	s.wantShare(1)
	s.wantWarnings("", 0)
	s.success = 0
	s.run(100, time.Minute)
	s.wantPhase(Warm) // once and for all
}

// every sends a request each so often.
func (s *service) every(gap, d time.Duration) {
	for end := s.now.Add(d); s.now.Before(end); s.now = s.now.Add(gap) {
		if s.Admit(s.now) {
			s.Record(s.now, s.result())
		}
	}
	s.events = append(s.events, s.Advance(s.now)...)
}

func TestFollowingEndsWithTooFewRequests(t *testing.T) {
	s := newService(t, defaultShare())
	s.every(2*time.Second, 238*time.Second)
	s.wantPhase(Follow)
	s.every(2*time.Second, 2*time.Second) // 15 in 30 s
	s.wantPhase(Warm)
	s.wantWarnings("only 15 requests came in 30s, fewer than 20", 1)
}

// Few samples because the service failed, and gets few requests for that, do not make
// it warm: they are put together until there are enough.
func TestAServiceThatFailsIsNotWarmForWantOfSamples(t *testing.T) {
	for _, perSecond := range []int{1, 10} { // 1 and 15 are admitted in 30 s at 5 %
		s := newService(t, defaultShare())
		s.success = 0
		s.run(perSecond, 629*time.Second)
		s.wantPhase(Follow)
		s.wantShare(0.05)
		s.run(perSecond, 2*time.Second) // but nothing closes for ever
		s.wantPhase(Warm)
		s.wantWarnings("it has followed the success rate for 7m0s", 1)
		s.wantWarnings("", 1)
	}
	s := newService(t, defaultShare())
	s.success = 0
	s.run(10, 270*time.Second)
	s.success = 1
	s.run(10, 30*time.Second)
	s.wantPhase(Follow) // half of 30
	s.wantShare(0.5)
	s.run(10, 31*time.Second)
	s.wantPhase(Warm)
	s.wantWarnings("", 0)
}

// Calls that are not answered are no want of samples.
func TestAServiceThatHangsIsNotWarm(t *testing.T) {
	for _, perSecond := range []int{1, 10, 100} {
		s := newService(t, defaultShare())
		s.run(perSecond, 205*time.Second)
		s.hangs = true
		s.run(perSecond, 35*time.Second)
		s.wantPhase(Follow)
		s.wantShare(0.05)
		s.run(perSecond, 389*time.Second)
		s.wantPhase(Follow)
		s.wantShare(0.05)
		s.run(perSecond, 2*time.Second)
		s.wantPhase(Warm)
		s.wantWarnings("it has followed the success rate for 7m0s", 1)
	}
	// also if a part was answered in the same interval
	s := newService(t, defaultShare())
	s.run(100, 220*time.Second)
	s.hangs = true
	s.run(100, 21*time.Second)
	s.wantPhase(Follow)
	s.wantShare(1 / 3.)
}

// Answers that take longer than the interval are no calls that hang, and neither are
// calls that go on over its end.
func TestLongAnswersDoNotHang(t *testing.T) {
	r := New(defaultShare(), start)
	now := start
	for ; now.Before(start.Add(290 * time.Second)); now = now.Add(100 * time.Millisecond) {
		if r.Admit(now) {
			r.Answered(now) // and goes on for minutes
		}
	}
	if s := r.Snapshot(now); s.Phase != Follow || *s.Share < 0.85 {
		t.Errorf("%s at %v before any answer has ended, want it to wait at 85 %%", s.Phase, *s.Share)
	}
	for range 100 {
		r.Record(now, Result{Outcome: Success, Answered: true})
	}
	if s := r.Snapshot(now.Add(15 * time.Second)); s.Phase != Warm {
		t.Errorf("%s at %v when answers have ended, want it to be over", s.Phase, *s.Share)
	}

	r = New(defaultShare(), start)
	admitted := make(map[time.Duration]bool)
	for at := time.Duration(0); at <= 240*time.Second; at += 10 * time.Millisecond {
		if admitted[at-time.Second] { // 57 to 85 are under way
			r.Record(start.Add(at), Result{Outcome: Success})
		}
		admitted[at] = r.Admit(start.Add(at))
	}
	if s := r.Snapshot(start.Add(240 * time.Second)); s.Phase != Warm {
		t.Errorf("%s at %v with calls of a second, want it to be over", s.Phase, *s.Share)
	}
}

func TestFollowingEndsAfterTwiceItsPhase(t *testing.T) {
	s := newService(t, defaultShare())
	s.success = 0.5
	s.run(100, 210*time.Second)
	s.run(100, 2*210*time.Second-time.Second)
	s.wantPhase(Follow)
	s.run(100, time.Second)
	s.wantPhase(Warm)
	s.wantWarnings("it has followed the success rate for 7m0s", 1)
}

// Clients that go away say nothing about the service.
func TestNeutralResultsAreNoSamples(t *testing.T) {
	r := New(defaultShare(), start)
	for range 100 {
		r.Record(start, Result{Outcome: Neutral})
	}
	if n := r.Snapshot(start).Success.Samples; n != 0 {
		t.Errorf("%d samples, want none", n)
	}
}

func TestShareIsCappedAtAll(t *testing.T) {
	s := newService(t, Settings{Share: &Share{From: 0.4, Follow: 0.8, Factor: 3, Interval: time.Minute, Complete: 1}})
	s.run(10, time.Minute)
	s.wantShare(1)
	s.wantPhase(Follow)
	s.success = 0.95
	s.run(10, time.Minute)
	s.wantShare(0.95)
	s.success = 1
	s.run(10, time.Minute)
	s.wantPhase(Warm)
}

// Nobody need ask: a service without requests is warm when the time is over.
func TestShareGrowsWithoutRequests(t *testing.T) {
	s := newService(t, defaultShare())
	s.now = start.Add(239 * time.Second)
	s.wantPhase(Follow)
	s.now = start.Add(240 * time.Second)
	s.wantPhase(Warm)
}

func TestConfigureShare(t *testing.T) {
	s := newService(t, defaultShare())
	s.run(100, 65*time.Second)
	s.wantShare(0.1125)
	slower := DefaultShare()
	slower.Factor, slower.Interval = 2, time.Minute
	s.Configure(s.now, Settings{Share: &slower})
	s.wantShare(0.1125) // the running state goes on
	s.run(100, 54*time.Second)
	s.wantShare(0.1125)
	s.run(100, time.Second) // a minute after the last step
	s.wantShare(0.225)
	higher := slower
	higher.From = 0.5
	s.Configure(s.now, Settings{Share: &higher})
	s.wantShare(0.5)
	s.run(100, 40*time.Second)
	s.Configure(s.now, defaultShare()) // the step is due already
	s.wantShare(0.75)
	s.Configure(s.now, Settings{Rate: apiRate().Rate})
	s.wantPhase(Hold) // another form
	s.Skip(s.now, "skipped by the operator")
	s.Configure(s.now, defaultShare())
	s.wantPhase(Warm)
	s.wantShare(1)
}
