package breakerconf

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/weirproxy/weir/governance/circuit"
)

// parse reads a block of options.
func parse(text string) (Config, error) {
	d := caddyfile.NewTestDispenser("breaker {\n" + text + "\n}")
	d.Next()
	var c Config
	for d.NextBlock(0) {
		if known, err := c.UnmarshalOption(d); err != nil {
			return c, err
		} else if !known {
			return c, d.Errf("%s is unknown", d.Val())
		}
	}
	return c, c.Check(d)
}

func TestDefaults(t *testing.T) {
	var c Config
	s, err := c.Settings()
	if err != nil || s != circuit.DefaultSettings() {
		t.Errorf("got %+v, %v, want the defaults", s, err)
	}
	failures, err := c.Failures()
	if err != nil {
		t.Fatal(err)
	}
	for status := -1; status < 700; status++ {
		want := status == 500 || status == 502 || status == 503 || status == 504
		if failures.Has(status) != want {
			t.Errorf("status %d is a failure: %v", status, !want)
		}
	}
}

func TestSettings(t *testing.T) {
	c, err := parse(`window 20s
		min_calls 7
		failure_ratio 30%
		consecutive off
		slow_call 2s
		open_for 10m
		probes 2
		probe_timeout 3s
		recover_over off
		max_concurrent 9
		failure_status 4xx 5 101
		dry_run`)
	if err != nil {
		t.Fatal(err)
	}
	want := circuit.Settings{
		Window: 20 * time.Second, MinCalls: 7, FailureRatio: 0.3, SlowCall: 2 * time.Second, SlowRatio: 0.8,
		OpenFor: 10 * time.Minute, OpenForMax: 10 * time.Minute, Probes: 2, ProbeTimeout: 3 * time.Second,
		MaxConcurrent: 9, DryRun: true,
	}
	if s, err := c.Settings(); err != nil || s != want {
		t.Errorf("got %+v, %v, want %+v", s, err, want)
	}
	spelledOut := of(want)
	if s, err := spelledOut.Settings(); err != nil || s != want {
		t.Errorf("spelled out it comes to %+v, %v", s, err)
	}
	failures, err := c.Failures()
	if err != nil || !failures.Has(404) || !failures.Has(599) || !failures.Has(101) || failures.Has(200) {
		t.Errorf("failure_status is not as configured (%v)", err)
	}
	encoded, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	var back Config
	if err := json.Unmarshal(encoded, &back); err != nil {
		t.Fatal(err)
	}
	if s, err := back.Settings(); err != nil || s != want {
		t.Errorf("%s comes to %+v, %v", encoded, s, err)
	}
}

// An option that makes no sense is an error in its own line, whatever comes after.
func TestErrorsNameTheLine(t *testing.T) {
	for text, want := range map[string]string{
		"probes 2\nwindow 1ms\nmin_calls 3":                "Testfile:3",
		"failure_ratio 101%":                               "Testfile:2",
		"slow_call 2s 120%":                                "Testfile:2",
		"open_for 5m 5s\nprobes 1":                         "Testfile:2",
		"consecutive off\nfailure_ratio off":               "Testfile:4",
		"consecutive off\nfailure_ratio off\nslow_call 1s": "",
		"dry_run yes":                                      "Testfile:2",
		"nonsense":                                         "nonsense",
	} {
		_, err := parse(text)
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want an error with %q", text, err, want)
		}
	}
}

