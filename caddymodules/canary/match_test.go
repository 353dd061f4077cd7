package canary

import (
	"context"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/weirproxy/weir/internal/adapttest"
	"github.com/weirproxy/weir/internal/freeport"
)

func TestReleaseStage(t *testing.T) {
	h := kept(t, nil)
	ctx, cancel := caddy.NewContext(caddy.Context{Context: t.Context()})
	t.Cleanup(cancel)
	repl := caddy.NewReplacer()
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r = r.WithContext(context.WithValue(r.Context(), caddyhttp.VarsCtxKey, make(map[string]any)))
	matches := func(name string, stages ...string) bool {
		m := &Match{Name: name, Stages: stages}
		if err := m.Provision(ctx); err != nil {
			t.Fatal(err)
		}
		got, err := m.MatchWithError(r)
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	if matches("checkout", "stable", "canary") {
		t.Error("it matches before canary_route has decided")
	}
	h.announce(r, repl, 1, reasonKey)
	if !matches("checkout", "canary") || !matches("checkout", "preview", "canary") {
		t.Error("it does not match the stage")
	}
	if matches("checkout", "stable") || matches("search", "canary") {
		t.Error("it matches another stage, or that of another release")
	}
	h.announce(r, repl, 0, reasonFallback)
	if matches("checkout", "canary") || !matches("checkout", "stable") {
		t.Error("it does not know about the fallback")
	}
}

func TestReleaseStageRefuses(t *testing.T) {
	for _, m := range []*Match{
		{Stages: []string{"canary"}},
		{Name: "{path}", Stages: []string{"canary"}},
		{Name: "checkout"},
		{Name: "checkout", Stages: []string{"can ary"}},
	} {
		if err := m.Provision(caddy.Context{}); err == nil {
			t.Errorf("%+v is accepted", m)
		}
	}
}

// The matcher routes where the handler only decides, however the site is written.
func TestReleaseStageRoutes(t *testing.T) {
	g := startGateway(t, "", `respond "stage=old"
	respond @canary "stage=new"
	@canary release_stage checkout canary
	canary_route checkout {
		key {header.X-User-Id}
		stage stable
		stage canary 50%
	}`)
	if d := g.ask(t, "/", "X-User-Id: "+userOf(t, true)); d.stage != "new" {
		t.Errorf("one of the canary gets %+v", d)
	}
	if d := g.ask(t, "/", "X-User-Id: "+userOf(t, false)); d.stage != "old" {
		t.Errorf("one of stable gets %+v", d)
	}
}

// A slip in a name is told, as else nothing would be seen of it.
func TestReleaseStageTellsOfWhatIsNotThere(t *testing.T) {
	storage := t.TempDir()
	logFile := filepath.Join(t.TempDir(), "log")
	options := "\tstorage file_system {\n\t\troot " + storage + "\n\t}\n\tlog {\n\t\toutput file " + logFile + "\n\t}\n"
	if err := adapttest.LoadCaddyfile(t, options, site(freeport.Address(t), "stage stable\nstage canary 5%", `@slip release_stage chekout canary
	@slips release_stage checkout canary canaries
	@good release_stage checkout stable canary
	respond @slip one
	respond @slips two
	respond @good three`)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stop(t) })
	var log string
	eventually(func() bool {
		content, _ := os.ReadFile(logFile)
		log = string(content)
		return strings.Count(log, "release_stage never matches") == 2
	})
	for _, want := range []string{`no canary_route of that name","canary":"chekout"`, `does not have","canary":"checkout","stage":"canaries"`} {
		if !strings.Contains(log, want) {
			t.Errorf("the log lacks %s: %s", want, log)
		}
	}
	if n := strings.Count(log, "release_stage never matches"); n != 2 {
		t.Errorf("%d warnings, want 2: %s", n, log)
	}
}
