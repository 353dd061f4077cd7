package balance

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddyserver/certmagic"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"go.uber.org/zap/zaptest"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/reverseproxy"

	"github.com/weirproxy/weir/governance/balance"
	"github.com/weirproxy/weir/governance/livestate"
	"github.com/weirproxy/weir/internal/adapttest"
	"github.com/weirproxy/weir/internal/freeport"
)

func TestCaddyfile(t *testing.T) { adapttest.Run(t, "testdata") }

func TestDocumentation(t *testing.T) { adapttest.Page(t, "../../docs/modules/success_weighted.md") }

const retry = `lb_retries 2
lb_retry_match {
	method GET
	expression ` + "`{rp.is_transport_error} == true`" + `
}
lb_retry_match {
	method GET
	expression ` + "`{rp.status_code} in [404, 503]`" + `
}`

func TestSharesFollowWeights(t *testing.T) {
	listen := freeport.Address(t)
	a, b := backend(t, answer("a")), backend(t, answer("b"))
	serve(t, fmt.Sprintf("http://%s {\n reverse_proxy %s %s {\n lb_policy success_weighted 3 1\n}\n}", listen, a, b))
	if shares := sharesOf(t, "http://"+listen, 40); shares["a"] != 30 || shares["b"] != 10 {
		t.Errorf("40 requests went %v, want 30 and 10", shares)
	}
	if name := a + "," + b; pool(t, name).Name != name {
		t.Errorf("the pool without a name is not named after its upstreams")
	}
}

func TestFailingUpstreamLosesWeight(t *testing.T) {
	listen := freeport.Address(t)
	good, bad := backend(t, answer("good")), backend(t, status(500))
	serve(t, site(listen, good+" "+bad, retry))
	failures := 0
	for range 100 {
		if code, _ := get(t, "http://"+listen); code != 200 {
			failures++
		}
	}
	if failures > 12 {
		t.Errorf("%d of 100 requests failed, though 500 is not retried only the first few should", failures)
	}
	if s := upstreamOf(t, "test", bad).State; s == "in" {
		t.Error("an upstream that always fails is still in the rotation")
	}
}

func TestRetriesGoElsewhere(t *testing.T) {
	listen := freeport.Address(t)
	var seen atomic.Int32
	bad := func(w http.ResponseWriter, _ *http.Request) { seen.Add(1); w.WriteHeader(404) } // no failure, but retried
	serve(t, site(listen, backend(t, bad)+" "+backend(t, bad)+" "+backend(t, answer("good")), retry))
	for range 50 {
		if code, _ := get(t, "http://"+listen); code != 200 {
			t.Fatalf("status %d: a retry went to an upstream that had been tried", code)
		}
	}
	if seen.Load() == 0 {
		t.Error("nothing was retried")
	}
	if n := pool(t, "test").Retries; n != uint64(seen.Load()) {
		t.Errorf("%d retries are counted, want %d", n, seen.Load())
	}
}

func TestRetryBudgetEndsRetries(t *testing.T) {
	for share, allowed := range map[string]func(retries, denied uint64) bool{
		"off": func(retries, denied uint64) bool { return retries == 240 && denied == 0 },
		"0%":  func(retries, denied uint64) bool { return retries == 0 && denied == 120 },
		// the reserve is 100, and one a second
		"1%": func(retries, denied uint64) bool { return retries >= 100 && retries < 120 && denied > 20 },
	} {
		t.Run(share, func(t *testing.T) {
			listen := freeport.Address(t)
			serve(t, fmt.Sprintf("http://%s {\n reverse_proxy %s %s {\n lb_policy success_weighted {\n name test\n retry_budget %s\n}\n%s\n}\n}",
				listen, backend(t, status(503)), backend(t, status(503)), share, retry))
			for range 120 {
				if code, _ := get(t, "http://"+listen); code != 503 {
					t.Fatalf("status %d, want the upstream's 503", code)
				}
			}
			if p := pool(t, "test"); !allowed(p.Retries, p.RetriesDenied) {
				t.Errorf("%d retries and %d denied", p.Retries, p.RetriesDenied)
			}
		})
	}
}

