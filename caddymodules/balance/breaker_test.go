package balance

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"go.uber.org/zap"
	zapobserver "go.uber.org/zap/zaptest/observer"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyevents"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/reverseproxy"

	"github.com/weirproxy/weir/governance/balance"
	"github.com/weirproxy/weir/governance/circuit"
	"github.com/weirproxy/weir/governance/livestate"
	"github.com/weirproxy/weir/internal/breakerconf"
	"github.com/weirproxy/weir/internal/exchange"
	"github.com/weirproxy/weir/internal/freeport"
)

// guardedSite is a site whose upstreams have breakers with the options given.
func guardedSite(listen, upstreams, breaker, options string) string {
	return fmt.Sprintf("http://%s {\n\treverse_proxy %s {\n\t\tlb_policy success_weighted {\n\t\t\tname test\n\t\t\tbreaker {\n%s\n}\n\t\t}\n%s\n\t}\n}\n",
		listen, upstreams, breaker, options)
}

// moody is a back end that answers with the status it is told.
func moody(t *testing.T, name string) (address string, status *atomic.Int64) {
	status = new(atomic.Int64)
	status.Store(200)
	return backend(t, func(w http.ResponseWriter, _ *http.Request) {
		time.Sleep(time.Millisecond) // so that they overlap
		w.Header().Set("Backend", name)
		w.WriteHeader(int(status.Load()))
		io.WriteString(w, name)
	}), status
}

func wantState(t *testing.T, address, want string) {
	t.Helper()
	var got string
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		if got = upstreamOf(t, "test", address).State; got == want {
			return
		}
	}
	t.Fatalf("%s is %s, want %s", address, got, want)
}

// 64 clients at a time go through an opening, half-open times and the recovery, without
// retries: whatever they get comes from a back end.
func TestNoRefusalThroughHalfOpen(t *testing.T) {
	for _, lonely := range []bool{false, true} {
		t.Run(fmt.Sprintf("the only upstream %v", lonely), func(t *testing.T) {
			listen := freeport.Address(t)
			a, status := moody(t, "a")
			upstreams := a
			if !lonely {
				b, _ := moody(t, "b")
				upstreams += " " + b
			}
			serve(t, guardedSite(listen, upstreams, "consecutive 3\nopen_for 20ms 100ms\nprobes 2\nprobe_timeout 1s\nrecover_over 200ms", ""))
			transport := &http.Transport{MaxIdleConnsPerHost: 64}
			defer transport.CloseIdleConnections()
			client := &http.Client{Transport: transport, Timeout: 10 * time.Second}
			ctx, cancel := context.WithCancel(t.Context())
			var clients sync.WaitGroup
			var total, ours atomic.Int64
			for range 64 {
				clients.Go(func() {
					for ctx.Err() == nil {
						res, err := client.Get("http://" + listen)
						if err != nil {
							t.Error(err)
							return
						}
						io.Copy(io.Discard, res.Body)
						res.Body.Close()
						total.Add(1)
						if res.Header.Get("Backend") == "" {
							ours.Add(1)
						}
					}
				})
			}
			for range 3 {
				status.Store(500)
				wantState(t, a, "open")
				wantState(t, a, "half_open")
				status.Store(200)
				wantState(t, a, "in")
			}
			cancel()
			clients.Wait()
			if ours.Load() > 0 || total.Load() < 200 {
				t.Errorf("%d of %d answers came from no back end, want none of many", ours.Load(), total.Load())
			}
			if changes := upstreamOf(t, "test", a).BreakerChanges; changes["closed"] < 3 || changes["half_open"] < 3 {
				t.Errorf("changes were %v, want three recoveries", changes)
			}
			t.Logf("%d answers", total.Load())
		})
	}
}

