package ramp

import (
	"math"
	"strconv"
	"testing"
	"time"
)

func rateText(rate *float64) string {
	if rate == nil {
		return "none"
	}
	return strconv.FormatFloat(*rate, 'g', 5, 64)
}

func (s *service) wantRate(want float64) {
	s.t.Helper()
	got := s.Snapshot(s.now).Rate
	if got == nil || math.Abs(*got-want) > 0.01*want {
		s.t.Errorf("after %v the rate is %v, want %v", s.now.Sub(start), rateText(got), want)
	}
}

// A thousand requests a second: in each phase as many are admitted as the integral
// of the rate says.
func TestRateIsItsIntegral(t *testing.T) {
	s := newService(t, apiRate())
	s.hitRate = 0.65
	if n := s.run(1000, 30*time.Second); n != 0 {
		t.Errorf("%d admitted while it holds, want none", n)
	}
	within(t, "probe", s.run(1000, time.Minute), (1+10)/2.*60, 0.02)
	s.wantPhase(Climb)
	within(t, "climb, first half", s.run(1000, 105*time.Second), (10+105)/2.*105, 0.02)
	s.wantRate(105)
	within(t, "climb, second half", s.run(1000, 105*time.Second), (105+200)/2.*105, 0.02)
	s.wantPhase(Settle)
	within(t, "settle", s.run(1000, 30*time.Second), 200*30, 0.02)
	s.hitRate = 0.75
	s.run(1000, time.Minute)
	s.wantPhase(Warm)
	if n := s.run(1000, time.Second); n != 1000 {
		t.Errorf("%d of 1000 admitted when it is over", n)
	}
	s.wantWarnings("", 0)
	if s.Snapshot(s.now).Rate != nil {
		t.Error("a limit is shown when there is none")
	}
}

func TestRateOfFewRequests(t *testing.T) {
	s := newService(t, apiRate())
	s.hitRate = 0.9
	s.run(1, 31*time.Second)
	if n := s.run(1, time.Minute); n < 59 {
		t.Errorf("%d of 60 admitted at one a second while it probes", n)
	}
	s.run(1, 210*time.Second)
	s.wantPhase(Warm)
	s.wantWarnings("", 0)
}

// Requests come in bursts, and those below the rate pass: a page of six every six
// seconds where ten a second are admitted. A second's worth is the most.
func TestBurstsBelowTheRatePass(t *testing.T) {
	for _, tc := range []struct {
		rate  float64
		burst int // at once, after a pause
	}{{1, 1}, {6, 6}, {10, 10}, {50, 10}, {200, 20}} {
		r := New(Settings{Rate: &Rate{Probe: Slope{time.Hour, tc.rate, tc.rate}}}, start)
		now := start.Add(time.Minute)
		r.Admit(now)
		now = now.Add(6 * time.Second)
		got := 0
		for range 100 {
			if r.Admit(now) {
				got++
			}
		}
		if got != tc.burst {
			t.Errorf("%d of 100 requests at once are admitted at %v a second, want %d", got, tc.rate, tc.burst)
		}
	}
}

func TestReadinessHoldsTheProbe(t *testing.T) {
	s := newService(t, apiRate())
	s.ready = false
	if n := s.run(10, 50*time.Second); n != 0 {
		t.Errorf("%d admitted before it is ready", n)
	}
	s.wantPhase(Hold)
	s.ready = true
	s.run(10, 2*time.Second)
	s.wantPhase(Probe)
	s.wantWarnings("", 0)
}

func TestReadinessThatNeverAnswersIsPassed(t *testing.T) {
	s := newService(t, apiRate())
	s.ready = false
	s.run(10, 60*time.Second)
	s.wantPhase(Probe)
	s.wantWarnings("has not answered for 1m0s", 1)
	s.run(10, time.Minute)
	s.wantPhase(Climb) // it never answered, so it cannot fail
	if s.Snapshot(s.now).Ready.Open {
		t.Error("shown as ready")
	}
}

func TestClimbStandsWhileTheCacheIsCold(t *testing.T) {
	s := newService(t, apiRate())
	s.hitRate = 0.55
	s.run(100, 95*time.Second)
	s.wantPhase(Climb)
	s.wantRate(10)
	if c := s.Snapshot(s.now).CacheHit; c.Open || c.Samples < minSamples || math.Abs(c.Rate-0.55) > 0.03 {
		t.Errorf("the cache-hit gate is %+v, want a closed one", c)
	}
	s.run(100, 100*time.Second)
	s.wantRate(10)
	s.hitRate = 0.65
	s.run(100, 2*time.Minute)
	if got := *s.Snapshot(s.now).Rate; got < 60 {
		t.Errorf("2 min later the rate is %v, want it to grow", got)
	}
}

