package balance

import (
	"encoding/json"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weirproxy/weir/governance/circuit"
)

// guarded are settings with a breaker for each upstream that opens by failures in a row.
func guarded(change ...func(*circuit.Settings)) Settings {
	breaker := circuit.DefaultSettings()
	for _, c := range change {
		c(&breaker)
	}
	s := DefaultSettings()
	s.Breaker = &breaker
	return s
}

func (b *bench) state(i int) string { return b.upstream(i).State }

func (b *bench) wantStates(want ...string) {
	b.t.Helper()
	for i, w := range want {
		if got := b.state(i); got != w {
			b.t.Errorf("%s is %s, want %s", b.table.Member(i).Address, got, w)
		}
	}
}

// fail sends n failing attempts to member i.
func (b *bench) fail(i, n int) {
	for range n {
		b.try(i, FailedStatus)
	}
}

// openFor is how long the breaker of member i is open still.
func (b *bench) openFor(i int) time.Duration {
	_, left := b.table.breakers[i].State()
	return left
}

func (b *bench) shares(n int) []int {
	picks := make([]int, b.table.Len())
	for range n {
		picks[b.pick()]++
	}
	return picks
}

func TestOpenUpstreamGetsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, guarded(), members(1, 1, 1)...)
		b.fail(0, 5)
		if picks := b.shares(20); picks[0] != 0 {
			t.Fatalf("just after it opened, picks are %v", picks)
		}
		b.wantStates("open", "in", "in")
		if u := b.upstream(0); u.EjectedFor != 0 || u.EffectiveWeight != 0 || b.balancer.Snapshot().Panic {
			t.Errorf("beside the open breaker it is ejected for %v s with weight %v", u.EjectedFor, u.EffectiveWeight)
		}
		for left := b.openFor(0); left > time.Millisecond; left = b.openFor(0) {
			if picks := b.shares(20); picks[0] != 0 || picks[1] != 10 {
				t.Fatalf("with %v left, picks are %v", left, picks)
			}
			if b.table.Next() >= 0 {
				t.Fatal("the quick path does not look at the breaker")
			}
			time.Sleep(min(left/2, 100*time.Millisecond))
		}
		time.Sleep(time.Millisecond)
		b.wantStates("half_open")
	})
}

// An upstream is out if its breaker or an ejection says so; the breaker takes over when
// it opens.
func TestEjectionIsTheQuickReflex(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, guarded(), members(1, 1)...)
		b.try(0, Refused)
		b.wantStates("ejected", "in") // the breaker has counted one failure
		for n := range 4 {
			time.Sleep(time.Duration(1<<n) * time.Second)
			b.try(0, Refused)
		}
		b.wantStates("open", "in")
		left := b.openFor(0)
		if left > 5500*time.Millisecond {
			t.Fatalf("open for %v, want at most 5.5 s", left)
		}
		// the ejection of 16 s that would stand here no longer does
		time.Sleep(left)
		b.wantStates("half_open", "in")
		for range 3 {
			b.try(0, Success)
		}
		b.wantStates("in", "in")
		if u := b.upstream(0); u.SuccessRate != 1 || u.FailuresInARow != 0 {
			t.Errorf("after its probes the success rate is %v after %d failures in a row, want 1 after none", u.SuccessRate, u.FailuresInARow)
		}
	})
}

// Half-open, an upstream gets its share, but no more attempts at a time than there are
// probes.
func TestHalfOpenGetsProbes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, guarded(), members(1, 1)...)
		b.fail(0, 5)
		time.Sleep(b.openFor(0))
		var attempts []Attempt
		probes := 0
		for range 100 {
			i := b.pick()
			attempts = append(attempts, b.balancer.Begin(b.table.upstreams[i]))
			if i == 0 {
				probes++
			}
			if probes == 3 && len(attempts) > 6 && i == 0 {
				t.Fatal("a fourth attempt goes to the half-open upstream")
			}
		}
		if probes != 3 {
			t.Fatalf("%d probes, want 3", probes)
		}
		for range 20 {
			if i := b.table.Draw(everyone, nil); i != 1 {
				t.Fatalf("drew %d, whose probes are under way", i)
			}
		}
		for i := range attempts {
			attempts[i].Answered(Success)
			attempts[i].End()
		}
		b.wantStates("in", "in")
	})
}