func TestOpenUpstreamIsSkipped(t *testing.T) {
	listen := freeport.Address(t)
	a, status := moody(t, "a")
	b, _ := moody(t, "b")
	serve(t, guardedSite(listen, a+" "+b, "consecutive 2\nopen_for 1m\nfailure_status 404", ""))
	status.Store(404) // counts for the breaker, and not for the policy
	sharesOf(t, "http://"+listen, 4)
	wantState(t, a, "open")
	if shares := sharesOf(t, "http://"+listen, 20); shares["b"] != 20 {
		t.Errorf("20 requests went %v, want b only", shares)
	}
	if u := upstreamOf(t, "test", a); u.FailuresInARow != 0 || u.Attempts["failed_status"] != 0 {
		t.Errorf("404 counts as a failure for the policy: %v", u.Attempts)
	}
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(new(collector))
	if problems, err := testutil.GatherAndLint(registry); err != nil || len(problems) > 0 {
		t.Errorf("lint: %v %v", problems, err)
	}
	var metrics strings.Builder
	for _, u := range []struct {
		address      string
		state, times int
	}{{a, 2, 1}, {b, 0, 0}} {
		fmt.Fprintf(&metrics, "gateway_upstream_breaker_state{pool=\"test\",upstream=%q} %d\n", u.address, u.state)
		for _, to := range []string{"closed", "half_open", "open"} {
			n := 0
			if to == "open" {
				n = u.times
			}
			fmt.Fprintf(&metrics, "gateway_upstream_breaker_changes_total{pool=\"test\",to=%q,upstream=%q} %d\n", to, u.address, n)
		}
	}
	want := "# TYPE gateway_upstream_breaker_state gauge\n# HELP gateway_upstream_breaker_state State of the upstream's circuit breaker: 0 closed, 1 half-open, 2 open.\n" +
		"# TYPE gateway_upstream_breaker_changes_total counter\n# HELP gateway_upstream_breaker_changes_total Changes of the state of the upstream's circuit breaker.\n" + metrics.String()
	if err := testutil.GatherAndCompare(registry, strings.NewReader(want), "gateway_upstream_breaker_state", "gateway_upstream_breaker_changes_total"); err != nil {
		t.Error(err)
	}
}

// An answer can ask for a longer open time.
func TestRetryAfterLengthensTheOpenTime(t *testing.T) {
	listen := freeport.Address(t)
	a := backend(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Retry-After", "120")
		w.WriteHeader(503)
	})
	b, _ := moody(t, "b")
	serve(t, guardedSite(listen, a+" "+b, "consecutive 2\nopen_for 1s 5m", ""))
	sharesOf(t, "http://"+listen, 10)
	if u := upstreamOf(t, "test", a); u.Breaker.OpenFor < 110 || u.Breaker.OpenFor > 120 {
		t.Errorf("open for %v s, want 120", u.Breaker.OpenFor)
	}
}

// A passing active health check ends the open time; Caddy itself does not send requests
// to whom it knows to be unhealthy.
func TestPassingHealthCheckEndsTheOpenTime(t *testing.T) {
	listen := freeport.Address(t)
	var healthy, ok atomic.Bool
	var failed atomic.Int64 // health checks
	a := backend(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/health" && !healthy.Load() {
			failed.Add(1)
		}
		if r.URL.Path == "/health" && !healthy.Load() || r.URL.Path != "/health" && !ok.Load() {
			w.WriteHeader(500)
		}
		io.WriteString(w, "a")
	})
	healthy.Store(true)
	b, _ := moody(t, "b")
	serve(t, guardedSite(listen, a+" "+b, "consecutive 2\nopen_for 1h 1h\nrecover_over off", "health_uri /health\nhealth_interval 20ms\nhealth_fails 1000000"))
	healthy.Store(false)
	// a check that begins when another has failed fails too: the one before is over
	checks := func(n int64) {
		t.Helper()
		for deadline := time.Now().Add(30 * time.Second); failed.Load() < n; time.Sleep(time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("%d health checks have failed, want %d", failed.Load(), n)
			}
		}
	}
	checks(2)
	for upstreamOf(t, "test", a).State == "in" {
		get(t, "http://"+listen)
	}
	wantState(t, a, "open")
	checks(failed.Load() + 2)
	wantState(t, a, "open") // failing checks do not end it
	ok.Store(true)
	healthy.Store(true)
	wantState(t, a, "half_open")
	sharesOf(t, "http://"+listen, 10)
	wantState(t, a, "in")
}

