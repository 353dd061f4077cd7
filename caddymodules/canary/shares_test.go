package canary

import (
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/weirproxy/weir/governance/cohort"
	"github.com/weirproxy/weir/governance/rollout"
)

// A configuration that does not lead changes nothing: neither what runs nor what the guard
// counts.
func TestWhatMayFailToLoadChangesNothing(t *testing.T) {
	f := newFixture(new(memory))
	old := f.leading(t, release(0.05, 0.01, steps(0.05, 1)))
	order(t, old, `{"share":{"canary":10}}`)
	other := f.acquired(t, release(0.3, 0.01, steps(0.3, 1)), old)
	wantPercents(t, other, 69, 30, 1)
	wantPercents(t, old, 89, 10, 1)
	otherSteps := f.acquired(t, release(0.05, 0.01, steps(0.05, 0.9)), old)
	wantPercents(t, otherSteps, 94, 5, 1)
	same := f.acquired(t, release(0.05, 0.02, steps(0.05, 1)), old)
	wantPercents(t, same, 88, 10, 2)
	for range 5 {
		other.live.start(drawn(other.guarded), other).End(time.Second, true)
		same.live.start(drawn(same.guarded), same).End(time.Second, true)
		old.live.start(drawn(old.guarded), old).End(time.Second, true)
	}
	if got := old.snapshot().Rollout.Present.Canary.Requests; got != 5 {
		t.Errorf("the guard has counted %d requests, want 5", got)
	}
	order(t, old, `{"share":{"canary":20}}`)
	wantPercents(t, same, 78, 20, 2) // what is decided holds for it, too, if it comes to run
	wantPercents(t, other, 69, 30, 1)
	for _, h := range []*Handler{other, otherSteps, same} {
		h.live.release()
	}
	wantPercents(t, old, 79, 20, 1)
	// and when another leads, it is the old one that does not count
	h := f.reloaded(t, release(0.05, 0.01, steps(0.05, 1)), old)
	old.live.start(drawn(old.guarded), old).End(time.Second, true)
	if got := h.snapshot().Rollout.Present.Canary.Requests; got != 0 {
		t.Errorf("the guard has counted %d requests of what was before, want none", got)
	}
}

func TestAReloadOnlyChangesWhatIsConfiguredAnew(t *testing.T) {
	prepared := func(t *testing.T) (*fixture, *Handler) {
		f := newFixture(new(memory))
		h := f.leading(t, release(0.05, 0.01, steps(0.05, 0.5)))
		order(t, h, `{"share":{"preview":3}}`)
		order(t, h, `{"rollback":true}`)
		return f, h
	}
	for name, c := range map[string]struct {
		configured              *Handler
		stable, canary, preview float64
		begins                  bool
	}{
		"nothing":          {release(0.05, 0.01, steps(0.05, 0.5)), 97, 0, 3, false},
		"canary's share":   {release(0.06, 0.01, steps(0.05, 0.5)), 91, 6, 3, true},
		"the steps":        {release(0.05, 0.01, steps(0.05, 0.6)), 92, 5, 3, true},
		"no guard":         {release(0.05, 0.01, nil), 92, 5, 3, true},
		"preview's share":  {release(0.05, 0.02, steps(0.05, 0.5)), 98, 0, 2, false},
		"other settings":   {release(0.05, 0.01, &Guard{Steps: []float64{0.05, 0.5}, MinRequests: 7}), 97, 0, 3, false},
		"the seed":         {seeded(release(0.05, 0.01, steps(0.05, 0.5)), "next"), 92, 5, 3, true},
		"both":             {release(0.06, 0.02, steps(0.05, 0.5)), 92, 6, 2, true},
		"the other stage":  {release(0.05, 0.01, &Guard{Stage: "preview", Steps: []float64{0.05}}), 94, 5, 1, true},
		"not enough left":  {release(0.98, 0.01, steps(0.05, 0.5)), 0, 97, 3, true},
		"shares too large": {release(0.98, 0.02, steps(0.05, 0.5)), 0, 98, 2, true},
	} {
		t.Run(name, func(t *testing.T) {
			f, old := prepared(t)
			h := f.reloaded(t, c.configured, old)
			wantPercents(t, h, c.stable, c.canary, c.preview)
			if begins := h.snapshot().Rollout.Phase != rollout.RolledBack; begins != c.begins {
				t.Errorf("the rollout begins anew: %v, want %v", begins, c.begins)
			}
			if said := slices.ContainsFunc(f.messages(), func(m string) bool { return strings.Contains(m, "begins anew") }); said != c.begins {
				t.Errorf("that it begins anew is logged: %v, want %v", said, c.begins)
			}
			// what no longer holds does not come back with the configuration of before
			h.live.store(time.Now())
			if back := f.reloaded(t, release(0.05, 0.01, steps(0.05, 0.5)), h); c.begins {
				if got := back.snapshot().Rollout.Phase; got != rollout.Running {
					t.Errorf("the configuration of before is %s", got)
				}
			}
		})
	}
}

