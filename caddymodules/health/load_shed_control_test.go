package health

import (
	"encoding/json"
	"errors"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddyserver/certmagic"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/weirproxy/weir/governance/livestate"
	"github.com/weirproxy/weir/internal/statestore"
)

func TestLoadShedDecisions(t *testing.T) {
	for _, test := range []struct {
		body string
		err  string // empty if the decision is taken
		mode shedMode
	}{
		{`{"mode":"off"}`, "", modeOff},
		{`{"mode":"dry_run","ttl":"5m"}`, "", modeDryRun},
		{`{"mode":"shed"}`, "", modeShed},
		{`{"mode":"auto"}`, "", modeShed},
		{`{"mode":"auto","ttl":"5m"}`, "no ttl", ""},
		{`{"mode":"on"}`, "none of shed", ""},
		{`{}`, "none of shed", ""},
		{`{"mode":"off","ttl":"soon"}`, "positive duration", ""},
		{`{"mode":"off","ttl":"-1s"}`, "positive duration", ""},
		{`{"mode":"off","until":"tomorrow"}`, "unknown field", ""},
		{`{"mode":"off"} {}`, "something after", ""},
		{`off`, "must be an object", ""},
		{``, "must be an object", ""},
	} {
		h, _ := newShed(t, new(LoadShed), 1)
		got, err := h.Control(nil, []byte(test.body))
		if test.err != "" {
			if !errors.Is(err, livestate.ErrInvalid) || !strings.Contains(err.Error(), test.err) || h.live.decision.Load() != nil {
				t.Errorf("%s: error is %v, want one with %q, and no decision", test.body, err, test.err)
			}
			continue
		}
		if err != nil || got.(shedSnapshot).Mode != test.mode || h.mode() != test.mode {
			t.Errorf("%s: %+v, %v; want mode %s", test.body, got, err, test.mode)
		}
	}
	h, _ := newShed(t, new(LoadShed), 1)
	if _, err := h.Control([]string{"upstreams"}, []byte(`{"mode":"off"}`)); !errors.Is(err, livestate.ErrNotFound) {
		t.Errorf("a decision about a part of it ends with %v", err)
	}
}

func TestLoadShedModesAreFollowed(t *testing.T) {
	h, _ := newShed(t, &LoadShed{Floor: new(float64)}, 1)
	for _, test := range []struct {
		mode                string
		refused             bool
		admitted, shed, dry uint64 // so far
	}{
		{"auto", true, 0, 1, 0},
		{"off", false, 1, 1, 0},
		{"dry_run", false, 1, 1, 1},
		{"shed", true, 1, 2, 1},
	} {
		if _, err := h.Control(nil, []byte(`{"mode":"`+test.mode+`"}`)); err != nil {
			t.Fatal(err)
		}
		err := h.ServeHTTP(httptest.NewRecorder(), shedRequest("/"), shedNext)
		if (refusalOf(err) != nil) != test.refused {
			t.Errorf("%s: a request ends with %v", test.mode, err)
		}
		if got := h.snapshot().Requests["normal"]; got["admitted"] != test.admitted || got["shed"] != test.shed || got["would_shed"] != test.dry {
			t.Errorf("%s: counted are %v", test.mode, got)
		}
	}
}

func TestLoadShedDecisionEndsWithItsTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, _ := newShed(t, new(LoadShed), 1)
		if _, err := h.Control(nil, []byte(`{"mode":"off","ttl":"5m"}`)); err != nil {
			t.Fatal(err)
		}
		time.Sleep(5*time.Minute - time.Second)
		if h.mode() != modeOff || h.snapshot().Decision == nil {
			t.Errorf("a second before its end the mode is %s", h.mode())
		}
		time.Sleep(time.Second)
		if h.mode() != modeShed || h.snapshot().Decision != nil {
			t.Errorf("at its end the mode is %s, and the decision still shown: %v", h.mode(), h.snapshot().Decision)
		}
	})
}

// restarted is h in another process.
func restarted(t *testing.T, h *LoadShed) *LoadShed {
	t.Helper()
	again, _ := newShed(t, &LoadShed{DryRun: h.DryRun}, 1)
	again.storage = h.storage
	again.live.restore(again)
	return again
}

func TestLoadShedDecisionOutlivesARestart(t *testing.T) {
	h, _ := newShed(t, new(LoadShed), 1)
	if got := restarted(t, h).mode(); got != modeShed {
		t.Errorf("without a decision the mode is %s", got)
	}
	for body, want := range map[string]shedMode{`{"mode":"off","ttl":"1h"}`: modeOff, `{"mode":"dry_run"}`: modeDryRun} {
		if _, err := h.Control(nil, []byte(body)); err != nil {
			t.Fatal(err)
		}
		again := restarted(t, h)
		if got := again.mode(); got != want {
			t.Errorf("%s: after a restart the mode is %s", body, got)
		}
		if _, err := again.Control(nil, []byte(`{"mode":"auto"}`)); err != nil {
			t.Fatal(err)
		}
		if got := restarted(t, h).mode(); got != modeShed {
			t.Errorf("%s: after it was taken back and a restart the mode is %s", body, got)
		}
	}
}

