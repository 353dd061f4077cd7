package canary

// caddy_fixture_test.go runs configurations in a Caddy inside the test process, to see what
// becomes of the live state when they are loaded, fail to load, and end.

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyevents"

	"github.com/weirproxy/weir/governance/livestate"
	"github.com/weirproxy/weir/internal/adapttest"
	"github.com/weirproxy/weir/internal/freeport"
)

// eventHandler keeps the events that Caddy emits of releases.
type eventHandler struct{}

var caddyEvents struct {
	sync.Mutex
	seen []string
}

func init() { caddy.RegisterModule(eventHandler{}) }

func (eventHandler) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "events.handlers.weir_test_canary", New: func() caddy.Module { return new(eventHandler) }}
}

func (eventHandler) UnmarshalCaddyfile(d *caddyfile.Dispenser) error { d.Next(); return nil }

func (eventHandler) Handle(_ context.Context, e caddy.Event) error {
	caddyEvents.Lock()
	defer caddyEvents.Unlock()
	caddyEvents.seen = append(caddyEvents.seen, fmt.Sprintf("%s %v %v %v", e.Name(), e.Data["canary"], e.Data["stage"], e.Data["rule"]))
	return nil
}

// takeCaddyEvents are the events since the last time.
func takeCaddyEvents() []string {
	caddyEvents.Lock()
	defer caddyEvents.Unlock()
	seen := caddyEvents.seen
	caddyEvents.seen = nil
	return seen
}

// failingApp is an app that fails to start.
type failingApp struct{}

func init() { caddy.RegisterModule(failingApp{}) }

func (failingApp) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "weir_test_canary_failing", New: func() caddy.Module { return new(failingApp) }}
}

func (failingApp) Start() error { return errors.New("it will not start") }
func (failingApp) Stop() error  { return nil }

// process is a Caddy with storage of its own and one site, at one address.
type process struct {
	t       *testing.T
	storage string
	listen  string
}

// newProcess is stopped when the test ends, and then nothing may be left in the registry.
func newProcess(t *testing.T) *process {
	g := &process{t, t.TempDir(), freeport.Address(t)}
	t.Cleanup(g.stop)
	return g
}

func (g *process) stop() {
	g.t.Helper()
	adapttest.Stop(g.t)
}

// adapted is the configuration of a site with these directives.
func (g *process) adapted(directives string) string {
	g.t.Helper()
	config, err := adapttest.Adapt(fmt.Sprintf(`{
	admin off
	persist_config off
	auto_https off
	log {
		output discard
	}
	events {
		on canary_promoted weir_test_canary
		on canary_rolled_back weir_test_canary
	}
	storage file_system {
		root %s
	}
}
http://%s {
%s
}
`, g.storage, g.listen, directives))
	if err != nil {
		g.t.Fatal(err)
	}
	return config
}

func (g *process) load(directives string) {
	g.t.Helper()
	if err := adapttest.Load([]byte(g.adapted(directives))); err != nil {
		g.t.Fatalf("loading: %v", err)
	}
}

// fail loads a configuration that does not start: for the error, or after all of it is
// provisioned.
func (g *process) fail(directives, want string) {
	g.t.Helper()
	config := strings.Replace(g.adapted(directives), `"apps": {`, `"apps": {"weir_test_canary_failing": {},`, 1)
	if err := adapttest.Load([]byte(config)); err == nil || !strings.Contains(err.Error(), want) {
		g.t.Fatalf("loading: %v, want an error with %q", err, want)
	}
}

func (g *process) view() *Handler {
	g.t.Helper()
	held, err := livestate.Default.Get(livestate.Key{Kind: kind, Name: "checkout"})
	if err != nil {
		g.t.Fatal(err)
	}
	return held.View.(*Handler)
}

// stored is what is stored, empty if nothing is.
func (g *process) stored() (s stored) {
	g.t.Helper()
	content, err := os.ReadFile(filepath.Join(g.storage, "weir", kind, "checkout.json"))
	if errors.Is(err, os.ErrNotExist) {
		return s
	}
	if err == nil {
		err = json.Unmarshal(content, &s)
	}
	if err != nil {
		g.t.Fatal(err)
	}
	return s
}

// get sends n requests, of a user each.
func (g *process) get(n int) {
	g.t.Helper()
	for i := range n {
		req, err := http.NewRequest(http.MethodGet, "http://"+g.listen, nil)
		if err != nil {
			g.t.Fatal(err)
		}
		req.Header.Set("X-User-Id", fmt.Sprint(i))
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			g.t.Fatal(err)
		}
		res.Body.Close()
	}
}

func (g *process) wantEvents(want ...string) {
	g.t.Helper()
	var seen []string
	eventually(func() bool { seen = append(seen, takeCaddyEvents()...); return len(seen) >= len(want) })
	if fmt.Sprint(seen) != fmt.Sprint(want) {
		g.t.Errorf("events are %q, want %q", seen, want)
	}
}

// checkout is a release of which the stages are told by their status.
func checkout(share, more string) string {
	return `canary_route checkout {
	key {header.X-User-Id}
	` + more + `
	stage stable {
		respond 200
	}
	stage canary ` + share + ` {
		respond 500
	}
}`
}

const quickGuard = "guard {\n steps 50% 100%\n interval 200ms\n min_requests 5\n}\n"

// Interface guards
var _ caddyevents.Handler = eventHandler{}
