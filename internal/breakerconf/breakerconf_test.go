package breakerconf

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

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
		failure_status 4xx 5
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
	if err != nil || !failures.Has(404) || !failures.Has(599) || failures.Has(302) || failures.Has(200) {
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
		"probes 1001":                                      "Testfile:2",
		"min_calls 2000000000":                             "is too many",
		"min_calls 99999999999999999999":                   "beyond what can be counted",
		"nonsense":                                         "nonsense",
	} {
		_, err := parse(text)
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want an error with %q", text, err, want)
		}
	}
}
