package balance

import (
	"math"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"
)

// bench is a balancer in a bubble of fake time.
type bench struct {
	t        *testing.T
	pool     *Pool
	balancer *Balancer
	table    *Table
}

func newBench(t *testing.T, s Settings, members ...Member) *bench {
	t.Helper()
	if err := s.Validate(); err != nil {
		t.Fatal(err)
	}
	b := &bench{t: t, pool: NewPool()}
	b.balancer = NewBalancer(b.pool, s)
	b.table = b.balancer.Sync(members)
	return b
}

func members(weights ...float64) []Member {
	list := make([]Member, len(weights))
	for i, w := range weights {
		list[i] = Member{Address: string(rune('a' + i)), Weight: w}
	}
	return list
}

func everyone(int) bool { return true }

// pick picks for a first attempt.
func (b *bench) pick() int { return b.table.Pick(everyone, nil) }

// try sends one attempt to member i.
func (b *bench) try(i int, o Outcome) {
	attempt := b.balancer.Begin(b.table.upstreams[i])
	attempt.Answered(o)
	attempt.End()
}

// sync gives the balancer other members once the old ones may be forgotten.
func (b *bench) sync(members ...Member) {
	time.Sleep(absence)
	b.table = b.balancer.Sync(members)
}

// request makes an attempt for each pick until one succeeds or attempts are used
// up, and reports whether the client sees a success.
func (b *bench) request(attempts int, outcome func(i int) Outcome) bool {
	var tried []int
	for range attempts {
		i := b.table.Pick(everyone, func(i int) bool {
			for _, n := range tried {
				if n == i {
					return true
				}
			}
			return false
		})
		if i < 0 {
			return false
		}
		tried = append(tried, i)
		o := outcome(i)
		b.try(i, o)
		if o == Success {
			return true
		}
	}
	return false
}

func (b *bench) upstream(i int) UpstreamSnapshot {
	b.t.Helper()
	return b.balancer.Snapshot().Upstreams[i]
}

func (b *bench) wantWeight(i int, want float64) {
	b.t.Helper()
	if got := b.upstream(i).EffectiveWeight; math.Abs(got-want) > 0.005 {
		b.t.Errorf("effective weight of %s is %.3f, want %.3f", b.table.Member(i).Address, got, want)
	}
}

// The example of the documentation: weight 3 at 92 % is 2.76, 5 at 76 % is 3.80.
func TestEffectiveWeightIsWeightTimesSuccessRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, DefaultSettings(), members(3, 5)...)
		b.wantWeight(0, 3)
		b.wantWeight(1, 5)
		for i, rate := range []float64{0.92, 0.76} {
			u := b.table.upstreams[i]
			u.rate, u.lastAttempt = rate, time.Now()
			u.settle()
		}
		b.pool.changes.Add(turn)
		b.wantWeight(0, 2.76)
		b.wantWeight(1, 3.80)
		var picks [2]int
		for range 656 {
			picks[b.pick()]++
		}
		if picks[0] < 275 || picks[0] > 277 {
			t.Errorf("656 picks went %v, want 276 and 380", picks)
		}
	})
}

func TestSuccessRateIsAMovingAverage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, DefaultSettings(), members(1, 1)...)
		b.try(0, FailedStatus)
		time.Sleep(time.Second)
		b.wantWeight(0, 0.9)
		b.try(0, FailedStatus)
		time.Sleep(time.Second)
		b.wantWeight(0, 0.81)
		b.try(0, Success)
		time.Sleep(time.Second)
		b.wantWeight(0, 0.829)
		for range 200 {
			b.try(0, Success)
		}
		time.Sleep(time.Second)
		b.wantWeight(0, 1)
		if !b.table.upstreams[0].steady.Load() {
			t.Error("a rate that recovered is not steady, so every pick goes on reading the clock")
		}
	})
}

func TestNeutralOutcomesChangeNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, DefaultSettings(), members(1, 1)...)
		for range 10 {
			b.try(0, Canceled)
			b.try(0, ClientFault)
		}
		b.wantWeight(0, 1)
		if n := b.upstream(0).Attempts["canceled"]; n != 10 {
			t.Errorf("%d canceled attempts are counted, want 10", n)
		}
	})
}

func TestFloorKeepsProbesFlowing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := DefaultSettings()
		s.EjectAfter = 0
		b := newBench(t, s, members(2, 2)...)
		for range 100 {
			b.try(0, FailedStatus)
		}
		time.Sleep(time.Second)
		b.wantWeight(0, 0.1)
		picks := 0
		for range 2100 {
			if b.pick() == 0 {
				picks++
			}
		}
		if picks < 99 || picks > 101 {
			t.Errorf("%d of 2100 picks, want 100", picks)
		}
	})
}

