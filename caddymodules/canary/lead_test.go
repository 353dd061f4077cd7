package canary

import (
	"context"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weirproxy/weir/governance/rollout"
)

// inBubble has the loop of the handler run while f does, in time that is faked.
func inBubble(t *testing.T, h func(*fixture) *Handler, f func(*fixture, *Handler, *rand.Rand)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		world := newFixture(new(memory))
		handler := h(world)
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() { defer close(ended); handler.live.run(ctx) }()
		f(world, handler, rand.New(rand.NewPCG(1, 2)))
		stop()
		<-ended
	})
}

var (
	fine   = behaviour{latency: 20 * time.Millisecond, failing: 0.01}
	faulty = behaviour{latency: 20 * time.Millisecond, failing: 0.11}
	slow   = behaviour{latency: 60 * time.Millisecond, failing: 0.01}
)

func TestTheLoopRollsABadCanaryBack(t *testing.T) {
	for name, bad := range map[rollout.Rule]behaviour{rollout.RuleErrors: faulty, rollout.RuleLatency: slow} {
		t.Run(string(name), func(t *testing.T) {
			inBubble(t, func(f *fixture) *Handler { return f.leading(t, release(0.05, 0.001, steps(0.05, 0.25, 1))) },
				func(f *fixture, h *Handler, random *rand.Rand) {
					begun := time.Now()
					for h.live.guard.Load().Share() > 0 && time.Since(begun) < time.Minute {
						traffic(h, random, map[string]behaviour{"stable": fine, "canary": bad, "preview": bad}, 100*time.Millisecond)
					}
					if took := time.Since(begun); took > 30*time.Second {
						t.Errorf("it took %s, want two intervals of 15 s at most", took)
					}
					synctest.Wait()
					wantPercents(t, h, 99.9, 0, 0.1)
					if s := f.storage.stored(t); s.Rollout.Phase != rollout.RolledBack || s.Rollout.Failure.Rule != name {
						t.Errorf("stored is %+v", s)
					}
					events := f.seen()
					if len(events) != 1 {
						t.Fatalf("events are %v", events)
					}
					e := events[0]
					if e["event"] != "canary_rolled_back" || e["canary"] != "checkout" || e["stage"] != "canary" || e["share"] != 0.0 ||
						e["from"] != 0.05 || e["rule"] != string(name) || e["canary_requests"].(int) < 50 || e["stable_requests"].(int) < 1000 {
						t.Errorf("the event is %v", e)
					}
					told := f.logs.FilterMessage("canary rolled back").All()
					if len(told) != 1 || told[0].ContextMap()["rule"] != string(name) || told[0].ContextMap()["canary_error_rate"] == nil {
						t.Errorf("the log has %v", told)
					}
					if s := h.snapshot(); s.Rollout.Phase != rollout.RolledBack || s.Rollout.Failure.Verdict == nil || s.Stages[0].Requests < 1000 {
						t.Errorf("the snapshot is %+v", s)
					}
				})
		})
	}
}

func TestTheLoopPromotesAGoodCanaryStepByStep(t *testing.T) {
	inBubble(t, func(f *fixture) *Handler { return f.leading(t, release(0.05, 0.001, steps(0.05, 0.25, 0.5, 1))) },
		func(f *fixture, h *Handler, random *rand.Rand) {
			begun := time.Now()
			var shares []float64
			for h.live.guard.Load().Share() < 1 && time.Since(begun) < 5*time.Minute {
				traffic(h, random, map[string]behaviour{"stable": fine, "canary": fine, "preview": fine}, 100*time.Millisecond)
			}
			if took := time.Since(begun); took > 92*time.Second {
				t.Errorf("it took %s, want less than 92 s", took)
			}
			synctest.Wait()
			wantPercents(t, h, 0, 99.9, 0.1) // the last step is all that preview leaves
			for _, e := range f.seen() {
				if e["event"] != "canary_promoted" {
					t.Errorf("the event is %v", e)
				}
				shares = append(shares, e["share"].(float64))
			}
			if !slices.Equal(shares, []float64{0.25, 0.5, 1}) {
				t.Errorf("shares are %v", shares)
			}
			if s := f.storage.stored(t); s.Rollout.Share != 1 {
				t.Errorf("stored is %+v", s)
			}
			if s := h.snapshot(); s.Rollout.Phase != rollout.Done {
				t.Errorf("the phase is %s", s.Rollout.Phase)
			}
		})
}

func TestTheGuardCanPauseInsteadOfRollingBack(t *testing.T) {
	guard := steps(0.05, 1)
	guard.OnFail = "pause"
	inBubble(t, func(f *fixture) *Handler { return f.leading(t, release(0.05, 0, guard)) },
		func(f *fixture, h *Handler, random *rand.Rand) {
			traffic(h, random, map[string]behaviour{"stable": fine, "canary": faulty}, 30*time.Second)
			synctest.Wait()
			events := f.seen()
			if len(events) != 1 || events[0]["event"] != "canary_paused" || events[0]["rule"] != "errors" {
				t.Errorf("events are %v", events)
			}
			wantPercents(t, h, 95, 5, 0)
			if s := f.storage.stored(t); s.Rollout.Phase != rollout.Paused {
				t.Errorf("stored is %+v", s)
			}
		})
}

// What could not be stored is stored as soon as storage answers, and only then is there
// nothing left to do.
func TestStorageThatFailsIsTriedAgain(t *testing.T) {
	inBubble(t, func(f *fixture) *Handler { return f.leading(t, release(0.05, 0, steps(0.05, 1))) },
		func(f *fixture, h *Handler, random *rand.Rand) {
			f.storage.fail(errStorage)
			traffic(h, random, map[string]behaviour{"stable": fine, "canary": faulty}, 30*time.Second)
			wantPercents(t, h, 100, 0, 0)
			if n := f.logs.FilterMessageSnippet("storage does not answer").Len(); n != 1 {
				t.Errorf("trouble is logged %d times, want once", n)
			}
			f.storage.fail(nil)
			time.Sleep(storeAgain)
			synctest.Wait()
			if s := f.storage.stored(t); s.Rollout.Phase != rollout.RolledBack {
				t.Errorf("stored is %+v", s)
			}
			if n := f.logs.FilterMessageSnippet("is stored again").Len(); n != 1 {
				t.Errorf("the end of it is logged %d times, want once", n)
			}
			writes := f.storage.writes
			time.Sleep(10 * time.Minute)
			if f.storage.writes != writes {
				t.Errorf("it is stored %d times again, though nothing is new", f.storage.writes-writes)
			}
		})
}

// A command takes effect on the loop at once: after a rollback there is nothing to wait for
// but it.
func TestTheLoopGoesOnAfterACommand(t *testing.T) {
	inBubble(t, func(f *fixture) *Handler { return f.leading(t, release(0.05, 0, steps(0.05, 1))) },
		func(f *fixture, h *Handler, random *rand.Rand) {
			order(t, h, `{"rollback":true}`)
			time.Sleep(10 * time.Minute)
			order(t, h, `{"share":{"canary":50}}`)
			traffic(h, random, map[string]behaviour{"stable": fine, "canary": fine}, 20*time.Second)
			synctest.Wait()
			wantPercents(t, h, 0, 100, 0)
		})
}
