package ramp

import (
	"math"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

var start = time.Date(2030, 1, 1, 12, 0, 0, 0, time.UTC)

// service is a warm-up in front of a service, with the time of its own.
type service struct {
	*Ramp
	t        *testing.T
	now      time.Time
	ready    bool      // what the readiness check answers, each second, if it is on
	success  float64   // part of the calls that succeed
	hitRate  float64   // part that is answered from a cache
	tells    bool      // whether answers tell of the cache
	hangs    bool      // whether calls are not answered
	calls    int       // admitted, in all
	polled   time.Time // last
	outcomes [2]float64
	events   []Event
}

func newService(t *testing.T, s Settings) *service {
	t.Helper()
	if err := s.Validate(); err != nil {
		t.Fatal(err)
	}
	return &service{Ramp: New(s, start), t: t, now: start, ready: true, success: 1, tells: true}
}

// run sends so many requests a second for a time and returns how many were
// admitted. Results come at once.
func (s *service) run(perSecond int, d time.Duration) int {
	admitted := 0
	gap := time.Second / time.Duration(perSecond)
	for end := s.now.Add(d); s.now.Before(end); s.now = s.now.Add(gap) {
		s.poll()
		if s.Admit(s.now) {
			admitted++
			if !s.hangs {
				s.Record(s.now, s.result())
			}
		}
	}
	s.events = append(s.events, s.Advance(s.now)...)
	s.calls += admitted
	return admitted
}

func (s *service) poll() {
	if s.settings.Ready && s.now.Sub(s.polled) >= time.Second {
		s.polled = s.now
		s.Polled(s.now, s.ready)
	}
}

// result spreads failures and misses evenly.
func (s *service) result() Result {
	result := Result{Outcome: Failure}
	if s.outcomes[0] += s.success; s.outcomes[0] >= 1-epsilon {
		s.outcomes[0]--
		result.Outcome = Success
	}
	if !s.tells {
		return result
	}
	result.Cache = Miss
	if s.outcomes[1] += s.hitRate; s.outcomes[1] >= 1-epsilon {
		s.outcomes[1]--
		result.Cache = Hit
	}
	return result
}

func (s *service) wantPhase(want Phase) {
	s.t.Helper()
	got := s.Snapshot(s.now).Phase
	if got != want || s.Warm() != (want == Warm) {
		s.t.Errorf("after %v the phase is %s and Warm %v, want %s; events: %v", s.now.Sub(start), got, s.Warm(), want, s.events)
	}
}

func (s *service) wantShare(want float64) {
	s.t.Helper()
	if got := *s.Snapshot(s.now).Share; math.Abs(got-want) > 2e-3*want {
		s.t.Errorf("after %v the share is %v, want %v", s.now.Sub(start), got, want)
	}
}

// wantWarnings checks how many warnings have the text.
func (s *service) wantWarnings(text string, want int) {
	s.t.Helper()
	n := 0
	for _, e := range s.events {
		if e.Warning && strings.Contains(e.Text, text) {
			n++
		}
	}
	if n != want {
		s.t.Errorf("%d warnings have %q, want %d: %v", n, text, want, s.events)
	}
}

func within(t *testing.T, what string, got int, want, tolerance float64) {
	t.Helper()
	if math.Abs(float64(got)-want) > tolerance*want {
		t.Errorf("%s: %d admitted, want %.1f within %v %%", what, got, want, 100*tolerance)
	}
}

func defaultShare() Settings {
	s := DefaultShare()
	return Settings{Share: &s}
}

func apiRate() Settings {
	return Settings{Rate: &Rate{
		Hold:     30 * time.Second,
		Probe:    Slope{time.Minute, 1, 10},
		Climb:    &Slope{210 * time.Second, 10, 200},
		CacheHit: &CacheHit{0.6, 0.7},
	}, Ready: true}
}

func TestValidate(t *testing.T) {
	share := func(change func(*Share)) Settings {
		s := DefaultShare()
		change(&s)
		return Settings{Share: &s}
	}
	rate := func(change func(*Rate)) Settings {
		s := *apiRate().Rate
		climb, hit := *s.Climb, *s.CacheHit
		s.Climb, s.CacheHit = &climb, &hit
		change(&s)
		return Settings{Rate: &s}
	}
	for want, s := range map[string]Settings{
		"nothing grows":                        {},
		"not both":                             {Share: defaultShare().Share, Rate: apiRate().Rate},
		"begins at 0%":                         share(func(s *Share) { s.From = 0 }),
		"begins at 90%, above the 80%":         share(func(s *Share) { s.From = 0.9 }),
		"120% to follow":                       share(func(s *Share) { s.Follow = 1.2 }),
		"factor 1 does not":                    share(func(s *Share) { s.Factor = 1 }),
		"factor NaN does not":                  share(func(s *Share) { s.Factor = math.NaN() }),
		"factor +Inf does not":                 share(func(s *Share) { s.Factor = math.Inf(1) }),
		"interval 0s":                          share(func(s *Share) { s.Interval = 0 }),
		"interval 720h0m0s is more than 24h":   share(func(s *Share) { s.Interval, s.Factor = 30*24*time.Hour, 1.0003 }),
		"complete NaN%":                        share(func(s *Share) { s.Complete = math.NaN() }),
		"make the factor larger":               share(func(s *Share) { s.Factor = 1.0001 }),
		"hold: -1s is negative":                rate(func(r *Rate) { r.Hold = -time.Second }),
		"probe: 0s is not above 0":             rate(func(r *Rate) { r.Probe.Over = 0 }),
		"probe: from 10 to 1":                  rate(func(r *Rate) { r.Probe.From, r.Probe.To = 10, 1 }),
		"probe: from 0 to 10":                  rate(func(r *Rate) { r.Probe.From = 0 }),
		"climb: from 10 to NaN":                rate(func(r *Rate) { r.Climb.To = math.NaN() }),
		"climb begins at 5":                    rate(func(r *Rate) { r.Climb.From = 5 }),
		"there is none":                        rate(func(r *Rate) { r.Climb = nil }),
		"cache_hit: 0% and 70%":                rate(func(r *Rate) { r.CacheHit.Grow = 0 }),
		"60%, is higher than the one to be st": rate(func(r *Rate) { r.CacheHit.Steady = 0.5 }),
	} {
		if err := s.Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error is %v, want one with %q", err, want)
		}
	}
	for _, s := range []Settings{
		defaultShare(), apiRate(),
		share(func(s *Share) { s.From, s.Follow = 1, 1 }),
		share(func(s *Share) { s.Interval, s.Factor = 24*time.Hour, 1.0003 }),
		rate(func(r *Rate) { r.Hold, r.Climb, r.CacheHit = 0, nil, nil }),
		rate(func(r *Rate) { r.Climb.From, r.Climb.To = 10, 10 }),
	} {
		if err := s.Validate(); err != nil {
			t.Error(err)
		}
	}
}

