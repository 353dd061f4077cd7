package warmup

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/weirproxy/weir/governance/livestate"
	"github.com/weirproxy/weir/governance/ramp"
	"github.com/weirproxy/weir/internal/freeport"
	"github.com/weirproxy/weir/internal/problem"
)

// tenth admits 10 % for as long as a test takes.
const tenth = "ramp 10% 80% {\n interval 1h\n}\n"

func TestRefusal(t *testing.T) {
	listen := freeport.Address(t)
	serve(t, site(listen, tenth))
	if a := get(t, listen); a.body != "ok" || a.by != "" {
		t.Errorf("the first request got %+v, want it admitted", a)
	}
	a := get(t, listen)
	var document struct{ Title, Detail string }
	err := json.Unmarshal([]byte(a.body), &document)
	if a.status != http.StatusServiceUnavailable || a.header.Get("Content-Type") != "application/problem+json" ||
		err != nil || document.Title != "Service Unavailable" || document.Detail == "" || a.by != "warm_up test" {
		t.Errorf("the second request got %+v, want a refusal", a)
	}
	if seconds, err := strconv.Atoi(a.header.Get("Retry-After")); err != nil || seconds < 1 || seconds > 3600 {
		t.Errorf("Retry-After is %q, want up to the next step in an hour", a.header.Get("Retry-After"))
	}
	wantAdmitted(t, "10 %", listen, 2)
	if got, want := handlerOf(t).snapshot().Requests, (requests{Admitted: 3, Refused: 19}); got != want {
		t.Errorf("counted are %+v, want %+v", got, want)
	}
}

func TestHandleErrorsMayAnswerARefusal(t *testing.T) {
	listen := freeport.Address(t)
	serve(t, fmt.Sprintf("http://%s {\n warm_up test {\n probe 1h 1 1\n hold 1h\n}\n respond ok\n handle_errors 503 {\n respond later 503\n}\n}", listen))
	refusedBy <- "" // no witness
	if a := get(t, listen); a.status != 503 || a.body != "later" {
		t.Errorf("got %+v, want the site's own answer", a)
	}
}

func TestFallback(t *testing.T) {
	for name, tc := range map[string]struct {
		fallback string
		status   int
		body     string // begins with
	}{
		"static":             {"respond later 200", 200, "later"},
		"headers too":        {"header X-A b\n respond later 200", 200, "later"},
		"nothing matches":    {"respond /nowhere later 200", 503, `{"type":"about:blank"`},
		"an error of it":     {"error gone 410", 410, `{"type":"about:blank"`},
		"a proxy that fails": {"reverse_proxy 127.0.0.1:1", 502, `{"type":"about:blank"`},
	} {
		t.Run(name, func(t *testing.T) {
			listen := freeport.Address(t)
			serve(t, site(listen, "hold 1h\n probe 1h 1 1\n fallback {\n "+tc.fallback+"\n}"))
			a := get(t, listen)
			if a.status != tc.status || !strings.HasPrefix(a.body, tc.body) || a.by != "warm_up test" {
				t.Errorf("got %+v, want %d %q refused by warm_up test", a, tc.status, tc.body)
			}
		})
	}
}

func TestDryRunRefusesNothing(t *testing.T) {
	listen := freeport.Address(t)
	serve(t, site(listen, tenth+"dry_run"))
	wantAdmitted(t, "dry run", listen, 20)
	if got, want := handlerOf(t).snapshot().Requests, (requests{Admitted: 2, WouldRefuse: 18}); got != want {
		t.Errorf("counted are %+v, want %+v", got, want)
	}
	wantMetrics(t, `
gateway_warmup_requests_total{result="admitted",warmup="test"} 2
gateway_warmup_requests_total{result="refused",warmup="test"} 0
gateway_warmup_requests_total{result="would_refuse",warmup="test"} 18
`, "gateway_warmup_requests_total")
}

func TestDryRunIsLoggedOnceInAWhile(t *testing.T) {
	h := newHandler(t, &Handler{Hold: hour, Probe: &Slope{hour, 1, 1}, DryRun: true})
	core, logs := observer.New(zap.InfoLevel)
	h.logger = zap.New(core)
	now := time.Now()
	for range 100 {
		h.noteDryRun(now)
	}
	h.noteDryRun(now.Add(dryRunLog - time.Millisecond))
	h.noteDryRun(now.Add(dryRunLog))
	if n := logs.Len(); n != 2 {
		t.Errorf("logged %d times in 10 s, want at both ends", n)
	}
}