// While a request waits for an upstream, asking again is no retry.
func TestWaitingIsNoRetry(t *testing.T) {
	listen := freeport.Address(t)
	up := backend(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/health" {
			w.WriteHeader(503)
		}
	})
	serve(t, site(listen, up, "health_uri /health\nhealth_interval 50ms\nlb_try_duration 500ms\nlb_try_interval 5ms"))
	code := 200 // until it is known to be unhealthy
	for deadline := time.Now().Add(30 * time.Second); code == 200 && time.Now().Before(deadline); {
		code, _ = get(t, "http://"+listen)
	}
	if code != 503 {
		t.Errorf("status %d, want 503", code)
	}
	if p := pool(t, "test"); p.Retries != 0 || p.RetriesDenied != 0 {
		t.Errorf("%d retries and %d denied, want none", p.Retries, p.RetriesDenied)
	}
}

func TestFullUpstreamsAreSkipped(t *testing.T) {
	listen := freeport.Address(t)
	release := make(chan struct{})
	finish := func() { close(release) }
	a := backend(t, func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, "a")
		if r.URL.Path == "/stay" {
			<-release
		}
	})
	serve(t, site(listen, a+" "+backend(t, answer("b")), "unhealthy_request_count 1"))
	answered := make(chan struct{}, 2)
	for range 2 { // one of them goes to a, and stays
		go func() {
			defer func() { answered <- struct{}{} }()
			if res, err := client.Get("http://" + listen + "/stay"); err == nil {
				io.Copy(io.Discard, res.Body)
				res.Body.Close()
			}
		}()
	}
	<-answered // the other one
	defer func() { finish(); <-answered }()
	for deadline := time.Now().Add(30 * time.Second); upstreamOf(t, "test", a).InFlight == 0; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("no request stays at a")
		}
	}
	for range 10 {
		if _, body := get(t, "http://"+listen); body != "b" {
			t.Fatalf("got %q while a is full, want b", body)
		}
	}
}

// forward_auth is a reverse_proxy too, and both work on the same request.
func TestForwardAuthKeepsItsOwnAttempts(t *testing.T) {
	listen := freeport.Address(t)
	shared := backend(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/auth" {
			io.WriteString(w, "shared")
		}
	})
	other := backend(t, status(404))
	serve(t, fmt.Sprintf(`http://%[1]s {
	forward_auth %[2]s {
		uri /auth
		lb_policy success_weighted {
			name auth
		}
		lb_retries 1
	}
	reverse_proxy %[3]s %[2]s {
		lb_policy success_weighted {
			name test
		}
		%[4]s
	}
}`, listen, shared, other, retry))
	for range 20 {
		if code, body := get(t, "http://"+listen); code != 200 || body != "shared" {
			t.Fatalf("got %d %q: an attempt of forward_auth counted as one of reverse_proxy", code, body)
		}
	}
	if n := upstreamOf(t, "auth", shared).Attempts["success"]; n != 20 {
		t.Errorf("auth made %d attempts, want 20", n)
	}
}

func TestWorksAsFallbackOfAnotherPolicy(t *testing.T) {
	listen, up := freeport.Address(t), backend(t, answer("a"))
	serve(t, fmt.Sprintf("http://%s {\n reverse_proxy %s %s {\n lb_policy cookie lb {\n fallback success_weighted {\n name test\n}\n}\n}\n}", listen, up, freeport.Address(t)))
	req, err := http.NewRequest(http.MethodGet, "http://"+listen, nil)
	if err != nil {
		t.Fatal(err)
	}
	for range 10 {
		res, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		for _, c := range res.Cookies() {
			req.AddCookie(c) // from now on the cookie decides
		}
	}
	total := uint64(0)
	for _, u := range pool(t, "test").Upstreams {
		for _, n := range u.Attempts {
			total += n
		}
	}
	if total != 10 {
		t.Errorf("%d attempts were seen, want 10: also those that the cookie decided", total)
	}
}

func TestTwoAddressesShareOnePool(t *testing.T) {
	one, two := freeport.Address(t), freeport.Address(t)
	up := backend(t, answer("a"))
	serve(t, site(one+", http://"+two, up, ""))
	get(t, "http://"+one)
	get(t, "http://"+two)
	wantAttempts(t, up, map[string]uint64{"success": 2})
}

func TestSameNameWithDifferentSettingsIsAnError(t *testing.T) {
	one := site(freeport.Address(t), "127.0.0.1:1", "")
	err := load(t, t.TempDir(), one+strings.Replace(site(freeport.Address(t), "127.0.0.1:2", ""), "name test", "name test\nfloor 10%", 1))
	if !contains(err, `"test"`, "127.0.0.1:1", "127.0.0.1:2", `"floor":0.1`, "another name") {
		t.Errorf("error is %v, want one that names both places", err)
	}
	if left := livestate.Default.List(); len(left) != 0 {
		t.Errorf("a configuration that failed left %v behind", left)
	}
}

