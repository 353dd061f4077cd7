package health

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/weirproxy/weir/governance/livestate"
	"github.com/weirproxy/weir/internal/adapttest"
	"github.com/weirproxy/weir/internal/exchange"
)

func TestProcessHealthCaddyfile(t *testing.T) { adapttest.Run(t, "testdata") }

// provisioned returns a handler of a Caddy without the app governance.
func provisioned(t testing.TB, h *ProcessHealth) *ProcessHealth {
	t.Helper()
	ctx, cancel := caddy.NewContext(caddy.Context{Context: context.Background()})
	t.Cleanup(cancel)
	if err := h.Provision(ctx); err != nil {
		t.Fatal(err)
	}
	if err := h.Validate(); err != nil {
		t.Fatal(err)
	}
	return h
}

var errNext = errors.New("passed on")

var passedOn caddyhttp.HandlerFunc = func(http.ResponseWriter, *http.Request) error { return errNext }

// ask returns the answer to a request, and whether it was passed on.
func ask(t *testing.T, h *ProcessHealth, method, target string) (w *httptest.ResponseRecorder, passed bool, refusedBy string) {
	t.Helper()
	w = httptest.NewRecorder()
	r := httptest.NewRequest(method, target, nil)
	r = r.WithContext(context.WithValue(r.Context(), caddyhttp.VarsCtxKey, make(map[string]any)))
	err := h.ServeHTTP(w, r, passedOn)
	if err != nil && !errors.Is(err, errNext) {
		t.Fatal(err)
	}
	return w, err != nil, exchange.From(r).RefusedBy
}

func TestProcessHealthPaths(t *testing.T) {
	tests := []struct {
		handler        ProcessHealth
		method, target string
		status         int // 0: passed on
	}{
		{ProcessHealth{}, "GET", "/livez", 200},
		{ProcessHealth{}, "HEAD", "/readyz?verbose", 200},
		{ProcessHealth{}, "POST", "/readyz", 405},
		{ProcessHealth{}, "OPTIONS", "/livez", 405},
		{ProcessHealth{}, "GET", "/", 0},
		{ProcessHealth{}, "POST", "/orders", 0},
		{ProcessHealth{}, "GET", "/livez/", 0},
		{ProcessHealth{}, "GET", "/healthz", 0}, // nobody asked for details to be shown
		{ProcessHealth{Detail: "/healthz"}, "GET", "/healthz", 200},
		{ProcessHealth{Live: "off", Ready: "/ready"}, "GET", "/livez", 0},
		{ProcessHealth{Live: "off", Ready: "/ready"}, "GET", "/readyz", 0},
		{ProcessHealth{Live: "off", Ready: "/ready"}, "GET", "/ready", 200},
	}
	for _, tt := range tests {
		w, passed, _ := ask(t, provisioned(t, &tt.handler), tt.method, tt.target)
		switch {
		case passed != (tt.status == 0):
			t.Errorf("%s %s: passed on is %v", tt.method, tt.target, passed)
		case !passed && w.Code != tt.status:
			t.Errorf("%s %s is answered with %d, want %d", tt.method, tt.target, w.Code, tt.status)
		case w.Code == 405 && w.Header().Get("Allow") != "GET, HEAD":
			t.Errorf("%s %s: Allow is %q", tt.method, tt.target, w.Header().Get("Allow"))
		}
	}
}

