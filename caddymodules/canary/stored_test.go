package canary

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weirproxy/weir/governance/rollout"
	"github.com/weirproxy/weir/internal/statestore"
)

// What was decided holds after a restart, if what it was decided about is configured as
// before.
func TestRestarts(t *testing.T) {
	const before = `{"share":{"canary":20,"preview":3}}`
	for name, c := range map[string]struct {
		commands                []string
		after                   *Handler
		stable, canary, preview float64
		phase                   rollout.Phase
		killed                  bool
	}{
		"a share":             {[]string{before}, release(0.05, 0.01, steps(0.05, 1)), 77, 20, 3, rollout.Running, false},
		"a rollback":          {[]string{before, `{"rollback":true}`}, release(0.05, 0.01, steps(0.05, 1)), 97, 0, 3, rollout.RolledBack, false},
		"a pause":             {[]string{`{"pause":true}`}, release(0.05, 0.01, steps(0.05, 1)), 94, 5, 1, rollout.Paused, false},
		"the kill switch":     {[]string{`{"kill":true}`}, release(0.05, 0.01, steps(0.05, 1)), 94, 5, 1, rollout.Running, true},
		"killed, and not":     {[]string{`{"kill":true}`, `{"kill":false}`}, release(0.05, 0.01, steps(0.05, 1)), 94, 5, 1, rollout.Running, false},
		"taken back":          {[]string{before, `{"share":{"preview":null}}`}, release(0.05, 0.01, steps(0.05, 1)), 79, 20, 1, rollout.Running, false},
		"another share":       {[]string{before, `{"rollback":true}`}, release(0.06, 0.01, steps(0.05, 1)), 91, 6, 3, rollout.Running, false},
		"other steps":         {[]string{before, `{"rollback":true}`}, release(0.05, 0.01, steps(0.05, 0.9)), 92, 5, 3, rollout.Running, false},
		"another preview":     {[]string{before, `{"rollback":true}`}, release(0.05, 0.02, steps(0.05, 1)), 98, 0, 2, rollout.RolledBack, false},
		"killed, other share": {[]string{`{"kill":true}`}, release(0.06, 0.01, steps(0.05, 1)), 93, 6, 1, rollout.Running, true},
		"another seed":        {[]string{before, `{"rollback":true}`}, seeded(release(0.05, 0.01, steps(0.05, 1)), "next"), 92, 5, 3, rollout.Running, false},
		"another stage": {
			[]string{`{"rollback":true}`}, release(0.05, 0.01, &Guard{Stage: "preview", Steps: []float64{0.05, 1}}), 94, 5, 1, rollout.Running, false,
		},
	} {
		t.Run(name, func(t *testing.T) {
			storage := new(memory)
			h := newFixture(storage).leading(t, release(0.05, 0.01, steps(0.05, 1)))
			for _, command := range c.commands {
				order(t, h, command)
			}
			f := newFixture(storage)
			h = f.leading(t, c.after)
			wantPercents(t, h, c.stable, c.canary, c.preview)
			if s := h.snapshot(); s.Rollout.Phase != c.phase || s.Killed != c.killed {
				t.Errorf("the phase is %s, killed is %v; want %s, %v", s.Rollout.Phase, s.Killed, c.phase, c.killed)
			}
			if events := f.seen(); len(events) > 0 {
				t.Errorf("what is restored is told as if it were new: %v", events)
			}
		})
	}
}

// What holds no longer does not come back with a configuration that is as before: it is
// forgotten as soon as the other one is in force, and not sooner.
func TestWhatIsOutdatedIsForgotten(t *testing.T) {
	storage := new(memory)
	h := newFixture(storage).leading(t, release(0.05, 0.01, steps(0.05, 1)))
	order(t, h, `{"share":{"preview":3}}`)
	order(t, h, `{"rollback":true}`)
	was := storage.writes
	restart := func(configured *Handler, inForce bool) *Handler {
		h := newFixture(storage).leading(t, configured)
		if inForce && !h.live.store(time.Now()) {
			t.Fatal("it is not stored")
		}
		return h
	}
	restart(release(0.06, 0.02, steps(0.05, 1)), false) // was only validated
	if storage.writes != was {
		t.Error("a configuration that is not in force stores something")
	}
	wantPercents(t, restart(release(0.05, 0.01, steps(0.05, 1)), true), 97, 0, 3)
	if storage.writes != was {
		t.Error("a configuration with nothing new stores something")
	}
	wantPercents(t, restart(release(0.06, 0.02, steps(0.05, 1)), true), 92, 6, 2)
	wantPercents(t, restart(release(0.05, 0.01, steps(0.05, 1)), true), 94, 5, 1)
}