// What reverse_proxy does when the service breaks its answer off counts as a failure.
func TestAServiceThatBreaksOffFails(t *testing.T) {
	service := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "100")
		_, _ = w.Write([]byte("half"))
		w.(http.Flusher).Flush()
		panic(http.ErrAbortHandler)
	}))
	defer service.Close()
	listen := freeport.Address(t)
	serve(t, fmt.Sprintf("http://%s {\n warm_up test {\n ramp 100%% 100%%\n}\n reverse_proxy %s\n}", listen, service.URL))
	res, err := client.Get("http://" + listen)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if _, err := io.ReadAll(res.Body); err == nil || res.StatusCode != http.StatusOK {
		t.Errorf("the client got %d, error %v, want half an answer", res.StatusCode, err)
	}
	s := handlerOf(t).snapshot().Success
	for deadline := time.Now().Add(30 * time.Second); s.Samples == 0 && time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		s = handlerOf(t).snapshot().Success
	}
	if s.Samples != 1 || s.Rate != 0 {
		t.Errorf("the success rate is %+v, want one failure", s)
	}
}

func TestReloadKeepsTheWarmUp(t *testing.T) {
	listen := freeport.Address(t)
	serve(t, site(listen, tenth))
	wantAdmitted(t, "at first", listen, 2)
	before := handlerOf(t).snapshot().Since
	reload := func(options string) {
		t.Helper()
		if err := load(t, site(listen, options)); err != nil {
			t.Fatal(err)
		}
	}
	reload(tenth)
	if s := handlerOf(t).snapshot(); !s.Since.Equal(before) || s.Requests.Admitted != 2 {
		t.Errorf("after a reload it is %+v, want it to go on", s)
	}
	reload("ramp 50% 80% {\n interval 1h\n}")
	wantAdmitted(t, "with a higher share to begin with", listen, 10)
	if !handlerOf(t).snapshot().Since.Equal(before) {
		t.Error("a change of settings begins a phase")
	}
	control(t, `{"skip":true}`)
	reload(tenth)
	wantAdmitted(t, "over, and reloaded", listen, 20)
	// A name that a reload brings may be that of a service that has served for long.
	if err := load(t, "http://"+listen+" {\n respond ok\n}"); err != nil {
		t.Fatal(err)
	}
	reload(tenth)
	wantAdmitted(t, "new with a reload", listen, 20)
	control(t, `{"restart":true}`)
	wantAdmitted(t, "restarted", listen, 2)
}

func TestAConfigurationThatFailsChangesNothing(t *testing.T) {
	listen := freeport.Address(t)
	serve(t, site(listen, tenth))
	err := load(t, site(listen, "ramp 50% 80%")+"http://"+freeport.Address(t)+" {\n warm_up test {\n ramp 60% 80%\n}\n}")
	if err == nil || !strings.Contains(err.Error(), `"test" is the name of a warm_up with`) || !strings.Contains(err.Error(), `"from":0.5`) || !strings.Contains(err.Error(), `"from":0.6`) {
		t.Errorf("error is %v, want one with both settings", err)
	}
	wantAdmitted(t, "after a configuration failed", listen, 2)
	if share := handlerOf(t).live.ramp.Snapshot(time.Now()).Share; *share != 0.1 {
		t.Errorf("the share is %v, want 0.1", *share)
	}
}

func TestTwoSitesShareAWarmUp(t *testing.T) {
	one, two := freeport.Address(t), freeport.Address(t)
	// spelled-out defaults are the same settings
	serve(t, site(one, "ready http://127.0.0.1:1/\n ramp")+site(two, "ready http://127.0.0.1:1/ {\n interval 1s\n timeout 2s\n}\n ramp 5% 80% {\n factor 1.5\n interval 30s\n complete 95%\n}"))
	if n := len(handlerOf(t).live.holders); n != 2 {
		t.Errorf("%d handlers hold the warm-up, want 2", n)
	}
}

func TestAConflictShowsNoSecret(t *testing.T) {
	other := "ready http://me:hush@127.0.0.1:1/x?token=hush\n ramp\n fallback {\n respond hush\n}"
	err := load(t, site(freeport.Address(t), "ramp")+site(freeport.Address(t), other))
	if err == nil || !strings.Contains(err.Error(), "http://127.0.0.1:1/x") || strings.Contains(err.Error(), "hush") {
		t.Errorf("error is %v, want one without what is secret", err)
	}
}

func control(t *testing.T, body string) {
	t.Helper()
	if _, err := handlerOf(t).Control(nil, []byte(body)); err != nil {
		t.Fatal(err)
	}
}

