package breakerconf

// command.go reads what an operator decides about a breaker, and has its stored form.

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/weirproxy/weir/governance/circuit"
)

// modes are the states an operator can ask for.
var modes = map[string]circuit.Mode{
	"auto":     circuit.Auto,
	"open":     circuit.ForcedOpen,
	"closed":   circuit.ForcedClosed,
	"disabled": circuit.Disabled,
}

// thresholds are the JSON names of the settings an operator can decide.
var thresholds = []string{
	"window", "min_calls", "failure_ratio", "consecutive", "slow_call", "slow_ratio", "open_for", "open_for_max",
	"probes", "probe_timeout", "recover_over", "max_concurrent", "dry_run",
}

// Amend returns d as changed by the JSON command in body, of an operator about a
// breaker that is configured with the settings given. The command has any of:
//
//	"state"       open, closed, disabled, or auto, which takes such a decision back
//	"ttl"         how long the state holds, as in "5m"; absent means until taken back
//	<thresholds>  fields of Config, which stand for the configured ones until the
//	              configuration of this breaker changes; 0 only where it means off
//	"thresholds"  null, which takes decided thresholds back
//
// What it does not name stays as it was decided before. With an error, d is returned.
func Amend(d circuit.Decision, configured circuit.Settings, body []byte, now time.Time) (circuit.Decision, error) {
	fields, err := object(body)
	if err != nil {
		return d, err
	}
	state, hasState := fields["state"]
	ttl, hasTTL := fields["ttl"]
	back, hasBack := fields["thresholds"]
	for _, other := range []string{"state", "ttl", "thresholds"} {
		delete(fields, other)
	}
	switch {
	case hasTTL && !hasState:
		return d, errors.New("a ttl is for a state, and none is given; thresholds hold until the configuration changes")
	case !hasState && !hasBack && len(fields) == 0:
		return d, errors.New("neither a state nor a threshold is given")
	case hasBack && string(back) != "null":
		return d, errors.New(`thresholds can only be null, which takes them back; set one as in {"failure_ratio":0.3}`)
	}
	amended := d
	if hasState {
		if amended.Mode, amended.Until, err = mode(state, ttl, now); err != nil {
			return d, err
		}
	}
	if hasBack {
		amended.Thresholds, amended.Configured = nil, nil
	}
	if len(fields) > 0 {
		if err := amendThresholds(&amended, configured, fields); err != nil {
			return d, err
		}
	}
	return amended, nil
}

// object decodes body as one JSON object.
func object(body []byte) (map[string]json.RawMessage, error) {
	const example = `the body must be an object such as {"state":"open","ttl":"5m"} or {"failure_ratio":0.3}`
	var fields map[string]json.RawMessage
	decoder := json.NewDecoder(bytes.NewReader(body))
	if err := decoder.Decode(&fields); err != nil {
		return nil, fmt.Errorf(example+": %w", err)
	}
	if fields == nil {
		return nil, errors.New(example)
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("there is something after the object")
	}
	return fields, nil
}

// mode reads a state and for how long it holds.
func mode(state, ttl json.RawMessage, now time.Time) (m circuit.Mode, until time.Time, err error) {
	var name, holds string
	known := false
	if json.Unmarshal(state, &name) == nil {
		m, known = modes[name]
	}
	if !known {
		return m, until, fmt.Errorf("state %s is not one of open, closed, auto, disabled", state)
	}
	if ttl == nil {
		return m, until, nil
	}
	if m == circuit.Auto {
		return m, until, errors.New("auto takes a decision back at once, so it has no ttl")
	}
	if err := json.Unmarshal(ttl, &holds); err != nil {
		return m, until, fmt.Errorf(`ttl %s is not a text such as "5m"`, ttl)
	}
	duration, err := caddy.ParseDuration(holds)
	if err != nil || duration <= 0 {
		return m, until, fmt.Errorf("ttl %q is not a positive duration such as 5m", holds)
	}
	return m, now.Add(duration).Round(0), nil
}

