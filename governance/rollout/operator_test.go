package rollout

import (
	"errors"
	"testing"
)

func TestAnOperatorBeginsAgainAfterARollback(t *testing.T) {
	for name, begin := range map[string]func(g *stepping) error{
		"by promotion": func(g *stepping) error { return g.Promote(g.now) },
		"by a share":   func(g *stepping) error { return g.SetShare(0.05, g.now) },
	} {
		t.Run(name, func(t *testing.T) {
			g := newStepping(t, issueSettings(), 0.5)
			g.Rollback(g.now)
			if f := g.State().Failure; f == nil || f.Rule != RuleOperator || f.Share != 0.5 {
				t.Errorf("the failure is %+v", f)
			}
			if err := begin(g); err != nil {
				t.Fatal(err)
			}
			g.wantAt(Running, 0.05)
			if g.State().Failure != nil {
				t.Error("the failure is not forgotten")
			}
			g.good()
			g.want(Promote, "")
		})
	}
}

func TestAPauseHoldsAndProtects(t *testing.T) {
	g := newStepping(t, issueSettings(), 0.05)
	if err := g.Pause(); err != nil {
		t.Fatal(err)
	}
	g.good()
	g.want(Hold, RulePaused)
	if err := g.Promote(g.now); err != nil {
		t.Fatal(err)
	}
	g.wantAt(Paused, 0.25)
	if err := g.Resume(g.now); err != nil {
		t.Fatal(err)
	}
	g.good()
	g.want(Promote, "")
	if err := g.Pause(); err != nil {
		t.Fatal(err)
	}
	g.bad()
	g.want(Rollback, RuleErrors)
}

func TestAFailureCanPauseInstead(t *testing.T) {
	s := issueSettings()
	s.OnFail = Pause
	g := newStepping(t, s, 0.25)
	g.bad()
	g.want(Pause, RuleErrors)
	g.wantAt(Paused, 0.25)
	if f := g.State().Failure; f == nil || f.Verdict.Action != Pause {
		t.Errorf("the failure is %+v", f)
	}
	g.want(Hold, RuleErrors)
	if err := g.Resume(g.now); err != nil {
		t.Fatal(err)
	}
	g.wantAt(Running, 0.25)
	if g.State().Failure != nil {
		t.Error("the failure is not forgotten")
	}
	g.bad()
	g.want(Pause, RuleErrors)
}

func TestSharesOfAnOperator(t *testing.T) {
	g := newStepping(t, issueSettings(), 0.05)
	for _, share := range []float64{-0.1, 1.1, nan} {
		if err := g.SetShare(share, g.now); !errors.Is(err, ErrShare) {
			t.Errorf("%v is answered by %v", share, err)
		}
	}
	g.wantAt(Running, 0.05)
	if err := g.SetShare(1, g.now); err != nil {
		t.Fatal(err)
	}
	g.wantAt(Done, 1)
	if err := g.Promote(g.now); !errors.Is(err, ErrNoStep) {
		t.Errorf("a promotion of all is answered by %v", err)
	}
	if err := g.SetShare(0, g.now); err != nil {
		t.Fatal(err)
	}
	g.wantAt(Running, 0)
}
