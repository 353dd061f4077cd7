package metrics

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"math"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	dto "github.com/prometheus/client_model/go"

	"github.com/weirproxy/weir/governance/livestate"
)

// newContext is what the modules of one configuration share.
func newContext(t testing.TB) caddy.Context {
	t.Helper()
	ctx, cancel := caddy.NewContext(caddy.Context{Context: context.Background()})
	t.Cleanup(cancel)
	return ctx
}

// provisioned is a handler that is cleaned up when the test is over.
func provisioned(t testing.TB, ctx caddy.Context, h *Handler) *Handler {
	t.Helper()
	if err := h.Provision(ctx); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = h.Cleanup() })
	return h
}

// prepared is a request as Caddy's server hands it to its handlers.
func prepared(w http.ResponseWriter, method string) *http.Request {
	r := httptest.NewRequest(method, "/", nil)
	return caddyhttp.PrepareRequest(r, caddy.NewReplacer(), w, new(caddyhttp.Server))
}

func TestDefaults(t *testing.T) {
	h := provisioned(t, newContext(t), new(Handler))
	if h.Route != "default" {
		t.Errorf("route %q", h.Route)
	}
	if !slices.Equal(h.Buckets, defaultBuckets) {
		t.Errorf("buckets %v", h.Buckets)
	}
	if err := checkBuckets(defaultBuckets); err != nil {
		t.Error(err)
	}
}

func TestBadConfiguration(t *testing.T) {
	tests := []struct{ name, config, want string }{
		{"unknown field", `{"rout": "x"}`, "rout"},
		{"long name", `{"route": "` + strings.Repeat("ä", 51) + `"}`, "longer than 100 bytes"},
		{"placeholder", `{"route": "{http.request.uri.path}"}`, "placeholder"},
		{"no buckets", `{"buckets": []}`, "at least one"},
		{"zero", `{"buckets": [0, 1]}`, "0 is not a positive"},
		{"negative", `{"buckets": [-1]}`, "-1 is not a positive"},
		{"equal", `{"buckets": [1, 1]}`, "1 comes after 1"},
		{"descending", `{"buckets": [2, 1]}`, "1 comes after 2"},
		{"many", `{"buckets": [` + strings.Repeat("1,", 50) + `1]}`, "51 are too many"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h := new(Handler)
			err := caddy.StrictUnmarshalJSON([]byte(tt.config), h)
			if err == nil {
				err = h.Provision(newContext(t))
			}
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, want a part %q", err, tt.want)
			}
			if err := h.Cleanup(); err != nil { // Caddy cleans up what failed, too
				t.Error(err)
			}
		})
	}
	if checkBuckets([]float64{math.NaN()}) == nil || checkBuckets([]float64{math.Inf(1)}) == nil {
		t.Error("a bucket that is no number was accepted")
	}
	if checkRoute("\xff") == nil || checkRoute(strings.Repeat("\xff", 101)) == nil {
		t.Error("a name that is not UTF-8 was accepted")
	}
}

func TestRouteNamesMeetInOneState(t *testing.T) {
	key := livestate.Key{Kind: routeKind, Name: t.Name()}
	old, next := newContext(t), newContext(t)
	first := provisioned(t, old, &Handler{Route: t.Name()})
	second := provisioned(t, old, &Handler{Route: t.Name()})
	if first.recorder != second.recorder {
		t.Error("handlers with the same route and buckets record apart")
	}

	other := &Handler{Route: t.Name(), Buckets: []float64{1}}
	if err := other.Provision(old); !errors.Is(err, livestate.ErrConflict) {
		t.Errorf("other buckets in the same configuration: %v", err)
	}
	_ = other.Cleanup()

	third := provisioned(t, next, &Handler{Route: t.Name(), Buckets: []float64{1}})
	if third.recorder == first.recorder || third.recorder.route != first.recorder.route {
		t.Error("other buckets need another recorder, but the same route")
	}
	if _, shown := third.recorder.route.read(); shown != first.recorder.durations {
		t.Error("durations of a configuration that may yet fail are shown")
	}
	for range 2 { // cleaning up twice is harmless
		_, _ = first.Cleanup(), second.Cleanup()
	}
	if rt := third.recorder.route; len(rt.recorders) != 1 || rt.recorders[0] != third.recorder {
		t.Error("the old recorder is still shown")
	}
	if _, err := livestate.Default.Get(key); err != nil {
		t.Errorf("the route is gone while a handler holds it: %v", err)
	}
	first.recorder.methods[0].record(observation{status: 200}, testTime) // a request on its way
	if n := count(third.recorder.durations); n != 1 {
		t.Errorf("the duration of a late request is in %d series, want 1", n)
	}
	_ = third.Cleanup()
	if _, err := livestate.Default.Get(key); !errors.Is(err, livestate.ErrNotFound) {
		t.Errorf("the route is still held: %v", err)
	}
	third.recorder.methods[0].record(observation{status: 200}, testTime) // must not panic
}

