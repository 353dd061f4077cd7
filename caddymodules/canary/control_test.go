package canary

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/weirproxy/weir/governance/livestate"
	"github.com/weirproxy/weir/governance/rollout"
)

func TestCommands(t *testing.T) {
	f := newFixture(new(memory))
	h := f.leading(t, release(0.05, 0.01, steps(0.05, 0.25, 1)))
	type event struct{ name, rule any }
	for _, c := range []struct {
		command                 string
		stable, canary, preview float64
		phase                   rollout.Phase
		events                  []event
	}{
		{`{"share":{"canary":10}}`, 89, 10, 1, rollout.Running, nil},
		{`{"share":{"canary":12.5,"preview":0.1}}`, 87.4, 12.5, 0.1, rollout.Running, nil},
		{`{"pause":true}`, 87.4, 12.5, 0.1, rollout.Paused, nil},
		{`{"promote":true}`, 74.9, 25, 0.1, rollout.Paused, []event{{"canary_promoted", "operator"}}},
		{`{"pause":false}`, 74.9, 25, 0.1, rollout.Running, nil},
		{`{"rollback":true}`, 99.9, 0, 0.1, rollout.RolledBack, []event{{"canary_rolled_back", "operator"}}},
		{`{"rollback":true}`, 99.9, 0, 0.1, rollout.RolledBack, nil},
		{`{"share":{"preview":null}}`, 99, 0, 1, rollout.RolledBack, nil},
		{`{"promote":true}`, 94, 5, 1, rollout.Running, []event{{"canary_promoted", "operator"}}},
		{`{"share":{"preview":95}}`, 0, 5, 95, rollout.Running, nil},
		{`{"promote":true}`, 0, 5, 95, rollout.Running, []event{{"canary_promoted", "operator"}}}, // 25 %, of which 5 are left
		{`{"share":{"preview":1}}`, 74, 25, 1, rollout.Running, nil},
		{`{"share":{"canary":null}}`, 94, 5, 1, rollout.Running, nil},
		{`{"share":{"canary":0}}`, 99, 0, 1, rollout.Running, nil},
		{`{"share":{"canary":99}}`, 0, 99, 1, rollout.Running, nil},
		{`{"kill":true}`, 0, 99, 1, rollout.Running, nil},
		{`{"kill":false}`, 0, 99, 1, rollout.Running, nil},
	} {
		s := order(t, h, c.command)
		wantPercents(t, h, c.stable, c.canary, c.preview)
		if s.Rollout.Phase != c.phase {
			t.Errorf("%s: the phase is %s, want %s", c.command, s.Rollout.Phase, c.phase)
		}
		if s.Killed != (c.command == `{"kill":true}`) || s.Killed != h.live.killed.Load() {
			t.Errorf("%s: killed is %v", c.command, s.Killed)
		}
		var events []event
		if !eventually(func() bool {
			for _, e := range f.seen() {
				events = append(events, event{e["event"], e["rule"]})
			}
			return len(events) >= len(c.events)
		}) || len(events) > len(c.events) || len(events) > 0 && events[0] != c.events[0] {
			t.Errorf("%s: events are %v, want %v", c.command, events, c.events)
		}
		if got := f.storage.stored(t); got.Killed != s.Killed || got.Rollout.Share != s.Rollout.Share || got.Rollout.Phase != c.phase {
			t.Errorf("%s: stored is %+v", c.command, got)
		}
	}
}