// What passes is what the health check is told to expect.
func TestExpectedStatusOfHealthChecks(t *testing.T) {
	for _, tc := range []struct {
		expect, status int
		passes         bool
	}{
		{0, 204, true}, {0, 302, false}, {302, 302, true}, {3, 307, true}, {302, 200, false}, {200, 204, false},
	} {
		upstreams := reverseproxy.UpstreamPool{{Host: new(reverseproxy.Host), Dial: "a:80"}}
		p := guardedPolicy(upstreams)
		p.Breaker = new(breakerconf.Config)
		proxy := &reverseproxy.Handler{Upstreams: upstreams}
		if tc.expect != 0 {
			proxy.HealthChecks = &reverseproxy.HealthChecks{Active: &reverseproxy.ActiveHealthChecks{ExpectStatus: tc.expect}}
		}
		if err := p.describe(proxy); err != nil {
			t.Fatal(err)
		}
		p.Select(upstreams, httptest.NewRequest(http.MethodGet, "/", nil), nil)
		p.leads.Store(true)
		for range 5 {
			attempt := p.balancer.Begin(p.live.Upstream("a:80"))
			attempt.Answered(balance.FailedStatus)
		}
		p.checked("a:80", &http.Response{StatusCode: tc.status})
		if state := p.balancer.Snapshot().Upstreams[0].State; (state == "half_open") != tc.passes {
			t.Errorf("%d where %d is expected: the upstream is %s", tc.status, tc.expect, state)
		}
	}
}

func TestMaxConcurrentIsARefusalOfItsOwn(t *testing.T) {
	listen := freeport.Address(t)
	release, arrived := make(chan struct{}), make(chan struct{}, 2)
	stay := func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/stream" {
			w.WriteHeader(200)
			w.(http.Flusher).Flush()
		}
		if r.URL.Path != "/" {
			arrived <- struct{}{}
			<-release
		}
	}
	a, b := backend(t, stay), backend(t, stay)
	serve(t, guardedSite(listen, a+" "+b, "max_concurrent 1", ""))
	var clients sync.WaitGroup
	defer clients.Wait()
	defer close(release)
	begin := func(path string) {
		clients.Go(func() { tryGet("http://" + listen + path) })
		<-arrived
	}
	begin("/stream") // is through with its headers
	for deadline := time.Now().Add(30 * time.Second); upstreamOf(t, "test", a).Breaker.InFlight+upstreamOf(t, "test", b).Breaker.InFlight > 0; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("a stream keeps its place")
		}
	}
	begin("/stay")
	for range 5 { // the other one has room
		if code, _ := get(t, "http://"+listen); code != 200 {
			t.Fatalf("status %d while one upstream has room, want 200", code)
		}
	}
	begin("/stay")
	if code, _ := get(t, "http://"+listen); code != 503 {
		t.Errorf("status %d while nobody has room, want 503", code)
	}
	if n := pool(t, "test").MaxConcurrentRefused; n != 1 {
		t.Errorf("%d requests were refused for it, want 1", n)
	}
}

func TestMaxConcurrentIsNamedInTheAccessLog(t *testing.T) {
	upstreams := reverseproxy.UpstreamPool{{Host: new(reverseproxy.Host), Dial: "a:80"}}
	p := guardedPolicy(upstreams, func(s *circuit.Settings) { s.MaxConcurrent = 1 })
	r := caddyhttp.PrepareRequest(httptest.NewRequest(http.MethodGet, "/", nil), caddy.NewReplacer(), httptest.NewRecorder(), new(caddyhttp.Server))
	x := exchange.From(r)
	if p.Select(upstreams, r, nil) == nil {
		t.Fatal("nobody is picked though there is room")
	}
	attempt := p.balancer.Begin(p.live.Upstream("a:80"))
	for range 3 { // as while the proxy waits
		if p.Select(upstreams, r, nil) != nil {
			t.Fatal("somebody is picked though nobody has room")
		}
	}
	if x.RefusedBy != "max_concurrent test" || p.live.limited.Load() != 1 {
		t.Errorf("refused by %q, %d requests; want max_concurrent test and 1", x.RefusedBy, p.live.limited.Load())
	}
	if !x.RetrySoon {
		t.Error("the client is not told that there may be room soon")
	}
	attempt.Answered(balance.Success)
	if p.Select(upstreams, r, nil) == nil {
		t.Error("nobody is picked though there is room again")
	}
}

