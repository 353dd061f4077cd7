package balance

import (
	"encoding/json"
	"math"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"
)

// derive computes an effective weight from what a snapshot shows, as its comments
// say.
func derive(s *Snapshot, u *UpstreamSnapshot) float64 {
	out := u.State == "draining" || (u.State == "ejected" || u.State == "open") && u.EffectiveWeight == 0
	switch {
	case out:
		return 0
	case u.State == "half_open" && s.ProvenWeight > 0:
		return u.Weight
	case u.State != "in" && s.ProvenWeight > 0:
		return s.Floor * min(u.Weight, s.ProvenWeight)
	default:
		return u.Weight * max(s.Floor, u.SuccessRate*u.Ramp)
	}
}

func near(a, b float64) bool { return math.Abs(a-b) <= 1e-9 }

func TestEffectiveWeightsFollowFromWhatIsShown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := DefaultSettings()
		s.SlowStart = 20 * time.Second
		b := newBench(t, s, members(1, 2, 3, 100)...)
		b.pool.Decide("b", Decision{Weight: &Weight{Value: 5}})
		states := map[string]int{}
		for range 5000 {
			u := b.table.upstreams[rand.IntN(b.table.Len())]
			a := b.balancer.Begin(u)
			a.Answered([]Outcome{Success, FailedStatus, FailedStatus, Refused}[rand.IntN(4)])
			a.End()
			time.Sleep(time.Duration(rand.IntN(2000)) * time.Millisecond)
			shown := b.balancer.Snapshot()
			for i := range shown.Upstreams {
				u := &shown.Upstreams[i]
				if want := derive(&shown, u); !near(u.EffectiveWeight, want) {
					t.Fatalf("effective weight is %v, from what is shown follows %v: %+v in %+v", u.EffectiveWeight, want, u, shown)
				}
				states[u.State]++
			}
		}
		if states["in"] == 0 || states["probing"] == 0 || states["ejected"] == 0 {
			t.Errorf("only these states were seen: %v", states)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		s := DefaultSettings()
		s.EjectAfter, s.Floor = 0, 0.2
		b := newBench(t, s, members(2, 2)...)
		for range 100 {
			b.try(0, FailedStatus)
		}
		time.Sleep(time.Second)
		if shown := b.balancer.Snapshot(); derive(&shown, &shown.Upstreams[0]) != 0.4 || shown.Upstreams[0].EffectiveWeight != 0.4 {
			t.Errorf("at the floor: %+v", shown)
		}
	})
}

// Decisions about upstreams that have left are there to be seen, as long as they hold.
func TestAbsentUpstreamsWithDecisions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, DefaultSettings(), members(1, 1)...)
		b.pool.Decide("a", Decision{Drain: new(Drain)})
		b.pool.Decide("y", Decision{Drain: new(Drain)})
		b.pool.Decide("x", Decision{Weight: &Weight{Value: 4, Until: time.Now().Add(time.Minute)}})
		if a := b.balancer.Snapshot().Absent; len(a) != 2 || a[0].Address != "x" || a[0].Decision.Weight.Value != 4 || a[1].Address != "y" || a[1].Decision.Drain == nil {
			t.Errorf("absent are %+v, want x and y", a)
		}
		if a := NewBalancer(b.pool, DefaultSettings()).Snapshot().Absent; len(a) != 3 {
			t.Errorf("to a balancer without members absent are %+v, want all three", a)
		}
		time.Sleep(time.Minute)
		if a := b.balancer.Snapshot().Absent; len(a) != 1 || a[0].Address != "y" {
			t.Errorf("after a minute absent are %+v, want y", a)
		}
	})
}

func TestHugeWeightsEncode(t *testing.T) {
	b := newBench(t, DefaultSettings(), members(1e308, 1e308, 1e308)...)
	if _, err := json.Marshal(b.balancer.Snapshot()); err != nil {
		t.Error(err)
	}
}
