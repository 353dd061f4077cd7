package rollout

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"
)

// visit sends a request of a client who waits for an answer only so long.
func (g *stepping) visit(stage Stage, latency, patience time.Duration) {
	call := g.Start(stage)
	if latency > patience {
		call.Left(patience)
		return
	}
	call.End(latency, false)
}

// A canary that does not answer is taken back when its clients have left.
func TestACanaryThatHangsIsTakenBack(t *testing.T) {
	g := newStepping(t, issueSettings(), 0.05)
	for range 4000 {
		g.visit(Stable, 10*time.Millisecond, 5*time.Second)
	}
	for range 200 {
		g.visit(Canary, math.MaxInt64, 5*time.Second)
	}
	v, _ := g.after(g.settings.lookEvery())
	if v.Action != Rollback || v.Rule != RuleLatency || v.Slow != 200 || v.Canary.Requests != 0 || v.Canary.Unanswered != 200 {
		t.Errorf("it is %+v", v)
	}
}

// Clients that leave sooner than an answer may come say nothing, nor do those that stable
// loses as well.
func TestClientsThatLeaveOfTheirOwn(t *testing.T) {
	for name, c := range map[string]struct{ canary, stable, patience time.Duration }{
		"at once":   {math.MaxInt64, 100 * time.Millisecond, 149 * time.Millisecond},
		"from both": {math.MaxInt64, math.MaxInt64, time.Minute},
	} {
		g := newStepping(t, issueSettings(), 0.05)
		for i := range 1000 {
			if i%2 == 0 {
				g.visit(Canary, c.canary, c.patience)
				g.visit(Stable, c.stable, c.patience)
			}
			g.visit(Canary, 100*time.Millisecond, time.Minute)
			g.visit(Stable, 100*time.Millisecond, time.Minute)
		}
		if v, _ := g.after(g.settings.Interval); v.Action != Hold && name == "at once" || v.Action == Rollback {
			t.Errorf("%s: %+v", name, v)
		}
	}
}

// Equal stages are not taken back for how long their clients wait, whoever they are.
func TestEqualStagesWhoseClientsLeave(t *testing.T) {
	random := rand.New(rand.NewPCG(4, 5))
	const runs = 300
	backs := 0
	for range runs {
		g := newStepping(t, issueSettings(), 0.05)
		visit := func(stage Stage) {
			latency := time.Duration(math.Exp(1.5*random.NormFloat64()) * float64(50*time.Millisecond))
			g.visit(stage, latency, time.Duration(random.ExpFloat64()*float64(time.Second)))
		}
		for range 5 {
			for range 75 {
				visit(Canary)
			}
			for range 1425 {
				visit(Stable)
			}
			if v, looked := g.after(g.settings.lookEvery()); looked && v.Action == Rollback {
				backs++
				break
			}
		}
	}
	if backs > runs/100 {
		t.Errorf("%d of %d are taken back", backs, runs)
	}
}