func TestHistorySurvivesReloads(t *testing.T) {
	storage, listen := t.TempDir(), freeport.Address(t)
	bad, good := backend(t, status(500)), backend(t, answer("good"))
	must := func(caddyfile string) {
		t.Helper()
		if err := load(t, storage, caddyfile); err != nil {
			t.Fatal(err)
		}
	}
	must(site(listen, good+" "+bad, ""))
	t.Cleanup(func() { stop(t) })
	for range 4 {
		get(t, "http://"+listen)
	}
	before := upstreamOf(t, "test", bad)
	if before.SuccessRate > 0.85 {
		t.Fatalf("success rate is %v before the reload", before.SuccessRate)
	}
	// other settings, another upstream: still the same pool
	must(strings.Replace(site(listen, good+" "+bad+" "+freeport.Address(t), ""), "name test", "name test\nfloor 10%\nslow_start 1h", 1))
	after := upstreamOf(t, "test", bad)
	if after.SuccessRate != before.SuccessRate || after.Attempts["failed_status"] != before.Attempts["failed_status"] {
		t.Errorf("after the reload: %+v, before: %+v", after, before)
	}
	if u := pool(t, "test").Upstreams; u[0].Ramp != 1 || u[2].Ramp != 0.1 {
		t.Errorf("ramps are %v and %v, want 1 for who stayed and 0.1 for the newcomer", u[0].Ramp, u[2].Ramp)
	}
	// a configuration that fails changes nothing
	if err := load(t, storage, site(listen, good, "")+"http://:1 {\n bind 203.0.113.1\n}\n"); err == nil {
		t.Fatal("the broken configuration was accepted")
	}
	if n := len(pool(t, "test").Upstreams); n != 3 {
		t.Errorf("after a failed reload the pool shows %d upstreams, want 3", n)
	}
	for range 10 {
		if code, body := get(t, "http://"+listen); code == 200 && body == "good" {
			return
		}
	}
	t.Error("no good answer after a failed reload")
}

func (source) GetUpstreams(*http.Request) ([]*reverseproxy.Upstream, error) {
	var upstreams []*reverseproxy.Upstream
	for _, m := range *sourceState.Load() {
		upstreams = append(upstreams, &reverseproxy.Upstream{Dial: m.Address})
	}
	return upstreams, nil
}

func (source) UpstreamInfo(address string) (float64, string, time.Time, bool) {
	for _, m := range *sourceState.Load() {
		if m.Address == address {
			return m.Weight, m.Instance, m.Since, true
		}
	}
	return 0, "", time.Time{}, false
}

// dynamic makes Caddy run a site on each address whose upstreams the test's source
// tells.
func dynamic(t *testing.T, storage string, addresses ...string) {
	t.Helper()
	var servers []string
	for i, address := range addresses {
		servers = append(servers, fmt.Sprintf(`"srv%d":{"listen":[%q],"automatic_https":{"disable":true},"routes":[{"handle":[{"handler":"reverse_proxy",
			"dynamic_upstreams":{"source":"weir_test"},
			"load_balancing":{"selection_policy":{"policy":"success_weighted","name":"test","slow_start":3600000000000}}}]}]}`, i, address))
	}
	config := fmt.Sprintf(`{"admin":{"disabled":true,"config":{"persist":false}},"storage":{"module":"file_system","root":%q},"apps":{"http":{"servers":{%s}}}}`,
		storage, strings.Join(servers, ","))
	if err := caddy.Load([]byte(config), true); err != nil {
		t.Fatal(err)
	}
}

