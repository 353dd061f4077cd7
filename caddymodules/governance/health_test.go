package governance

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/weirproxy/weir/governance/livestate"
	"github.com/weirproxy/weir/governance/processhealth"
	"github.com/weirproxy/weir/internal/freeport"
)

// Overload is told to everybody, and nobody is made unready by it.
func TestOverload(t *testing.T) {
	listen := freeport.Address(t)
	mustLoad(t, t.TempDir(), listen, overloaded)
	t.Cleanup(func() { stop(t) })
	levelIs(t, processhealth.Danger)
	eventually(t, "under pressure", func() bool { return app(t).live.Verdict().Pressure > 0.9 })
	var readiness processhealth.Readiness
	if status, body := get(t, "http://"+listen+"/readyz"); status != http.StatusOK || json.Unmarshal([]byte(body), &readiness) != nil || !readiness.Ready || readiness.Weight > 0.2 {
		t.Errorf("/readyz is answered with %d %s", status, body)
	}
	if status, body := get(t, "http://"+listen+"/livez"); status != http.StatusOK || body != `{"live":true}` {
		t.Errorf("/livez is answered with %d %s", status, body)
	}
	status, body := get(t, "http://"+listen+"/healthz")
	var report processhealthReport
	if err := json.Unmarshal([]byte(body), &report); err != nil || status != http.StatusOK {
		t.Fatalf("/healthz is answered with %d %s", status, body)
	}
	if report.Level != "danger" || !strings.HasPrefix(report.Reason, "memory ") || len(report.Signals) < 5 {
		t.Errorf("report is %s", body)
	}
	for name, want := range map[string]float64{
		"gateway_process_level": 2, `gateway_process_health_level{signal="memory"}`: 2, "gateway_process_ready": 1,
	} {
		if got, ok := metric(t, name); !ok || got != want {
			t.Errorf("%s is %v, want %v", name, got, want)
		}
	}
	if got, ok := metric(t, "gateway_process_pressure"); !ok || got <= 0.9 {
		t.Errorf("the pressure shown is %v", got)
	}
	if got, ok := metric(t, `gateway_process_health_value{signal="memory"}`); !ok || got <= 0 {
		t.Errorf("the memory shown is %v", got)
	}
}

// processhealthReport is the part of a report that a client would decode.
type processhealthReport struct {
	Level, Reason string
	Signals       []struct{ Name, Level string }
}

func TestDecisionSurvivesARestart(t *testing.T) {
	storage, listen := t.TempDir(), freeport.Address(t)
	mustLoad(t, storage, listen, "")
	t.Cleanup(func() { stop(t) })
	expect := func(want string) {
		t.Helper()
		wanted := http.StatusServiceUnavailable
		if want == "" {
			wanted = http.StatusOK
		}
		status, body := get(t, "http://"+listen+"/readyz")
		if status != wanted || want != "" && !strings.Contains(body, `"reasons":["`+want+`"]`) {
			t.Errorf("/readyz is answered with %d %s, want %d %s", status, body, wanted, want)
		}
	}
	decide := func(body string) {
		t.Helper()
		answer, err := app(t).Control(nil, []byte(body))
		if err != nil {
			t.Fatal(err)
		}
		if answer.(health).Name != healthName {
			t.Errorf("answer is %+v", answer)
		}
	}
	expect("")
	decide(`{"ready":false,"ttl":"5m"}`)
	expect("operator")
	mustLoad(t, storage, listen, "cpu 10% 99%")
	expect("operator")
	decide(`{"drain":true}`)
	stop(t)
	mustLoad(t, storage, listen, "")
	expect("draining")
	decide(`{"drain":false}`)
	expect("")
	stop(t)
	mustLoad(t, storage, listen, "")
	expect("")
	decide(`{"ready":false,"ttl":"1ms"}`)
	eventually(t, "the decision ends", func() bool { return app(t).live.Readiness().Ready })
}