// In a dry run nothing is skipped; what would have been is counted and logged once.
func TestDryRunSkipsNobody(t *testing.T) {
	listen := freeport.Address(t)
	a, status := moody(t, "a")
	b, _ := moody(t, "b")
	serve(t, strings.Replace(guardedSite(listen, a+" "+b, "consecutive 2\nopen_for 1m\ndry_run", ""), "name test", "name test\neject_after off\nalpha 0.000001", 1))
	core, logs := zapobserver.New(zap.InfoLevel)
	policyOf(t).logger = zap.New(core)
	status.Store(500)
	if shares := sharesOf(t, "http://"+listen, 20); shares["a"] < 9 {
		t.Errorf("20 requests went %v, want both alike", shares)
	}
	u := upstreamOf(t, "test", a)
	if u.State != "in" || u.Breaker.State != "open" || u.Breaker.WouldRefuse[circuit.ReasonOpen] < 7 {
		t.Errorf("the upstream is %s, its breaker %s, and %v would have been skipped", u.State, u.Breaker.State, u.Breaker.WouldRefuse)
	}
	if n := logs.FilterMessageSnippet("dry run").Len(); n != 1 {
		t.Errorf("%d entries in the log, want one", n)
	}
}

// What an operator decides about a breaker outlives reloads and restarts; thresholds end
// with another configuration.
func TestBreakerDecisionsOutliveARestart(t *testing.T) {
	storage, listen := t.TempDir(), freeport.Address(t)
	a, status := moody(t, "a")
	b, _ := moody(t, "b")
	config := func(options string) string { return guardedSite(listen, a+" "+b, "open_for 1m\n"+options, "") }
	must := func(caddyfile string) {
		t.Helper()
		if err := load(t, storage, caddyfile); err != nil {
			t.Fatal(err)
		}
	}
	restart := func(caddyfile string) {
		t.Helper()
		stop(t)
		must(caddyfile)
	}
	decide := func(body string) {
		t.Helper()
		if _, err := policyOf(t).Control([]string{"upstreams", a}, []byte(body)); err != nil {
			t.Fatal(err)
		}
	}
	wantForced := func(when, want string) {
		t.Helper()
		if u := upstreamOf(t, "test", a); u.Breaker.Forced != want {
			t.Errorf("%s: forced is %q, want %q", when, u.Breaker.Forced, want)
		}
	}
	must(config("consecutive 5"))
	t.Cleanup(func() { stop(t) })
	decide(`{"breaker":{"state":"open","ttl":"1h"}}`)
	wantForced("decided", "open")
	if shares := sharesOf(t, "http://"+listen, 6); shares["b"] != 6 {
		t.Errorf("6 requests went %v, want b only", shares)
	}
	decide(`{"weight":2}`)
	decide(`{"breaker":{"consecutive":2}}`)
	restart(config("consecutive 5"))
	wantForced("after a restart", "open")
	decide(`{"breaker":{"state":"auto"}}`)
	wantForced("taken back", "")
	sharesOf(t, "http://"+listen, 4)
	if u := upstreamOf(t, "test", a); !u.Breaker.Thresholds || u.Breaker.Settings.Consecutive != 2 || u.Weight != 2 {
		t.Errorf("after a restart: %+v", u.Breaker)
	}
	// a reload in the open state changes nothing of it, and one that fails changes nothing
	status.Store(500)
	for upstreamOf(t, "test", a).Breaker.State != "open" {
		get(t, "http://"+listen)
	}
	if err := load(t, storage, config("consecutive 7")+"http://"+freeport.Address(t)+" {\n reverse_proxy "+a+" {\n lb_policy success_weighted {\n name test\n}\n}\n}\n"); err == nil {
		t.Error("a configuration with two pools of one name was loaded")
	}
	must(config("consecutive 5"))
	if u := upstreamOf(t, "test", a); u.State != "open" || u.Breaker.Settings.Consecutive != 2 || u.Breaker.OpenFor < 20 {
		t.Errorf("after a reload it is %s, with %+v", u.State, u.Breaker)
	}
	must(config("consecutive 7"))
	get(t, "http://"+listen)
	for deadline := time.Now().Add(30 * time.Second); livePoolOf(t).Decisions()[a].Breaker != nil; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("thresholds for another configuration are kept")
		}
	}
	livePoolOf(t).awaitStored()
	restart(config("consecutive 5"))
	if u := upstreamOf(t, "test", a); u.Breaker.Settings.Consecutive != 5 || u.State != "in" {
		t.Errorf("after all it is %s with %+v", u.State, u.Breaker)
	}
}