func TestDynamicUpstreamsTellTheirWeights(t *testing.T) {
	a, b := backend(t, answer("a")), backend(t, answer("b"))
	sourceState.Store(&[]sourceMember{{Address: a, Weight: 3, Instance: "1"}, {Address: b, Weight: 1, Instance: "1"}})
	listen := freeport.Address(t)
	dynamic(t, t.TempDir(), listen)
	t.Cleanup(func() { stop(t) })
	if shares := sharesOf(t, "http://"+listen, 40); shares["a"] != 30 {
		t.Errorf("40 requests went %v, want 30 to a", shares)
	}
	// the same addresses, but b is another process with another weight now
	sourceState.Store(&[]sourceMember{{Address: a, Weight: 3, Instance: "1"}, {Address: b, Weight: 3, Instance: "2"}})
	for deadline := time.Now().Add(30 * time.Second); upstreamOf(t, "test", b).Weight != 3; time.Sleep(50 * time.Millisecond) {
		get(t, "http://"+listen)
		if time.Now().After(deadline) {
			t.Fatal("the new weight is not used")
		}
	}
	if ramp := upstreamOf(t, "test", b).Ramp; ramp != 0.1 {
		t.Errorf("ramp of the restarted instance is %v, want 0.1", ramp)
	}
	// the pool changes altogether
	c := backend(t, answer("c"))
	sourceState.Store(&[]sourceMember{{Address: c, Weight: 1}})
	if shares := sharesOf(t, "http://"+listen, 5); shares["c"] != 5 {
		t.Errorf("5 requests went %v, want c only", shares)
	}
}