func TestRestartAndSkip(t *testing.T) {
	s := newService(t, defaultShare())
	s.run(100, 95*time.Second)
	s.wantShare(0.16875)
	s.Skip(s.now, "skipped by the operator")
	s.wantPhase(Warm)
	if n := s.run(100, time.Second); n != 100 {
		t.Errorf("%d of 100 admitted after it was skipped", n)
	}
	s.Restart(s.now)
	within(t, "restarted", s.run(1000, 30*time.Second), 0.05*30_000, 0.02)
	s.wantShare(0.075)
	s.Skip(s.now, "skipped by the operator")
	before := len(s.events)
	s.Skip(s.now, "skipped by the operator")
	s.run(1, time.Second)
	if n := len(s.events) - before; n != 1 {
		t.Errorf("skipping twice is told as %d events, want 1", n)
	}
}

// A ramp that begins, is admitted to, and gets new settings at one time is not held
// up by that.
func TestTimeMayStandStillOrRunBackwards(t *testing.T) {
	s := newService(t, Settings{Share: defaultShare().Share, Ready: true})
	if s.Admit(start) {
		t.Error("admitted before it is ready")
	}
	s.Polled(start, true)
	if !s.Admit(start.Add(-time.Hour)) {
		t.Error("the first request is not admitted when it is ready")
	}
	s.Configure(start.Add(-time.Second), defaultShare())
	s.wantShare(0.05)
}

func TestRetryAfter(t *testing.T) {
	s := newService(t, apiRate())
	for jitter, want := range map[float64]time.Duration{0: 30 * time.Second, 0.5: 35 * time.Second} {
		if got := s.RetryAfter(start, jitter); got != want {
			t.Errorf("held, with jitter %v: %v, want %v", jitter, got, want)
		}
	}
	s.run(1, 50*time.Second)
	for jitter, want := range map[float64]time.Duration{0: time.Second, 0.5: 5 * time.Second} {
		if got := s.RetryAfter(s.now, jitter); got != want {
			t.Errorf("probing, with jitter %v: %v, want %v", jitter, got, want)
		}
	}
	s = newService(t, defaultShare())
	s.run(1, 20*time.Second)
	if got := s.RetryAfter(s.now, 0.5); got != 5*time.Second {
		t.Errorf("10 s before the next step with jitter 0.5: %v, want 5s", got)
	}
}

