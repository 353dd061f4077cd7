package breakerconf

import (
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/weirproxy/weir/governance/circuit"
)

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
		`{"probes":0}`:                        "probes: 0 makes no sense",
		`{"min_calls":0,"window":0}`:          "window: 0",
		`{"min_calls":0}`:                     "min_calls: 0",
		`{"window":"0s"}`:                     "window: 0",
		`{"open_for":0}`:                      "open_for: 0",
		`{"open_for_max":0}`:                  "open_for_max: 0",
		`{"probe_timeout":0}`:                 "probe_timeout: 0",
		`{"slow_call":"1s","slow_ratio":0}`:   "slow_ratio: 0",
		`{"failure_ratio":null}`:              "failure_ratio: null",
		`{"dry_run":null,"state":"open"}`:     "dry_run: null",
		`{"Failure_Status":[404]}`:            `"Failure_Status" is unknown`,
		`{"Min_Calls":3}`:                     `"Min_Calls" is unknown`,
		`{"State":"open"}`:                    `"State" is unknown`,
		`{"state":"open","TTL":"5m"}`:         `"TTL" is unknown`,
		`{"state":null}`:                      "not one of",
		`{"state":"open","ttl":null}`:         "ttl",
		`{"probes":4294967296}`:               "probes: 4294967296 is too many",
		`{"min_calls":-1}`:                    "min_calls: -1",
	} {
		if d, err := Amend(circuit.Decision{}, configured, []byte(body), time.Now()); err == nil || !strings.Contains(err.Error(), want) || d != (circuit.Decision{}) {
			t.Errorf("%s: %+v, %v, want an error with %q", body, d, err, want)
		}
	}
}

// An operator can decide all settings but failure_status.
func TestThresholdsAreTheSettings(t *testing.T) {
	config := reflect.TypeFor[Config]()
	var want []string
	for i := range config.NumField() {
		if name, _, _ := strings.Cut(config.Field(i).Tag.Get("json"), ","); name != "failure_status" {
			want = append(want, name)
		}
	}
	if !slices.Equal(thresholds, want) {
		t.Errorf("they are %q, want %q", thresholds, want)
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