// A pool of dynamic upstreams is known whole, with its decisions, also where and
// when no request has come yet: on the other address of a site, and after a reload.
func TestDynamicPoolIsKnownWithoutRequests(t *testing.T) {
	a, b := backend(t, answer("a")), backend(t, answer("b"))
	sourceState.Store(&[]sourceMember{{Address: a, Weight: 1}, {Address: b, Weight: 1}})
	storage, one, two := t.TempDir(), freeport.Address(t), freeport.Address(t)
	dynamic(t, storage, one, two)
	t.Cleanup(func() { stop(t) })
	for _, busy := range []string{one, two} {
		get(t, "http://"+busy)
		if n := len(pool(t, "test").Upstreams); n != 2 {
			t.Fatalf("requests at one of two addresses: the pool shows %d upstreams, want 2", n)
		}
	}
	dynamic(t, storage, one, two, freeport.Address(t))
	u := upstreamOf(t, "test", a)
	if u.Attempts["success"]+upstreamOf(t, "test", b).Attempts["success"] != 2 || u.Ramp != 1 {
		t.Errorf("after a reload the pool shows %+v", u)
	}
	held, err := livestate.Default.Get(livestate.Key{Kind: kind, Name: "test"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := held.View.(livestate.Controller).Control([]string{"upstreams", a}, []byte(`{"drain":true}`)); err != nil {
		t.Fatal(err)
	}
	for _, address := range []string{one, two} {
		if shares := sharesOf(t, "http://"+address, 6); shares["b"] != 6 {
			t.Errorf("6 requests went %v, want b only", shares)
		}
	}
	// the source advertises another weight: no reason to end a drain
	sourceState.Store(&[]sourceMember{{Address: a, Weight: 0.5}, {Address: b, Weight: 1}})
	for deadline := time.Now().Add(30 * time.Second); upstreamOf(t, "test", a).Weight != 0.5; time.Sleep(50 * time.Millisecond) {
		get(t, "http://"+one)
		if time.Now().After(deadline) {
			t.Fatal("the new weight is not used")
		}
	}
	if shares := sharesOf(t, "http://"+one, 6); shares["b"] != 6 {
		t.Errorf("after another weight was advertised, 6 requests went %v, want b only", shares)
	}
}

func TestMetrics(t *testing.T) {
	listen := freeport.Address(t)
	good, bad := backend(t, answer("good")), freeport.Address(t)
	serve(t, site(listen, good+" "+bad, retry))
	for range 10 {
		get(t, "http://"+listen)
	}
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(new(collector))
	if problems, err := testutil.GatherAndLint(registry); err != nil || len(problems) > 0 {
		t.Errorf("lint: %v %v", problems, err)
	}
	want := fmt.Sprintf(`
# HELP gateway_pool_retries_total Second and later attempts for a request.
# TYPE gateway_pool_retries_total counter
gateway_pool_retries_total{pool="test"} 1
# HELP gateway_upstream_ejected 1 while the upstream is to be out of the rotation after failures.
# TYPE gateway_upstream_ejected gauge
gateway_upstream_ejected{pool="test",upstream=%q} 0
gateway_upstream_ejected{pool="test",upstream=%q} 1
`, good, bad)
	if err := testutil.GatherAndCompare(registry, strings.NewReader(want), "gateway_pool_retries_total", "gateway_upstream_ejected"); err != nil {
		t.Error(err)
	}
}

func TestBadJSONConfiguration(t *testing.T) {
	for name, policy := range map[string]string{
		"alpha: 2":                    `"alpha":2`,
		"breaker: failure_ratio":      `"breaker":{"failure_ratio":2}`,
		"breaker: failure_status: 99": `"breaker":{"failure_status":[99]}`,
		"breaker: window":             `"breaker":{"window":1000}`,
		"floor: -1":                   `"floor":-1`,
		"2 weights for 1":             `"weights":[1,2]`,
		"all weights are 0":           `"weights":[0]`,
		"negative":                    `"weights":[-1]`,
		"failure_status: 99":          `"failure_status":[99]`,
		"eject_after: -1":             `"eject_after":-1`,
		"max_ejected":                 `"max_ejected":7`,
		`unknown field`:               `"nonsense":1`,
		"eject_for: 1m0s up to 1s":    `"eject_for":"1m","eject_for_max":"1s"`,
		"slow_start":                  `"slow_start":"1m","slow_start_from":3`,
		"retry_budget":                `"retry_budget":3`,
		"half_life: -1s is not posit": `"half_life":-1000000000`,
	} {
		config := fmt.Sprintf(`{"admin":{"disabled":true,"config":{"persist":false}},"apps":{"http":{"servers":{"srv0":{"listen":["127.0.0.1:0"],"routes":[{"handle":[
			{"handler":"reverse_proxy","upstreams":[{"dial":"127.0.0.1:1"}],"load_balancing":{"selection_policy":{"policy":"success_weighted",%s}}}]}]}}}}}`, policy)
		if err := caddy.Load([]byte(config), true); !contains(err, name) {
			t.Errorf("%s: error is %v, want one with %q", policy, err, name)
		}
	}
	if left := livestate.Default.List(); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestDecisionsOutliveARestart(t *testing.T) {
	storage, listen := t.TempDir(), freeport.Address(t)
	a, b := backend(t, answer("a")), backend(t, answer("b"))
	caddyfile := func(weights string) string {
		return fmt.Sprintf("http://%s {\n reverse_proxy %s %s {\n lb_policy success_weighted %s {\n name test\n}\n}\n}", listen, a, b, weights)
	}
	must := func(caddyfile string) {
		t.Helper()
		if err := load(t, storage, caddyfile); err != nil {
			t.Fatal(err)
		}
	}
	must(caddyfile("1 1"))
	held, err := livestate.Default.Get(livestate.Key{Kind: kind, Name: "test"})
	if err != nil {
		t.Fatal(err)
	}
	control := held.View.(livestate.Controller)
	if _, err := control.Control([]string{"upstreams", a}, []byte(`{"drain":true}`)); err != nil {
		t.Fatal(err)
	}
	wantOnly := func(only string) {
		t.Helper()
		if shares := sharesOf(t, "http://"+listen, 6); shares[only] != 6 {
			t.Errorf("6 requests went %v, want %s only", shares, only)
		}
	}
	wantOnly("b")
	stop(t) // as good as a restart: nothing is left in memory
	must(caddyfile("1 1"))
	wantOnly("b")
	decide := func(body string) {
		t.Helper()
		held, err := livestate.Default.Get(livestate.Key{Kind: kind, Name: "test"})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := held.View.(livestate.Controller).Control([]string{"upstreams", a}, []byte(body)); err != nil {
			t.Fatal(err)
		}
	}
	wantA := func(want int) {
		t.Helper()
		if shares := sharesOf(t, "http://"+listen, 12); shares["a"] != want {
			t.Errorf("12 requests went %v, want %d to a", shares, want)
		}
	}
	decide(`{"weight":5}`)
	wantOnly("b") // what a command does not name stays
	decide(`{"drain":false}`)
	wantA(10)
	must(caddyfile("2 1")) // a changed weight wins, and the decision does not come back
	wantA(8)
	for deadline := time.Now().Add(30 * time.Second); len(livePoolOf(t).Decisions()) > 0; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the decision about another weight is kept")
		}
	}
	must(caddyfile("1 1"))
	wantA(6)
	stop(t)
}

func livePoolOf(t *testing.T) *livePool {
	t.Helper()
	held, err := livestate.Default.Get(livestate.Key{Kind: kind, Name: "test"})
	if err != nil {
		t.Fatal(err)
	}
	return held.State.(*livePool)
}

// What is decided for a time ends with it, and does not come back with the next
// decision.
func TestDecisionsEnd(t *testing.T) {
	now := time.Now()
	m := balance.Member{Address: "a", Weight: 1}
	command := func(d balance.Decision, body string) balance.Decision {
		t.Helper()
		d, err := amend(d, m, nil, []byte(body), now)
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	pool := balance.NewPool()
	pool.Decide("a", command(balance.Decision{}, `{"drain":true,"ttl":"1m"}`))
	now = now.Add(30 * time.Second)
	d := command(pool.Decision(m, now), `{"weight":3}`)
	if d.Drain == nil || d.Drain.Until.IsZero() || !d.Weight.Until.IsZero() {
		t.Errorf("a weight changed how long the drain holds: %+v", d)
	}
	pool.Decide("a", d)
	now = now.Add(time.Minute)
	if d := command(pool.Decision(m, now), `{"weight":4}`); d.Drain != nil {
		t.Error("a drain that ended came back")
	}
	m.Advertised = true
	if d := command(balance.Decision{}, `{"weight":4}`); d.Weight.Configured != nil {
		t.Error("a decision is bound to a weight that a source tells")
	}
}

func TestControlRefusesNonsense(t *testing.T) {
	listen, up := freeport.Address(t), backend(t, answer("a"))
	serve(t, site(listen, up, ""))
	held, err := livestate.Default.Get(livestate.Key{Kind: kind, Name: "test"})
	if err != nil {
		t.Fatal(err)
	}
	control := held.View.(livestate.Controller)
	for _, tc := range []struct {
		path []string
		body string
		want error
	}{
		{nil, `{"drain":true}`, livestate.ErrNotFound},
		{[]string{"upstreams"}, `{"drain":true}`, livestate.ErrNotFound},
		{[]string{"upstreams", "nobody:1"}, `{"drain":true}`, livestate.ErrNotFound},
		{[]string{"upstreams", up}, ``, livestate.ErrInvalid},
		{[]string{"upstreams", up}, `{}`, livestate.ErrInvalid},
		{[]string{"upstreams", up}, `[]`, livestate.ErrInvalid},
		{[]string{"upstreams", up}, `{"drain":1}`, livestate.ErrInvalid},
		{[]string{"upstreams", up}, `{"weight":-1}`, livestate.ErrInvalid},
		{[]string{"upstreams", up}, `{"weight":"2"}`, livestate.ErrInvalid},
		{[]string{"upstreams", up}, `{"weight":1e300}`, livestate.ErrInvalid},
		{[]string{"upstreams", up}, `{"drain":true,"ttl":"soon"}`, livestate.ErrInvalid},
		{[]string{"upstreams", up}, `{"drain":true,"ttl":"-1m"}`, livestate.ErrInvalid},
		{[]string{"upstreams", up}, `{"drain":true,"other":1}`, livestate.ErrInvalid},
		{[]string{"upstreams", up}, `{"drain":true} x`, livestate.ErrInvalid},
	} {
		if _, err := control.Control(tc.path, []byte(tc.body)); err == nil || !contains(err, tc.want.Error()) {
			t.Errorf("%v %s: error is %v, want %v", tc.path, tc.body, err, tc.want)
		}
	}
	if n := len(livePoolOf(t).Decisions()); n != 0 {
		t.Errorf("%d decisions were taken", n)
	}
	if got, err := control.Control([]string{"upstreams", up}, []byte(`{"weight":2.5,"ttl":"5m"}`)); err != nil || !strings.Contains(mustJSON(got), `"effective_weight":2.5`) {
		t.Errorf("got %s, %v", mustJSON(got), err)
	}
	if got, err := control.Control([]string{"upstreams", up}, []byte(`{"weight":null}`)); err != nil || !strings.Contains(mustJSON(got), `"effective_weight":1,`) {
		t.Errorf("got %s, %v", mustJSON(got), err)
	}
}

// pick in a pool as Caddy makes it, without a server.
func benchmarkSelect(b *testing.B, n int, policy func(reverseproxy.UpstreamPool) reverseproxy.Selector) {
	upstreams := make(reverseproxy.UpstreamPool, n)
	for i := range upstreams {
		upstreams[i] = &reverseproxy.Upstream{Host: new(reverseproxy.Host), Dial: fmt.Sprintf("10.0.%d.%d:80", i/256, i%256)}
	}
	selector := policy(upstreams)
	req := httptest.NewRequest(http.MethodGet, "/", nil)
	b.ReportAllocs()
	for b.Loop() {
		if selector.Select(upstreams, req, nil) == nil {
			b.Fatal("nobody was picked")
		}
	}
}

// healthy is a policy over upstreams that all do well, as it is most of the time.
func healthy(upstreams reverseproxy.UpstreamPool, weight func(i int) float64) *Policy {
	p := &Policy{Name: "test", source: func() memberSource { return nil }, weights: make(map[string]float64)}
	for i, u := range upstreams {
		p.weights[u.String()] = weight(i)
	}
	p.live = newLivePool()
	p.balancer = balance.NewBalancer(p.live.Pool, balance.DefaultSettings())
	return p
}

func BenchmarkSelect(b *testing.B) {
	for _, n := range []int{3, 100, 1000} {
		for name, policy := range map[string]func(reverseproxy.UpstreamPool) reverseproxy.Selector{
			"success_weighted/equal": func(u reverseproxy.UpstreamPool) reverseproxy.Selector {
				return healthy(u, func(int) float64 { return 1 })
			},
			"success_weighted/weights_1_to_5": func(u reverseproxy.UpstreamPool) reverseproxy.Selector {
				return healthy(u, func(i int) float64 { return float64(1 + i%5) })
			},
			"success_weighted/one_failing": func(u reverseproxy.UpstreamPool) reverseproxy.Selector {
				p := healthy(u, func(i int) float64 { return float64(1 + i%5) })
				p.bind(u)
				attempt := p.balancer.Begin(p.live.Upstream(u[0].String()))
				attempt.Answered(balance.FailedStatus)
				return p
			},
			"caddy/round_robin": func(reverseproxy.UpstreamPool) reverseproxy.Selector { return new(reverseproxy.RoundRobinSelection) },
			"success_weighted/dynamic": func(u reverseproxy.UpstreamPool) reverseproxy.Selector {
				p := healthy(u, func(int) float64 { return 1 })
				p.dynamic = true
				return p
			},
		} {
			b.Run(fmt.Sprintf("%s/n=%d", name, n), func(b *testing.B) { benchmarkSelect(b, n, policy) })
		}
	}
}

// Most picks allocate nothing, from a static pool and from a dynamic one.
func TestSelectAllocatesNothing(t *testing.T) {
	upstreams := reverseproxy.UpstreamPool{
		{Host: new(reverseproxy.Host), Dial: "a:80"}, {Host: new(reverseproxy.Host), Dial: "b:80"}, {Host: new(reverseproxy.Host), Dial: "c:80"},
	}
	req := httptest.NewRequest(http.MethodGet, "/", nil)
	for _, dynamic := range []bool{false, true} {
		p := healthy(upstreams, func(i int) float64 { return float64(1 + i) })
		p.dynamic = dynamic
		p.Select(upstreams, req, nil)
		if n := testing.AllocsPerRun(1000, func() { p.Select(upstreams, req, nil) }); n != 0 {
			t.Errorf("dynamic %v: %v allocations a pick", dynamic, n)
		}
	}
}

// Sources may tell their upstreams in any order, and others for each request.
func TestPoolsOfAnyOrder(t *testing.T) {
	upstream := func(address string) *reverseproxy.Upstream {
		return &reverseproxy.Upstream{Host: new(reverseproxy.Host), Dial: address}
	}
	p := healthy(nil, nil)
	p.dynamic = true
	picks := map[string]int{}
	req := httptest.NewRequest(http.MethodGet, "/", nil)
	for n := range 1200 {
		pool := reverseproxy.UpstreamPool{upstream("a"), upstream("b")}
		switch n % 3 {
		case 1:
			pool = reverseproxy.UpstreamPool{upstream("b"), upstream("a")}
		case 2:
			pool = reverseproxy.UpstreamPool{upstream("c"), upstream("a"), upstream("c")}
		}
		u := p.Select(pool, req, nil)
		if !slices.Contains(pool, u) {
			t.Fatalf("picked %v, which is not in the pool", u)
		}
		picks[u.String()]++
	}
	for address, want := range map[string]int{"a": 600, "b": 400, "c": 200} {
		if got := picks[address]; got < want-100 || got > want+100 {
			t.Errorf("%s was picked %d times, want about %d", address, got, want)
		}
	}
}

// A denied retry must not take what the next request needs: the only place for a
// probe of an upstream on probation.
func TestDeniedRetryTakesNoProbe(t *testing.T) {
	listen := freeport.Address(t)
	var down atomic.Bool
	recovering := backend(t, func(w http.ResponseWriter, _ *http.Request) {
		if down.Load() {
			w.WriteHeader(503)
		}
	})
	var n atomic.Int32
	shaky := backend(t, func(w http.ResponseWriter, _ *http.Request) {
		if n.Add(1)%3 == 0 {
			w.WriteHeader(503)
		}
	})
	serve(t, fmt.Sprintf("http://%s {\n reverse_proxy %s %s {\n lb_policy success_weighted {\n name test\n retry_budget 0%%\n eject_for 100ms\n eject_after 3\n}\n%s\n}\n}",
		listen, recovering, shaky, retry))
	down.Store(true)
	deadline := time.Now().Add(5 * time.Second)
	for upstreamOf(t, "test", recovering).State == "in" && time.Now().Before(deadline) {
		get(t, "http://"+listen)
	}
	down.Store(false)
	for upstreamOf(t, "test", recovering).State != "probing" {
		if time.Now().After(deadline) {
			t.Fatalf("the upstream is %s, want one whose ejection is over", upstreamOf(t, "test", recovering).State)
		}
		time.Sleep(time.Millisecond)
	}
	for range 100 {
		get(t, "http://"+listen)
	}
	if s := upstreamOf(t, "test", recovering).State; s != "in" {
		t.Errorf("after 100 requests the upstream that recovered is %s, want in", s)
	}
}

func TestEmptyDynamicPool(t *testing.T) {
	sourceState.Store(&[]sourceMember{{Address: backend(t, answer("a")), Weight: 1}})
	listen := freeport.Address(t)
	dynamic(t, t.TempDir(), listen)
	t.Cleanup(func() { stop(t) })
	get(t, "http://"+listen)
	sourceState.Store(new([]sourceMember))
	if code, _ := get(t, "http://"+listen); code != 503 {
		t.Errorf("status %d, want 503", code)
	}
	sourceState.Store(&[]sourceMember{{Address: backend(t, answer("b")), Weight: 1}})
	if code, body := get(t, "http://"+listen); code != 200 || body != "b" {
		t.Errorf("got %d %q, want b", code, body)
	}
}

// Storage that fails when a decision is made, and works again later.
func TestDecisionsWithFailingStorage(t *testing.T) {
	dir := t.TempDir()
	files := &certmagic.FileStorage{Path: dir}
	failing := &failingStorage{Storage: files}
	p := healthy(nil, nil)
	p.logger = zaptest.NewLogger(t)
	p.storage = failing
	m := balance.Member{Address: "a", Weight: 1}
	decide := func(body string) error { return p.live.decide(p, m, []byte(body)) }
	if err := decide(`{"drain":true}`); err != nil {
		t.Fatal(err)
	}
	// a restart, with storage that is down
	p.live = newLivePool()
	failing.down = true
	p.live.restore(p)
	if err := decide(`{"drain":false}`); err == nil {
		t.Error("nothing tells that the decision will not outlive a restart")
	}
	failing.down = false
	m.Address = "b"
	if err := decide(`{"weight":2}`); err != nil {
		t.Fatal(err)
	}
	if d := p.live.Decisions(); d["a"].Drain != nil || d["b"].Weight == nil {
		t.Errorf("decisions are %+v: an old one came back", d)
	}
	// a file that cannot be read is lost, but not what is decided from then on
	if err := files.Store(t.Context(), "weir/pools/test.json", []byte("{")); err != nil {
		t.Fatal(err)
	}
	p.live = newLivePool()
	p.live.restore(p)
	if err := decide(`{"weight":3}`); err != nil {
		t.Error(err)
	}
	p.live = newLivePool()
	p.live.restore(p)
	if w := p.live.Decisions()["b"].Weight; w == nil || w.Value != 3 {
		t.Errorf("the stored decision is %+v, want 3", w)
	}
}

type failingStorage struct {
	certmagic.Storage
	down bool
}

func (s *failingStorage) Load(ctx context.Context, key string) ([]byte, error) {
	if s.down {
		return nil, errors.New("down")
	}
	return s.Storage.Load(ctx, key)
}

func (s *failingStorage) Store(ctx context.Context, key string, value []byte) error {
	if s.down {
		return errors.New("down")
	}
	return s.Storage.Store(ctx, key, value)
}
