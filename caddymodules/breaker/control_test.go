package breaker

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/weirproxy/weir/governance/livestate"
	"github.com/weirproxy/weir/internal/adapttest"
	"github.com/weirproxy/weir/internal/freeport"
)

func control(t *testing.T, command string) snapshot {
	t.Helper()
	shown, err := view(t).Control(nil, []byte(command))
	if err != nil {
		t.Fatalf("%s: %v", command, err)
	}
	return shown.(snapshot)
}

func TestOperator(t *testing.T) {
	listen := freeport.Address(t)
	takeEvents()
	serve(t, site(listen, quick, "reverse_proxy "+backend(t, status(500))))
	if s := control(t, `{"state":"open","ttl":"45s"}`); s.State != "open" || s.Forced != "open" || s.Decision == nil || s.Decision.State != "open" {
		t.Errorf("got %+v", s)
	}
	got := get(t, "http://"+listen)
	wantReply(t, got, 503, "breaker-open")
	if after := got.Header.Get("Retry-After"); after > "45" || after < "40" {
		t.Errorf("Retry-After is %q, want what is left of 45", after)
	}
	control(t, `{"state":"closed"}`)
	for range 4 {
		wantReply(t, get(t, "http://"+listen), 500, "")
	}
	control(t, `{"state":"disabled"}`)
	for range 4 {
		wantReply(t, get(t, "http://"+listen), 500, "")
	}
	if s := control(t, `{"state":"auto"}`); s.Forced != "" || s.Decision != nil {
		t.Errorf("the decision is not taken back: %+v", s)
	}
	control(t, `{"consecutive":1}`)
	get(t, "http://"+listen)
	wantState(t, "open")
	want := []string{"breaker_opened test operator 4", "breaker_closed test operator <nil>", "breaker_opened test consecutive 3"}
	var seen []string
	if !eventually(func() bool { seen = append(seen, takeEvents()...); return len(seen) >= len(want) }) {
		t.Fatalf("events are %q, want %q", seen, want)
	}
	for i := range want {
		if !strings.HasPrefix(seen[i], want[i]) {
			t.Errorf("event %d is %q, want %q", i, seen[i], want[i])
		}
	}
}

func TestWrongCommands(t *testing.T) {
	listen := freeport.Address(t)
	serve(t, site(listen, quick, "respond ok"))
	h := view(t)
	if _, err := h.Control([]string{"upstreams"}, []byte(`{"state":"open"}`)); !errors.Is(err, livestate.ErrNotFound) {
		t.Errorf("a path is %v, want not found", err)
	}
	if _, err := h.Control(nil, []byte(`{"state":"ajar"}`)); !errors.Is(err, livestate.ErrInvalid) || !strings.Contains(err.Error(), "ajar") {
		t.Errorf("a wrong state is %v", err)
	}
	if h.snapshot().Decision != nil {
		t.Error("a wrong command decides something")
	}
}

// What is learnt and decided survives a reload, in each state, also one that fails.
func TestReloads(t *testing.T) {
	for state, prepare := range map[string]func(url string){
		"closed":    func(url string) { get(t, url) },
		"open":      func(url string) { open(t, url) },
		"half_open": func(url string) { open(t, url); wantState(t, "half_open") },
		"forced":    func(string) { control(t, `{"state":"open"}`) },
	} {
		t.Run(state, func(t *testing.T) {
			listen := freeport.Address(t)
			up := backend(t, status(500))
			options := quick
			if state == "half_open" {
				options = strings.Replace(quick, "30s", "200ms 300ms", 1)
			}
			storage := serve(t, site(listen, options, "reverse_proxy "+up))
			prepare("http://" + listen)
			before := view(t).snapshot()
			failing := site(listen, options+"dry_run\n", "reverse_proxy "+up) + "http://" + freeport.Address(t) + " {\n breaker test\n}\n"
			if err := load(t, storage, failing); err == nil || !strings.Contains(err.Error(), livestate.ErrConflict.Error()) {
				t.Errorf("another configuration with a conflict: %v", err)
			}
			for n := range 2 {
				after := view(t).snapshot()
				if after.State != before.State || after.Forced != before.Forced || after.Opened != before.Opened ||
					after.Calls != before.Calls || after.ConsecutiveFailures != before.ConsecutiveFailures || after.Settings != before.Settings {
					t.Errorf("reload %d: before\n%+v, after\n%+v", n, before, after)
				}
				mustLoad(t, storage, site(listen, options, "header X-Reloaded yes\n\treverse_proxy "+up))
			}
		})
	}
}