func TestControl(t *testing.T) {
	listen := freeport.Address(t)
	serve(t, site(listen, tenth))
	control(t, `{"skip":true}`)
	wantAdmitted(t, "skipped", listen, 20)
	control(t, `{"restart":true}`)
	wantAdmitted(t, "restarted", listen, 2)
	h := handlerOf(t)
	for body, want := range map[string]string{
		"":                             "the body must be",
		"restart":                      "the body must be",
		"{}":                           "one of restart and skip",
		`{"restart":false}`:            "one of restart and skip",
		`{"restart":true,"skip":true}`: "one of restart and skip",
		`{"restart":true,"ttl":"5m"}`:  "unknown field",
		`{"restart":true} {}`:          "something after",
		`{"restart":"yes"}`:            "the body must be",
	} {
		if _, err := h.Control(nil, []byte(body)); !errors.Is(err, livestate.ErrInvalid) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error is %v, want invalid with %q", body, err, want)
		}
	}
	if _, err := h.Control([]string{"upstreams"}, []byte(`{"skip":true}`)); !errors.Is(err, livestate.ErrNotFound) {
		t.Errorf("error is %v, want not found", err)
	}
	wantAdmitted(t, "after commands that make no sense", listen, 2)
}

func wantMetrics(t *testing.T, want string, names ...string) {
	t.Helper()
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(collector{})
	var header strings.Builder
	seen := make(map[string]bool)
	for line := range strings.Lines(strings.TrimPrefix(want, "\n")) {
		name, _, _ := strings.Cut(line, "{")
		if !seen[name] {
			seen[name] = true
			help := map[string]string{"gateway_warmup_share": "Share of the requests that is admitted, between 0 and 1; of warm-ups that grow a share.",
				"gateway_warmup_rate":           "Requests that are admitted a second, infinite when it is over; of warm-ups that grow a rate.",
				"gateway_warmup_phase":          "1 for the phase that the warm-up is in.",
				"gateway_warmup_requests_total": "Requests that came while the warm-up was not over, by what became of them: admitted, refused, would_refuse."}[name]
			kind := "gauge"
			if strings.HasSuffix(name, "_total") {
				kind = "counter"
			}
			fmt.Fprintf(&header, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, kind)
		}
		header.WriteString(line)
	}
	if err := testutil.GatherAndCompare(registry, strings.NewReader(header.String()), names...); err != nil {
		t.Error(err)
	}
}

func TestMetricsAndSnapshot(t *testing.T) {
	serve(t, site(freeport.Address(t), tenth)+
		fmt.Sprintf("http://%s {\n warm_up api {\n ready http://u:p@127.0.0.1:1/health?k=v\n hold 1h\n probe 1h 1 10\n climb 1h 10 200\n cache_hit 60%% 70%%\n dry_run\n}\n respond ok\n}", freeport.Address(t)))
	wantMetrics(t, `
gateway_warmup_phase{phase="climb",warmup="api"} 0
gateway_warmup_phase{phase="follow",warmup="api"} 0
gateway_warmup_phase{phase="grow",warmup="api"} 0
gateway_warmup_phase{phase="hold",warmup="api"} 1
gateway_warmup_phase{phase="probe",warmup="api"} 0
gateway_warmup_phase{phase="settle",warmup="api"} 0
gateway_warmup_phase{phase="warm",warmup="api"} 0
gateway_warmup_phase{phase="climb",warmup="test"} 0
gateway_warmup_phase{phase="follow",warmup="test"} 0
gateway_warmup_phase{phase="grow",warmup="test"} 1
gateway_warmup_phase{phase="hold",warmup="test"} 0
gateway_warmup_phase{phase="probe",warmup="test"} 0
gateway_warmup_phase{phase="settle",warmup="test"} 0
gateway_warmup_phase{phase="warm",warmup="test"} 0
gateway_warmup_rate{warmup="api"} 0
gateway_warmup_share{warmup="test"} 0.1
`, "gateway_warmup_phase", "gateway_warmup_rate", "gateway_warmup_share")
	held, err := livestate.Default.Get(livestate.Key{Kind: kind, Name: "api"})
	if err != nil {
		t.Fatal(err)
	}
	shown, err := json.Marshal(held.View.Snapshot())
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{`"name":"api"`, `"phase":"hold"`, `"rate":0`, `"next_step":`, `"ready":{"open":false`, `"cache_hit":{"rate":0,"samples":0,"open":true}`,
		`"ready_url":"http://127.0.0.1:1/health"`, `"dry_run":true`, `"requests":{"admitted":0,"refused":0,"would_refuse":0}`} {
		if !strings.Contains(string(shown), part) {
			t.Errorf("the snapshot lacks %s:\n%s", part, shown)
		}
	}
	held.View.(*Handler).live.ramp.Skip(time.Now(), "skipped by the operator")
	wantMetrics(t, `
gateway_warmup_rate{warmup="api"} +Inf
`, "gateway_warmup_rate")
	if _, err := json.Marshal(held.View.Snapshot()); err != nil {
		t.Errorf("over, the snapshot does not encode: %v", err)
	}
}