func TestBreakerCommandsThatMakeNoSense(t *testing.T) {
	listen, up := freeport.Address(t), backend(t, answer("a"))
	plain := freeport.Address(t)
	serve(t, guardedSite(listen, up, "open_for 1s", "")+
		fmt.Sprintf("http://%s {\n reverse_proxy %s {\n lb_policy success_weighted {\n name plain\n}\n}\n}\n", plain, up))
	for _, tc := range []struct{ pool, body, want string }{
		{"test", `{"breaker":{}}`, "neither a state nor a threshold"},
		{"test", `{"breaker":{"state":"ajar"}}`, "is not one of open, closed, auto, disabled"},
		{"test", `{"breaker":{"failure_ratio":2}}`, "failure_ratio"},
		{"test", `{"breaker":{"state":"open"},"ttl":"5m"}`, `{"breaker":{"state":"open","ttl":"5m"}}`},
		{"plain", `{"breaker":{"state":"open"}}`, "have no breaker"},
	} {
		held, err := livestate.Default.Get(livestate.Key{Kind: kind, Name: tc.pool})
		if err != nil {
			t.Fatal(err)
		}
		_, err = held.View.(livestate.Controller).Control([]string{"upstreams", up}, []byte(tc.body))
		if !contains(err, livestate.ErrInvalid.Error(), tc.want) {
			t.Errorf("%s: error is %v, want one with %q", tc.body, err, tc.want)
		}
	}
}

// A decision about the breaker of one that has left is there to be seen, and taken back.
func TestBreakerDecisionAboutADepartedUpstream(t *testing.T) {
	listen, storage := freeport.Address(t), t.TempDir()
	gone, stays := "127.0.0.1:7", "127.0.0.1:9"
	must := func(upstreams string) {
		t.Helper()
		if err := load(t, storage, guardedSite(listen, upstreams, "open_for 1s", "")); err != nil {
			t.Fatal(err)
		}
	}
	must(gone + " " + stays)
	t.Cleanup(func() { stop(t) })
	decide := func(body string) string {
		t.Helper()
		got, err := policyOf(t).Control([]string{"upstreams", gone}, []byte(body))
		if err != nil {
			t.Fatal(err)
		}
		return mustJSON(got)
	}
	if got := decide(`{"breaker":{"state":"open"}}`); !strings.Contains(got, `"forced":"open"`) {
		t.Errorf("answer is %s", got)
	}
	must(stays)
	if got := mustJSON(pool(t, "test")); !strings.Contains(got, `"absent":[{"address":"127.0.0.1:7","decision":{"breaker":{"state":"open"}}}]`) {
		t.Errorf("the pool is shown as %s", got)
	}
	if got := decide(`{"breaker":{"state":"auto"}}`); got != `{"address":"127.0.0.1:7"}` {
		t.Errorf("answer is %s", got)
	}
}

// listener is a handler of events for tests.
type listener struct{}

var heard = make(chan caddy.Event, 100)

func init() { caddy.RegisterModule(listener{}) }

func (listener) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "events.handlers.weir_test", New: func() caddy.Module { return new(listener) }}
}

func (*listener) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next()
	return nil
}

// slowly is how long a handler takes for an event that a breaker closed, in nanoseconds.
var slowly atomic.Int64

func (*listener) Handle(_ context.Context, e caddy.Event) error {
	if e.Name() == "breaker_closed" {
		time.Sleep(time.Duration(slowly.Load()))
	}
	heard <- e
	return nil
}

// wantEvents waits for events of the pool "test".
func wantEvents(t *testing.T, address string, want ...string) {
	t.Helper()
	for _, w := range want {
		select {
		case e := <-heard:
			if e.Name() != w || e.Data["pool"] != "test" || e.Data["upstream"] != address || e.Data["why"] == "" {
				t.Errorf("event is %s with %v, want %s", e.Name(), e.Data, w)
			}
		case <-time.After(30 * time.Second):
			t.Fatalf("no event %s", w)
		}
	}
}

