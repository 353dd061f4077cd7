package breakerconf

// caddyfile.go reads the settings' Caddyfile form.

import (
	"slices"
	"strconv"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/weirproxy/weir/internal/caddyarg"
)

// Options are the names of all options, for messages.
var Options = []string{
	"window", "min_calls", "failure_ratio", "consecutive", "slow_call", "open_for", "probes",
	"probe_timeout", "recover_over", "max_concurrent", "failure_status", "dry_run",
}

// UnmarshalOption reads the option that the dispenser stands on, if it is one of a
// breaker's. A value that makes no sense, whatever the other options say, is an error
// that names the line. Syntax:
//
//	window         <duration>
//	min_calls      <calls>
//	failure_ratio  <share>|off
//	consecutive    <failures in a row>|off
//	slow_call      <duration> [<share>]
//	open_for       <first> [<longest>]
//	probes         <calls>
//	probe_timeout  <duration>
//	recover_over   <duration>|off
//	max_concurrent <calls>
//	failure_status <statuses or classes such as 5xx...>
//	dry_run
func (c *Config) UnmarshalOption(d *caddyfile.Dispenser) (known bool, err error) {
	option := d.Val()
	if !slices.Contains(Options, option) {
		return false, nil
	}
	ahead := *d // reads the option on its own, with defaults around it
	var alone Config
	if err := alone.unmarshal(&ahead); err != nil {
		return true, err
	}
	if _, err := alone.Settings(); err != nil {
		return true, d.WrapErr(err)
	}
	return true, c.unmarshal(d)
}

// Check validates the block as a whole, once it has been read; the error names the
// line that the dispenser stands on, the last of the block.
func (c *Config) Check(d *caddyfile.Dispenser) error {
	if _, err := c.Settings(); err != nil {
		return d.WrapErr(err)
	}
	return nil
}

func (c *Config) unmarshal(d *caddyfile.Dispenser) (err error) {
	switch d.Val() {
	case "window":
		c.Window, err = caddyarg.Duration(d)
	case "min_calls":
		c.MinCalls, err = caddyarg.Count(d)
	case "failure_ratio":
		var share float64
		if share, err = orOff(d, ratio); err == nil {
			c.FailureRatio = &share
		}
	case "consecutive":
		var failures int
		if failures, err = orOff(d, caddyarg.ParseCount); err == nil {
			c.Consecutive = &failures
		}
	case "slow_call":
		err = c.unmarshalSlowCall(d)
	case "open_for":
		err = c.unmarshalOpenFor(d)
	case "probes":
		c.Probes, err = caddyarg.Count(d)
	case "probe_timeout":
		c.ProbeTimeout, err = caddyarg.Duration(d)
	case "recover_over":
		var over caddy.Duration
		if over, err = orOff(d, caddyarg.ParseDuration); err == nil {
			c.RecoverOver = &over
		}
	case "max_concurrent":
		c.MaxConcurrent, err = caddyarg.Count(d)
	case "failure_status":
		c.FailureStatus, err = FailureStatus(d)
	case "dry_run":
		if c.DryRun = true; d.NextArg() {
			err = d.Errf("dry_run takes no value, got %q", d.Val())
		}
	}
	return err
}

// ratio reads value as a share that is not 0: a breaker would be open for ever.
func ratio(d *caddyfile.Dispenser, option, value string) (float64, error) {
	share, err := caddyarg.ParseShare(d, option, value)
	if err == nil && share == 0 {
		err = d.Errf("%s: %s is not above 0", option, value)
	}
	return share, err
}

// orOff reads one value with parse; off is the zero value.
func orOff[T any](d *caddyfile.Dispenser, parse func(d *caddyfile.Dispenser, option, value string) (T, error)) (T, error) {
	var off T
	option := d.Val()
	value, err := caddyarg.One(d)
	if err != nil || value == "off" {
		return off, err
	}
	return parse(d, option, value)
}

func (c *Config) unmarshalSlowCall(d *caddyfile.Dispenser) error {
	args, err := caddyarg.UpTo(d, 2)
	if err != nil {
		return err
	}
	if c.SlowCall, err = caddyarg.ParseDuration(d, "slow_call", args[0]); err != nil || len(args) == 1 {
		return err
	}
	c.SlowRatio, err = ratio(d, "slow_call", args[1])
	return err
}

func (c *Config) unmarshalOpenFor(d *caddyfile.Dispenser) error {
	args, err := caddyarg.UpTo(d, 2)
	if err != nil {
		return err
	}
	if c.OpenFor, err = caddyarg.ParseDuration(d, "open_for", args[0]); err != nil || len(args) == 1 {
		return err
	}
	if c.OpenForMax, err = caddyarg.ParseDuration(d, "open_for", args[1]); err == nil && c.OpenForMax < c.OpenFor {
		err = d.Errf("open_for: the longest, %s, is shorter than the first, %s", args[1], args[0])
	}
	return err
}

// FailureStatus reads the statuses and classes of the option that the dispenser stands on.
func FailureStatus(d *caddyfile.Dispenser) (statuses []int, err error) {
	option := d.Val()
	args, err := caddyarg.Some(d)
	if err != nil {
		return nil, err
	}
	for _, arg := range args {
		digits := arg
		if len(arg) == 3 {
			digits = strings.TrimSuffix(arg, "xx")
		}
		status, err := strconv.Atoi(digits)
		if err != nil || !mayFail(status) {
			return nil, d.Errf("%s: %q is neither a status from 400 to 599 nor one of the classes 4xx and 5xx", option, arg)
		}
		statuses = append(statuses, status)
	}
	return statuses, nil
}
