package health

// load_shed_reload_test.go has configurations that fail after they served requests.

import (
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/weirproxy/weir/internal/adapttest"
	"github.com/weirproxy/weir/internal/statestore"
)

// shedBreaker is an app that fails to start, after shedBefore.
type shedBreaker struct{}

var shedBefore func()

func init() { caddy.RegisterModule(shedBreaker{}) }

func (shedBreaker) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "shed_breaker", New: func() caddy.Module { return new(shedBreaker) }}
}

func (shedBreaker) Start() error {
	shedBefore()
	return errors.New("something cannot start")
}

func (shedBreaker) Stop() error { return nil }

// mustFail loads a site with these lines together with an app that fails to start.
func (s *shedSite) mustFail(lines string) {
	s.t.Helper()
	adapted, err := adapttest.Adapt(s.caddyfile(lines))
	if err != nil {
		s.t.Fatal(err)
	}
	var config map[string]any
	if err := json.Unmarshal([]byte(adapted), &config); err != nil {
		s.t.Fatal(err)
	}
	config["apps"].(map[string]any)["shed_breaker"] = struct{}{}
	broken, err := json.Marshal(config)
	if err != nil {
		s.t.Fatal(err)
	}
	if err := adapttest.Load(broken); err == nil {
		s.t.Fatal("this loads")
	}
}

// stored is the decision in storage.
func (s *shedSite) stored() (d *shedDecision) {
	s.t.Helper()
	storage := caddy.ActiveContext()
	if err := statestore.Load(storage.Storage(), loadSheds, "shop", &d); err != nil {
		s.t.Fatal(err)
	}
	return d
}

// Caddy serves before all of a configuration has started. What has served and fails
// after all must not have ended a decision.
func TestLoadShedDecisionOutlivesAConfigurationThatFails(t *testing.T) {
	s := newShedSite(t)
	s.mustLoad("\tload_shed shop\n\trespond /which old")
	if _, err := s.shown().Control(nil, []byte(`{"mode":"off"}`)); err != nil {
		t.Fatal(err)
	}
	const changed = "\tload_shed shop {\n\t\tdry_run\n\t}\n\trespond /which new"
	served := false
	shedBefore = func() {
		// apps start in any order, and both configurations take connections
		for deadline := time.Now().Add(100 * time.Millisecond); !served && time.Now().Before(deadline); {
			_, body := s.get("/which")
			served = body == "new"
		}
		// a decision is dropped in the background
		for deadline := time.Now().Add(100 * time.Millisecond); s.snapshot().Mode == modeOff && time.Now().Before(deadline); {
			time.Sleep(time.Millisecond)
		}
	}
	for attempts := 0; !served; attempts++ {
		if attempts == 50 {
			t.Fatal("a configuration that fails has never served a request")
		}
		s.mustFail(changed)
	}
	if got := s.snapshot(); got.Mode != modeOff || got.Decision == nil {
		t.Errorf("after a configuration that failed the snapshot is %+v", got)
	}
	if got := s.stored(); got == nil || got.Mode != modeOff {
		t.Errorf("after a configuration that failed %+v is stored", got)
	}
	s.mustLoad(changed)
	for deadline := time.Now().Add(30 * time.Second); s.stored() != nil; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%+v is still stored when the changed configuration runs", s.stored())
		}
	}
}

// Both have the same matchers, or names of their own. Matchers may hold secrets.
func TestLoadShedsWithTheSameNameHaveTheSameMatchers(t *testing.T) {
	s := newShedSite(t)
	for name, other := range map[string]string{
		"another critical": "critical header X-Key s3cret\n\t\tlow /b\n\t\texempt /c",
		"another low":      "critical /a\n\t\tlow header X-Key s3cret\n\t\texempt /c",
		"another exempt":   "critical /a\n\t\tlow /b\n\t\texempt header X-Key s3cret",
		"no low":           "critical /a\n\t\texempt /c",
		"the same":         "critical /a\n\t\tlow /b\n\t\texempt /c",
	} {
		err := s.load("\tload_shed shop {\n\t\tcritical /a\n\t\tlow /b\n\t\texempt /c\n\t}\n\tload_shed /other shop {\n\t\t" + other + "\n\t}")
		if name == "the same" {
			if err != nil {
				t.Errorf("with the same matchers: %v", err)
			}
			continue
		}
		checkConflict(t, name, err)
	}
}