// The drift begins after a half-life without attempts, not before: with one
// request a second a dead upstream must stay at the floor.
func TestIdleRateDriftsOnlyAfterHalfLife(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := DefaultSettings()
		s.EjectAfter = 0
		b := newBench(t, s, members(1, 1)...)
		b.table.upstreams[0].rate = 0.2
		b.try(0, FailedStatus) // 0.18
		for range 29 {
			time.Sleep(time.Second)
			b.wantWeight(0, 0.18)
		}
		time.Sleep(31 * time.Second) // 60 s: one half-life of drift
		b.wantWeight(0, 1-0.82/2)
		time.Sleep(30 * time.Second)
		b.wantWeight(0, 1-0.82/4)
	})
}

func TestDeadUpstreamAtOneRequestASecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := DefaultSettings()
		s.EjectAfter = 0 // the average alone
		b := newBench(t, s, members(1, 1)...)
		for range 200 {
			b.try(0, FailedStatus)
		}
		failed := 0
		for range 1000 {
			time.Sleep(time.Second)
			if !b.request(1, func(i int) Outcome { return []Outcome{FailedStatus, Success}[i] }) {
				failed++
			}
		}
		if failed > 60 {
			t.Errorf("a dead upstream gets %d of 1000 requests, want about 1 in 21", failed)
		}
	})
}

func TestRefusedConnectionEjectsAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, DefaultSettings(), members(1, 1)...)
		b.try(0, Refused)
		if u := b.upstream(0); u.State != "ejected" || u.EjectedFor != 1 {
			t.Fatalf("state is %s for %v s, want ejected for 1 s", u.State, u.EjectedFor)
		}
		for range 100 {
			if b.pick() == 0 {
				t.Fatal("an ejected upstream was picked")
			}
		}
	})
}

func TestFailuresInARowEject(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, DefaultSettings(), members(1, 1)...)
		for range 20 { // a success in between starts the count over
			for range 4 {
				b.try(0, FailedStatus)
			}
			b.try(0, Success)
		}
		if s := b.upstream(0).State; s != "in" {
			t.Fatalf("state is %s, want in", s)
		}
		for range 5 {
			b.try(0, TimedOut)
		}
		if s := b.upstream(0).State; s != "ejected" {
			t.Errorf("state is %s, want ejected", s)
		}
	})
}

// An ejection doubles while probes fail, up to the cap, and starts over after the
// upstream stayed in for as long as the longest ejection.
func TestEjectionsDouble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, DefaultSettings(), members(1, 1)...)
		for _, want := range []float64{1, 2, 4, 8, 16, 30, 30} {
			b.try(0, Refused)
			if got := b.upstream(0).EjectedFor; got != want {
				t.Fatalf("ejected for %v s, want %v", got, want)
			}
			time.Sleep(time.Duration(want * float64(time.Second)))
			if s := b.upstream(0).State; s != "probing" {
				t.Fatalf("state after the ejection is %s, want probing", s)
			}
		}
		b.try(0, Success)
		if s := b.upstream(0).State; s != "in" {
			t.Fatalf("state after a success is %s, want in", s)
		}
		time.Sleep(10 * time.Second)
		b.try(0, Refused)
		if got := b.upstream(0).EjectedFor; got != 30 {
			t.Errorf("one that fails again soon is ejected for %v s, want 30", got)
		}
		time.Sleep(30 * time.Second)
		b.try(0, Success)
		time.Sleep(31 * time.Second)
		b.try(0, Refused)
		if got := b.upstream(0).EjectedFor; got != 1 {
			t.Errorf("one that was well for long is ejected for %v s, want 1", got)
		}
	})
}

// A burst of requests that were all under way when the upstream died is one event.
func TestBurstOfFailuresIsOneEjection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, DefaultSettings(), members(1, 1)...)
		var attempts []Attempt
		for range 64 {
			attempts = append(attempts, b.balancer.Begin(b.table.upstreams[0]))
		}
		time.Sleep(time.Millisecond)
		for _, a := range attempts[:32] {
			a.Answered(Broken)
		}
		time.Sleep(2 * time.Second) // the others time out after the ejection
		for _, a := range attempts[32:] {
			a.Answered(TimedOut)
		}
		if u := b.upstream(0); u.State != "probing" {
			t.Errorf("state is %s for %v s, want probing", u.State, u.EjectedFor)
		}
		attempts[0].Answered(Success) // began before the ejection: proves nothing
		if s := b.upstream(0).State; s != "probing" {
			t.Errorf("an old answer ended the ejection: state is %s", s)
		}
	})
}

func TestProbesOneAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, DefaultSettings(), members(1, 1)...)
		b.try(0, Refused)
		time.Sleep(time.Second)
		probes := 0
		for range 500 { // none of them answers
			if b.pick() == 0 {
				probes++
			}
		}
		if probes != 1 {
			t.Errorf("%d probes are under way at once, want 1", probes)
		}
		time.Sleep(probeTimeout)
		for range 500 {
			if b.pick() == 0 {
				probes++
			}
		}
		if probes != 2 {
			t.Errorf("a probe that got lost blocks others: %d probes, want 2", probes)
		}
	})
}

func TestNeverMoreThanHalfIsEjected(t *testing.T) {
	for _, tc := range []struct {
		members, most int
	}{{1, 0}, {2, 1}, {3, 1}, {4, 2}, {5, 2}} {
		synctest.Test(t, func(t *testing.T) {
			b := newBench(t, DefaultSettings(), members([]float64{1, 1, 1, 1, 1}[:tc.members]...)...)
			for i := range tc.members {
				b.try(i, Refused)
			}
			s := b.balancer.Snapshot()
			out := 0
			for _, u := range s.Upstreams {
				if u.EffectiveWeight == 0 {
					out++
				}
			}
			if out != tc.most || !s.Panic {
				t.Errorf("pool of %d: %d are out and panic is %v, want %d and true", tc.members, out, s.Panic, tc.most)
			}
			if b.pick() < 0 {
				t.Errorf("pool of %d: nobody is picked", tc.members)
			}
		})
	}
}

// When the last good upstream fails, the next request finds out whether an ejected
// one has recovered, however long its ejection still lasts.
func TestRecoveryDoesNotWaitForTheLongestEjection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, DefaultSettings(), members(1, 1)...)
		for range 6 {
			b.try(0, Refused)
			time.Sleep(time.Duration(b.upstream(0).EjectedFor) * time.Second)
		}
		b.try(0, Refused)
		if got := b.upstream(0).EjectedFor; got != 30 {
			t.Fatalf("ejected for %v s, want 30", got)
		}
		// now a is back, and b dies
		outcome := func(i int) Outcome { return []Outcome{Success, Refused}[i] }
		if b.request(1, outcome) {
			t.Fatal("the request that meets the dead upstream succeeded without a retry")
		}
		if !b.request(1, outcome) {
			t.Error("the next request did not try the upstream that recovered")
		}
		if s := b.upstream(0).State; s != "in" {
			t.Errorf("state of the recovered upstream is %s, want in", s)
		}
	})
}

func TestRetryFindsTheRecoveredUpstream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, DefaultSettings(), members(1, 1)...)
		b.try(0, Refused)
		if !b.request(2, func(i int) Outcome { return []Outcome{Success, Refused}[i] }) {
			t.Error("the retry did not try the ejected upstream")
		}
	})
}

func TestTriedUpstreamsComeLast(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, DefaultSettings(), members(100, 1, 1)...)
		for range 50 {
			tried := map[int]bool{}
			for range 3 {
				i := b.table.Pick(everyone, func(i int) bool { return tried[i] })
				if tried[i] {
					t.Fatalf("member %d was picked again before others", i)
				}
				tried[i] = true
			}
			if i := b.table.Pick(everyone, func(i int) bool { return tried[i] }); i < 0 {
				t.Fatal("nobody is picked once all were tried")
			}
		}
	})
}

func TestUnavailableMembersAreSkippedInProportion(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, DefaultSettings(), members(100, 2, 1)...)
		var picks [3]int
		for range 3000 {
			picks[b.table.Pick(func(i int) bool { return i != 0 }, nil)]++
		}
		if picks[0] != 0 || picks[1] < 1900 || picks[1] > 2100 {
			t.Errorf("picks are %v, want 0, 2000, 1000", picks)
		}
		if i := b.table.Pick(func(int) bool { return false }, nil); i != -1 {
			t.Errorf("member %d was picked though none is available", i)
		}
	})
}

func TestEjectedIsBetterThanNone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, DefaultSettings(), members(1, 1)...)
		b.try(0, Refused)
		if i := b.table.Pick(func(i int) bool { return i == 0 }, nil); i != 0 {
			t.Errorf("picked %d, want the ejected member 0, the only one available", i)
		}
	})
}

func TestSlowStart(t *testing.T) {
	s := DefaultSettings()
	s.SlowStart = 30 * time.Second
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, s, members(1, 1)...)
		b.wantWeight(0, 1) // nobody is new when the pool begins
		b.table = b.balancer.Sync(members(1, 1, 1))
		b.wantWeight(2, 0.1)
		time.Sleep(15 * time.Second)
		b.wantWeight(2, 0.5)
		b.wantWeight(0, 1)
		time.Sleep(15 * time.Second)
		b.wantWeight(2, 1)
	})
}

