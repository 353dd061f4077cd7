package integration

import (
	"encoding/json"
	"net/http"
	"testing"
	"time"

	"github.com/weirproxy/weir/governance/rollout"
)

// operated is a release with a guard that promotes quickly, and all that can decide.
func operated(t *testing.T) (*Gateway, *release) {
	t.Helper()
	stable, canary, preview := newVersion(t, "stable", 10*time.Millisecond), newVersion(t, "canary", 10*time.Millisecond), newVersion(t, "preview", 0)
	r := newRelease(t,
		"header X-Release-Stage {\ntrust private_ranges\n}",
		"rule /v2/* canary",
		canaryUser, stageShown,
		"guard {\nsteps 10% 40% 60%\ninterval 500ms\nmin_requests 10\nmax_latency_ratio 100\n}")
	r.stage("stable", "", to(stable)).stage("canary", "10%", to(canary)).stage("preview", "1%", to(preview))
	return r.start(t), r
}

// An operator holds what the guard would do, does it without the guard, and takes it back.
func TestAnOperatorDecidesAboutARollout(t *testing.T) {
	g, r := operated(t)
	if s := decideCanary(t, g, `{"pause":true}`); s.Rollout.Phase != rollout.Paused || s.percent("canary") != 10 {
		t.Errorf("paused: %+v", s)
	}
	users := visitSite(t, r.URL(), 500, 200)
	fit := func() bool { // for the next step, but for the pause
		v := canaryState(t, g).Rollout.Last
		return v != nil && v.Rule == rollout.RulePaused
	}
	if !Eventually(20*time.Second, fit) {
		t.Fatalf("paused, it is never fit for the next step: %s", g.Get("/governance/canaries/checkout").Body)
	}
	users.more(400) // four intervals
	if s := canaryState(t, g); s.percent("canary") != 10 || s.Rollout.Phase != rollout.Paused {
		t.Errorf("a pause ends by itself: %+v", s)
	}
	decideCanary(t, g, `{"pause":false}`)
	if !Eventually(20*time.Second, func() bool { return canaryState(t, g).percent("canary") >= 40 }) {
		t.Errorf("after the pause it is not promoted: %s", g.Get("/governance/canaries/checkout").Body)
	}

	decideCanary(t, g, `{"pause":true}`)
	if s := decideCanary(t, g, `{"share":{"canary":20,"preview":2}}`); s.percent("canary") != 20 || s.percent("preview") != 2 || s.percent("stable") != 78 {
		t.Errorf("shares that were given: %+v", s.Stages)
	}
	if s := decideCanary(t, g, `{"promote":true}`); s.percent("canary") != 40 {
		t.Errorf("promoted from 20 %%: %+v", s.Stages)
	}
	if s := decideCanary(t, g, `{"rollback":true}`); s.percent("canary") != 0 || s.Rollout.Phase != rollout.RolledBack || s.percent("preview") != 2 {
		t.Errorf("rolled back: %+v", s)
	}
	since := users.more(200)
	seen := users.leave()
	checkVisits(t, "operated", seen)
	for i := range seen {
		if seen[i].sent.After(since) && seen[i].stage == "canary" {
			t.Fatal("after the rollback somebody has the canary")
		}
	}
	if n := g.Metrics().Sum("gateway_canary_rollbacks_total", "reason", "operator"); n != 1 {
		t.Errorf("%v rollbacks of an operator are counted, want 1", n)
	}

	g.Kill()
	g.Run(r.Caddyfile())
	if s := canaryState(t, g); s.percent("canary") != 0 || s.Rollout.Phase != rollout.RolledBack || s.percent("preview") != 2 {
		t.Errorf("after the process died: %+v", s)
	}
	if s := decideCanary(t, g, `{"promote":true}`); s.percent("canary") != 10 {
		t.Errorf("promoted from a rollback: %+v", s.Stages)
	}
	if s := decideCanary(t, g, `{"share":{"canary":null,"preview":null}}`); s.percent("canary") != 10 || s.percent("preview") != 1 {
		t.Errorf("shares that were taken back: %+v", s.Stages)
	}
}

