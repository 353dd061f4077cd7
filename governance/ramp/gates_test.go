package ramp

import (
	"testing"
	"time"
)

func withReady(s Settings) Settings {
	s.Ready = true
	return s
}

// A service that has answered and fails for three polls and 30 s is cold again.
func TestReadinessThatFailsHalvesTheShare(t *testing.T) {
	s := newService(t, withReady(defaultShare()))
	s.run(1000, 185*time.Second) // 56.95 %
	s.wantShare(0.56953125)
	s.ready = false
	s.run(100, 30*time.Second)
	s.wantPhase(Follow) // grown meanwhile
	s.wantShare(0.854296875)
	s.run(100, time.Second)
	s.wantPhase(Hold)
	s.wantShare(0.854296875 / 2)
	s.wantWarnings("back to 42.71%", 1)
	within(t, "while it is not ready", s.run(1000, 20*time.Second), 20_000*0.854296875/2, 0.02)
	s.wantPhase(Hold)
	s.ready = true
	s.run(1000, 2*time.Second)
	s.wantPhase(Grow)
	s.run(1000, 30*time.Second)
	s.wantShare(0.854296875 / 2 * 1.5)
}

func TestReadinessThatFailsEndsAWarmService(t *testing.T) {
	s := newService(t, withReady(defaultShare()))
	s.Skip(s.now, "skipped by the operator")
	s.run(100, time.Minute)
	s.ready = false
	s.run(100, 30*time.Second)
	s.wantPhase(Warm)
	s.run(100, time.Second)
	s.wantPhase(Hold)
	s.wantShare(0.5)
	// It stays away: its gate is passed after twice the phase, once and for all.
	s.run(100, time.Minute)
	s.wantWarnings("has not answered for 1m0s", 1)
	s.run(100, 3*time.Minute)
	s.wantPhase(Warm)
	s.ready = true
	s.run(100, time.Minute)
	s.wantPhase(Warm)
	s.ready = false
	s.run(100, 32*time.Second)
	s.wantPhase(Hold) // it answered in between, so it can fail again
}

func TestReadinessThatFailsHalvesTheRate(t *testing.T) {
	s := newService(t, apiRate())
	s.hitRate = 0.65
	s.run(100, 195*time.Second)
	s.Skip(s.now, "skipped by the operator")
	s.ready = false
	s.run(100, 32*time.Second)
	s.wantPhase(Hold)
	s.wantRate(100) // half of the highest
	within(t, "while it is not ready", s.run(1000, 10*time.Second), 1000, 0.02)
	s.ready = true
	s.run(100, time.Second)
	s.wantPhase(Climb)
	s.wantRate(100)
	s.run(100, 21*time.Second)
	s.wantRate(119)

	s = newService(t, apiRate())
	s.hitRate = 0.65
	s.run(10, 80*time.Second)
	s.ready = false
	s.run(10, 9*time.Second)
	s.Restart(s.now.Add(-time.Second))
	s.run(10, 25*time.Second)
	s.wantPhase(Hold)
	s.wantRate(0) // of nothing, half is nothing
}

// Few or brief failures are no cold service.
func TestReadinessMayFailNowAndThen(t *testing.T) {
	at := func(seconds float64) time.Time { return start.Add(time.Duration(seconds * float64(time.Second))) }
	for name, polls := range map[string]map[float64]bool{
		"many polls in less than 30 s": {10: false, 20: false, 30: false, 39: false},
		"two polls in more than 30 s":  {10: false, 45: false},
		"an answer in between":         {10: false, 20: false, 30: true, 39: false, 45: false, 50: false, 60: false},
	} {
		r := New(withReady(defaultShare()), start)
		r.Polled(start, true)
		for second := range 70 {
			if ready, ok := polls[float64(second)]; ok {
				r.Polled(at(float64(second)), ready)
			}
		}
		if s := r.Snapshot(at(70)); s.Phase != Grow || *s.Share < 0.11 {
			t.Errorf("%s: %s at %v, want it to grow undisturbed", name, s.Phase, *s.Share)
		}
	}
	r := New(withReady(defaultShare()), start)
	r.Polled(start, true)
	for _, second := range []float64{10, 25, 40} {
		r.Polled(at(second), false)
	}
	if s := r.Snapshot(at(40)); s.Phase != Hold || *s.Share != 0.05 {
		t.Errorf("three polls in 30 s: %s at %v, want hold at 5 %%", s.Phase, *s.Share)
	}
}

func TestShareWaitsForReadiness(t *testing.T) {
	s := newService(t, withReady(defaultShare()))
	s.ready = false
	if n := s.run(100, 20*time.Second); n != 0 {
		t.Errorf("%d admitted before it is ready", n)
	}
	s.ready = true
	s.run(100, 29*time.Second)
	s.wantShare(0.05) // the first interval begins with the answer
	s.run(100, time.Second)
	s.wantShare(0.075)
	s.wantWarnings("", 0)
}

func TestWindow(t *testing.T) {
	var w window
	for i := range 60 {
		w.add(start.Add(time.Duration(i)*time.Second), i < 30)
	}
	for _, tc := range []struct {
		after time.Duration
		want  tally
	}{
		{59 * time.Second, tally{30, 60}},
		{60 * time.Second, tally{0, 30}}, // the first half has gone
		{89 * time.Second, tally{0, 30}},
		{90 * time.Second, tally{}},
		{time.Hour, tally{}},
	} {
		if got := w.at(start.Add(tc.after)); got != tc.want {
			t.Errorf("after %v the window holds %+v, want %+v", tc.after, got, tc.want)
		}
	}
}