func TestSnapshot(t *testing.T) {
	h := provisioned(t, newContext(t), &Handler{Route: t.Name(), Buckets: []float64{1, 2}})
	w := httptest.NewRecorder()
	inside := caddyhttp.HandlerFunc(func(http.ResponseWriter, *http.Request) error {
		if got := snapshotOf(t, h); got != `{"name":"TestSnapshot","in_flight":1,"requests":0,"buckets":[1,2]}` {
			t.Errorf("during the request: %s", got)
		}
		return nil
	})
	if err := h.ServeHTTP(w, prepared(w, "GET"), inside); err != nil {
		t.Fatal(err)
	}
	if got := snapshotOf(t, h); got != `{"name":"TestSnapshot","in_flight":0,"requests":1,"buckets":[1,2]}` {
		t.Errorf("after the request: %s", got)
	}
}

func snapshotOf(t *testing.T, h *Handler) string {
	t.Helper()
	held, err := livestate.Default.Get(livestate.Key{Kind: routeKind, Name: h.Route})
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(held.View.Snapshot())
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// A handler outside may call its chain twice; nothing may be left in flight.
func TestCalledTwice(t *testing.T) {
	h := provisioned(t, newContext(t), &Handler{Route: t.Name()})
	w := httptest.NewRecorder()
	r := prepared(w, "GET")
	for range 2 {
		if err := h.ServeHTTP(w, r, ok); err != nil {
			t.Fatal(err)
		}
	}
	if n := h.recorder.route.inFlight.Load(); n != 0 {
		t.Errorf("%d requests are left in flight", n)
	}
}

var ok = caddyhttp.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) error {
	w.WriteHeader(http.StatusOK)
	return nil
})

func TestLint(t *testing.T) {
	ctx := newContext(t)
	for _, h := range []*Handler{
		{Route: "a"}, {Route: "a"}, {Route: "b", Buckets: []float64{1, 2}}, {Route: "a site's \"name\"\n"},
	} {
		provisioned(t, ctx, h)
		for _, method := range []string{"GET", "POST", "BREW"} {
			w := httptest.NewRecorder()
			if err := h.ServeHTTP(w, prepared(w, method), ok); err != nil {
				t.Fatal(err)
			}
		}
	}
	// The registry is Caddy's own, a pedantic one.
	families, err := ctx.GetMetricsRegistry().Gather()
	if err != nil {
		t.Fatal(err)
	}
	ours := slices.DeleteFunc(families, func(f *dto.MetricFamily) bool {
		return !strings.HasPrefix(f.GetName(), "gateway_http_")
	})
	want := map[string]int{ // series by metric
		"gateway_http_request_duration_seconds": 9,
		"gateway_http_requests_total":           9,
		"gateway_http_requests_in_flight":       3,
		"gateway_http_request_size_bytes":       3,
		"gateway_http_response_size_bytes":      3,
	}
	got := make(map[string]int)
	for _, f := range ours {
		got[f.GetName()] = len(f.GetMetric())
	}
	if !maps.Equal(got, want) {
		t.Errorf("series %v, want %v", got, want)
	}
	problems, err := promlint.NewWithMetricFamilies(ours).Lint()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
}