func TestProcessHealthNotReady(t *testing.T) {
	h, dry := provisioned(t, new(ProcessHealth)), provisioned(t, &ProcessHealth{DryRun: true})
	if h.monitor != dry.monitor {
		t.Fatal("there are two monitors of one process")
	}
	h.monitor.Drain(true)
	defer h.monitor.Drain(false)
	const body = `{"ready":false,"reasons":["draining"],"weight":1}` + "\n"
	before := testutil.ToFloat64(answers.WithLabelValues("ready", "would_refuse"))
	w, _, refusedBy := ask(t, h, "GET", "/readyz")
	if w.Code != http.StatusServiceUnavailable || w.Body.String() != body || refusedBy != "process_health" {
		t.Errorf("answer is %d %s, refused by %q", w.Code, w.Body, refusedBy)
	}
	if w, _, _ := ask(t, h, "GET", "/livez"); w.Code != http.StatusOK {
		t.Errorf("a draining process is said to be dead: %d", w.Code)
	}
	w, _, refusedBy = ask(t, dry, "GET", "/readyz")
	if w.Code != http.StatusOK || w.Body.String() != body || refusedBy != "" {
		t.Errorf("with dry_run, the answer is %d %s, refused by %q", w.Code, w.Body, refusedBy)
	}
	if got := testutil.ToFloat64(answers.WithLabelValues("ready", "would_refuse")) - before; got != 1 {
		t.Errorf("%v answers are counted that would be refusals", got)
	}
}

// A Caddy without the app governance has a monitor for as long as a configuration
// needs it.
func TestOwnMonitor(t *testing.T) {
	ctx, cancel := caddy.NewContext(caddy.Context{Context: context.Background()})
	first, err := monitorOf(ctx)
	if err != nil {
		t.Fatal(err)
	}
	second, err := monitorOf(ctx)
	if err != nil || first != second {
		t.Fatalf("a second module has another monitor, error %v", err)
	}
	// acquiring the state as something else fails while it is there
	probe := livestate.Claim{Key: livestate.Key{Kind: "process_health", Name: "self"}, Configuration: t}
	gone := func() bool {
		_, handle, err := livestate.Acquire(livestate.Default, probe, func() (int, error) { return 0, nil })
		handle.Release()
		return err == nil
	}
	if gone() {
		t.Error("the monitor is not in the registry")
	}
	cancel()
	for deadline := time.Now().Add(30 * time.Second); !gone(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the monitor outlives the configuration")
		}
	}
}

func TestProcessHealthPassesOnWithoutAllocating(t *testing.T) {
	h := provisioned(t, new(ProcessHealth))
	w, r := httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/orders/1", nil)
	var next caddyhttp.HandlerFunc = func(http.ResponseWriter, *http.Request) error { return nil }
	if n := testing.AllocsPerRun(100, func() { _ = h.ServeHTTP(w, r, next) }); n != 0 {
		t.Errorf("a request that is passed on costs %v allocations", n)
	}
}

func BenchmarkProcessHealthPassesOn(b *testing.B) {
	h := provisioned(b, new(ProcessHealth))
	w, r := httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/orders/1", nil)
	var next caddyhttp.HandlerFunc = func(http.ResponseWriter, *http.Request) error { return nil }
	b.ReportAllocs()
	for b.Loop() {
		_ = h.ServeHTTP(w, r, next)
	}
}

// Whatever a Caddyfile says, it is refused or becomes a valid configuration that JSON
// can say.
func FuzzProcessHealthCaddyfile(f *testing.F) {
	f.Add("process_health")
	f.Add("process_health {\n\tlive off\n\tready /r\n\tdetail /d\n\tdry_run\n}")
	f.Add("process_health {\n\tlive \"\"\n\tready {x}\n}")
	f.Fuzz(func(t *testing.T, text string) {
		h := new(ProcessHealth)
		if h.UnmarshalCaddyfile(caddyfile.NewTestDispenser(text)) != nil {
			return
		}
		encoded, err := json.Marshal(h)
		if err != nil {
			t.Fatal(err)
		}
		again := new(ProcessHealth)
		if err := json.Unmarshal(encoded, again); err != nil {
			t.Fatal(err)
		}
		again.setDefaults()
		if err := again.Validate(); err != nil {
			t.Errorf("the Caddyfile is accepted, but %s is not: %v", strings.TrimSpace(string(encoded)), err)
		}
	})
}
