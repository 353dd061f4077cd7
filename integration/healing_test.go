package integration

import (
	"context"
	"sync"
	"testing"
	"time"
)

const (
	floor = 0.05 // the default

	healWithin = 60 * time.Second
	healRate   = 50.0 // requests a second
	healWindow = 4 * time.Second
)

// atFloor reports whether an upstream of weight 1 gets no more than probes.
func atFloor(u *Upstream) bool {
	return u.State == "ejected" || u.EffectiveWeight <= 1.1*floor
}

// heals has the third back end fail all requests until sick says that this is
// enough, then answer again, and measures how long it takes until it has its share.
func heals(t *testing.T, requests int, sick func(*Gateway, *Backend)) {
	backends := threeBackends(t)
	s := newSite(t, backends...)
	g := startWeir(t, s)
	third := backends[2]

	third.Fail()
	result := Closed(t.Context(), s.URL(), 64, requests)
	t.Logf("one of three fails all: %v", result)
	if share := result.SuccessShare(); share < 0.999 {
		t.Errorf("%.2f %% succeed, want at least 99.9 %%: %v", 100*share, result.Failures())
	}
	if third.Failures() == 0 {
		t.Fatal("the failing back end got no request")
	}
	if u := g.Upstream("shop", third.Address); !atFloor(u) {
		t.Errorf("the back end that fails all is %s with the effective weight %v, want ejected or %v", u.State, u.EffectiveWeight, floor)
	}

	ctx, stop := context.WithCancel(t.Context())
	var load sync.WaitGroup
	var trickle *Result
	load.Go(func() { trickle = Open(ctx, s.URL(), 16, healRate, 100*60*int(healRate)) })
	defer load.Wait()
	defer stop()
	sick(g, third)
	third.Answer()
	healed := time.Now()
	took, ok := untilFairShare(g, backends, third, healed)
	stop()
	load.Wait()
	if !ok {
		t.Fatalf("not back at 90 %% of its fair share %v after it answers again: %+v", healWithin, g.Upstream("shop", third.Address))
	}
	t.Logf("back at 90 %% of its fair share %.1f s after it answers again, at %v requests/s", took.Seconds(), healRate)
	if trickle.Failed() > 0 {
		t.Errorf("clients saw failures: %v", trickle)
	}
}

// untilFairShare waits until the third back end has 90 % of a third, by the weights
// and by the requests of the last seconds, and returns when the weights said so.
func untilFairShare(g *Gateway, backends []*Backend, third *Backend, since time.Time) (time.Duration, bool) {
	type count struct {
		at         time.Time
		all, third int64
	}
	const fair = 0.9 / 3
	var byWeight time.Duration
	var counts []count
	ok := Eventually(healWithin-time.Since(since), func() bool {
		c := count{at: time.Now(), third: third.Requests()}
		for _, b := range backends {
			c.all += b.Requests()
		}
		counts = append(counts, c)
		for c.at.Sub(counts[0].at) > healWindow {
			counts = counts[1:]
		}
		if g.Upstream("shop", third.Address).Share < fair {
			byWeight = 0
			return false
		}
		if byWeight == 0 {
			byWeight = c.at.Sub(since)
		}
		first := counts[0]
		whole := c.at.Sub(first.at) > healWindow*9/10 && c.all > first.all
		return whole && float64(c.third-first.third) >= fair*float64(c.all-first.all)
	})
	return byWeight, ok
}

func TestABackEndThatFailsAllIsFoundAgainWhenItHeals(t *testing.T) {
	t.Parallel()
	heals(t, 2000, func(g *Gateway, third *Backend) {
		// failed again after its first ejections
		Eventually(20*time.Second, func() bool { return g.Upstream("shop", third.Address).EjectedFor > 2 })
	})
}

func TestSoakABackEndThatHealsAsItsLongestEjectionBegins(t *testing.T) {
	Soak(t)
	heals(t, 50_000, func(g *Gateway, third *Backend) {
		if !Eventually(2*time.Minute, func() bool { return g.Upstream("shop", third.Address).EjectedFor > 29 }) {
			t.Error("no ejection of 30 s began")
		}
	})
}