func TestWrongCommands(t *testing.T) {
	f := newFixture(new(memory))
	guarded := f.leading(t, release(0.05, 0.01, steps(0.05)))
	alone := newFixture(new(memory)).leading(t, release(0.05, 0.01, nil))
	other := newFixture(new(memory)).leading(t, func() *Handler {
		h := release(0.05, 0, nil)
		h.Stages[1].Name = "beta"
		return h
	}())
	rolledBack := newFixture(new(memory)).leading(t, release(0.05, 0.01, steps(0.05)))
	order(t, rolledBack, `{"rollback":true}`)
	for _, c := range []struct {
		h             *Handler
		command, want string
	}{
		{guarded, ``, "must be an object"},
		{guarded, `[]`, "must be an object"},
		{guarded, `null`, "give one of"},
		{guarded, `{}`, "give one of"},
		{guarded, `{"share":null}`, "give one of"},
		{guarded, `{"stop":true}`, "stop"},
		{guarded, `{"pause":true} {}`, "something after"},
		{guarded, `{"pause":true,"kill":true}`, "give one of"},
		{guarded, `{"pause":1}`, "must be an object"},
		{guarded, `{"promote":false}`, "promote can only be true"},
		{guarded, `{"rollback":false}`, "rollback can only be true"},
		{guarded, `{"promote":true}`, "no step above"},
		{guarded, `{"share":{}}`, "names no stage"},
		{guarded, `{"share":{"canary":"10%"}}`, "must be an object"},
		{guarded, `{"share":{"beta":1}}`, `no stage "beta"`},
		{guarded, `{"share":{"stable":90}}`, "what the others leave"},
		{guarded, `{"share":{"canary":101}}`, "101 %"},
		{guarded, `{"share":{"canary":-1}}`, "-1 %"},
		{guarded, `{"share":{"preview":-1}}`, "-1 %"},
		{guarded, `{"share":{"canary":100}}`, "canary 100 % + preview 1 % = 101 %"},
		{guarded, `{"share":{"canary":60,"preview":50}}`, "= 110 %"},
		{guarded, `{"share":{"canary":10,"beta":5}}`, `no stage "beta"`},
		{rolledBack, `{"pause":true}`, "rolled back"},
		{rolledBack, `{"pause":false}`, "rolled back"},
		{alone, `{"pause":true}`, "no guard"},
		{alone, `{"promote":true}`, "no step above"},
		{other, `{"rollback":true}`, `{"share":{"<stage>":10}}`},
		{other, `{"promote":true}`, `{"share":{"<stage>":10}}`},
	} {
		before := c.h.live.changes
		_, err := c.h.Control(nil, []byte(c.command))
		if !errors.Is(err, livestate.ErrInvalid) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want an error with %q", c.command, err, c.want)
		}
		if c.h.live.changes != before {
			t.Errorf("%s has changed something", c.command)
		}
	}
	wantPercents(t, guarded, 94, 5, 1)
	if _, err := guarded.Control([]string{"stages"}, []byte(`{"kill":true}`)); !errors.Is(err, livestate.ErrNotFound) {
		t.Errorf("another path is %v, want not found", err)
	}
	if guarded.live.killed.Load() {
		t.Error("a command at a path that does not exist has an effect")
	}
}

// An operator needs no guard to take a canary back.
func TestRollbackWithoutAGuard(t *testing.T) {
	h := newFixture(new(memory)).leading(t, release(0.05, 0.01, nil))
	s := order(t, h, `{"rollback":true}`)
	wantPercents(t, h, 99, 0, 1)
	if s.Rollout.Guarded || s.Rollout.Phase != rollout.RolledBack {
		t.Errorf("the rollout is %+v", s.Rollout)
	}
	order(t, h, `{"share":{"canary":5}}`)
	wantPercents(t, h, 94, 5, 1)
}

// A decision that cannot be stored holds, and the operator is told that it may end.
func TestACommandThatCannotBeStored(t *testing.T) {
	f := newFixture(new(memory))
	h := f.leading(t, release(0.05, 0.01, steps(0.05)))
	f.storage.fail(errStorage)
	_, err := h.Control(nil, []byte(`{"kill":true}`))
	if !errors.Is(err, errStorage) || errors.Is(err, livestate.ErrInvalid) || !strings.Contains(err.Error(), "not over a restart") {
		t.Errorf("the error is %v", err)
	}
	if !h.live.killed.Load() {
		t.Error("the decision does not hold")
	}
}

// What the admin API shows is JSON with the names that are documented.
func TestSnapshot(t *testing.T) {
	h := newFixture(new(memory)).leading(t, release(0.05, 0.001, steps(0.05, 0.25)))
	h.live.start(drawn(h.stable), h).End(time.Millisecond, false)
	h.live.start(drawn(h.guarded), h).End(time.Millisecond, true)
	h.live.start(drawn(2), h).End(time.Millisecond, false)
	encoded, err := json.Marshal(h.Snapshot())
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		`"name":"checkout","killed":false`,
		`{"name":"stable","percent":94.9,"configured_percent":94.9,"requests":1}`,
		`{"name":"canary","percent":5,"configured_percent":5,"requests":1}`,
		`{"name":"preview","percent":0.1,"configured_percent":0.1,"requests":1}`,
		`"rollout":{"stage":"canary","guarded":true,"phase":"running","share":0.05,`,
		`"next":0.25`,
		`"canary":{"requests":1,"errors":1,"unanswered":0,`,
		`"stable":{"requests":1,"errors":0,"unanswered":0,`,
	} {
		if !strings.Contains(string(encoded), want) {
			t.Errorf("%s has no %s", encoded, want)
		}
	}
}

// Whoever sees that a canary is rolled back sees no share of it any more.
func TestASnapshotIsOfOneMoment(t *testing.T) {
	h := newFixture(new(memory)).leading(t, release(0.05, 0.01, steps(0.05, 0.25, 1)))
	decided := make(chan struct{})
	go func() {
		defer close(decided)
		for range 2000 {
			h.live.decide(command{Rollback: new(true)}, time.Now())
			h.live.decide(command{Promote: new(true)}, time.Now())
		}
	}()
	for {
		s := h.snapshot()
		if isIn := s.Rollout.Phase != rollout.RolledBack; isIn != (s.Stages[1].Percent > 0) {
			t.Fatalf("%s with a share of %v %%", s.Rollout.Phase, s.Stages[1].Percent)
		}
		select {
		case <-decided:
			return
		default:
		}
	}
}