func TestAmend(t *testing.T) {
	now := time.Now()
	configured := circuit.DefaultSettings()
	configured.SlowCall, configured.SlowRatio = time.Second, 0.5
	with := func(change func(*circuit.Settings)) *circuit.Settings {
		s := configured
		change(&s)
		return &s
	}
	thresholds := circuit.Decision{Configured: &configured, Thresholds: with(func(s *circuit.Settings) { s.MinCalls = 3 })}
	other := circuit.DefaultSettings()
	old := circuit.Decision{Configured: &other, Thresholds: with(func(s *circuit.Settings) { s.MinCalls = 3 })}
	for _, c := range []struct {
		before circuit.Decision
		body   string
		mode   circuit.Mode
		ttl    time.Duration
		want   *circuit.Settings
	}{
		{circuit.Decision{}, `{"state":"open"}`, circuit.ForcedOpen, 0, nil},
		{circuit.Decision{}, `{"state":"closed","ttl":"5m"}`, circuit.ForcedClosed, 5 * time.Minute, nil},
		{circuit.Decision{}, `{"state":"disabled","ttl":"1d"}`, circuit.Disabled, 24 * time.Hour, nil},
		{circuit.Decision{Mode: circuit.ForcedOpen, Until: now}, `{"state":"auto"}`, circuit.Auto, 0, nil},
		{thresholds, `{"state":"open"}`, circuit.ForcedOpen, 0, thresholds.Thresholds},
		{thresholds, `{"thresholds":null}`, circuit.Auto, 0, nil},
		{circuit.Decision{}, `{"failure_ratio":0.3,"min_calls":10}`, circuit.Auto, 0,
			with(func(s *circuit.Settings) { s.FailureRatio, s.MinCalls = 0.3, 10 })},
		{thresholds, `{"failure_ratio":0.3}`, circuit.Auto, 0, with(func(s *circuit.Settings) { s.MinCalls, s.FailureRatio = 3, 0.3 })},
		{old, `{"failure_ratio":0.3}`, circuit.Auto, 0, with(func(s *circuit.Settings) { s.FailureRatio = 0.3 })},
		{thresholds, `{"thresholds":null,"failure_ratio":0.3}`, circuit.Auto, 0, with(func(s *circuit.Settings) { s.FailureRatio = 0.3 })},
		{circuit.Decision{}, `{"slow_call":0,"dry_run":true}`, circuit.Auto, 0,
			with(func(s *circuit.Settings) { s.SlowCall, s.SlowRatio, s.DryRun = 0, 0, true })},
		{circuit.Decision{}, `{"open_for":"10s","open_for_max":"20s"}`, circuit.Auto, 0,
			with(func(s *circuit.Settings) { s.OpenFor, s.OpenForMax = 10*time.Second, 20*time.Second })},
		{circuit.Decision{}, `{"consecutive":0,"recover_over":0}`, circuit.Auto, 0,
			with(func(s *circuit.Settings) { s.Consecutive, s.RecoverOver = 0, 0 })},
		{thresholds, `{"min_calls":20}`, circuit.Auto, 0, nil}, // as configured
	} {
		got, err := Amend(c.before, configured, []byte(c.body), now)
		if err != nil {
			t.Errorf("%s: %v", c.body, err)
			continue
		}
		until := time.Time{}
		if c.ttl > 0 {
			until = now.Add(c.ttl).Round(0)
		}
		same := (got.Thresholds == nil) == (c.want == nil) && (c.want == nil || *got.Thresholds == *c.want && *got.Configured == configured)
		if got.Mode != c.mode || !got.Until.Equal(until) || !same {
			t.Errorf("%s: got %+v (%+v), want mode %v until %v (%+v)", c.body, got, got.Thresholds, c.mode, until, c.want)
		}
	}
}

func TestWrongCommands(t *testing.T) {
	configured := circuit.DefaultSettings()
	for body, want := range map[string]string{
		``:                                    "must be an object",
		`null`:                                "must be an object",
		`[]`:                                  "must be an object",
		`{} {}`:                               "after the object",
		`{}`:                                  "neither a state nor a threshold",
		`{"state":"ajar"}`:                    "ajar",
		`{"state":1}`:                         "not one of",
		`{"state":"open","ttl":"soon"}`:       "soon",
		`{"state":"open","ttl":"-5m"}`:        "positive",
		`{"state":"open","ttl":5}`:            "not a text",
		`{"state":"auto","ttl":"5m"}`:         "no ttl",
		`{"ttl":"5m"}`:                        "ttl is for a state",
		`{"failure_ratio":0.5,"ttl":"5m"}`:    "ttl is for a state",
		`{"failure_ratio":2}`:                 "failure_ratio",
		`{"failure_ratio":"half"}`:            "failure_ratio",
		`{"ratio":0.5}`:                       "ratio",
		`{"failure_status":[500]}`:            "failure_status",
		`{"thresholds":{"min_calls":3}}`:      "null",
		`{"consecutive":0,"failure_ratio":0}`: "nothing can open",
	} {
		if d, err := Amend(circuit.Decision{}, configured, []byte(body), time.Now()); err == nil || !strings.Contains(err.Error(), want) || d != (circuit.Decision{}) {
			t.Errorf("%s: %+v, %v, want an error with %q", body, d, err, want)
		}
	}
}