func TestSlowStartWhenAllAreNew(t *testing.T) {
	s := DefaultSettings()
	s.SlowStart = 30 * time.Second
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, s, members(1, 1)...)
		b.sync(Member{Address: "x", Weight: 2}, Member{Address: "y", Weight: 1})
		b.wantWeight(0, 2)
		b.wantWeight(1, 1)
		time.Sleep(10 * time.Second)
		b.table = b.balancer.Sync([]Member{{Address: "x", Weight: 2}, {Address: "y", Weight: 1}, {Address: "z", Weight: 1}})
		b.wantWeight(0, 2)
		b.wantWeight(2, 0.3) // 10 % against the others' 33 %
	})
}

func TestAnotherInstanceStartsOver(t *testing.T) {
	s := DefaultSettings()
	s.SlowStart = 30 * time.Second
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, s, Member{Address: "a", Weight: 1, Instance: "1"}, Member{Address: "b", Weight: 1, Instance: "1"})
		b.try(0, Refused)
		b.table = b.balancer.Sync([]Member{{Address: "a", Weight: 1, Instance: "2"}, {Address: "b", Weight: 1, Instance: "1"}})
		if u := b.upstream(0); u.State != "in" || u.SuccessRate != 1 {
			t.Errorf("state is %s with rate %v, want in with 1", u.State, u.SuccessRate)
		}
		b.wantWeight(0, 0.1)
		started := time.Now().Add(-15 * time.Second)
		b.table = b.balancer.Sync([]Member{{Address: "a", Weight: 1, Instance: "3", Since: started}, {Address: "b", Weight: 1, Instance: "1"}})
		b.wantWeight(0, 0.5)
		// the id of a service in a catalogue is the same after a restart
		b.try(0, Refused)
		b.table = b.balancer.Sync([]Member{{Address: "a", Weight: 1, Instance: "3", Since: time.Now()}, {Address: "b", Weight: 1, Instance: "1"}})
		if u := b.upstream(0); u.State != "in" || u.SuccessRate != 1 {
			t.Errorf("with the same id and another start the state is %s with rate %v, want in with 1", u.State, u.SuccessRate)
		}
	})
}

// A reload closes the old balancer before the first request reaches the new one:
// histories stay and nobody is new.
func TestHistorySurvivesAReload(t *testing.T) {
	s := DefaultSettings()
	s.SlowStart = 30 * time.Second
	for _, overlap := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			b := newBench(t, s, members(1, 1)...)
			b.try(0, FailedStatus)
			next := &bench{t: t, pool: b.pool, balancer: NewBalancer(b.pool, s)}
			if overlap {
				next.table = next.balancer.Sync(members(1, 1))
			}
			b.balancer.Close()
			time.Sleep(time.Second)
			next.table = next.balancer.Sync(members(1, 1))
			next.wantWeight(0, 0.9)
			next.wantWeight(1, 1)
			next.table = next.balancer.Sync(members(1, 1, 1))
			next.wantWeight(2, 0.1)
		})
	}
}

func TestForgottenAfterAnHour(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, DefaultSettings(), members(1, 1)...)
		for n := range 100 {
			time.Sleep(time.Minute)
			b.balancer.Sync([]Member{{Address: "a", Weight: 1}, {Address: string(rune(1000 + n)), Weight: 1}})
		}
		if n := len(*b.pool.upstreams.Load()); n > 63 {
			t.Errorf("%d histories are kept, want those of the last hour", n)
		}
		if b.pool.Upstream("a") == nil {
			t.Error("the history of an upstream in use was forgotten")
		}
	})
}

func TestDecisions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, DefaultSettings(), members(1, 3)...)
		one := 1.0
		b.pool.Decide("a", Decision{Weight: &Weight{Value: 2, Configured: &one, Until: time.Now().Add(time.Minute)}})
		b.pool.Decide("b", Decision{Drain: new(Drain)})
		b.wantWeight(0, 2)
		b.wantWeight(1, 0)
		for range 10 {
			if b.pick() == 1 {
				t.Fatal("a draining upstream was picked")
			}
		}
		if i := b.table.Pick(func(i int) bool { return i == 1 }, nil); i != -1 {
			t.Errorf("picked %d: draining holds also when there is nobody else", i)
		}
		time.Sleep(time.Minute)
		b.wantWeight(0, 1)
		// another configured weight wins over a decided one, not over a drain
		b.pool.Decide("a", Decision{Weight: &Weight{Value: 2, Configured: &one}})
		b.wantWeight(0, 2)
		b.table = b.balancer.Sync(members(5, 4))
		b.wantWeight(0, 5)
		b.wantWeight(1, 0)
		b.pool.Decide("b", Decision{})
		b.wantWeight(1, 4)
		if n := len(b.pool.Decisions()); n != 1 {
			t.Errorf("%d decisions are left, want 1", n)
		}
	})
}

