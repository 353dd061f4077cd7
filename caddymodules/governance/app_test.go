package governance

// app_test.go runs configurations in a Caddy inside the test process.

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	_ "github.com/weirproxy/weir/caddymodules/health"
	"github.com/weirproxy/weir/governance/livestate"
	"github.com/weirproxy/weir/governance/processhealth"
	"github.com/weirproxy/weir/internal/adapttest"
	"github.com/weirproxy/weir/internal/freeport"
	"github.com/weirproxy/weir/internal/metricset"
)

func TestCaddyfile(t *testing.T) { adapttest.Run(t, "testdata") }

// The page of process_health is checked here because its examples need the global
// option.
func TestDocumentationOfProcessHealth(t *testing.T) {
	adapttest.Page(t, "../../docs/modules/process_health.md")
}

// load makes Caddy run a site on listen with process_health in it; options are those
// of the global option.
func load(t *testing.T, storage, listen, options string) error {
	t.Helper()
	return loadSite(t, storage, "governance {\n\tprocess_health {\n\t\tinterval 100ms\n"+options+"\n\t}\n}",
		"http://"+listen+" {\n\tprocess_health {\n\t\tdetail /healthz\n\t}\n}\n")
}

func loadSite(t *testing.T, storage, global, sites string) error {
	t.Helper()
	return adapttest.LoadCaddyfile(t, adapttest.Storage(storage)+global, sites)
}

func mustLoad(t *testing.T, storage, listen, options string) {
	t.Helper()
	if err := load(t, storage, listen, options); err != nil {
		t.Fatalf("loading: %v", err)
	}
}

func stop(t *testing.T) {
	t.Helper()
	adapttest.Stop(t)
}

func app(t *testing.T) *App {
	t.Helper()
	held, err := livestate.Default.Get(livestate.Key{Kind: healthKind, Name: healthName})
	if err != nil {
		t.Fatal(err)
	}
	return held.View.(*App)
}

// get returns the status and the body of a GET.
func get(t *testing.T, url string) (int, string) {
	t.Helper()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 10 * time.Second}
	res, err := client.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, strings.TrimSpace(string(body))
}

// eventually waits for what samples or polls must bring about.
func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !is(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("never %s", what)
		}
	}
}

// overloaded are options by which this process uses too much memory.
const overloaded = "samples 1 1000\nsmoothing 1\nmemory 0.0001% 0.0002%"

func levelIs(t *testing.T, want processhealth.Level) {
	t.Helper()
	eventually(t, want.String(), func() bool { return app(t).live.Verdict().Level == want })
}

func warningOfMemory(t *testing.T) float64 {
	t.Helper()
	for _, s := range app(t).live.Report().Signals {
		if s.Name == "memory" {
			return s.Warning
		}
	}
	return 0
}

// metric returns a gauge of those that all weir modules have.
func metric(t *testing.T, name string) (float64, bool) {
	t.Helper()
	registry := prometheus.NewPedanticRegistry()
	if err := metricset.Register(registry); err != nil {
		t.Fatal(err)
	}
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, family := range families {
		for _, m := range family.GetMetric() {
			labels := ""
			for _, l := range m.GetLabel() {
				labels += fmt.Sprintf("{%s=%q}", l.GetName(), l.GetValue())
			}
			if family.GetName()+labels == name {
				return m.GetGauge().GetValue(), true
			}
		}
	}
	return 0, false
}

// What was learnt survives reloads; settings are those of the configuration that
// runs, also after another one failed to load.
func TestReload(t *testing.T) {
	storage, listen := t.TempDir(), freeport.Address(t)
	mustLoad(t, storage, listen, overloaded)
	t.Cleanup(func() { stop(t) })
	levelIs(t, processhealth.Danger)
	monitor := &app(t).live.Monitor

	mustLoad(t, storage, listen, "smoothing 1\nsamples 1 1000\nmemory 50% 60%")
	if &app(t).live.Monitor != monitor {
		t.Fatal("a reload made another monitor")
	}
	eventually(t, "the new threshold", func() bool { return warningOfMemory(t) == 0.5 })
	if got := monitor.Verdict().Level; got != processhealth.Danger {
		t.Errorf("after the reload the level is %s: what came before is forgotten", got)
	}

	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	for range 5 { // apps start in random order
		if err := load(t, storage, taken.Addr().String(), "memory 70% 80%"); err == nil {
			t.Fatal("a configuration that cannot listen was loaded")
		}
		if got := app(t).live.running; len(got) != 1 {
			t.Fatalf("%d configurations run", len(got))
		}
		eventually(t, "samples go on", func() bool { return warningOfMemory(t) == 0.5 })
	}

	// a configuration without the option, whose handler needs the monitor, has defaults
	if err := loadSite(t, storage, "", "http://"+listen+" {\n\tprocess_health\n}\n"); err != nil {
		t.Fatal(err)
	}
	if got := warningOfMemory(t); got != 0.8 {
		t.Errorf("without settings the warning is %v, want the default", got)
	}
	// and one that needs no monitor has none
	if err := loadSite(t, storage, "governance {\n}", "http://"+listen+" {\n\trespond hi\n}\n"); err != nil {
		t.Fatal(err)
	}
	if left := livestate.Default.List(); len(left) != 0 {
		t.Errorf("held without need: %v", left)
	}
	if _, ok := metric(t, "gateway_process_level"); ok {
		t.Error("metrics show a monitor that is gone")
	}
}

// JSON says what is wrong, too.
func TestBadJSON(t *testing.T) {
	for config, want := range map[string]string{
		`{"cpu":{"warning":0.95}}`:                             "process_health: cpu: warning 95% is not below danger 90%",
		`{"checks":[{"name":"a","url":"http://a","every":1}]}`: "process_health: check a: every 1ns is less than 100ms",
		`{"checks":[{"name":"a","url":"http://a/{env.X}"}]}`:   "process_health: check a: the URL contains a placeholder",
	} {
		err := caddy.Load([]byte(`{"admin":{"disabled":true},"apps":{"governance":{"process_health":`+config+`}}}`), true)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error is %v, want one with %q", err, want)
		}
	}
	if left := livestate.Default.List(); len(left) != 0 {
		t.Errorf("left in the registry: %v", left)
	}
}

// Whatever a Caddyfile says, it is refused or its settings are valid.
func FuzzCaddyfile(f *testing.F) {
	f.Add("cpu 75% 90%\ngc_pause 5ms 20ms\ngoroutines 5 6\nsamples 3 10\ninterval 1s\nsmoothing 0.4")
	f.Add("check a http://b {\n\tevery 5s\n\ttimeout 1s\n\tfailures 2\n}")
	f.Add("cpu 90% 75%\nmemory NaN Inf\ngoroutines -1 1e9\ninterval 1d")
	f.Fuzz(func(t *testing.T, options string) {
		d := caddyfile.NewTestDispenser("process_health {\n" + options + "\n}")
		d.Next()
		p := new(ProcessHealth)
		if p.unmarshal(d) != nil {
			return
		}
		if err := p.settings().Validate(); err != nil {
			t.Errorf("the Caddyfile is accepted, but its settings are not: %v", err)
		}
		if _, err := json.Marshal(p); err != nil {
			t.Error(err)
		}
	})
}