func TestDecisionsAreStored(t *testing.T) {
	now := time.Now().Round(0)
	configured := circuit.DefaultSettings()
	thresholds := configured
	thresholds.Consecutive, thresholds.RecoverOver = 0, 0
	for _, d := range []circuit.Decision{
		{},
		{Mode: circuit.ForcedOpen},
		{Mode: circuit.Disabled, Until: now.Add(time.Minute)},
		{Thresholds: &thresholds, Configured: &configured},
	} {
		encoded, err := json.Marshal(Store(d))
		if err != nil {
			t.Fatal(err)
		}
		var stored Decision
		if err := json.Unmarshal(encoded, &stored); err != nil {
			t.Fatal(err)
		}
		got, err := stored.Restore(now)
		same := (got.Thresholds == nil) == (d.Thresholds == nil) && (d.Thresholds == nil || *got.Thresholds == *d.Thresholds && *got.Configured == *d.Configured)
		if err != nil || got.Mode != d.Mode || !got.Until.Equal(d.Until) || !same {
			t.Errorf("%s is restored as %+v, %v, want %+v", encoded, got, err, d)
		}
	}
	if d, err := (Decision{State: "open", Until: now}).Restore(now); err != nil || d != (circuit.Decision{}) {
		t.Errorf("what has ended is restored as %+v, %v", d, err)
	}
	for _, broken := range []Decision{
		{State: "ajar"},
		{Thresholds: &Config{MinCalls: -1}, Configured: &Config{}},
		{Thresholds: &Config{}, Configured: &Config{MinCalls: -1}},
	} {
		if d, err := broken.Restore(now); err == nil || d != (circuit.Decision{}) {
			t.Errorf("%+v is restored as %+v, %v", broken, d, err)
		}
	}
}

// Whatever an operator sends, it is refused or decides something that holds together
// and survives being stored.
func FuzzAmend(f *testing.F) {
	f.Add(`{"state":"open","ttl":"5m"}`)
	f.Add(`{"failure_ratio":0.3,"min_calls":10,"slow_call":"2s"}`)
	f.Add(`{"thresholds":null,"recover_over":0,"open_for":1e18}`)
	f.Add(`{"STATE":"open","Window":1}`)
	f.Fuzz(func(t *testing.T, body string) {
		now := time.Now()
		d, err := Amend(circuit.Decision{}, circuit.DefaultSettings(), []byte(body), now)
		if err != nil {
			return
		}
		if d.Thresholds != nil {
			if err := d.Thresholds.Validate(); err != nil {
				t.Errorf("%q decides thresholds that make no sense: %v", body, err)
			}
		}
		got, err := Store(d).Restore(now)
		if err != nil || got.Mode != d.Mode || (got.Thresholds == nil) != (d.Thresholds == nil) || d.Thresholds != nil && *got.Thresholds != *d.Thresholds {
			t.Errorf("%q decides %+v, restored as %+v, %v", body, d, got, err)
		}
	})
}

// Changes are told in their order, and not on the caller's time.
func TestHerald(t *testing.T) {
	told := make(chan string, 10)
	wait := make(chan struct{})
	h := &Herald{
		who:    map[string]string{"breaker": "test"},
		logger: caddy.Log(),
		emit: func(event string, data map[string]any) {
			<-wait
			openFor, _ := json.Marshal(data)
			told <- event + " " + string(openFor)
		},
	}
	h.Changed(circuit.Change{To: circuit.Open, Why: "consecutive", OpenFor: 1500 * time.Millisecond})
	h.Changed(circuit.Change{From: circuit.Open, To: circuit.HalfOpen, Why: "open_for"})
	h.Changed(circuit.Change{From: circuit.HalfOpen, To: circuit.Closed, Why: "probes_succeeded"})
	close(wait)
	for _, want := range []string{
		`breaker_opened {"breaker":"test","open_for":1.5,"why":"consecutive"}`,
		`breaker_closed {"breaker":"test","why":"probes_succeeded"}`,
	} {
		if got := <-told; got != want {
			t.Errorf("told %s, want %s", got, want)
		}
	}
}
