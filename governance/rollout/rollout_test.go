package rollout

import (
	"errors"
	"testing"
	"time"
)

// stepping is a guard whose requests a test sends, in a time that it moves.
type stepping struct {
	*Guard
	t   *testing.T
	now time.Time
}

func newStepping(t *testing.T, s Settings, share float64) *stepping {
	t.Helper()
	if err := s.Validate(); err != nil {
		t.Fatal(err)
	}
	return &stepping{New(s, share, epoch), t, epoch}
}

// send sends requests that take 10 ms, of which some fail.
func (g *stepping) send(stage Stage, requests, failures int) {
	for i := range requests {
		g.Start(stage).End(10*time.Millisecond, i < failures)
	}
}

// good sends enough for the next step.
func (g *stepping) good() {
	g.send(Canary, 200, 0)
	g.send(Stable, 200, 0)
}

func (g *stepping) bad() {
	g.send(Canary, 50, 25)
	g.send(Stable, 500, 0)
}

// after moves the time and looks.
func (g *stepping) after(d time.Duration) (Verdict, bool) {
	g.now = g.now.Add(d)
	return g.Advance(g.now)
}

func (g *stepping) want(action Action, rule Rule) {
	g.t.Helper()
	v, looked := g.after(g.settings.Interval)
	if !looked || v.Action != action || v.Rule != rule {
		g.t.Fatalf("looked %t: %s %s (%s), want %s %s", looked, v.Action, v.Rule, v.Text, action, rule)
	}
}

func (g *stepping) wantAt(phase Phase, share float64) {
	g.t.Helper()
	if s := g.Snapshot(g.now); s.Phase != phase || s.Share != share || g.Share() != share {
		g.t.Fatalf("%s at %v, want %s at %v", s.Phase, s.Share, phase, share)
	}
}

func TestAGoodCanaryGoesThroughTheSteps(t *testing.T) {
	g := newStepping(t, issueSettings(), 0.05)
	for _, share := range []float64{0.25, 0.5, 1} {
		g.good()
		g.want(Promote, "")
		if at := g.State(); at.Share != share || !at.Since.Equal(g.now) {
			t.Fatalf("share %v since %s, want %v since %s", at.Share, at.Since, share, g.now)
		}
	}
	g.wantAt(Done, 1)
	if _, looked := g.after(time.Hour); looked || !g.Due().IsZero() {
		t.Error("it goes on after the end")
	}
	if g.Snapshot(g.now).Present != nil {
		t.Error("there is a comparison with nobody")
	}
}

func TestTheNextStepIsTheFirstOneAboveTheShare(t *testing.T) {
	for share, want := range map[float64]float64{0: 0.05, 0.04: 0.05, 0.05: 0.25, 0.1: 0.25, 0.5: 1} {
		g := newStepping(t, issueSettings(), share)
		if next := g.Snapshot(g.now).Next; next == nil || *next != want {
			t.Errorf("after %v comes %v, want %v", share, next, want)
		}
	}
}

func TestNothingIsPromotedForTimeAlone(t *testing.T) {
	for _, test := range []struct {
		name string
		send func(g *stepping)
		rule Rule
	}{
		{"without requests", func(*stepping) {}, RuleRequests},
		{"one too few", func(g *stepping) { g.send(Canary, 199, 0); g.send(Stable, 4000, 0) }, RuleRequests},
		{"stable gets none", func(g *stepping) { g.send(Canary, 4000, 4000) }, RuleRequests},
		{"some more errors", func(g *stepping) { g.send(Canary, 200, 3); g.send(Stable, 200, 0) }, RuleErrors},
		{"slower, perhaps", func(g *stepping) {
			g.good()
			for range 11 {
				g.Start(Canary).End(time.Second, false)
			}
		}, RuleLatency},
		{"no answers", func(g *stepping) {
			g.good()
			for range 10 {
				g.Start(Canary)
			}
		}, RuleUnanswered},
	} {
		t.Run(test.name, func(t *testing.T) {
			g := newStepping(t, issueSettings(), 0.05)
			test.send(g)
			for range 39 {
				g.want(Hold, test.rule)
			}
			g.wantAt(Running, 0.05)
			if text := g.Snapshot(g.now).Last.Text; text == "" {
				t.Error("it does not say why")
			}
		})
	}
}

func TestLooksArePacedAndPromotionsWaitForTheInterval(t *testing.T) {
	g := newStepping(t, issueSettings(), 0.05)
	g.good()
	if _, looked := g.after(3*time.Second - 1); looked {
		t.Error("there is a look after less than a fifth of the interval")
	}
	if due := g.Due(); !due.Equal(epoch.Add(3 * time.Second)) {
		t.Errorf("due at %s", due)
	}
	for range 4 {
		if v, looked := g.after(3 * time.Second); !looked || v.Rule != RuleInterval {
			t.Fatalf("looked %t: %s", looked, v.Text)
		}
	}
	g.want(Promote, "")
}