// A decision is about the configuration that runs, also before its first request.
func TestDecisionsAfterAReload(t *testing.T) {
	listen := freeport.Address(t)
	up := backend(t, status(200))
	storage := serve(t, site(listen, quick, "reverse_proxy "+up))
	get(t, "http://"+listen)
	mustLoad(t, storage, site(listen, quick+"min_calls 7\n", "reverse_proxy "+up))
	if s := control(t, `{"state":"closed"}`); s.Settings.MinCalls != 7 || s.Forced != "closed" {
		t.Errorf("after a reload: %+v", s)
	}
}

// An operator's decisions survive a restart; thresholds end when the configured ones
// change, for good.
func TestRestarts(t *testing.T) {
	listen := freeport.Address(t)
	up := backend(t, status(200))
	storage := t.TempDir()
	restart := func(options string) snapshot {
		t.Helper()
		stop(t)
		mustLoad(t, storage, site(listen, options, "reverse_proxy "+up))
		get(t, "http://"+listen)
		return view(t).snapshot()
	}
	mustLoad(t, storage, site(listen, quick, "reverse_proxy "+up))
	defer stop(t)
	control(t, `{"state":"open","ttl":"1h"}`)
	control(t, `{"failure_ratio":0.3,"min_calls":10}`)
	eventually(func() bool { return len(takeEvents()) > 0 })
	s := restart(quick)
	if seen := takeEvents(); len(seen) > 0 {
		t.Errorf("a decision that is restored is told as a change: %q", seen)
	}
	if s.Forced != "open" || s.Settings.FailureRatio != 0.3 || s.Settings.MinCalls != 10 || !s.Thresholds {
		t.Errorf("after a restart it is %+v", s)
	}
	s = restart(quick + "window 20s\n")
	if s.Forced != "open" || s.Settings.FailureRatio != 0.5 || s.Settings.Window != 20 {
		t.Errorf("after a restart with other settings it is %+v", s)
	}
	if !eventually(func() bool { return !strings.Contains(stored(t, storage), "thresholds") }) {
		t.Errorf("thresholds decided for other settings are kept: %s", stored(t, storage))
	}
	s = restart(quick)
	if s.Forced != "open" || s.Settings.FailureRatio != 0.5 {
		t.Errorf("thresholds came back: %+v", s)
	}
	control(t, `{"state":"auto"}`)
	if s = restart(quick); s.Forced != "" || s.State != "closed" {
		t.Errorf("what was taken back came back: %+v", s)
	}
}

// stored is what is stored of the breaker.
func stored(t *testing.T, storage string) string {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(storage, "weir", kind, "test.json"))
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

func TestSharedBreakers(t *testing.T) {
	a, b := freeport.Address(t), freeport.Address(t)
	up := backend(t, status(500))
	serve(t, site(a, quick, "reverse_proxy "+up)+site(b, quick+"window 10s\nfallback {\n respond fallback\n}\n", "reverse_proxy "+up))
	open(t, "http://"+a)
	wantReply(t, get(t, "http://"+a), 503, "breaker-open")
	wantReply(t, get(t, "http://"+b), 200, "fallback")
}

