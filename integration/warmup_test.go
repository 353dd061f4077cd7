package integration

import (
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// warming is a gateway in front of a back end whose readiness check can fail.
type warming struct {
	*Gateway
	t       *testing.T
	site    *site
	backend *Backend
	ready   atomic.Bool
}

// slowRamp admits half for as long as the test takes.
const slowRamp = "ramp 50% 80% {\n\t\t\tfactor 2\n\t\t\tinterval 10m\n\t\t}"

func newWarming(t *testing.T) *warming {
	t.Helper()
	w := &warming{t: t, backend: NewBackend(t, "one")}
	w.backend.Handle("/health", func(rw http.ResponseWriter, _ *http.Request) {
		if !w.ready.Load() {
			rw.WriteHeader(http.StatusServiceUnavailable)
		}
	})
	w.site = newSite(t, w.backend)
	w.site.Lines = []string{"warm_up shop {\n\t\tready http://" + w.backend.Address + "/health\n\t\t" + slowRamp + "\n\t}"}
	w.Gateway = startWeir(t, w.site)
	return w
}

// warmUp is a warm-up as the admin API shows it.
type warmUp struct {
	Phase    string           `json:"phase"`
	Since    time.Time        `json:"since"`
	Share    float64          `json:"share"`
	Requests map[string]int64 `json:"requests"`
}

func (w *warming) state() (s warmUp) {
	w.t.Helper()
	a := w.Get("/governance/warmups/shop")
	if err := json.Unmarshal([]byte(a.Body), &s); err != nil || a.Status != http.StatusOK {
		w.t.Fatalf("GET /governance/warmups/shop: %d %s", a.Status, a.Body)
	}
	return s
}

func (w *warming) awaitPhase(when, want string) {
	w.t.Helper()
	if !Eventually(30*time.Second, func() bool { return w.state().Phase == want }) {
		w.t.Fatalf("%s: it is %+v, want the phase %s", when, w.state(), want)
	}
}

// wantAdmitted sends 40 requests and compares how many reach the back end.
func (w *warming) wantAdmitted(when string, want int64) {
	w.t.Helper()
	before, admitted := w.backend.Requests(), int64(0)
	for range 40 {
		a := ask(w.t, http.DefaultClient, w.site.URL(), nil)
		if a.Status == http.StatusOK {
			admitted++
			continue
		}
		wantProblem(w.t, a, http.StatusServiceUnavailable)
		if seconds, err := strconv.Atoi(a.Header.Get("Retry-After")); err != nil || seconds < 1 {
			w.t.Fatalf("%s: Retry-After is %q", when, a.Header.Get("Retry-After"))
		}
	}
	// one connection after a reload can end before it is answered, and is made anew
	if admitted < want-1 || admitted > want+1 || want == 0 && admitted > 0 || w.backend.Requests()-before < admitted {
		w.t.Errorf("%s: %d of 40 requests admitted, %d reached the back end, want %d", when, admitted, w.backend.Requests()-before, want)
	}
}

func (w *warming) command(body string) {
	w.t.Helper()
	if a := w.Post("/governance/warmups/shop", body); a.Status != http.StatusOK {
		w.t.Fatalf("%s: %d %s", body, a.Status, a.Body)
	}
}

func TestAWarmUpOutlivesReloadsAndBeginsWithTheProcess(t *testing.T) {
	t.Parallel()
	w := newWarming(t)
	w.wantAdmitted("before it is ready", 0)
	w.awaitPhase("before it is ready", "hold")
	w.ready.Store(true)
	w.awaitPhase("ready", "grow")
	w.wantAdmitted("ready", 20)

	began, slow := w.state().Since, w.site.Caddyfile()
	w.MustLoad(slow)
	if err := w.Load(strings.Replace(slow, "ramp 50% 80%", "ramp 90% 80%", 1)); err == nil || !strings.Contains(err.Error(), "swap them") {
		t.Errorf("a ramp from 90%% to 80%%: error is %v", err)
	}
	if s := w.state(); !s.Since.Equal(began) || s.Phase != "grow" {
		t.Errorf("after a reload, and one that failed, it is %+v, want it to go on since %v", s, began)
	}
	w.wantAdmitted("after a reload, and one that failed", 20)

	w.MustLoad(strings.Replace(slow, "interval 10m", "interval 1s", 1))
	w.awaitPhase("with steps of a second", "warm")
	w.wantAdmitted("over", 40)
	w.MustLoad(slow)
	w.wantAdmitted("over, and reloaded", 40)

	w.command(`{"restart":true}`)
	w.awaitPhase("restarted by the operator", "grow")
	w.wantAdmitted("restarted by the operator", 20)
	refused := w.Metrics().Sum("gateway_warmup_requests_total", "warmup", "shop", "result", "refused")
	if s := w.state(); refused < 70 || float64(s.Requests["refused"]) != refused {
		t.Errorf("%v requests refused in the metrics, %v in the admin API; want the same, at least 70", refused, s.Requests)
	}
	w.command(`{"skip":true}`)
	w.wantAdmitted("skipped", 40)

	w.Stop()
	w.Run(slow)
	w.awaitPhase("another process", "grow")
	w.wantAdmitted("another process", 20)
}

func TestAServiceThatFailsIsWarmedUpAgain(t *testing.T) {
	t.Parallel()
	w := newWarming(t)
	w.ready.Store(true)
	w.awaitPhase("ready", "grow")
	w.command(`{"skip":true}`)
	w.backend.Die()
	died := time.Now()
	// three polls and 30 s
	if !Eventually(60*time.Second, func() bool { return w.state().Phase != "warm" }) {
		t.Fatal("a minute after the back end died the service still counts as warm")
	}
	if after := time.Since(died); after < 29*time.Second {
		t.Errorf("it counts as cold %v after the back end died, want 30 s", after)
	}
	if s := w.state(); s.Phase != "hold" || s.Share != 0.5 {
		t.Errorf("it is %+v, want to hold half of all", s)
	}
	w.backend.Revive()
	w.awaitPhase("the back end is back", "grow")
	w.wantAdmitted("the back end is back", 20)
}
