package integration

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/weirproxy/weir/governance/rollout"
)

// flow is a rollout from the first step to the last, and two that go wrong.
type flow struct {
	interval    time.Duration
	minRequests int
	rate        float64 // requests a second
	promoted    time.Duration
	slow        time.Duration // what a slow version takes
}

// rolledBackWithin is how long a rollback may take once there is enough evidence.
const rolledBackWithin = 5 * time.Second

// versionTakes is what versions take: enough to compare, on a machine that does other things.
const versionTakes = 20 * time.Millisecond

func TestACanaryIsPromotedAndBadOnesAreRolledBack(t *testing.T) {
	// what a busy machine adds to both does not hide what the slow one takes
	flow{time.Second, 50, 200, 40 * time.Second, 50 * versionTakes}.run(t)
}

func TestSoakACanaryIsPromotedAndBadOnesAreRolledBack(t *testing.T) {
	Soak(t)
	// the numbers
	flow{15 * time.Second, 200, 500, 92 * time.Second, 3 * versionTakes}.run(t)
}

// with is the configuration with two versions and a share to begin with.
func (f flow) with(r *release, stable, canary *version, share string) string {
	r.Stages = nil
	return r.stage("stable", "", to(stable)).stage("canary", share, to(canary)).Caddyfile()
}

func (f flow) run(t *testing.T) {
	one, two := newVersion(t, "one", versionTakes), newVersion(t, "two", versionTakes)
	r := newRelease(t, canaryUser, stageShown, fmt.Sprintf(
		"guard {\nsteps 5%% 25%% 50%% 100%%\ninterval %s\nmin_requests %d\nmax_error_increase 1%%\nmax_latency_ratio 1.5\non_fail rollback\n}",
		f.interval, f.minRequests))
	r.Global = []string{"log events {\noutput stderr\nlevel DEBUG\ninclude events\n}"}
	g := Start(t, Weir(t), r.Admin, f.with(r, one, two, "5%"))

	f.promotes(t, g, r)
	bad := newVersion(t, "bad", versionTakes)
	bad.failing(0.2)
	f.rollsBack(t, g, r, two, bad)
	f.staysRolledBack(t, g, r, bad)
	slow := newVersion(t, "slow", f.slow)
	f.rollsBackTheSlow(t, g, r, two, slow)
}

// promotes waits for the last step.
func (f flow) promotes(t *testing.T, g *Gateway, r *release) {
	t.Helper()
	began := time.Now()
	users := visitSite(t, r.URL(), 500, f.rate)
	if !Eventually(f.promoted, func() bool { return canaryState(t, g).percent("canary") == 100 }) {
		t.Fatalf("not promoted to 100 %% within %v: %s", f.promoted, g.Get("/governance/canaries/checkout").Body)
	}
	took := time.Since(began)
	all := users.more(100)
	seen := users.leave()
	checkVisits(t, "promoted", seen)
	checkNobodyMovesBack(t, seen)
	wantStage(t, "promoted", seen, all, "canary")
	if phase := canaryState(t, g).Rollout.Phase; phase != rollout.Done {
		t.Errorf("promoted to 100 %% it is %s", phase)
	}
	if n := strings.Count(g.Log(), `"msg":"canary promoted"`); n != 3 {
		t.Errorf("%d promotions are logged, want 3", n)
	}
	t.Logf("promoted from 5 %% to 100 %% in %.1f s", took.Seconds())
}