func TestMetrics(t *testing.T) {
	listen := freeport.Address(t)
	serve(t, site(listen, quick+"fallback {\n respond fallback\n}\n", "reverse_proxy "+backend(t, status(500))))
	open(t, "http://"+listen)
	get(t, "http://"+listen)
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(new(collector))
	want := `
# HELP gateway_breaker_calls_total Calls that ended, by outcome: success, failure, neutral.
# TYPE gateway_breaker_calls_total counter
gateway_breaker_calls_total{breaker="test",outcome="failure"} 2
gateway_breaker_calls_total{breaker="test",outcome="neutral"} 0
gateway_breaker_calls_total{breaker="test",outcome="success"} 0
# HELP gateway_breaker_fallbacks_total Requests given to the fallback: refused ones, and ones that failed.
# TYPE gateway_breaker_fallbacks_total counter
gateway_breaker_fallbacks_total{breaker="test",on="failure"} 0
gateway_breaker_fallbacks_total{breaker="test",on="refused"} 1
# HELP gateway_breaker_forced 1 while an operator has decided the state.
# TYPE gateway_breaker_forced gauge
gateway_breaker_forced{breaker="test"} 0
# HELP gateway_breaker_opened_total How often the breaker has opened by itself.
# TYPE gateway_breaker_opened_total counter
gateway_breaker_opened_total{breaker="test"} 1
# HELP gateway_breaker_refused_total Requests that were refused or given to the fallback, by reason.
# TYPE gateway_breaker_refused_total counter
gateway_breaker_refused_total{breaker="test",reason="forced_open"} 0
gateway_breaker_refused_total{breaker="test",reason="half_open"} 0
gateway_breaker_refused_total{breaker="test",reason="max_concurrent"} 0
gateway_breaker_refused_total{breaker="test",reason="open"} 1
gateway_breaker_refused_total{breaker="test",reason="recovering"} 0
# HELP gateway_breaker_state State of the breaker: 0 closed, 1 half-open, 2 open.
# TYPE gateway_breaker_state gauge
gateway_breaker_state{breaker="test"} 2
`
	if err := testutil.GatherAndCompare(registry, strings.NewReader(want), "gateway_breaker_calls_total", "gateway_breaker_fallbacks_total",
		"gateway_breaker_forced", "gateway_breaker_opened_total", "gateway_breaker_refused_total", "gateway_breaker_state"); err != nil {
		t.Error(err)
	}
	if n := testutil.CollectAndCount(new(collector)); n != 21 {
		t.Errorf("a breaker has %d series, want 21", n)
	}
}

// What makes no sense is refused in JSON too, where no line can be named.
func TestProvisioningErrors(t *testing.T) {
	listen := freeport.Address(t)
	adapted, err := adapttest.Adapt(site(listen, "", "respond ok"))
	if err != nil {
		t.Fatal(err)
	}
	for fields, want := range map[string]string{
		`"name": ""`:                                           "a name is needed",
		`"name": "{path}"`:                                     "placeholder",
		`"name": "t", "failure_ratio": 1.5`:                    "failure_ratio",
		`"name": "t", "slow_ratio": 0.5`:                       "slow_call",
		`"name": "t", "open_for": "10m", "open_for_max": "1m"`: "open_for",
		`"name": "t", "failure_status": [600]`:                 "failure_status",
		`"name": "t", "min_calls": -1`:                         "min_calls",
		`"name": "t", "fallback_on_failure": {}`:               "needs a fallback",
		`"name": "t", "fallback": {"handler": "static_response"}, "fallback_on_failure": {"max_body": -1}`: "max_body",
		`"name": "t", "fallback": {"handler": "nobody"}`:                                                   "nobody",
		`"name": "t", "consecutive": 0, "failure_ratio": 0`:                                                "nothing can open",
	} {
		config := strings.Replace(adapted, `"name": "test"`, fields, 1)
		if err := loadJSON(config); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want an error with %q", fields, err, want)
		}
		if left := livestate.Default.List(); len(left) != 0 {
			t.Fatal(fmt.Sprint("left in the registry: ", left))
		}
	}
}