// If a half-open upstream is the only one, whoever finds no free place passes, too.
func TestOnlyUpstreamIsNeverRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, guarded(), members(1)...)
		b.fail(0, 5)
		b.wantStates("open")
		var attempts []Attempt
		for range 64 {
			if b.pick() != 0 {
				t.Fatal("nobody is picked while the only breaker is open")
			}
		}
		time.Sleep(b.openFor(0))
		for range 64 {
			if b.pick() != 0 {
				t.Fatal("nobody is picked while the only breaker is half-open")
			}
			attempts = append(attempts, b.balancer.Begin(b.table.upstreams[0]))
		}
		if n := b.upstream(0).Breaker.Probing; n != 3 {
			t.Errorf("%d probes are counted, want 3", n)
		}
		for i := range attempts {
			attempts[i].Answered(Success)
		}
		b.wantStates("in")
	})
}

func TestTrafficGrowsBackAfterClosing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := guarded()
		s.SlowStart = 20 * time.Second
		b := newBench(t, s, members(2, 2)...)
		b.table.upstreams[0].joined = time.Now().Add(-3 * time.Second)
		b.fail(0, 5)
		time.Sleep(b.openFor(0))
		for range 3 {
			b.try(0, Success)
		}
		closed := time.Now()
		age := closed.Sub(b.table.upstreams[0].joined)
		for _, passed := range []time.Duration{0, 2, 5, 9} {
			time.Sleep(time.Until(closed.Add(passed * time.Second)))
			slowStart := min(1, (age+passed*time.Second).Seconds()/20)
			grown := 0.1 + 0.9*float64(passed)/10
			if got, want := b.table.current().of[0].effective, 2*max(0.05, slowStart*grown); !near(got, want) {
				t.Errorf("after %v s picks go by the weight %v, want %v", passed, got, want)
			}
			b.wantWeight(0, 2*max(0.05, slowStart*grown))
			b.wantWeight(1, 2)
		}
		time.Sleep(20 * time.Second)
		b.wantWeight(0, 2)
		b.shares(1)
		if w := b.table.current(); !w.plain || b.table.Next() < 0 {
			t.Error("after the recovery the quick path is not back")
		}
	})
}

func TestGrowthIsFollowedWithoutAnyEvent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, guarded(), members(2, 2)...)
		b.fail(0, 5)
		time.Sleep(b.openFor(0))
		for range 3 {
			b.try(0, Success)
		}
		b.pick()
		time.Sleep(5 * time.Second)
		if got := b.table.current().of[0].effective; !near(got, 2*0.55) {
			t.Errorf("after half of the time picks go by the weight %v, want %v", got, 2*0.55)
		}
	})
}

// An upstream that stalls is out within twice what counts as slow, long before its
// attempts time out; those say nothing more then.
func TestStalledUpstreamIsOutBeforeTimeouts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, guarded(func(s *circuit.Settings) { s.SlowCall, s.SlowRatio = time.Second, 0.8 }), members(1, 1)...)
		began := time.Now()
		var hanging []Attempt
		for range 350 { // it opens after 1 to 2 s, for 2.5 s at least
			time.Sleep(10 * time.Millisecond)
			i := b.pick()
			attempt := b.balancer.Begin(b.table.upstreams[i])
			if i == 1 {
				attempt.Answered(Success)
				continue
			}
			hanging = append(hanging, attempt)
			if since := time.Since(began); since > 2*time.Second {
				t.Fatalf("after %v it is still tried", since)
			}
		}
		left := b.openFor(0)
		if left == 0 {
			t.Fatal("it is not open")
		}
		for i := range hanging {
			hanging[i].Answered(TimedOut)
		}
		if got := b.openFor(0); got != left || b.upstream(0).Breaker.Opened != 1 {
			t.Errorf("after the timeouts it is open for %v, before for %v", got, left)
		}
		t.Logf("%d requests hang", len(hanging))
	})
}