// A decision against another configured mode is over for good.
func TestLoadShedDecisionEndsWhenTheConfiguredModeChanges(t *testing.T) {
	h, _ := newShed(t, new(LoadShed), 0)
	if _, err := h.Control(nil, []byte(`{"mode":"off"}`)); err != nil {
		t.Fatal(err)
	}
	h.DryRun = true // as in the next configuration
	again := restarted(t, h)
	if got := again.mode(); got != modeDryRun {
		t.Errorf("the mode is %s, want the configured one", got)
	}
	again.dropOld()
	stored := func() (d *shedDecision) {
		if err := statestore.Load(again.storage, loadSheds, "test", &d); err != nil {
			t.Fatal(err)
		}
		return d
	}
	if stored() != nil {
		t.Fatalf("%+v is still stored", stored())
	}
	h.DryRun = false
	if got := restarted(t, h).mode(); got != modeShed {
		t.Errorf("when the mode is back the mode is %s: the decision came back, too", got)
	}
}

func TestLoadShedWithUselessStorage(t *testing.T) {
	h, logs := newShed(t, new(LoadShed), 1)
	if err := statestore.Save(h.storage, loadSheds, "test", "no decision"); err != nil {
		t.Fatal(err)
	}
	h.live.restore(h)
	if h.mode() != modeShed || logs.Len() != 1 {
		t.Errorf("with a broken decision the mode is %s; logged are %v", h.mode(), logs.All())
	}
	h.storage = &certmagic.FileStorage{Path: "/dev/null/nowhere"}
	_, err := h.Control(nil, []byte(`{"mode":"off"}`))
	if err == nil || !strings.Contains(err.Error(), "not over a restart") || h.mode() != modeOff {
		t.Errorf("error %v, mode %s; want a decision that holds and does not outlive the process", err, h.mode())
	}
	h.storage = &certmagic.FileStorage{Path: t.TempDir()}
	if err := statestore.Save(h.storage, loadSheds, "test", shedDecision{Mode: modeDryRun, Configured: modeShed}); err != nil {
		t.Fatal(err)
	}
	h.live.restore(h)
	if h.mode() != modeOff {
		t.Errorf("when storage works again an older decision comes back: the mode is %s", h.mode())
	}
}

func TestLoadShedMetricsAndSnapshot(t *testing.T) {
	h, _ := newShed(t, &LoadShed{MaxInFlight: 7, Floor: new(float64)}, 0.25)
	_, handle, err := livestate.Acquire(livestate.Default, livestate.Claim{Key: livestate.Key{Kind: loadSheds, Name: "test"}},
		func() (*liveShed, error) { return h.live, nil })
	if err != nil {
		t.Fatal(err)
	}
	defer handle.Release()
	handle.Show(h)
	for _, path := range []string{"/low", "/low", "/low", "/critical"} {
		_ = h.ServeHTTP(httptest.NewRecorder(), shedRequest(path), shedNext)
	}
	if err := testutil.CollectAndCompare(new(shedCollector), strings.NewReader(`
# HELP gateway_load_shed_in_flight Requests in flight; a stream counts until its headers.
# TYPE gateway_load_shed_in_flight gauge
gateway_load_shed_in_flight{load_shed="test"} 0
# HELP gateway_load_shed_limit Requests that may be in flight at once.
# TYPE gateway_load_shed_limit gauge
gateway_load_shed_limit{load_shed="test"} 7
# HELP gateway_load_shed_requests_total Requests by priority and by what became of them: admitted, shed, or would_shed in a dry run.
# TYPE gateway_load_shed_requests_total counter
gateway_load_shed_requests_total{load_shed="test",priority="critical",result="admitted"} 1
gateway_load_shed_requests_total{load_shed="test",priority="critical",result="shed"} 0
gateway_load_shed_requests_total{load_shed="test",priority="critical",result="would_shed"} 0
gateway_load_shed_requests_total{load_shed="test",priority="low",result="admitted"} 1
gateway_load_shed_requests_total{load_shed="test",priority="low",result="shed"} 2
gateway_load_shed_requests_total{load_shed="test",priority="low",result="would_shed"} 0
gateway_load_shed_requests_total{load_shed="test",priority="normal",result="admitted"} 0
gateway_load_shed_requests_total{load_shed="test",priority="normal",result="shed"} 0
gateway_load_shed_requests_total{load_shed="test",priority="normal",result="would_shed"} 0
`)); err != nil {
		t.Error(err)
	}
	got, err := json.Marshal(h.Snapshot())
	want := `{"name":"test","mode":"shed","pressure":0.25,"limit":7,"in_flight":0,"requests":{` +
		`"critical":{"admitted":1,"shed":0,"would_shed":0},"low":{"admitted":1,"shed":2,"would_shed":0},"normal":{"admitted":0,"shed":0,"would_shed":0}}}`
	if err != nil || string(got) != want {
		t.Errorf("snapshot is %s, %v, want\n%s", got, err, want)
	}
}
