package canary

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/weirproxy/weir/governance/livestate"
	"github.com/weirproxy/weir/governance/rollout"
)

func TestABadCanaryIsRolledBackInACaddy(t *testing.T) {
	takeCaddyEvents()
	g := newProcess(t)
	g.load(checkout("50%", quickGuard))
	begun := time.Now()
	for g.view().snapshot().Stages[1].Percent != 0 {
		if g.get(20); time.Since(begun) > 10*time.Second {
			t.Fatal("it is never rolled back")
		}
	}
	g.wantEvents("canary_rolled_back checkout canary errors")
	if !eventually(func() bool { return g.stored().Rollout.Phase == rollout.RolledBack }) {
		t.Errorf("stored is %+v", g.stored())
	}
	g.load(checkout("50%", quickGuard+"response_header X-Stage\n"))
	if s := g.view().snapshot(); s.Stages[1].Percent != 0 || s.Stages[1].Requests == 0 || s.Rollout.Failure == nil {
		t.Errorf("after a reload it is %+v", s)
	}
	g.stop()
	g.load(checkout("50%", quickGuard))
	if s := g.view().snapshot(); s.Stages[1].Percent != 0 || s.Rollout.Phase != rollout.RolledBack {
		t.Errorf("after a restart it is %+v", s)
	}
	g.load(checkout("40%", quickGuard))
	if s := g.view().snapshot(); s.Stages[1].Percent != 40 || s.Rollout.Phase != rollout.Running {
		t.Errorf("with another share it is %+v", s)
	}
	if !eventually(func() bool { return g.stored().Rollout.Phase == rollout.Running }) {
		t.Errorf("stored is %+v", g.stored())
	}
}

func TestAFailedLoadChangesNothing(t *testing.T) {
	takeCaddyEvents()
	g := newProcess(t)
	g.load(checkout("10%", quickGuard))
	order(t, g.view(), `{"share":{"canary":20}}`)
	was := g.stored()
	g.fail(checkout("30%", quickGuard), "it will not start")
	if s := g.view().snapshot(); s.Stages[1].Percent != 20 || s.Stages[1].Configured != 10 {
		t.Errorf("it is %+v", s)
	}
	order(t, g.view(), `{"promote":true}`)
	g.wantEvents("canary_promoted checkout canary operator")
	order(t, g.view(), `{"share":{"canary":20}}`)
	if got := g.stored(); got.Rollout.Share != was.Rollout.Share || fmt.Sprint(got.Rollout.Configured) != fmt.Sprint(was.Rollout.Configured) {
		t.Errorf("stored is %+v, want %+v", got, was)
	}
	g.fail(checkout("10%", quickGuard)+"\n"+strings.Replace(checkout("10%", quickGuard), "X-User-Id", "X-Other", 1), livestate.ErrConflict.Error())
	if s := g.view().snapshot(); s.Stages[1].Percent != 20 {
		t.Errorf("it is %+v", s)
	}
}

// Who only validates a configuration, with the same storage, changes nothing either.
func TestValidationStoresNothing(t *testing.T) {
	g := newProcess(t)
	g.load(checkout("10%", quickGuard))
	order(t, g.view(), `{"rollback":true}`)
	g.stop()
	was := g.stored()
	var config caddy.Config
	if err := json.Unmarshal([]byte(g.adapted(checkout("30%", quickGuard))), &config); err != nil {
		t.Fatal(err)
	}
	if err := caddy.Validate(&config); err != nil {
		t.Fatal(err)
	}
	if got := g.stored(); got.Rollout.Phase != was.Rollout.Phase || got.Rollout.Share != was.Rollout.Share {
		t.Errorf("stored is %+v, want %+v", got, was)
	}
}

// Handlers of a name share what runs and must be configured alike, but for what their stages
// do. No key of a cookie is in the error.
func TestHandlersOfOneName(t *testing.T) {
	const secret = "a-secret-of-32-bytes-000000000000"
	with := func(share, keys, body string) string {
		return strings.NewReplacer("respond 200", "respond "+body, "canary_route", "canary_route /"+body).
			Replace(checkout(share, "cookie cohort {\n keys "+keys+"\n}\n"))
	}
	g := newProcess(t)
	g.load(with("10%", secret, "201") + "\n" + with("10%", secret, "202"))
	if n := len(g.view().live.holders); n != 2 {
		t.Errorf("there are %d holders, want 2", n)
	}
	for _, other := range []string{with("20%", secret, "202"), with("10%", "another-secret-0000", "202")} {
		config := g.adapted(with("10%", secret, "201") + "\n" + other)
		err := caddy.Load([]byte(config), true)
		if err == nil || !strings.Contains(err.Error(), livestate.ErrConflict.Error()) || !strings.Contains(err.Error(), `"checkout"`) {
			t.Errorf("the error is %v, want a conflict", err)
		} else if strings.Contains(err.Error(), "secret") {
			t.Errorf("a key is told: %v", err)
		}
	}
	if n := len(g.view().live.holders); n != 2 {
		t.Errorf("there are %d holders, want 2", n)
	}
}