func TestDecisionsThatMakeNoSense(t *testing.T) {
	mustLoad(t, t.TempDir(), freeport.Address(t), "")
	t.Cleanup(func() { stop(t) })
	for _, body := range []string{
		``, `[]`, `{}`, `{"ready":"no"}`, `{"redy":false}`, `{"ready":false}{}`, `{"ready":false,"drain":true}`,
		`{"ready":false,"ttl":"-5m"}`, `{"ready":false,"ttl":"soon"}`, `{"ready":true,"ttl":"5m"}`,
	} {
		if _, err := app(t).Control(nil, []byte(body)); !errors.Is(err, livestate.ErrInvalid) {
			t.Errorf("%s: error is %v", body, err)
		}
	}
	if _, err := app(t).Control([]string{"cpu"}, []byte(`{"ready":false}`)); !errors.Is(err, livestate.ErrNotFound) {
		t.Errorf("error is %v, want that there is no such part", err)
	}
	if r := app(t).live.Readiness(); !r.Ready {
		t.Errorf("readiness is %+v", r)
	}
}

// A named dependency makes the process unready, and the configuration that replaces
// it is not unready until it was polled.
func TestCheck(t *testing.T) {
	backend := &http.Server{Handler: http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go backend.Serve(listener)
	defer backend.Shutdown(context.Background())

	storage, listen := t.TempDir(), freeport.Address(t)
	check := fmt.Sprintf("check database http://%s/?token=s3cret {\n\tevery 100ms\n\tfailures 1\n}", listener.Addr())
	mustLoad(t, storage, listen, check)
	t.Cleanup(func() { stop(t) })
	ready := func() bool { return app(t).live.Readiness().Ready }
	eventually(t, "ready", ready)
	mustLoad(t, storage, listen, check+"\ncpu 10% 99%")
	if !ready() {
		t.Error("a reload made the process unready")
	}
	if got, ok := metric(t, `gateway_process_check_up{check="database"}`); !ok || got != 1 {
		t.Errorf("the metric is %v", got)
	}
	backend.Close()
	eventually(t, "unready", func() bool { return !ready() })
	if status, body := get(t, "http://"+listen+"/readyz"); status != http.StatusServiceUnavailable || body != `{"ready":false,"reasons":["check database"],"weight":1}` {
		t.Errorf("/readyz is answered with %d %s", status, body)
	}
	if _, body := get(t, "http://"+listen+"/healthz"); strings.Contains(body, "127.0.0.1") || strings.Contains(body, "s3cret") {
		t.Errorf("/healthz tells %s", body)
	}
	snapshot, err := json.Marshal(app(t).Snapshot())
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(snapshot), "s3cret") || !strings.Contains(string(snapshot), "refused") {
		t.Errorf("the admin API shows %s", snapshot)
	}
}

// A check that a reload brings, and that was not answered yet, takes no traffic away:
// neither from the configuration that has it, nor from the one that goes on when it
// fails to load.
func TestANewCheckDoesNotMakeUnready(t *testing.T) {
	hangs, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer hangs.Close()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	storage, listen := t.TempDir(), freeport.Address(t)
	mustLoad(t, storage, listen, "")
	t.Cleanup(func() { stop(t) })
	monitor := &app(t).live.Monitor
	looks := make(chan struct{})
	unready := make(chan int)
	go func() {
		n := 0
		for {
			select {
			case <-looks:
				unready <- n
				return
			default:
			}
			if !monitor.Readiness().Ready {
				n++
			}
			time.Sleep(20 * time.Microsecond)
		}
	}()
	check := fmt.Sprintf("check database http://%s/ {\n\ttimeout 10s\n}", hangs.Addr())
	for range 10 { // apps start in random order
		if err := load(t, storage, taken.Addr().String(), check); err == nil {
			t.Error("a configuration that cannot listen was loaded")
		}
	}
	mustLoad(t, storage, listen, check)
	close(looks)
	if n := <-unready; n > 0 {
		t.Errorf("unready in %d looks", n)
	}
	stop(t)
	mustLoad(t, storage, listen, check)
	if r := app(t).live.Readiness(); r.Ready {
		t.Error("a process that starts is ready before its check was answered")
	}
}

func FuzzDecision(f *testing.F) {
	f.Add([]byte(`{"ready":false,"ttl":"5m"}`))
	f.Add([]byte(`{"drain":true}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		now := time.Now()
		d, err := parseDecision(body, now)
		if err != nil && d != (processhealth.Decision{}) {
			t.Errorf("%q is refused, but decides %+v", body, d)
		}
		if !d.Until.IsZero() && d.Kind == "" {
			t.Errorf("%q decides nothing for some time", body)
		}
	})
}