// max_ejected holds over ejections and open breakers together; at least one stays.
func TestMaxEjectedHoldsOverBoth(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, guarded(), members(1, 1, 1, 1, 1)...)
		b.fail(0, 5)
		time.Sleep(time.Millisecond)
		b.try(1, Refused)
		time.Sleep(time.Millisecond)
		b.fail(2, 5)
		b.wantStates("open", "ejected", "open", "in", "in")
		shown := b.balancer.Snapshot()
		out := 0
		for _, u := range shown.Upstreams {
			if u.EffectiveWeight == 0 {
				out++
			}
		}
		if out != 2 || !shown.Panic {
			t.Errorf("%d of 5 are out, panic %v; want 2 and true", out, shown.Panic)
		}
		// the third is on probation: the floor's share, one at a time
		b.wantWeight(2, 0.05)
		probes := 0
		for range 200 {
			if b.pick() == 2 {
				probes++
			}
		}
		if probes != 1 {
			t.Errorf("%d attempts at a time at the one that stays, want 1", probes)
		}
	})
}

// All fail for a reason that they share: nobody is overrun, and the pool recovers with
// the first answers, long before the open times end.
func TestAllFailingTogether(t *testing.T) {
	for _, n := range []int{1, 2, 3, 5} {
		for _, rate := range []float64{1, 20} {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t, guarded(), members([]float64{1, 1, 1, 1, 1}[:n]...)...)
				failing := true
				step := func() (picked int) {
					time.Sleep(time.Duration(float64(time.Second) / rate))
					if picked = b.pick(); picked < 0 {
						t.Fatal("the pool is empty")
					}
					b.try(picked, map[bool]Outcome{true: FailedStatus, false: Success}[failing])
					return picked
				}
				for range int(100 * rate) {
					step()
				}
				picks := make([]int, n)
				for range 100 * n {
					picks[step()]++
				}
				if slices.Max(picks) > 110 || slices.Min(picks) < 90 {
					t.Errorf("%d members at %v/s: while all fail, they get %v of %d", n, rate, picks, 100*n)
				}
				if b.openFor(0) == 0 || !b.balancer.Snapshot().Panic {
					t.Errorf("%d members at %v/s: a breaker is open for %v s more", n, rate, b.openFor(0))
				}
				failing = false
				healed := time.Now()
				all := func() bool {
					for i := range n {
						if u := b.upstream(i); u.State != "in" || u.Share < 0.9/float64(n) {
							return false
						}
					}
					return true
				}
				for !all() {
					step()
					if time.Since(healed) > time.Minute {
						t.Fatalf("%d members at %v/s: not all are back after a minute: %+v", n, rate, b.balancer.Snapshot())
					}
				}
				t.Logf("%d members at %v/s: all are back after %v", n, rate, time.Since(healed))
			})
		}
	}
}

// 64 at a time, all failing: the members get like shares, none more.
func TestAllFailingAtOnceAreNotOverrun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, guarded(), members(1, 1, 1)...)
		for i := range 3 {
			b.fail(i, 5)
		}
		b.wantStates("open", "open", "open")
		type flight struct {
			attempt Attempt
			member  int
		}
		var flying []*flight
		running := make([]int, 3)
		for range 3000 {
			i := b.pick()
			running[i]++
			flying = append(flying, &flight{b.balancer.Begin(b.table.upstreams[i]), i})
			if len(flying) == 64 {
				if slices.Max(running) > 32 {
					t.Fatalf("64 attempts are spread %v", running)
				}
				f := flying[0]
				flying = flying[1:]
				f.attempt.Answered(FailedStatus)
				running[f.member]--
			}
			time.Sleep(time.Millisecond)
		}
	})
}

// One request a second to two upstreams, one of which dies and comes back: what clients
// see of it, and how long it takes.
func TestBreakerAtOneRequestASecond(t *testing.T) {
	for _, failure := range []Outcome{FailedStatus, Refused, TimedOut} {
		synctest.Test(t, func(t *testing.T) {
			b := newBench(t, guarded(), members(1, 1)...)
			dead := true
			failed := 0
			step := func() {
				time.Sleep(time.Second)
				b.request(1, func(i int) Outcome {
					if i == 0 && dead {
						failed++
						return failure
					}
					return Success
				})
			}
			for range 600 {
				step()
			}
			// the same without a breaker costs the floor's share, thirty
			if failed > 30 {
				t.Errorf("%v: %d of 600 requests failed", failure, failed)
			}
			dead = false
			open := b.openFor(0)
			healed := time.Now()
			for b.upstream(0).Share < 0.45 {
				step()
				if time.Since(healed) > 6*time.Minute {
					t.Fatalf("%v: not back: %+v", failure, b.upstream(0))
				}
			}
			back := time.Since(healed)
			t.Logf("%v: %d of 600 failed, back after %v of which it was open %v", failure, failed, back, open)
			// three probes take six seconds at this rate
			if back > open+8*time.Second+10*time.Second {
				t.Errorf("%v: back after %v, of which it was open %v", failure, back, open)
			}
		})
	}
}

func TestActiveHealthCheckEndsTheOpenTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, guarded(), members(1, 1)...)
		b.balancer.Healthy(b.table.upstreams[0])
		b.fail(0, 5)
		time.Sleep(time.Millisecond)
		b.balancer.Healthy(b.table.upstreams[0])
		b.wantStates("half_open", "in")
		NewBalancer(b.pool, DefaultSettings()).Healthy(b.table.upstreams[0]) // has no breakers
	})
}

func TestBreakerInADryRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, guarded(func(s *circuit.Settings) { s.DryRun, s.MaxConcurrent = true, 1 }), members(1, 1)...)
		b.fail(0, 5)
		u := b.upstream(0)
		if u.State != "ejected" || u.Breaker.State != "open" {
			t.Errorf("the upstream is %s and its breaker %s, want ejected and open", u.State, u.Breaker.State)
		}
		time.Sleep(time.Second)
		b.wantStates("probing")
		first, second := b.balancer.Begin(b.table.upstreams[0]), b.balancer.Begin(b.table.upstreams[1])
		if !first.WouldSkip() || second.WouldSkip() {
			t.Error("it is not told which one would have been skipped")
		}
		if b.table.Full() || b.pick() < 0 {
			t.Error("somebody is full in a dry run")
		}
		first.Answered(Success)
		if n := b.upstream(0).Breaker.WouldRefuse[circuit.ReasonOpen]; n != 1 {
			t.Errorf("%d attempts would have gone elsewhere, want 1", n)
		}
		b.wantStates("in") // by the ejection's rules
	})
}

func TestMaxConcurrent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, guarded(func(s *circuit.Settings) { s.MaxConcurrent = 2 }), members(5, 1)...)
		if b.table.Next() >= 0 {
			t.Error("the quick path does not look at the limit")
		}
		var attempts []Attempt
		begin := func(want int) {
			t.Helper()
			i := b.pick()
			if i != want && want < 2 {
				t.Fatalf("picked %d, want %d", i, want)
			}
			if i >= 0 {
				attempts = append(attempts, b.balancer.Begin(b.table.upstreams[i]))
			}
		}
		for range 4 {
			if b.table.Full() && len(attempts) < 2 {
				t.Fatal("somebody is full")
			}
			begin(2)
		}
		if !b.table.Full() {
			t.Error("nobody is full")
		}
		begin(-1) // also for Draw
		if i := b.table.Draw(everyone, nil); i != -1 {
			t.Errorf("drew %d, who is full", i)
		}
		attempts[0].Answered(Success) // its body is still passed on
		begin(slices.Index(b.table.upstreams, attempts[0].upstream))
		begin(-1)
		// it holds whatever the breaker's state, and a canceled attempt frees its place
		for i := range attempts[1:] {
			attempts[1+i].Answered(Canceled)
		}
		b.fail(0, 5)
		b.fail(1, 5)
		attempts = nil
		for range 4 {
			begin(2)
		}
		begin(-1)
	})
}

func TestTruncatedAnswersOpenTheBreaker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := guarded()
		s.EjectAfter = 0
		b := newBench(t, s, members(1, 1)...)
		for range 10 {
			a := b.balancer.Begin(b.table.upstreams[0])
			a.Answered(Success)
			a.Truncated()
			a.End()
		}
		b.wantStates("open", "in")
		if calls := b.upstream(0).Breaker.Calls; calls.Success != calls.Failure {
			t.Errorf("calls are %+v, want as many failures as answers that broke off", calls)
		}
		// late ones open it no further
		late := b.balancer.Begin(b.table.upstreams[1])
		late.Answered(Success)
		b.fail(1, 5)
		before := b.upstream(1).Breaker.Calls
		late.Truncated()
		if after := b.upstream(1).Breaker.Calls; after != before {
			t.Errorf("an answer that broke off after the breaker opened counts: %+v, before %+v", after, before)
		}
	})
}

