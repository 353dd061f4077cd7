package balance

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weirproxy/weir/governance/circuit"
)

// again picks for a retry of a request that was sent to the members given.
func (b *bench) again(tried ...int) int {
	return b.table.Pick(everyone, func(i int) bool { return slices.Contains(tried, i) })
}

// A retry goes to somebody who is well and failed once rather than to somebody whose
// breaker is open.
func TestRetriesDoNotGoToWhoIsOpen(t *testing.T) {
	for _, tc := range []struct {
		name    string
		change  func(*Settings)
		prepare func(b *bench)
	}{
		{"open", nil, func(b *bench) { b.fail(0, 5) }},
		{"open, and nobody may be out", func(s *Settings) { s.MaxEjected = 0 }, func(b *bench) { b.fail(0, 5) }},
		{"opened by an operator", nil, func(b *bench) {
			b.pool.Decide("a", Decision{Breaker: &circuit.Decision{Mode: circuit.ForcedOpen}})
		}},
		{"half-open, all probes under way", nil, func(b *bench) {
			b.fail(0, 5)
			time.Sleep(b.openFor(0))
			for range 3 {
				b.balancer.Begin(b.table.upstreams[0])
			}
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := guarded()
				if tc.change != nil {
					tc.change(&s)
				}
				b := newBench(t, s, members(1, 1)...)
				tc.prepare(b)
				for range 9 { // more would open that one, too
					b.try(1, FailedStatus)
					if i := b.again(1); i != 1 {
						t.Fatalf("the retry goes to %d, want 1", i)
					}
					if i := b.table.Draw(everyone, func(i int) bool { return i == 1 }); i != 1 {
						t.Fatalf("the retry draws %d, want 1", i)
					}
					b.try(1, Success)
					time.Sleep(time.Millisecond)
				}
				// it is better than nobody
				if i := b.table.Pick(func(i int) bool { return i == 0 }, func(int) bool { return true }); i != 0 {
					t.Errorf("if there is nobody else, %d is picked, want 0", i)
				}
			})
		})
	}
}

// As long as nobody is known to be well, a retry tries whom the request has not tried, but
// for whom an operator wants out.
func TestRetriesWhileNobodyIsWell(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, guarded(), members(1, 1, 1)...)
		b.pool.Decide("c", Decision{Breaker: &circuit.Decision{Mode: circuit.ForcedOpen}})
		b.fail(0, 5)
		b.fail(1, 5)
		b.wantStates("open", "open", "open")
		for first := range 2 {
			for range 50 {
				b.try(first, FailedStatus)
				if i := b.again(first); i != 1-first {
					t.Fatalf("the retry of what %d failed goes to %d", first, i)
				}
				if b.pick() == 2 {
					t.Fatal("a request goes to whom an operator opened")
				}
			}
		}
	})
}

// Attempts that hung before the breaker opened keep no probe out, and nothing else in.
func TestHungAttemptsKeepNoProbeOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, guarded(func(s *circuit.Settings) {
			s.SlowCall, s.SlowRatio, s.MaxConcurrent = time.Second, 0.8, 5
		}), members(1, 1)...)
		var hung []Attempt
		for range 5 {
			hung = append(hung, b.balancer.Begin(b.table.upstreams[0]))
		}
		for b.openFor(0) == 0 {
			time.Sleep(100 * time.Millisecond)
		}
		if picks := b.shares(10); picks[0] != 0 || !b.table.Full() {
			t.Errorf("open, picks are %v, full %v", picks, b.table.Full())
		}
		time.Sleep(b.openFor(0))
		var probes []Attempt
		for range 100 {
			if i := b.pick(); i == 0 {
				probes = append(probes, b.balancer.Begin(b.table.upstreams[0]))
			}
		}
		if len(probes) != 3 || !b.table.Full() {
			t.Fatalf("half-open, it gets %d probes, full %v; want 3 and true", len(probes), b.table.Full())
		}
		for i := range probes {
			probes[i].Answered(Success)
			probes[i].End()
		}
		b.wantStates("in", "in")
		if picks := b.shares(100); picks[0] != 0 {
			t.Errorf("closed, with no room, picks are %v", picks)
		}
		hung[0].Answered(TimedOut)
		if picks := b.shares(100); picks[0] == 0 {
			t.Errorf("with room again, picks are %v", picks)
		}
	})
}

// What those who are well have no room for does not go to somebody who is open.
func TestOverflowDoesNotGoToWhoIsOpen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, guarded(func(s *circuit.Settings) { s.MaxConcurrent = 4 }), members(1, 1)...)
		b.fail(0, 5)
		wantFull := func(when string) {
			t.Helper()
			if i := b.pick(); i != -1 || !b.table.Full() {
				t.Errorf("%s: picked %d, full %v; want nobody, because of max_concurrent", when, i, b.table.Full())
			}
			if i := b.table.Draw(everyone, nil); i != -1 {
				t.Errorf("%s: drew %d, want nobody", when, i)
			}
			if i := b.again(1); i != -1 {
				t.Errorf("%s: a retry goes to %d, want nobody", when, i)
			}
		}
		var busy []Attempt
		for range 4 {
			if i := b.pick(); i != 1 {
				t.Fatalf("picked %d, want 1", i)
			}
			busy = append(busy, b.balancer.Begin(b.table.upstreams[1]))
		}
		wantFull("open")
		time.Sleep(b.openFor(0))
		for n := range 3 { // probes are no overflow
			if i := b.pick(); i != 0 {
				t.Fatalf("probe %d goes to %d, want 0", n, i)
			}
			b.balancer.Begin(b.table.upstreams[0])
		}
		wantFull("half-open")
		busy[0].Answered(Success)
		if i := b.pick(); i != 1 {
			t.Errorf("picked %d, want 1, which has room again", i)
		}
	})
}