// 60 % must be passed, 70 % reached.
func TestCacheHitLimits(t *testing.T) {
	for _, tc := range []struct {
		phase Phase
		hits  int // of 100
		shut  bool
	}{{Climb, 60, true}, {Climb, 61, false}, {Settle, 69, true}, {Settle, 70, false}} {
		r := New(apiRate(), start)
		r.phase, r.hits = tc.phase, window{start, tally{tc.hits, 100}, tally{}}
		if got := r.shut(start); got != tc.shut {
			t.Errorf("%s at %d %%: shut is %v, want %v", tc.phase, tc.hits, got, tc.shut)
		}
	}
}

func TestClosedCacheGateIsPassedAfterTwiceTheClimb(t *testing.T) {
	s := newService(t, apiRate())
	s.hitRate = 0.3
	s.run(100, 90*time.Second+2*210*time.Second)
	s.wantPhase(Climb)
	s.wantRate(10)
	s.run(100, 209*time.Second)
	s.wantPhase(Climb)
	s.run(100, 2*time.Second)
	s.wantPhase(Warm) // and not held a second time
	s.wantWarnings("too low for 7m0s", 1)
}

func TestSettlingEndsAfterTwiceTheClimb(t *testing.T) {
	s := newService(t, apiRate())
	s.hitRate = 0.65
	s.run(100, 300*time.Second)
	s.wantPhase(Settle)
	s.run(100, 2*210*time.Second-time.Second)
	s.wantPhase(Settle)
	s.run(100, 2*time.Second)
	s.wantPhase(Warm)
	s.wantWarnings("too low for 7m0s", 1)
}

func TestAnswersThatTellOfNoCachePassTheGate(t *testing.T) {
	s := newService(t, apiRate())
	s.tells = false
	s.run(100, 299*time.Second)
	s.wantPhase(Climb)
	s.run(100, 2*time.Second)
	s.wantPhase(Warm)
	s.wantWarnings("only 0 answers tell of a cache", 2) // once a phase
}

func TestRateWithoutClimb(t *testing.T) {
	s := newService(t, Settings{Rate: &Rate{Probe: Slope{time.Minute, 1, 10}}})
	within(t, "probe", s.run(1000, time.Minute), 330, 0.02)
	s.wantPhase(Warm)
}

func TestConfigureRate(t *testing.T) {
	s := newService(t, apiRate())
	s.hitRate = 0.65
	s.run(100, 195*time.Second) // half of the climb
	s.wantRate(105)
	longer := apiRate()
	longer.Rate.Climb = &Slope{420 * time.Second, 10, 400}
	s.Configure(s.now, longer)
	s.wantRate(205)
	s.run(100, 209*time.Second)
	s.wantPhase(Climb)
	s.run(100, 2*time.Second)
	s.wantPhase(Settle)
	s.wantRate(400)
	without := apiRate()
	without.Rate.Climb, without.Rate.CacheHit = nil, nil
	s.Configure(s.now, without)
	s.wantPhase(Warm)

	s = newService(t, apiRate())
	s.ready = false
	s.run(10, 40*time.Second)
	s.wantPhase(Hold)
	unchecked := apiRate()
	unchecked.Ready = false
	s.Configure(s.now, unchecked)
	s.run(10, time.Second)
	s.wantPhase(Probe)
}

// Without a hold, readiness is waited for twice as long as the probe; without a cache,
// nothing holds the climb.
func TestRateWithoutHoldAndCache(t *testing.T) {
	s := newService(t, Settings{Ready: true, Rate: &Rate{Probe: Slope{time.Minute, 1, 10}, Climb: &Slope{time.Minute, 10, 20}}})
	s.ready = false
	s.run(10, 119*time.Second)
	s.wantPhase(Hold)
	s.run(10, time.Second)
	s.wantPhase(Probe)
	s.run(10, 90*time.Second)
	s.wantPhase(Climb)
	s.wantRate(15)
	s.run(10, 30*time.Second)
	s.wantPhase(Warm)
	s.wantWarnings("", 1)
}