// A source changes weights all the time; that is no change of the configuration.
func TestDecisionsHoldAgainstAdvertisedWeights(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, DefaultSettings(), Member{Address: "a", Weight: 3, Advertised: true}, Member{Address: "b", Weight: 1, Advertised: true})
		b.pool.Decide("a", Decision{Weight: &Weight{Value: 7}})
		b.pool.Decide("b", Decision{Drain: new(Drain)})
		b.table = b.balancer.Sync([]Member{{Address: "a", Weight: 2.9, Advertised: true}, {Address: "b", Weight: 0.5, Advertised: true}})
		b.wantWeight(0, 7)
		b.wantWeight(1, 0)
	})
}

func TestRestoredDecisions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, DefaultSettings(), members(1, 1, 1)...)
		now := time.Now()
		b.pool.Decide("b", Decision{Weight: &Weight{Value: 4}})
		b.pool.Restore(map[string]Decision{
			"a": {Drain: &Drain{Until: now}, Weight: &Weight{Value: 2}}, // the drain has ended
			"b": {Weight: &Weight{Value: 9}},                            // decided anew since
			"c": {Drain: &Drain{Until: now.Add(time.Minute)}},
		}, now)
		b.wantWeight(0, 2)
		b.wantWeight(1, 4)
		b.wantWeight(2, 0)
		time.Sleep(time.Minute)
		b.wantWeight(2, 1)
	})
}

func TestRetryBudget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, DefaultSettings(), members(1, 1)...)
		spend := func() (n int) {
			for n < 10_000 && b.balancer.Retry() {
				n++
			}
			return n
		}
		if n := spend(); n != 100 {
			t.Errorf("the reserve is %d retries, want 100", n)
		}
		for range 1000 {
			b.balancer.FirstAttempt()
		}
		if n := spend(); n < 100 || n > 201 { // 20 %, of which the reserve's size can be saved
			t.Errorf("1000 requests earn %d retries, want 100 to 200", n)
		}
		time.Sleep(time.Second)
		time.Sleep(9 * time.Second)
		if n := spend(); n != 10 {
			t.Errorf("ten seconds without traffic earn %d retries, want 10", n)
		}
		for _, tc := range []struct {
			share float64
			want  int
		}{{0, 0}, {-1, 10_000}} {
			b.balancer.settings.RetryBudget = tc.share
			if n := spend(); n != tc.want {
				t.Errorf("a budget of %v allows %d retries, want %d", tc.share, n, tc.want)
			}
		}
	})
}

func TestValidate(t *testing.T) {
	for name, change := range map[string]func(*Settings){
		"alpha":        func(s *Settings) { s.Alpha = 0 },
		"alpha ":       func(s *Settings) { s.Alpha = math.NaN() },
		"alpha  ":      func(s *Settings) { s.Alpha = 1.1 },
		"floor":        func(s *Settings) { s.Floor = 0 },
		"half_life":    func(s *Settings) { s.HalfLife = -1 },
		"slow_start":   func(s *Settings) { s.SlowStart, s.SlowStartFloor = 1, 0 },
		"eject_after":  func(s *Settings) { s.EjectAfter = -1 },
		"eject_for":    func(s *Settings) { s.EjectForMax = 0 },
		"max_ejected":  func(s *Settings) { s.MaxEjected = 1.5 },
		"retry_budget": func(s *Settings) { s.RetryBudget = 2 },
	} {
		s := DefaultSettings()
		if err := s.Validate(); err != nil {
			t.Fatal(err)
		}
		change(&s)
		if s.Validate() == nil {
			t.Errorf("%s: a setting that makes no sense is accepted", name)
		}
	}
}

// Whatever happens to the members, a pick is a member that can be picked, and
// somebody is picked as long as anybody can be.
func TestPickIsAlwaysPossible(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rng := rand.New(rand.NewPCG(5, 6))
		s := DefaultSettings()
		s.SlowStart = 10 * time.Second
		b := newBench(t, s, members(1, 2, 3, 4)...)
		for range 20_000 {
			switch rng.IntN(20) {
			case 0:
				time.Sleep(time.Duration(rng.IntN(3000)) * time.Millisecond)
			case 1:
				n := 1 + rng.IntN(6)
				weights := make([]float64, n)
				for i := range weights {
					weights[i] = 1 + float64(rng.IntN(4))
				}
				b.table = b.balancer.Sync(members(weights...))
			}
			up := rng.IntN(1 << b.table.Len())
			i := b.table.Pick(func(i int) bool { return up&(1<<i) != 0 }, nil)
			if up == 0 && i != -1 || up != 0 && (i < 0 || up&(1<<i) == 0) {
				t.Fatalf("available %b: picked %d", up, i)
			}
			if i >= 0 {
				b.try(i, Outcome(rng.IntN(outcomes)))
			}
		}
	})
}

