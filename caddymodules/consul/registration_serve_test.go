package consul

// registration_serve_test.go runs configurations with registrations in a Caddy inside the
// test process.

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/caddyserver/caddy/v2"

	"github.com/weirproxy/weir/governance/lease"
	"github.com/weirproxy/weir/governance/livestate"
	"github.com/weirproxy/weir/internal/adapttest"
	"github.com/weirproxy/weir/internal/freeport"
	"github.com/weirproxy/weir/internal/metricset"
)

// registering is a Caddy with a site, and the Consul that it registers with.
type registering struct {
	*fakeConsul
	t       *testing.T
	address string // of Consul
	storage string
	listen  string
}

func newRegistering(t *testing.T) *registering {
	t.Helper()
	cleanEnvironment(t)
	c := newFakeConsul()
	g := &registering{fakeConsul: c, t: t, storage: t.TempDir(), listen: freeport.Address(t)}
	g.address = c.listen(t)
	return g
}

// config is a configuration with these options of the global option governance.
func (g *registering) config(options string) []byte {
	g.t.Helper()
	adapted, err := adapttest.Adapt(fmt.Sprintf(
		"{\n\tadmin off\n\tpersist_config off\n\tauto_https off\n\tstorage file_system {\n\t\troot %s\n\t}\n\tgovernance {\n\t\tconsul %s {\n\t\t\ttoken %s\n\t\t}\n%s\n\t}\n}\nhttp://%s {\n\trespond hi\n}\n",
		g.storage, g.address, secret, options, g.listen))
	if err != nil {
		g.t.Fatal(err)
	}
	return []byte(adapted)
}

func (g *registering) load(options string) {
	g.t.Helper()
	if err := adapttest.Load(g.config(options)); err != nil {
		g.t.Fatal(err)
	}
}

func (g *registering) stop() {
	g.t.Helper()
	adapttest.Stop(g.t)
}

// become waits until the services are registered with the weights given, and until
// their leases have read the answer that says so.
func (g *registering) become(when string, want map[string]float64) {
	g.t.Helper()
	var got map[string]lease.Instance
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		got = g.instances(g.t)
		same := len(got) == len(want)
		for key, i := range got {
			weight, ok := want[strings.Split(key, "/")[2]]
			same = same && ok && weight == i.Weight && g.noted(key, i)
		}
		if same {
			return
		}
	}
	g.t.Errorf("%s: registered are %v, want %v", when, got, want)
}

// noted tells whether the lease counts every write of its key.
func (g *registering) noted(key string, i lease.Instance) bool {
	g.t.Helper()
	s := registration(g.t, fmt.Sprintf("%s@%s:%d", strings.Split(key, "/")[2], i.Address, i.Port))
	return s.Registrations+s.Updates == uint64(len(g.requests("PUT", "/v1/kv/"+key)))
}

// registration is what the admin API shows of it.
func registration(t *testing.T, name string) registrationSnapshot {
	t.Helper()
	held, err := livestate.Default.Get(livestate.Key{Kind: registrationKind, Name: name})
	if err != nil {
		t.Fatal(err)
	}
	return held.View.Snapshot().(registrationSnapshot)
}

// metricsOf returns all metrics of registrations, as name{label="value"} without the
// label registration.
func metricsOf(t *testing.T, name string) map[string]float64 {
	t.Helper()
	registry := prometheus.NewPedanticRegistry()
	if err := metricset.Register(registry); err != nil {
		t.Fatal(err)
	}
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	all := make(map[string]float64)
	for _, family := range families {
		short, ok := strings.CutPrefix(family.GetName(), "gateway_registration_")
		if !ok {
			continue
		}
		for _, m := range family.GetMetric() {
			of := ""
			for _, l := range m.GetLabel() {
				switch l.GetName() {
				case "registration":
					of = l.GetValue()
				default:
					short += fmt.Sprintf("{%s=%q}", l.GetName(), l.GetValue())
				}
			}
			if of == name {
				all[short] = m.GetGauge().GetValue() + m.GetCounter().GetValue()
			}
			short, _, _ = strings.Cut(short, "{")
		}
	}
	return all
}