// Whatever happened before, a warm-up ends if nothing more happens: no gate closes
// a service for ever.
func FuzzItAlwaysEnds(f *testing.F) {
	f.Add([]byte{0, 1, 2, 3, 4, 5, 6, 7, 8, 9})
	f.Add([]byte{0x41, 0x11, 0x11, 0x41, 0x11, 0xf0, 0x12, 0x22, 0xf3, 0x80})
	f.Add(slices.Repeat([]byte{0x81, 0xf2, 0x34, 0x05, 0x06}, 50))
	settings := []Settings{defaultShare(), apiRate(), {Share: defaultShare().Share, Ready: true}, {Rate: &Rate{Probe: Slope{time.Minute, 1, 10}}}}
	f.Fuzz(func(t *testing.T, acts []byte) {
		now := start
		r := New(settings[0], now)
		for _, act := range acts {
			now = now.Add(time.Duration(act>>4) * time.Second)
			switch act & 15 {
			case 0, 1, 2, 3:
				r.Configure(now, settings[act&3])
			case 4:
				r.Restart(now)
			case 5:
				r.Skip(now, "skipped by the operator")
			case 6, 7:
				r.Polled(now, act&1 == 1)
			case 8:
				now = now.Add(time.Minute)
			default:
				for range 30 {
					if r.Admit(now) {
						r.Record(now, Result{Outcome: Outcome(act % 3), Cache: Cache(act / 16 % 3)})
					}
				}
			}
			s := r.Snapshot(now)
			if s.Share != nil && !(*s.Share >= 0 && *s.Share <= 1) || s.Rate != nil && !(*s.Rate >= 0 && *s.Rate <= 200) {
				t.Fatalf("%v requests a second, share %v in %s", s.Rate, s.Share, s.Phase)
			}
		}
		for end := now.Add(time.Hour); !r.Warm() && now.Before(end); now = now.Add(time.Second) {
			r.Polled(now, false)
			for range 5 {
				r.Record(now, Result{Outcome: Failure, Cache: Miss})
			}
		}
		if !r.Warm() || !r.Admit(now) {
			t.Errorf("an hour later it is still in %s", r.Snapshot(now).Phase)
		}
	})
}

func TestConcurrentUse(t *testing.T) {
	r := New(apiRate(), start)
	var calls sync.WaitGroup
	for i := range 8 {
		calls.Go(func() {
			for j := range 2000 {
				now := start.Add(time.Duration(j) * 200 * time.Millisecond)
				switch {
				case r.Admit(now):
					r.Record(now, Result{Outcome: Success, Cache: Hit})
				case j%50 == 0:
					r.RetryAfter(now, 0.5)
				}
				if i == 0 {
					r.Polled(now, true)
					r.Advance(now)
					r.Snapshot(now)
				}
			}
		})
	}
	calls.Wait()
	if !r.Warm() {
		t.Errorf("after 400 s it is in %s", r.Snapshot(start.Add(400*time.Second)).Phase)
	}
}

func TestAdmitAllocatesNothing(t *testing.T) {
	for _, s := range []Settings{defaultShare(), {Rate: &Rate{Probe: Slope{time.Minute, 1, 10}}}} {
		now := start
		r := New(s, now)
		r.Admit(now)
		if n := testing.AllocsPerRun(1000, func() {
			now = now.Add(time.Millisecond)
			if r.Admit(now) {
				r.Record(now, Result{Outcome: Success, Cache: Hit})
			}
		}); n != 0 {
			t.Errorf("%v allocations a request", n)
		}
	}
}

func BenchmarkAdmit(b *testing.B) {
	b.Run("warm", func(b *testing.B) {
		r := New(defaultShare(), start)
		r.Skip(start, "skipped by the operator")
		for b.Loop() {
			if !r.Admit(start) {
				b.Fatal("refused")
			}
		}
	})
	b.Run("share", func(b *testing.B) {
		r, now := New(defaultShare(), start), start
		for b.Loop() {
			r.Admit(now)
		}
	})
	b.Run("rate", func(b *testing.B) {
		r, now := New(Settings{Rate: &Rate{Probe: Slope{time.Minute, 1, 10}}}, start), start
		for b.Loop() {
			r.Admit(now)
		}
	})
}