// What could not be read when the process began is taken up later, but for what was decided
// meanwhile.
func TestStorageThatAnswersLate(t *testing.T) {
	for name, c := range map[string]struct {
		command                 string
		stable, canary, preview float64
		killed                  bool
	}{
		"nothing decided": {"", 97, 0, 3, true},
		"not killed":      {`{"kill":false}`, 97, 0, 3, false},
		"a share":         {`{"share":{"canary":7}}`, 90, 7, 3, true},
		"another share":   {`{"share":{"preview":2}}`, 98, 0, 2, true},
		"a share's end":   {`{"share":{"preview":null}}`, 99, 0, 1, true},
	} {
		t.Run(name, func(t *testing.T) {
			storage := new(memory)
			h := newFixture(storage).leading(t, release(0.05, 0.01, steps(0.05, 1)))
			order(t, h, `{"share":{"preview":3}}`)
			order(t, h, `{"rollback":true}`)
			order(t, h, `{"kill":true}`)
			storage.fail(errStorage)
			inBubble(t, func(f *fixture) *Handler {
				f.storage = storage
				return f.leading(t, release(0.05, 0.01, steps(0.05, 1)))
			},
				func(f *fixture, h *Handler, _ *rand.Rand) {
					wantPercents(t, h, 94, 5, 1)
					if c.command != "" {
						if _, err := h.Control(nil, []byte(c.command)); err == nil {
							t.Error("a command that is not stored succeeds")
						}
					}
					storage.fail(nil)
					time.Sleep(storeAgain)
					synctest.Wait()
					wantPercents(t, h, c.stable, c.canary, c.preview)
					if got := h.live.killed.Load(); got != c.killed {
						t.Errorf("killed is %v, want %v", got, c.killed)
					}
					if s := storage.stored(t); s.Killed != c.killed {
						t.Errorf("stored is %+v", s)
					}
				})
		})
	}
}

// A configuration that may yet fail to load does not judge what is stored by what it has
// configured itself.
func TestStorageThatAnswersDuringAReload(t *testing.T) {
	storage := new(memory)
	h := newFixture(storage).leading(t, release(0.05, 0.01, steps(0.05, 1)))
	order(t, h, `{"share":{"preview":3}}`)
	storage.fail(errStorage)
	f := newFixture(storage)
	h = f.leading(t, release(0.05, 0.01, steps(0.05, 1)))
	storage.fail(nil)
	f.acquired(t, release(0.05, 0.02, steps(0.05, 1)), h).live.release()
	h.live.store(time.Now())
	wantPercents(t, h, 92, 5, 3)
}

// What makes no sense is told and forgotten, and does not keep a configuration from
// serving, nor new decisions from being stored.
func TestStoredNonsense(t *testing.T) {
	good := func(change func(*stored)) any {
		s := stored{
			Version: storedVersion, Killed: true, Stage: "canary", Seed: "checkout", Shares: map[string]share{"preview": {0.03, 0.01}},
			Rollout: rollout.New(rollout.Settings{Steps: []float64{0.05, 1}}, 0.05, time.Now()).State(),
		}
		change(&s)
		return s
	}
	for name, c := range map[string]struct {
		stored any
		killed bool
		lost   bool
	}{
		"nothing wrong":    {good(func(*stored) {}), true, false},
		"no object":        {[]int{1}, false, true},
		"another version":  {good(func(s *stored) { s.Version = 7 }), false, true},
		"a phase":          {good(func(s *stored) { s.Rollout.Phase = "odd" }), true, true},
		"another rollout":  {good(func(s *stored) { s.Rollout.Version = 7 }), true, true},
		"a share":          {good(func(s *stored) { s.Shares["preview"] = share{7, 0.01} }), true, false},
		"an unknown stage": {good(func(s *stored) { s.Shares["beta"] = share{0.1, 0.01} }), true, false},
	} {
		t.Run(name, func(t *testing.T) {
			storage := new(memory)
			if err := statestore.Save(storage, kind, "checkout", c.stored); err != nil {
				t.Fatal(err)
			}
			f := newFixture(storage)
			h := f.leading(t, release(0.05, 0.01, steps(0.05, 1)))
			if got := h.live.killed.Load(); got != c.killed {
				t.Errorf("killed is %v, want %v", got, c.killed)
			}
			if lost := slices.ContainsFunc(f.messages(), func(m string) bool { return strings.Contains(m, "is lost") }); lost != c.lost {
				t.Errorf("that it is lost is logged: %v, want %v", lost, c.lost)
			}
			order(t, h, `{"share":{"canary":9}}`)
			if s := storage.stored(t); s.Version != storedVersion || s.Rollout.Share != 0.09 {
				t.Errorf("stored is %+v", s)
			}
		})
	}
}