func TestOneRegistrationThroughReloadsOfCaddy(t *testing.T) {
	g := newRegistering(t)
	g.load("register a 127.0.0.1:80 {\n\tdrain 0\n}")
	t.Cleanup(g.stop)
	g.become("at first", map[string]float64{"a": 1})
	before := registration(t, "a@127.0.0.1:80")
	for range 20 {
		g.load("register a 127.0.0.1:80 {\n\tdrain 0\n}")
	}
	after := registration(t, "a@127.0.0.1:80")
	if after.Session != before.Session || after.Registrations != 1 || len(g.requests("PUT", "/v1/session/create")) != 1 || !after.Registered {
		t.Errorf("%+v became %+v", before, after)
	}
	g.load("register a 127.0.0.1:80 {\n\tdrain 0\n\tweight 3\n}\nregister b 127.0.0.1:81 {\n\tdrain 0\n}")
	g.become("after a change", map[string]float64{"a": 3, "b": 1})
	if after := registration(t, "a@127.0.0.1:80"); after.Session != before.Session || after.Updates != 1 {
		t.Errorf("it became %+v", after)
	}
	want := map[string]float64{
		"registered": 1, "registrations_total": 1, "renewals_total": 0, "updates_total": 1, "failures_total": 0, "weight": 3, "draining": 0,
		`losses_total{reason="session_gone"}`: 0, `losses_total{reason="key_gone"}`: 0,
		`losses_total{reason="key_taken"}`: 0, `losses_total{reason="not_renewed"}`: 0,
	}
	got := metricsOf(t, "a@127.0.0.1:80")
	got["renewals_total"] = 0 // as time passes
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("metrics are\n%v, want\n%v", got, want)
	}
	g.load("register b 127.0.0.1:81 {\n\tdrain 0\n}")
	g.become("after the first is removed", map[string]float64{"b": 1})
	for _, r := range g.requests("", "") {
		if r.token != secret {
			t.Errorf("%+v has another token", r)
		}
	}
	for _, shown := range []any{registration(t, "b@127.0.0.1:81"), metricsOf(t, "b@127.0.0.1:81")} {
		if text, err := json.Marshal(shown); err != nil || strings.Contains(string(text), secret) {
			t.Errorf("shown is %s, %v", text, err)
		}
	}
}

// A configuration that cannot run neither registers nor changes anything, nor does one
// that is only validated ask anything.
func TestOnlyWhatRunsIsRegistered(t *testing.T) {
	g := newRegistering(t)
	var validated caddy.Config
	if err := json.Unmarshal(g.config("register a 127.0.0.1:80"), &validated); err != nil {
		t.Fatal(err)
	}
	if err := caddy.Validate(&validated); err != nil {
		t.Fatal(err)
	}
	if left := livestate.Default.List(); len(left) != 0 {
		t.Errorf("left in the registry: %v", left)
	}
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	free := g.listen
	fail := func() {
		t.Helper()
		g.listen = taken.Addr().String()
		for range 5 { // apps start in random order
			if err := caddy.Load(g.config("register a 127.0.0.1:80 {\n\tweight 9\n\tttl 30s\n}\nregister b 127.0.0.1:81"), true); err == nil {
				t.Fatal("a configuration that cannot listen was loaded")
			}
		}
		g.listen = free
	}
	fail()
	if all := g.requests("", ""); len(all) != 0 {
		t.Errorf("asked was %v", all)
	}
	g.load("register a 127.0.0.1:80 {\n\tdrain 0\n}")
	t.Cleanup(g.stop)
	g.become("at first", map[string]float64{"a": 1})
	before := registration(t, "a@127.0.0.1:80")
	fail()
	g.become("after others failed", map[string]float64{"a": 1})
	if after := registration(t, "a@127.0.0.1:80"); after.Session != before.Session || after.Updates != 0 || len(g.requests("PUT", "/v1/session/create")) != 1 {
		t.Errorf("%+v became %+v", before, after)
	}
}

// When Caddy exits, the registrations are gone before its servers stop.
func TestExitOfCaddy(t *testing.T) {
	g := newRegistering(t)
	g.load("register a 127.0.0.1:80 {\n\tdrain 100ms\n}\nregister b 127.0.0.1:81 {\n\tdrain 100ms\n}")
	g.become("at first", map[string]float64{"a": 1, "b": 1})
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 5 * time.Second}
	var served atomic.Int32
	g.setFault(func(_ http.ResponseWriter, r *http.Request) bool {
		if strings.HasPrefix(r.URL.Path, "/v1/session/destroy/") {
			if res, err := client.Get("http://" + g.listen); err != nil {
				t.Errorf("when a registration ends: %v", err)
			} else {
				res.Body.Close()
				served.Add(1)
			}
		}
		return false
	})
	exiting = func() bool { return true }
	defer func() { exiting = caddy.Exiting }()
	g.stop()
	if served.Load() != 2 || len(g.instances(t)) != 0 || len(g.requests("PUT", "/v1/kv/")) != 4 {
		t.Errorf("asked was %v, want both to be registered, marked and destroyed; left are %v", g.requests("PUT", ""), g.instances(t))
	}
}

// The process's health is that of the app.
func TestRegistrationsFollowTheProcess(t *testing.T) {
	g := newRegistering(t)
	g.load("process_health {\n\tinterval 100ms\n\tsamples 1 1000\n\tsmoothing 1\n\tmemory 0.0001% 0.0002%\n}\nregister a 127.0.0.1:80 {\n\tweight 4\n\tdrain 0\n}")
	t.Cleanup(g.stop)
	g.become("overloaded", map[string]float64{"a": 2})
	if s := registration(t, "a@127.0.0.1:80"); s.Health != "overloaded" || s.Registrations != 1 {
		t.Errorf("shown is %+v", s)
	}
}