// die sends requests at a rate for as long as given to a pool in which the members
// of dead refuse connections, and returns how many were sent and failed.
func (b *bench) die(rate float64, lasts time.Duration, attempts int, dead map[int]bool) (requests, failures, early int) {
	requests = int(rate * lasts.Seconds())
	for k := range requests {
		time.Sleep(time.Duration(float64(time.Second) / rate))
		ok := b.request(attempts, func(i int) Outcome {
			if dead[i] {
				return Refused
			}
			return Success
		})
		if !ok {
			failures++
			if float64(k)/rate < 10 {
				early++
			}
		}
	}
	return requests, failures, early
}

// What clients see of upstreams that die and stay dead, by rate of requests. Without
// retries a dead upstream must not cost more than the floor's share once it has been
// ejected, at any rate and whatever its weight; the naive probe at the end of each
// ejection would cost every third request at one in ten seconds. With retries
// nothing fails while the retries reach a good one.
func TestFailuresThatClientsSee(t *testing.T) {
	pools := []struct {
		weights []float64
		dead    map[int]bool
	}{
		{[]float64{1, 1}, map[int]bool{0: true}},
		{[]float64{1, 1, 1}, map[int]bool{0: true}},
		{[]float64{100, 1}, map[int]bool{0: true}},
		{[]float64{1, 1, 1}, map[int]bool{0: true, 1: true}},
		{[]float64{1, 1, 1, 1, 1}, map[int]bool{0: true, 2: true, 4: true}},
	}
	t.Log("| requests/s | weights | dead | retries | requests | failures | in the first 10 s |")
	for _, rate := range []float64{0.1, 1, 10, 100} {
		for _, pool := range pools {
			for _, attempts := range []int{1, 4} {
				synctest.Test(t, func(t *testing.T) {
					b := newBench(t, DefaultSettings(), members(pool.weights...)...)
					requests, failures, early := b.die(rate, min(10*time.Minute, time.Duration(12000/rate)*time.Second), attempts, pool.dead)
					t.Logf("| %v | %v | %d | %v | %d | %d | %d |", rate, pool.weights, len(pool.dead), attempts > 1, requests, failures, early)
					dead := float64(len(pool.dead))
					if most := 2 + 2*dead + 0.05*float64(requests); float64(failures) > most || attempts > 1 && failures > 0 {
						t.Errorf("%d failures, want at most %.0f and with retries none", failures, most)
					}
				})
			}
		}
	}
}

// When all were dead and one recovers, it is found at once, whichever it is and
// however long the ejections have become.
func TestOneOfAllRecovers(t *testing.T) {
	for _, rate := range []float64{0.1, 1, 10, 100} {
		for n := 1; n <= 4; n++ {
			for recovered := range n {
				synctest.Test(t, func(t *testing.T) {
					b := newBench(t, DefaultSettings(), members([]float64{1, 1, 1, 1}[:n]...)...)
					dead := map[int]bool{0: true, 1: true, 2: true, 3: true}
					b.die(rate, time.Minute, 1, dead)
					delete(dead, recovered)
					_, failures, _ := b.die(rate, 100*time.Duration(float64(time.Second)/rate), 1, dead)
					if failures > 2*n+8 {
						t.Errorf("%v/s, member %d of %d: %d of 100 requests failed after it recovered", rate, recovered, n, failures)
					}
				})
			}
		}
	}
}

// An upstream whose every answer breaks off is as bad as one that fails.
func TestTruncatedAnswersEject(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, DefaultSettings(), members(1, 1)...)
		truncate := func() {
			a := b.balancer.Begin(b.table.upstreams[0])
			a.Answered(Success)
			a.Truncated()
			a.End()
		}
		truncate()
		time.Sleep(time.Second)
		if u := b.upstream(0); u.SuccessRate != 0.9 || u.FailuresInARow != 1 || u.Truncated != 1 || u.Attempts["success"] != 1 {
			t.Errorf("after one: %+v", u)
		}
		for range 4 {
			truncate()
		}
		if s := b.upstream(0).State; s != "ejected" {
			t.Fatalf("state after five is %s, want ejected", s)
		}
		time.Sleep(time.Second)
		truncate() // the probe
		if u := b.upstream(0); u.State != "ejected" || u.EjectedFor != 2 {
			t.Errorf("after a probe that broke off: %s for %v s, want ejected for 2", u.State, u.EjectedFor)
		}
		time.Sleep(2 * time.Second)
		b.try(0, Success)
		if s := b.upstream(0).State; s != "in" {
			t.Errorf("state after a whole answer is %s, want in", s)
		}
	})
}