// What an operator decides about a breaker holds over max_ejected before anything else,
// and ends.
func TestDecisionsAboutBreakers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := guarded()
		b := newBench(t, s, members(1, 1)...)
		var told []string
		b.fail(1, 5)
		b.wantStates("in", "open")
		b.pool.Decide("a", Decision{Breaker: &circuit.Decision{Mode: circuit.ForcedOpen, Until: time.Now().Add(time.Minute)}})
		b.wantStates("open", "open")
		if picks := b.shares(20); picks[0] != 0 {
			t.Errorf("picks are %v, want none for whom the operator took out", picks)
		}
		time.Sleep(time.Minute)
		if d := b.pool.Decision(b.table.Member(0), time.Now()); d != (Decision{}) {
			t.Errorf("the decision is still %+v", d)
		}
		b.wantStates("in", "half_open")
		b.pool.Decide("b", Decision{Breaker: &circuit.Decision{Mode: circuit.ForcedClosed}, Drain: new(Drain)})
		b.wantStates("in", "draining")
		b.pool.Decide("b", Decision{Breaker: &circuit.Decision{Mode: circuit.ForcedClosed}})
		b.wantStates("in", "in")
		thresholds := *s.Breaker
		thresholds.Consecutive = 2
		b.pool.Decide("a", Decision{Breaker: &circuit.Decision{Thresholds: &thresholds, Configured: s.Breaker}})
		b.fail(0, 2)
		b.wantStates("open", "in")
		b.pool.Decide("a", Decision{Breaker: &circuit.Decision{Mode: circuit.Disabled}})
		b.wantStates("in", "in")
		// one about an upstream that is not there yet, as after a restart
		fresh := NewPool()
		fresh.Restore(map[string]Decision{"a": {Breaker: &circuit.Decision{Mode: circuit.ForcedOpen}}}, time.Now())
		other := NewBalancer(fresh, s)
		other.Watch(func(address string, c circuit.Change) { told = append(told, address+" "+c.To.String()) })
		other.Sync(members(1, 1))
		if u := other.Snapshot().Upstreams[0]; u.State != "open" || u.Breaker.Forced != "open" {
			t.Errorf("after a restart it is %s", u.State)
		}
		fresh.Restore(map[string]Decision{"b": {Breaker: &circuit.Decision{Mode: circuit.ForcedOpen}}}, time.Now())
		if u := other.Snapshot().Upstreams[1]; u.Breaker.Forced != "open" {
			t.Errorf("restored later, it is %+v", u.Breaker)
		}
		fresh.Decide("b", Decision{})
		told = nil
		fresh.Decide("a", Decision{})
		if u := other.Snapshot().Upstreams[0]; u.State != "in" || !slices.Equal(told, []string{"a closed"}) {
			t.Errorf("taken back, it is %s; told was %v", u.State, told)
		}
	})
}

// Two configurations overlap, and one that fails to load changes nothing.
func TestBreakersSurviveReloads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, guarded(), members(1, 1)...)
		b.fail(0, 5)
		left := b.openFor(0)
		broken := NewBalancer(b.pool, guarded(func(s *circuit.Settings) { s.Consecutive = 1 }))
		broken.Sync(members(1, 1))
		broken.Snapshot()
		broken.Close()
		b.try(1, FailedStatus)
		b.wantStates("open", "in")
		b.try(1, Success)
		next := NewBalancer(b.pool, guarded(func(s *circuit.Settings) { s.Consecutive = 2 }))
		next.Sync(members(1, 1))
		next.Serve()
		b.balancer.Close()
		b.balancer, b.table = next, next.Table()
		b.wantStates("open", "in")
		if got := b.openFor(0); got != left {
			t.Errorf("after a reload it is open for %v, before for %v", got, left)
		}
		b.fail(1, 2)
		if b.upstream(1).Breaker.State != "open" {
			t.Error("the new settings do not hold")
		}
		// without breakers ejections go on alone
		without := NewBalancer(b.pool, DefaultSettings())
		b.balancer, b.table = without, without.Sync(members(1, 1))
		b.wantStates("ejected", "in")
		time.Sleep(time.Second)
		b.try(0, Success)
		b.wantStates("in", "in")
	})
}