// amendThresholds sets the given fields in place of the settings that are in effect.
func amendThresholds(d *circuit.Decision, configured circuit.Settings, fields map[string]json.RawMessage) error {
	if err := checkFields(fields); err != nil {
		return err
	}
	effective := configured
	if d.Thresholds != nil && d.Configured != nil && *d.Configured == configured {
		effective = *d.Thresholds
	}
	given, err := json.Marshal(fields)
	if err != nil {
		return err
	}
	c := of(effective)
	if err := json.Unmarshal(given, &c); err != nil {
		return fmt.Errorf("reading thresholds: %w", err)
	}
	if _, given := fields["slow_ratio"]; given && c.SlowRatio == 0 {
		return errZero("slow_ratio")
	}
	if err := c.checkZeros(); err != nil {
		return err
	}
	if _, given := fields["slow_ratio"]; !given && c.SlowCall == 0 {
		c.SlowRatio = 0 // with slow calls switched off there is no share of them
	}
	settings, err := c.Settings()
	if err != nil {
		return err
	}
	d.Thresholds, d.Configured = &settings, &configured
	if settings == configured { // then there is nothing to hold
		d.Thresholds, d.Configured = nil, nil
	}
	return nil
}

// checkFields refuses fields that decide nothing; names must be exact, other than for
// encoding/json.
func checkFields(fields map[string]json.RawMessage) error {
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		switch {
		case name == "failure_status":
			return errors.New("failure_status cannot be decided here: change the configuration")
		case !slices.Contains(thresholds, name):
			return fmt.Errorf("%q is unknown; there are state, ttl, thresholds, %s", name, strings.Join(thresholds, ", "))
		case string(fields[name]) == "null":
			return fmt.Errorf(`%s: null is no value; {"thresholds":null} takes all that were decided back`, name)
		}
	}
	return nil
}

// checkZeros refuses a zero that means the default in a configuration, and does not mean
// off. The others are spelled out, so that it has been given.
func (c *Config) checkZeros() error {
	switch {
	case c.Window == 0:
		return errZero("window")
	case c.MinCalls == 0:
		return errZero("min_calls")
	case c.OpenFor == 0:
		return errZero("open_for")
	case c.OpenForMax == 0:
		return errZero("open_for_max")
	case c.Probes == 0:
		return errZero("probes")
	case c.ProbeTimeout == 0:
		return errZero("probe_timeout")
	}
	return nil
}

func errZero(name string) error {
	return fmt.Errorf("%s: 0 makes no sense; leave it out to keep what holds", name)
}

// Decision is a circuit.Decision as it is stored and shown.
type Decision struct {
	// State is open, closed or disabled; empty means that none is forced.
	State string `json:"state,omitempty"`
	// Until is when the state ends; zero means never.
	Until time.Time `json:"until,omitzero"`
	// Thresholds are the settings that stand for those configured as Configured.
	Thresholds *Config `json:"thresholds,omitempty"`
	Configured *Config `json:"configured,omitempty"`
}

// Store returns d in the form to be stored.
func Store(d circuit.Decision) Decision {
	var stored Decision
	for name, m := range modes {
		if m == d.Mode && m != circuit.Auto {
			stored.State, stored.Until = name, d.Until
		}
	}
	if d.Thresholds != nil && d.Configured != nil {
		thresholds, configured := of(*d.Thresholds), of(*d.Configured)
		stored.Thresholds, stored.Configured = &thresholds, &configured
	}
	return stored
}

// Restore returns what still holds at now of what was stored. Parts that make no sense,
// because another version stored them, are left out and told as the error.
func (stored Decision) Restore(now time.Time) (circuit.Decision, error) {
	var d circuit.Decision
	var unknown error
	if m, known := modes[stored.State]; stored.State != "" && !known {
		unknown = fmt.Errorf("state %q is unknown", stored.State)
	} else if known && (stored.Until.IsZero() || now.Before(stored.Until)) {
		d.Mode, d.Until = m, stored.Until
	}
	if stored.Thresholds == nil || stored.Configured == nil {
		return d, unknown
	}
	thresholds, err := stored.Thresholds.Settings()
	if err != nil {
		return d, errors.Join(unknown, err)
	}
	configured, err := stored.Configured.Settings()
	if err != nil {
		return d, errors.Join(unknown, err)
	}
	d.Thresholds, d.Configured = &thresholds, &configured
	return d, unknown
}