// A source that tells other members in turn must not starve any of them.
func TestAlternatingMembers(t *testing.T) {
	s := DefaultSettings()
	s.SlowStart = 30 * time.Second
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, s, members(1, 1)...)
		picks := map[string]int{}
		for n := range 1200 {
			told := []Member{{Address: "a", Weight: 1}, {Address: "b", Weight: 1}}
			if n%2 == 1 {
				told = []Member{{Address: "c", Weight: 1}, {Address: "a", Weight: 1}, {Address: "d", Weight: 1}}
			}
			b.table = b.balancer.Sync(told)
			i := b.table.Draw(func(i int) bool {
				for _, m := range told {
					if m.Address == b.table.Member(i).Address {
						return true
					}
				}
				return false
			}, nil)
			picks[b.table.Member(i).Address]++
			time.Sleep(100 * time.Millisecond)
		}
		for _, address := range []string{"a", "b", "c", "d"} {
			if want := map[string]int{"a": 500, "b": 300, "c": 200, "d": 200}[address]; picks[address] < want-80 || picks[address] > want+80 {
				t.Errorf("%s was picked %d times of 1200, want about %d", address, picks[address], want)
			}
		}
		if ramp := b.upstream(b.table.Index("c")).Ramp; ramp != 1 {
			t.Errorf("after two minutes c's ramp is %v, want 1", ramp)
		}
	})
}

// The order in which a source tells its members is not theirs.
func TestOrderOfMembersDoesNotMatter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, DefaultSettings(), members(1, 2, 3)...)
		m := members(1, 2, 3)
		if b.balancer.Sync([]Member{m[2], m[0], m[1]}) != b.table {
			t.Error("another order made another table")
		}
	})
}

// What is closed holds nothing, even if a request that was under way comes back to
// it with other members.
func TestClosedBalancerHoldsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, DefaultSettings(), members(1, 1)...)
		b.balancer.Close()
		b.balancer.Close()
		b.sync(members(1, 1, 1)...)
		if i := b.pick(); i < 0 {
			t.Error("a closed balancer does not pick")
		}
		b.try(2, Refused)
		b.balancer.Adopt()
		if b.pool.held != 0 || b.pool.Upstream("c") != nil {
			t.Errorf("%d members are held by a closed balancer", b.pool.held)
		}
	})
}

// Balancers of one pool know what any of them learnt.
func TestAdopt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, DefaultSettings(), members(1, 1)...)
		idle := NewBalancer(b.pool, DefaultSettings())
		idle.Adopt()
		if idle.Table() != nil {
			t.Error("it adopted members that no source told, but another configuration")
		}
		b.balancer.Learn(members(1, 1))
		idle.Adopt()
		if n := len(idle.Snapshot().Upstreams); n != 2 {
			t.Errorf("it knows %d members, want 2", n)
		}
		time.Sleep(absence)
		b.balancer.Learn([]Member{{Address: "x", Weight: 1}})
		idle.Adopt()
		if s := idle.Snapshot(); len(s.Upstreams) != 1 || s.Upstreams[0].Address != "x" {
			t.Errorf("it knows %+v, want x", s.Upstreams)
		}
		idle.Close()
		b.balancer.Close()
		if b.pool.held != 0 {
			t.Errorf("%d members are held", b.pool.held)
		}
	})
}

func TestSinceInTheFuture(t *testing.T) {
	s := DefaultSettings()
	s.SlowStart = 30 * time.Second
	synctest.Test(t, func(t *testing.T) {
		since := time.Now().Add(time.Hour)
		b := newBench(t, s, Member{Address: "a", Weight: 1}, Member{Address: "b", Weight: 1, Since: since})
		for n := range 15 { // each second another weight, and so another table
			time.Sleep(time.Second)
			b.table = b.balancer.Sync([]Member{{Address: "a", Weight: float64(n)}, {Address: "b", Weight: 1, Since: since}})
		}
		b.wantWeight(1, 0.5)
	})
}

// A stream that breaks off long after its headers says nothing about the failures
// that came before them.
func TestLateTruncationIsOneFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, DefaultSettings(), members(1, 1)...)
		stream := func() *Attempt {
			a := b.balancer.Begin(b.table.upstreams[0])
			a.Answered(Success)
			return &a
		}
		for range 4 {
			b.try(0, FailedStatus)
		}
		afterFailures := stream()
		b.try(0, Success)
		afterFailures.Truncated()
		if u := b.upstream(0); u.State != "in" || u.FailuresInARow != 1 {
			t.Errorf("state is %s with %d failures in a row, want in with 1", u.State, u.FailuresInARow)
		}
		b.try(0, Refused)
		time.Sleep(time.Second)
		probe := stream()
		b.try(0, Success)
		probe.Truncated()
		if s := b.upstream(0).State; s != "in" {
			t.Errorf("state is %s, want in: it was proven by another answer", s)
		}
	})
}