func TestAnotherInstanceHasAnotherBreaker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		instances := func(a string) []Member {
			return []Member{{Address: "a", Weight: 1, Instance: a}, {Address: "b", Weight: 1, Instance: "1"}}
		}
		b := newBench(t, guarded(), instances("1")...)
		old := b.balancer.Begin(b.table.upstreams[0])
		b.fail(0, 5)
		b.wantStates("open", "in")
		b.table = b.balancer.Sync(instances("2"))
		b.wantStates("in", "in")
		old.Answered(FailedStatus)
		if n := b.upstream(0).Breaker.ConsecutiveFailures; n != 0 {
			t.Errorf("%d failures of the old instance count for the new one", n)
		}
	})
}

// What is shown of a pool with breakers explains its weights too, whatever happens; a
// pick is always possible, and the pool always recovers.
func TestPoolWithBreakersAlwaysRecovers(t *testing.T) {
	for seed := range uint64(4) {
		synctest.Test(t, func(t *testing.T) {
			rng := rand.New(rand.NewPCG(seed, 1))
			s := guarded(func(s *circuit.Settings) { s.MinCalls = 5 })
			s.SlowStart = 10 * time.Second
			b := newBench(t, s, members(1, 2, 3, 100)...)
			var flying []Attempt
			for range 1000 {
				i := b.pick()
				if i < 0 {
					t.Fatal("nobody is picked")
				}
				flying = append(flying, b.balancer.Begin(b.table.upstreams[i]))
				switch rng.IntN(10) {
				case 0:
					b.balancer.Healthy(b.table.upstreams[rng.IntN(4)])
				case 1:
					mode := circuit.Mode(rng.IntN(4))
					b.pool.Decide(string(rune('a'+rng.IntN(4))), Decision{Breaker: &circuit.Decision{Mode: mode, Until: time.Now().Add(time.Second)}})
				case 2:
					flying = flying[:0] // these never end
				}
				for len(flying) > 3 {
					n := rng.IntN(len(flying))
					flying[n].Answered(Outcome(rng.IntN(outcomes)))
					flying = slices.Delete(flying, n, n+1)
				}
				time.Sleep(time.Duration(rng.IntN(1000)) * time.Millisecond)
				shown := b.balancer.Snapshot()
				for i := range shown.Upstreams {
					if u := &shown.Upstreams[i]; !near(u.EffectiveWeight, derive(&shown, u)) {
						t.Fatalf("effective weight is %v, from what is shown follows %v: %+v in %+v", u.EffectiveWeight, derive(&shown, u), u, shown)
					}
				}
				if _, err := json.Marshal(shown); err != nil {
					t.Fatal(err)
				}
			}
			for range 6 * 60 * 10 {
				time.Sleep(100 * time.Millisecond)
				b.try(b.pick(), Success)
			}
			b.wantStates("in", "in", "in", "in")
		})
	}
}

// An attempt that counts for no breaker allocates nothing; one that does, itself.
func TestAttemptAllocations(t *testing.T) {
	for _, tc := range []struct {
		settings Settings
		most     float64
	}{{DefaultSettings(), 0}, {guarded(), 4}} {
		b := newBench(t, tc.settings, members(1, 1)...)
		if n := testing.AllocsPerRun(1000, func() { b.try(0, Success) }); n > tc.most {
			t.Errorf("%v allocations an attempt, want at most %v", n, tc.most)
		}
	}
}

func BenchmarkAttempt(b *testing.B) {
	for name, s := range map[string]Settings{"no_breaker": DefaultSettings(), "breaker": guarded()} {
		b.Run(name, func(b *testing.B) {
			balancer := NewBalancer(NewPool(), s)
			u := balancer.Sync(members(1, 1)).upstreams[0]
			b.ReportAllocs()
			for b.Loop() {
				a := balancer.Begin(u)
				a.Answered(Success)
				a.End()
			}
		})
	}
}
