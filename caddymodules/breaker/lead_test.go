package breaker

import (
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/weirproxy/weir/internal/adapttest"
	"github.com/weirproxy/weir/internal/freeport"
)

// failing is an app that fails to start once it has asked the server of its configuration,
// if that has started before.
type failing struct{}

var failingAsks, failingGot string

func init() { caddy.RegisterModule(failing{}) }

func (failing) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "weir_test_failing", New: func() caddy.Module { return new(failing) }}
}

func (failing) Start() error {
	for range 20 { // the one that runs has the same address
		res, err := client.Get(failingAsks)
		if err != nil {
			return err
		}
		text, err := io.ReadAll(res.Body)
		res.Body.Close()
		if err != nil {
			return err
		}
		failingGot += string(text)
	}
	return errors.New("it will not start")
}

func (failing) Stop() error { return nil }

// adapted is the JSON of a Caddyfile, with storage and more apps.
func adapted(t *testing.T, storage, apps, caddyfile string) string {
	t.Helper()
	config, err := adapttest.Adapt("{\n\tstorage file_system {\n\t\troot " + storage + "\n\t}\n}\n" + caddyfile)
	if err != nil {
		t.Fatal(err)
	}
	return strings.Replace(config, `"apps": {`, `"apps": {`+apps, 1)
}

// A configuration that fails to load changes nothing, even if it has served requests: its
// server starts before it is known whether everything else does.
func TestAFailedLoadThatHasServedChangesNothing(t *testing.T) {
	const before, after = "consecutive 50\nfailure_ratio off\n", "consecutive 1\nfailure_ratio off\n"
	listen := freeport.Address(t)
	storage := serve(t, site(listen, before, "respond old"))
	get(t, "http://"+listen)
	control(t, `{"consecutive":40}`)
	wasStored := stored(t, storage)
	failingAsks, failingGot = "http://"+listen, ""
	for n := 0; !strings.Contains(failingGot, "new"); n++ {
		if n == 50 {
			t.Fatal("the failing configuration has never served")
		}
		if err := loadJSON(adapted(t, storage, `"weir_test_failing": {},`, site(listen, after, "respond new"))); err == nil {
			t.Fatal("it has loaded")
		}
	}
	if s := view(t).snapshot(); s.Settings.Consecutive != 40 || !s.Thresholds {
		t.Errorf("consecutive is %d and decided %v, want 40 and true", s.Settings.Consecutive, s.Thresholds)
	}
	takeEvents()
	control(t, `{"state":"open"}`)
	wantEvent(t, "breaker_opened test operator")
	control(t, `{"state":"auto"}`)
	if got := stored(t, storage); got != wasStored {
		t.Errorf("stored is %s, want %s", got, wasStored)
	}
	mustLoad(t, storage, site(listen, after, "respond new"))
	if s := view(t).snapshot(); s.Settings.Consecutive != 1 || s.Thresholds {
		t.Errorf("once it loads, consecutive is %d and decided %v", s.Settings.Consecutive, s.Thresholds)
	}
	if !eventually(func() bool { return !strings.Contains(stored(t, storage), "thresholds") }) {
		t.Errorf("once it loads, thresholds decided for other settings are kept: %s", stored(t, storage))
	}
}

func wantEvent(t *testing.T, want string) {
	t.Helper()
	var seen []string
	if !eventually(func() bool { seen = takeEvents(); return len(seen) > 0 }) || !strings.HasPrefix(seen[0], want) {
		t.Errorf("events are %q, want %q", seen, want)
		return
	}
	eventsMu.Lock()
	defer eventsMu.Unlock()
	eventsSeen = append(seen[1:], eventsSeen...) // for who asks next
}

// From a reload on, changes are told to the new configuration, and its settings hold, though
// nobody has sent a request.
func TestAReloadTakesEffectWithoutARequest(t *testing.T) {
	listen := freeport.Address(t)
	storage := serve(t, site(listen, quick, "respond ok"))
	get(t, "http://"+listen)
	control(t, `{"min_calls":30}`)
	mustLoad(t, storage, site(listen, quick+"min_calls 7\n", "respond ok"))
	if s := view(t).snapshot(); s.Settings.MinCalls != 7 || s.Thresholds {
		t.Errorf("min_calls is %d and decided %v, want 7 and false", s.Settings.MinCalls, s.Thresholds)
	}
	takeEvents()
	control(t, `{"state":"open","ttl":"150ms"}`)
	wantEvent(t, "breaker_opened test operator")
	mustLoad(t, storage, site(listen, quick, "respond ok"))
	wantState(t, "closed")
	wantEvent(t, "breaker_closed test operator")
}

// Who only validates a configuration, with the same storage, forgets nothing either.
func TestValidationForgetsNothing(t *testing.T) {
	listen := freeport.Address(t)
	storage := t.TempDir()
	mustLoad(t, storage, site(listen, quick, "respond ok"))
	control(t, `{"min_calls":30}`)
	stop(t)
	wasStored := stored(t, storage)
	var config caddy.Config
	if err := json.Unmarshal([]byte(adapted(t, storage, "", site(listen, quick+"min_calls 7\n", "respond ok"))), &config); err != nil {
		t.Fatal(err)
	}
	if err := caddy.Validate(&config); err != nil {
		t.Fatal(err)
	}
	time.Sleep(150 * time.Millisecond) // for what might be stored: package inforce looks every 50 ms
	if got := stored(t, storage); got != wasStored {
		t.Errorf("stored is %s, want %s", got, wasStored)
	}
}