// The kill switch is before all else, and outlives the process.
func TestTheKillSwitchSendsEverybodyToStable(t *testing.T) {
	t.Parallel()
	g, r := operated(t)
	client := NewClient(1)
	t.Cleanup(client.CloseIdleConnections)
	wanted := h(stageHeader, "canary")
	stageOf := func(path string, header http.Header) string {
		t.Helper()
		return ask(t, client, r.URL()+path, header).Header.Get("X-Stage")
	}
	killed := func(when string) {
		t.Helper()
		if a, b := stageOf("", wanted), stageOf("v2/cart", nil); a != "stable" || b != "stable" || !canaryState(t, g).Killed {
			t.Errorf("%s: with the header %s, by the rule %s, want stable", when, a, b)
		}
		if on := g.Metrics().Sum("gateway_canary_killed", "canary", "checkout"); on != 1 {
			t.Errorf("%s: gateway_canary_killed is %v", when, on)
		}
	}
	decideCanary(t, g, `{"kill":true}`)
	killed("at once")
	g.MustLoad(r.Caddyfile())
	killed("after a reload")
	g.Kill()
	g.Run(r.Caddyfile())
	killed("after the process died")
	decideCanary(t, g, `{"kill":false}`)
	if a, b := stageOf("", wanted), stageOf("v2/cart", nil); a != "canary" || b != "canary" {
		t.Errorf("no longer killed: with the header %s, by the rule %s, want canary", a, b)
	}
}

// What is explained is what becomes of the request, and is not counted.
func TestExplainTellsWhatBecomesOfARequest(t *testing.T) {
	t.Parallel()
	g, r := operated(t)
	client := NewClient(1)
	defer client.CloseIdleConnections()
	for _, row := range []struct {
		path   string
		header http.Header
		ip     string // as which the operator asks; requests come from loopback
		reason string
	}{
		{"", h(stageHeader, "preview"), "127.0.0.1", "header"},
		{"v2/cart?a=b", nil, "127.0.0.1", "rule"},
		{"", h("X-User-Id", userID(1)), "127.0.0.1", "key"},
		{"", h("X-User-Id", userID(2)), "192.0.2.1", "key"},
	} {
		headers := make(map[string]string)
		for name := range row.header {
			headers[name] = row.header.Get(name)
		}
		question, err := json.Marshal(map[string]any{"method": "GET", "path": "/" + row.path, "headers": headers, "remote_ip": row.ip})
		if err != nil {
			t.Fatal(err)
		}
		before := g.Metrics().Sum("gateway_canary_requests_total")
		a := g.Post("/governance/canaries/checkout/explain", string(question))
		if n := g.Metrics().Sum("gateway_canary_requests_total") - before; n != 0 {
			t.Errorf("to explain is counted as %v requests", n)
		}
		var explained struct {
			Stage, Reason string
			Steps         []struct{ Step, Says string }
		}
		if err := json.Unmarshal([]byte(a.Body), &explained); err != nil || a.Status != http.StatusOK {
			t.Fatalf("%s: %d %s", question, a.Status, a.Body)
		}
		got := ask(t, client, r.URL()+row.path, row.header).Header.Get("X-Stage")
		if explained.Stage != got || explained.Reason != row.reason || len(explained.Steps) == 0 {
			t.Errorf("%s: explained as %+v, and it gets %s; want it by %s", question, explained, got, row.reason)
		}
	}
	// who may not ask is told so
	a := g.Post("/governance/canaries/checkout/explain", `{"headers":{"X-Release-Stage":"preview","X-User-Id":"user-1"},"remote_ip":"192.0.2.1"}`)
	if s := a.Body; a.Status != http.StatusOK || !json.Valid([]byte(s)) || readReason(t, s) != "key" {
		t.Errorf("an untrusted header is explained as %s", s)
	}
}

func readReason(t *testing.T, body string) string {
	t.Helper()
	var e struct{ Reason string }
	if err := json.Unmarshal([]byte(body), &e); err != nil {
		t.Fatal(err)
	}
	return e.Reason
}

func TestDecisionsAboutAReleaseThatMakeNoSense(t *testing.T) {
	t.Parallel()
	g, _ := operated(t)
	const path = "/governance/canaries/checkout"
	for _, row := range []struct {
		path, body string
		want       int
	}{
		{path, `{}`, 400},
		{path, `{"pause":true,"promote":true}`, 400},
		{path, `{"promote":false}`, 400},
		{path, `{"share":{}}`, 400},
		{path, `{"share":{"beta":10}}`, 400},
		{path, `{"share":{"stable":10}}`, 400},
		{path, `{"share":{"canary":101}}`, 400},
		{path, `{"share":{"canary":-1}}`, 400},
		{path, `{"share":{"canary":60,"preview":50}}`, 400},
		{path, `{"share":10}`, 400},
		{path, `{"stop":true}`, 400},
		{path, `kill`, 400},
		{path + "/explain", `{"path":"no slash"}`, 400},
		{path + "/explain", `{"remote_ip":"somewhere"}`, 400},
		{path + "/stages", `{"kill":true}`, 404},
		{"/governance/canaries/other", `{"kill":true}`, 404},
	} {
		a := g.Post(row.path, row.body)
		wantProblem(t, a, row.want)
		if t.Failed() {
			t.Fatalf("%s %s", row.path, row.body)
		}
	}
	if s := canaryState(t, g); s.Killed || s.percent("canary") != 10 || s.percent("preview") != 1 {
		t.Errorf("after all that: %+v", s)
	}
}