// A held step is considered at the end of each interval, not at any look: the more
// often, the likelier is a promotion by chance.
func TestAHeldStepIsConsideredAtTheEndOfIntervals(t *testing.T) {
	g := newStepping(t, issueSettings(), 0.05)
	g.want(Hold, RuleRequests)
	g.good()
	if v, looked := g.after(3 * time.Second); !looked || v.Rule != RuleInterval {
		t.Fatalf("looked %t: %s", looked, v.Text)
	}
	g.want(Promote, "")
}

func TestAFailingCanaryIsRolledBackAndStaysSo(t *testing.T) {
	g := newStepping(t, issueSettings(), 0.25)
	g.bad()
	v, looked := g.after(3 * time.Second)
	if !looked || v.Action != Rollback || v.Rule != RuleErrors {
		t.Fatalf("looked %t: %+v", looked, v)
	}
	g.wantAt(RolledBack, 0)
	failure := g.State().Failure
	if failure == nil || failure.Rule != RuleErrors || failure.Share != 0.25 || failure.Verdict.Canary.Errors != 25 || !failure.At.Equal(g.now) {
		t.Errorf("the failure is %+v", failure)
	}
	g.good()
	if _, looked := g.after(time.Hour); looked {
		t.Error("it goes on after a rollback")
	}
	if err := g.Pause(); !errors.Is(err, ErrRolledBack) {
		t.Errorf("a pause is answered by %v", err)
	}
	if err := g.Resume(g.now); !errors.Is(err, ErrRolledBack) {
		t.Errorf("the end of a pause is answered by %v", err)
	}
	g.Rollback(g.now)
	if got := g.State().Failure; got != failure {
		t.Errorf("a second rollback changes the reason to %+v", got)
	}
	g.wantAt(RolledBack, 0)
}

func TestASlowCanaryIsRolledBack(t *testing.T) {
	g := newStepping(t, issueSettings(), 0.25)
	g.good()
	g.send(Stable, 800, 0)
	for range 30 {
		g.Start(Canary).End(time.Second, false)
	}
	g.want(Rollback, RuleLatency)
	v := g.Snapshot(g.now).Last
	if v.Slow != 30 || v.SlowSeconds < 0.015 || v.SlowSeconds > 0.0155 || v.LatencyP > 0.001 || v.LatencyRatio < 90 {
		t.Errorf("the numbers are %+v", v)
	}
}

// The first requests of a process are slow.
func TestTheFirstRequestsMayBeSlow(t *testing.T) {
	g := newStepping(t, issueSettings(), 0.25)
	for range 30 {
		g.Start(Canary).End(time.Second, false)
	}
	g.send(Stable, 1000, 0)
	g.want(Hold, RuleRequests)
}

func TestAFewErrorsAreNoReason(t *testing.T) {
	g := newStepping(t, issueSettings(), 0.25)
	g.send(Stable, 10_000, 0)
	g.send(Canary, 4, 4)
	g.want(Hold, RuleRequests)
	g.send(Canary, 1, 1)
	g.want(Rollback, RuleErrors)
}

func TestWithoutStepsTheCanaryIsWatched(t *testing.T) {
	g := newStepping(t, DefaultSettings(), 0.1)
	g.good()
	g.want(Hold, RuleDone)
	g.wantAt(Running, 0.1)
	g.bad()
	g.want(Rollback, RuleErrors)
}

func TestTheZeroSettingsJudgeNothing(t *testing.T) {
	g := New(Settings{}, 0.1, epoch)
	g.Start(Canary).End(time.Second, true)
	if _, looked := g.Advance(epoch.Add(time.Hour)); looked || !g.Due().IsZero() || g.Snapshot(epoch).Present != nil {
		t.Error("there is a look")
	}
	if err := g.SetShare(0.2, epoch); err != nil || g.Share() != 0.2 {
		t.Errorf("share %v: %v", g.Share(), err)
	}
}

func TestAStepThatLastsIsComparedAfresh(t *testing.T) {
	g := newStepping(t, DefaultSettings(), 0.1)
	g.send(Canary, 2000, 0)
	g.send(Stable, 2000, 0)
	for range 40 {
		g.want(Hold, RuleDone)
	}
	if got := g.Snapshot(g.now).Present; got.Canary.Requests != 0 || !got.Since.Equal(g.now) {
		t.Errorf("the window since %s has %d requests", got.Since, got.Canary.Requests)
	}
	if got := g.State().Since; !got.Equal(epoch) {
		t.Errorf("the step seems to have begun at %s", got)
	}
}
