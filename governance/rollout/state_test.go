package rollout

import (
	"encoding/json"
	"reflect"
	"testing"
	"time"
)

func TestAStoredStateGoesOn(t *testing.T) {
	old := newStepping(t, issueSettings(), 0.05)
	old.good()
	old.want(Promote, "")
	old.bad()
	old.want(Rollback, RuleErrors)
	stored, err := json.Marshal(old.State())
	if err != nil {
		t.Fatal(err)
	}
	var state State
	if err := json.Unmarshal(stored, &state); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(state, old.State()) {
		t.Errorf("stored and read again it is %+v, want %+v", state, old.State())
	}

	g := newStepping(t, issueSettings(), 0.05)
	if restored, err := g.Restore(state, g.now); err != nil || !restored {
		t.Fatalf("restored %t: %v", restored, err)
	}
	g.wantAt(RolledBack, 0)

	other := newStepping(t, issueSettings(), 0.1)
	if restored, err := other.Restore(state, g.now); err != nil || restored {
		t.Fatalf("a state of another configuration is restored %t: %v", restored, err)
	}
	other.wantAt(Running, 0.1)
}

func TestStatesOfNoUseAreRefused(t *testing.T) {
	good := New(issueSettings(), 0.05, epoch).State()
	for name, change := range map[string]func(*State){
		"another version":    func(s *State) { s.Version = 2 },
		"an unknown phase":   func(s *State) { s.Phase = "gone" },
		"no share":           func(s *State) { s.Share = nan },
		"a share too high":   func(s *State) { s.Share = 1.5 },
		"half a rolled back": func(s *State) { s.Phase = RolledBack },
	} {
		state := good
		change(&state)
		g := newStepping(t, issueSettings(), 0.05)
		if restored, err := g.Restore(state, epoch); restored || err == nil {
			t.Errorf("%s: restored %t without an error", name, restored)
		}
		g.wantAt(Running, 0.05)
	}
}

func TestOnlyAChangedShareOrChangedStepsBeginAnew(t *testing.T) {
	fewer := issueSettings()
	fewer.Steps = []float64{0.05, 1}
	slower := issueSettings()
	slower.Interval = time.Minute
	for _, test := range []struct {
		name     string
		settings Settings
		share    float64
		anew     bool
	}{
		{"the same", issueSettings(), 0.05, false},
		{"another interval", slower, 0.05, false},
		{"another share", issueSettings(), 0.1, true},
		{"other steps", fewer, 0.05, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			g := newStepping(t, issueSettings(), 0.05)
			g.Rollback(g.now)
			if got := g.Configure(test.settings, test.share, g.now); got != test.anew {
				t.Errorf("begins anew: %t", got)
			}
			if test.anew {
				g.wantAt(Running, test.share)
			} else {
				g.wantAt(RolledBack, 0)
			}
			if g.Configure(test.settings, test.share, g.now) {
				t.Error("the same configuration begins anew")
			}
		})
	}
}