// An operator's shares that fit the configuration one by one, and not together, end.
func TestSharesThatDoNotFitTogetherEnd(t *testing.T) {
	f := newFixture(new(memory))
	beta := func(canary, preview, beta float64) *Handler {
		h := release(canary, preview, nil)
		h.Stages = append(h.Stages, Stage{Name: "beta", Share: &beta})
		return h
	}
	old := f.leading(t, beta(0, 0.01, 0.1))
	order(t, old, `{"share":{"preview":60}}`)
	failing := f.acquired(t, beta(0, 0.01, 0.7), old)
	if got := failing.layout.Load().Stages()[2].Share; got < 0.0099 || got > 0.0101 {
		t.Errorf("preview has %v in a configuration in which its 60 %% do not fit", got)
	}
	failing.live.release()
	h := f.reloaded(t, beta(0, 0.01, 0.7), old)
	if got := h.snapshot().Stages; got[2].Percent != 1 || got[3].Percent != 70 || got[0].Percent != 29 {
		t.Errorf("stages are %+v", got)
	}
	if len(h.live.shares) != 0 {
		t.Errorf("decided is %v", h.live.shares)
	}
}

// A share of an operator that has ended, with a reload or a restart, does not come back with
// the configuration of before, though the rollout goes on.
func TestASharesEndIsStored(t *testing.T) {
	for name, restart := range map[string]bool{"reload": false, "restart": true} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(new(memory))
			h := f.leading(t, release(0.05, 0.01, steps(0.05, 1)))
			order(t, h, `{"share":{"canary":20,"preview":3}}`)
			if restart {
				h = f.leading(t, release(0.05, 0.02, steps(0.05, 1)))
			} else {
				h = f.reloaded(t, release(0.05, 0.02, steps(0.05, 1)), h)
			}
			wantPercents(t, h, 78, 20, 2)
			h.live.store(time.Now())
			wantPercents(t, f.leading(t, release(0.05, 0.01, steps(0.05, 1))), 79, 20, 1)
		})
	}
}

// Two handlers of a configuration have one loop, and what is decided holds for both.
func TestTwoHandlersOfOneName(t *testing.T) {
	f := newFixture(new(memory))
	a := f.leading(t, release(0.05, 0, steps(0.05, 1)))
	b := f.acquired(t, release(0.05, 0, steps(0.05, 1)), a)
	if b.live.lead(time.Now()) {
		t.Error("there are two loops")
	}
	order(t, b, `{"share":{"canary":20}}`)
	wantPercents(t, a, 80, 20, 0)
	wantPercents(t, b, 80, 20, 0)
	a.live.start(drawn(1), a)
	b.live.start(drawn(1), b)
	if got := a.snapshot().Stages[1].Requests; got != 2 {
		t.Errorf("canary had %d requests, want 2", got)
	}
}

// Whoever is in the canary stays in it while its share grows and the configuration is
// loaded again.
func TestNobodyLeavesWhileTheShareGrows(t *testing.T) {
	f := newFixture(new(memory))
	h := f.leading(t, release(0.05, 0.001, steps(0.05, 0.25, 1)))
	hasher := cohort.NewHasher("checkout")
	in := func(h *Handler) map[string]bool {
		keys := make(map[string]bool)
		for i := range 20_000 {
			key := "user-" + strconv.Itoa(i)
			if h.layout.Load().At(hasher.Point(key)) == 1 {
				keys[key] = true
			}
		}
		return keys
	}
	before := in(h)
	order(t, h, `{"promote":true}`)
	h = f.reloaded(t, release(0.05, 0.001, steps(0.05, 0.25, 1)), h)
	after := in(h)
	if len(before) < 500 || len(after) < 3*len(before) {
		t.Fatalf("%d are in the canary, then %d", len(before), len(after))
	}
	for key := range before {
		if !after[key] {
			t.Errorf("%s has left", key)
		}
	}
}
