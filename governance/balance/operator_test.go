package balance

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/weirproxy/weir/governance/circuit"
)

// Weights do not change by time alone while a breaker is open without an end.
func TestForcedOpenWithoutAnEndNeedsNoClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, guarded(), members(1, 1)...)
		b.pool.Decide("a", Decision{Breaker: &circuit.Decision{Mode: circuit.ForcedOpen}})
		b.pick()
		w := b.table.current()
		if !w.again.IsZero() {
			t.Errorf("the weights are computed anew after %v", time.Until(w.again))
		}
		time.Sleep(time.Second)
		if b.table.current() != w {
			t.Error("the weights are computed anew though nothing happened")
		}
		b.pool.Decide("a", Decision{Breaker: &circuit.Decision{Mode: circuit.ForcedOpen, Until: time.Now().Add(time.Minute)}})
		b.pick()
		if again := b.table.current().again; !again.Equal(time.Now().Add(time.Minute)) {
			t.Errorf("the weights are computed anew after %v, want a minute", time.Until(again))
		}
	})
}

// Attempts that hung when the breaker opened say nothing of what is after it has closed.
func TestLateFailuresAfterTheBreakerClosed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, guarded(func(s *circuit.Settings) { s.SlowCall, s.SlowRatio = time.Second, 0.8 }), members(1, 1)...)
		var hanging []Attempt
		for range 20 {
			hanging = append(hanging, b.balancer.Begin(b.table.upstreams[0]))
		}
		time.Sleep(2 * time.Second)
		b.wantStates("open", "in")
		time.Sleep(b.openFor(0))
		for range 3 {
			b.try(0, Success)
		}
		time.Sleep(20 * time.Second)
		b.wantStates("in", "in")
		for i := range hanging {
			hanging[i].Answered(TimedOut)
			hanging[i].End()
		}
		b.wantStates("in", "in")
		if u := b.upstream(0); u.SuccessRate != 1 || u.Attempts["timed_out"] != 20 {
			t.Errorf("the success rate is %v, attempts %v; want 1, and all counted", u.SuccessRate, u.Attempts)
		}
		b.fail(0, 3) // new ones do
		if u := b.upstream(0); u.FailuresInARow != 3 {
			t.Errorf("%d failures in a row, want 3", u.FailuresInARow)
		}
	})
}

// Only probes that succeed, and an operator who says that it is well, make up for what was
// learnt of an upstream.
func TestWhatDecisionsForget(t *testing.T) {
	for _, tc := range []struct {
		name    string
		begin   circuit.Mode
		end     bool
		forgets bool
	}{
		{"disabled", circuit.Disabled, false, false},
		{"forced open has ended", circuit.ForcedOpen, true, false},
		{"forced closed", circuit.ForcedClosed, false, true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := guarded()
				s.EjectAfter, s.EjectFor = 3, 20*time.Second
				b := newBench(t, s, members(1, 1)...)
				b.fail(0, 3)
				b.wantStates("ejected", "in")
				if !tc.end {
					b.fail(0, 2)
					b.wantStates("open", "in")
				}
				rate := b.upstream(0).SuccessRate
				b.pool.Decide("a", Decision{Breaker: &circuit.Decision{Mode: tc.begin}})
				if tc.end {
					b.wantStates("open", "in")
					b.pool.Decide("a", Decision{})
				}
				if tc.forgets {
					b.wantStates("in", "in")
					rate = 1
				} else {
					b.wantStates("ejected", "in")
				}
				if got := b.upstream(0).SuccessRate; got != rate {
					t.Errorf("the success rate is %v, want %v", got, rate)
				}
			})
		})
	}
}