func TestJSONIsChecked(t *testing.T) {
	for want, h := range map[string]*Handler{
		"a name is needed":                 {Ramp: new(Ramp)},
		"is longer than 100":               {Name: strings.Repeat("x", 101), Ramp: new(Ramp)},
		"not valid UTF-8":                  {Name: "a\xff", Ramp: new(Ramp)},
		"nothing grows":                    {Name: "a"},
		"not both":                         {Name: "a", Ramp: new(Ramp), Probe: &Slope{hour, 1, 10}},
		"go with probe":                    {Name: "a", Climb: &Slope{hour, 1, 10}},
		"ready: interval -1s is less than": {Name: "a", Ramp: new(Ramp), Ready: &Ready{URL: "http://a", Interval: -1e9}},
		"ready: interval 1ns is less than": {Name: "a", Ramp: new(Ramp), Ready: &Ready{URL: "http://a", Interval: 1}},
		"ready: timeout 1ns is less than":  {Name: "a", Ramp: new(Ramp), Ready: &Ready{URL: "http://a", Timeout: 1}},
		"interval 720h0m0s is more than":   {Name: "a", Ramp: &Ramp{Interval: 720 * hour, Factor: 1.0003}},
		"is not the name of a header":      {Name: "a", Probe: &Slope{hour, 1, 10}, CacheHit: &CacheHit{0.6, 0.7, "a b"}},
		"ready: the URL is none; give one": {Name: "a", Ramp: new(Ramp), Ready: &Ready{URL: "http://hush:x y@[::1"}},
		"hold: -1s is negative":            {Name: "a", Hold: -1e9, Probe: &Slope{hour, 1, 10}},
	} {
		if err := h.configure(); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "hush") {
			t.Errorf("error is %v, want one with %q", err, want)
		}
	}
}

const hour = 3600e9

// newHandler makes a handler outside a Caddy, in front of which no holder polls.
func newHandler(t testing.TB, h *Handler) *Handler {
	t.Helper()
	h.Name, h.logger = "test", zap.NewNop()
	if err := h.configure(); err != nil {
		t.Fatal(err)
	}
	h.live = newLive(h.settings)
	return h
}

func TestWarmCostsNothing(t *testing.T) {
	h := newHandler(t, &Handler{Ramp: new(Ramp)})
	h.live.ramp.Skip(time.Now(), "skipped by the operator")
	w, r := httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/", nil)
	var got http.ResponseWriter
	next := nextFunc(func(w http.ResponseWriter, _ *http.Request) error { got = w; return nil })
	if n := testing.AllocsPerRun(1000, func() { _ = h.ServeHTTP(w, r, next) }); n != 0 {
		t.Errorf("%v allocations a request when it is over", n)
	}
	if got != http.ResponseWriter(w) {
		t.Errorf("the writer is wrapped in a %T when it is over", got)
	}
	if s := h.snapshot(); s.Requests != (requests{}) || s.Phase != ramp.Warm {
		t.Errorf("it is %+v, want it over with nothing counted", s)
	}
}

func BenchmarkServeHTTP(b *testing.B) {
	next := nextFunc(func(http.ResponseWriter, *http.Request) error { return nil })
	w, r := httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/", nil)
	for _, phase := range []string{"warm", "cold"} {
		b.Run(phase, func(b *testing.B) {
			h := newHandler(b, &Handler{Ramp: &Ramp{From: 1, Follow: 1, Interval: hour}})
			if phase == "warm" {
				h.live.ramp.Skip(time.Now(), "skipped by the operator")
			}
			b.ReportAllocs()
			for b.Loop() {
				if h.ServeHTTP(w, r, next) != nil {
					b.Fatal("refused")
				}
			}
		})
	}
}

// refusalOf returns the refusal that an error holds, or nil.
func refusalOf(err error) *problem.Refusal {
	var refusal *problem.Refusal
	if errors.As(err, &refusal) {
		return refusal
	}
	return nil
}

type nextFunc func(http.ResponseWriter, *http.Request) error

func (f nextFunc) ServeHTTP(w http.ResponseWriter, r *http.Request) error { return f(w, r) }

func canceled(r *http.Request) *http.Request {
	ctx, cancel := context.WithCancel(r.Context())
	cancel()
	return r.WithContext(ctx)
}