var _ caddyevents.Handler = (*listener)(nil)

func TestEventsOfBreakers(t *testing.T) {
	listen := freeport.Address(t)
	a, status := moody(t, "a")
	err := loadWith(t, "events {\non breaker_opened weir_test\non breaker_closed weir_test\n}", t.TempDir(),
		guardedSite(listen, a, "consecutive 2\nopen_for 10ms\nprobes 1", ""))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stop(t) })
	slowly.Store(int64(300 * time.Millisecond)) // what comes after that waits
	defer slowly.Store(0)
	for range 2 {
		status.Store(500)
		sharesOf(t, "http://"+listen, 2)
		status.Store(200)
		wantState(t, a, "half_open")
		get(t, "http://"+listen)
		wantState(t, a, "in")
	}
	wantEvents(t, a, "breaker_opened", "breaker_closed", "breaker_opened", "breaker_closed")
}

// After a reload it is the new configuration that tells of changes, and whose settings
// hold, from its first request on, wherever that goes.
func TestBreakersAfterAReload(t *testing.T) {
	listen, storage := freeport.Address(t), t.TempDir()
	a, status := moody(t, "a")
	b, _ := moody(t, "b")
	must := func(options string) {
		t.Helper()
		err := loadWith(t, "events {\non breaker_opened weir_test\n}", storage, guardedSite(listen, a+" "+b, "open_for 1h 1h\n"+options, ""))
		if err != nil {
			t.Fatal(err)
		}
	}
	must("consecutive 2")
	t.Cleanup(func() { stop(t) })
	status.Store(500)
	sharesOf(t, "http://"+listen, 6)
	wantState(t, a, "open")
	wantEvents(t, a, "breaker_opened")
	must("consecutive 7")
	if got := upstreamOf(t, "test", a).Breaker.Settings.Consecutive; got != 7 {
		t.Errorf("after a reload, before any request, consecutive is %d for the one that is open, want 7", got)
	}
	for _, state := range []string{"closed", "open"} {
		if _, err := policyOf(t).Control([]string{"upstreams", a}, []byte(`{"breaker":{"state":"`+state+`"}}`)); err != nil {
			t.Fatal(err)
		}
	}
	wantEvents(t, a, "breaker_opened")
}

// guardedPolicy is a policy over upstreams that all do well and have breakers.
func guardedPolicy(upstreams reverseproxy.UpstreamPool, change ...func(*circuit.Settings)) *Policy {
	p := healthy(upstreams, func(int) float64 { return 1 })
	breaker := circuit.DefaultSettings()
	for _, c := range change {
		c(&breaker)
	}
	settings := balance.DefaultSettings()
	settings.Breaker = &breaker
	p.balancer = balance.NewBalancer(p.live.Pool, settings)
	return p
}

func TestSelectWithBreakersAllocatesNothing(t *testing.T) {
	for _, limit := range []int{0, 10} {
		upstreams := reverseproxy.UpstreamPool{{Host: new(reverseproxy.Host), Dial: "a:80"}, {Host: new(reverseproxy.Host), Dial: "b:80"}}
		p := guardedPolicy(upstreams, func(s *circuit.Settings) { s.MaxConcurrent = limit })
		req := httptest.NewRequest(http.MethodGet, "/", nil)
		if n := testing.AllocsPerRun(1000, func() { p.Select(upstreams, req, nil) }); n != 0 {
			t.Errorf("max_concurrent %d: %v allocations a pick", limit, n)
		}
	}
}

func BenchmarkSelectWithBreakers(b *testing.B) {
	for name, change := range map[string]func(*circuit.Settings){
		"closed":         func(*circuit.Settings) {},
		"max_concurrent": func(s *circuit.Settings) { s.MaxConcurrent = 100 },
	} {
		for _, n := range []int{3, 100} {
			b.Run(fmt.Sprintf("%s/n=%d", name, n), func(b *testing.B) {
				benchmarkSelect(b, n, func(u reverseproxy.UpstreamPool) reverseproxy.Selector { return guardedPolicy(u, change) })
			})
		}
	}
}