// Requests that were under way when an upstream was ejected end while it is on
// probation; they make no place for more probes.
func TestOldAttemptsFreeNoProbe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, DefaultSettings(), members(1, 1)...)
		var old []Attempt
		for range 50 {
			old = append(old, b.balancer.Begin(b.table.upstreams[0]))
		}
		b.try(0, Refused)
		time.Sleep(time.Second)
		probes := 0
		for _, a := range old {
			for range 100 {
				if b.pick() == 0 {
					probes++
				}
			}
			a.Answered(TimedOut)
		}
		if probes != 1 {
			t.Errorf("%d probes were under way at once, want 1", probes)
		}
	})
}

// What is out must not be picked from a schedule that was made before it was.
func TestOldSchedulePicksNobodyWhoIsOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, DefaultSettings(), members(1, 1, 1)...)
		b.pool.Decide("a", Decision{Drain: new(Drain)})
		b.try(1, Refused)
		w, _ := b.table.compute(time.Now())
		b.table.weights.Store(w) // the schedule is still the old one
		for range 100 {
			if i := b.table.Next(); i >= 0 {
				t.Fatalf("the quick path picks %d", i)
			}
			if i := b.pick(); i != 2 {
				t.Fatalf("picked %d, want 2", i)
			}
		}
	})
}

// A balancer without requests must not keep alive what its source forgot.
func TestReturningUpstreamIsNewDespiteAnIdleBalancer(t *testing.T) {
	s := DefaultSettings()
	s.SlowStart = 30 * time.Second
	synctest.Test(t, func(t *testing.T) {
		a := Member{Address: "a", Weight: 1, Advertised: true}
		z := Member{Address: "z", Weight: 1, Advertised: true}
		b := newBench(t, s, a, z)
		b.balancer.Learn([]Member{a, z})
		idle := NewBalancer(b.pool, s)
		idle.Adopt()
		for range 60 {
			time.Sleep(time.Minute)
			b.table = b.balancer.Learn([]Member{a})
		}
		b.table = b.balancer.Learn([]Member{a, z})
		b.wantWeight(1, 0.1)
		b.wantWeight(0, 1)
	})
}

// Whoever is to be tried at once is not when a good one was found meanwhile.
func TestSeekEndsWithTheNeed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, DefaultSettings(), members(1, 1)...)
		b.try(0, Refused)
		b.try(1, Refused)
		b.try(1, Success)
		for range 20 {
			if b.pick() == 0 {
				t.Fatal("a dead upstream was tried though a good one is known")
			}
		}
	})
}

// The quick path and the full one hand out the same schedule.
func TestNext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, DefaultSettings(), members(3, 1)...)
		var picks [2]int
		for n := range 400 {
			i := b.table.Next()
			if n%2 == 1 {
				i = b.pick()
			}
			if i < 0 {
				t.Fatal("the quick path gave up on a healthy pool")
			}
			picks[i]++
		}
		if picks != [2]int{300, 100} {
			t.Errorf("400 picks went %v, want 300 and 100", picks)
		}
		b.try(0, FailedStatus)
		if i := b.table.Next(); i != -1 {
			t.Errorf("the quick path picked %d though a weight changed", i)
		}
	})
}

func TestRefund(t *testing.T) {
	b := NewBalancer(NewPool(), DefaultSettings())
	for range 1000 {
		if !b.Retry() {
			t.Fatal("the budget is used up by retries that were given back")
		}
		b.Refund()
	}
}

// An upstream that failed and was healed is back at nine tenths of its share within
// 60 s at 50 requests a second, however it failed.
func TestHealedUpstreamComesBack(t *testing.T) {
	for _, failure := range []Outcome{Refused, FailedStatus} {
		synctest.Test(t, func(t *testing.T) {
			b := newBench(t, DefaultSettings(), members(1, 1, 1)...)
			outcome := failure
			tick := func() {
				time.Sleep(time.Second / 50)
				b.request(1, func(i int) Outcome { return []Outcome{outcome, Success, Success}[i] })
			}
			for range 50 * 300 {
				tick()
			}
			outcome = Success
			healed := time.Now()
			for b.upstream(0).Share < 0.9/3 {
				tick()
				if time.Since(healed) > 60*time.Second {
					t.Fatalf("after a minute its share is %.3f", b.upstream(0).Share)
				}
			}
			t.Logf("%v: back after %v", failure, time.Since(healed).Round(time.Second/10))
		})
	}
}