// rollsBack deploys a canary that fails, beside what was promoted.
func (f flow) rollsBack(t *testing.T, g *Gateway, r *release, stable, bad *version) {
	t.Helper()
	users := visitSite(t, r.URL(), 500, f.rate)
	users.more(20)
	reload := time.Now()
	g.MustLoad(f.with(r, stable, bad, "10%"))
	state := f.waitForRollback(t, g, rollout.RuleErrors)
	none := users.more(100)
	seen := users.leave()
	checkVisits(t, "rolled back for errors", seen, reload)
	wantStage(t, "rolled back for errors", seen, none, "stable")

	at, v := state.Rollout.Failure.At, state.Rollout.Failure.Verdict
	enough := evidence(seen, reload, bad)
	if enough.IsZero() { // answers came in another order here, and it was just enough there
		enough = at
	}
	if late := at.Sub(enough); late > rolledBackWithin || v.ErrorP > 0.001 || v.Canary.Errors < 5 {
		t.Errorf("rolled back %v after the evidence was enough, with %+v", late, v)
	}
	t.Logf("rolled back %.2f s after the reload, %.2f s after the evidence was enough: %s",
		at.Sub(reload).Seconds(), at.Sub(enough).Seconds(), v.Text)
	m := g.Metrics()
	if share, n := m.Sum("gateway_canary_share", "stage", "canary"), m.Sum("gateway_canary_rollbacks_total", "reason", "errors"); share != 0 || n != 1 {
		t.Errorf("after the rollback the share is %v and %v rollbacks for errors are counted", share, n)
	}
	for what, want := range map[string]string{
		"log":   `"msg":"canary rolled back","canary":"checkout","canary_error_rate":`,
		"event": `"name":"canary_rolled_back"`,
	} {
		if !Eventually(30*time.Second, func() bool { return strings.Contains(g.Log(), want) }) {
			t.Errorf("the %s of the rollback is not there", what)
		}
	}
}

// waitForRollback waits until the admin API tells of it.
func (f flow) waitForRollback(t *testing.T, g *Gateway, rule rollout.Rule) *releaseState {
	t.Helper()
	var s *releaseState
	if !Eventually(f.promoted, func() bool {
		s = canaryState(t, g)
		return s.Rollout.Phase == rollout.RolledBack
	}) {
		t.Fatalf("not rolled back: %s", g.Get("/governance/canaries/checkout").Body)
	}
	if s.percent("canary") != 0 || s.percent("stable") != 100 || s.Rollout.Failure == nil || s.Rollout.Failure.Rule != rule {
		t.Fatalf("rolled back with %s, want it for %s", g.Get("/governance/canaries/checkout").Body, rule)
	}
	return s
}

// staysRolledBack restarts the gateway.
func (f flow) staysRolledBack(t *testing.T, g *Gateway, r *release, bad *version) {
	t.Helper()
	for when, again := range map[string]func(){
		"after a reload":          func() { g.MustLoad(r.Caddyfile()) },
		"after a restart":         func() { g.Stop(); g.Run(r.Caddyfile()) },
		"after a process's death": func() { g.Kill(); g.Run(r.Caddyfile()) },
	} {
		again()
		had := bad.got.Load()
		s := canaryState(t, g)
		if s.Rollout.Phase != rollout.RolledBack || s.percent("canary") != 0 || s.Rollout.Failure == nil || s.Rollout.Failure.Verdict == nil {
			t.Errorf("%s: %+v", when, s)
		}
		users := visitSite(t, r.URL(), 500, f.rate)
		users.more(50)
		checkVisits(t, when, users.leave(), time.Now())
		if n := bad.got.Load() - had; n > 0 {
			t.Errorf("%s the canary gets %d requests", when, n)
		}
	}
}

// rollsBackTheSlow deploys a canary that takes several times as long.
func (f flow) rollsBackTheSlow(t *testing.T, g *Gateway, r *release, stable, slow *version) {
	t.Helper()
	users := visitSite(t, r.URL(), 500, f.rate)
	reload := time.Now()
	g.MustLoad(f.with(r, stable, slow, "25%"))
	if p := canaryState(t, g).percent("canary"); p != 25 {
		t.Errorf("another configured share does not end the rollback: the canary has %v %%", p)
	}
	state := f.waitForRollback(t, g, rollout.RuleLatency)
	none := users.more(100)
	seen := users.leave()
	checkVisits(t, "rolled back for latency", seen, reload)
	wantStage(t, "rolled back for latency", seen, none, "stable")
	var enough time.Time // the guard takes as many answers to judge latency
	n := 0
	for i := range seen {
		if seen[i].stage == "canary" && seen[i].sent.After(reload) {
			if n++; n == f.minRequests {
				enough = seen[i].got
			}
		}
	}
	at := state.Rollout.Failure.At
	if enough.IsZero() || at.Sub(enough) > rolledBackWithin {
		t.Errorf("rolled back at %v, and the canary had answered %d requests at %v", at, f.minRequests, enough)
	}
	v := state.Rollout.Failure.Verdict
	t.Logf("the slow one is rolled back %.2f s after the reload, %.2f s after %d requests: %.1f times as slow",
		at.Sub(reload).Seconds(), at.Sub(enough).Seconds(), f.minRequests, v.LatencyRatio)
}
