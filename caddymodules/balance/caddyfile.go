package balance

// caddyfile.go reads the policy's Caddyfile form.

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/weirproxy/weir/internal/breakerconf"
	"github.com/weirproxy/weir/internal/caddyarg"
)

// UnmarshalCaddyfile sets up the policy from Caddyfile tokens. Syntax:
//
//	lb_policy success_weighted [<weights...>] {
//		name            <name>
//		alpha           <0..1>
//		floor           <share>
//		half_life       <duration>
//		slow_start      <duration> [<share to begin with>]
//		failure_status  <statuses or classes such as 5xx...>
//		eject_after     <failures in a row>|off
//		eject_for       <first> [<longest>]
//		max_ejected     <share>
//		retry_budget    <share>|off
//		breaker {
//			<options of a breaker, see breakerconf.Config>
//		}
//	}
func (p *Policy) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next() // consume the policy's name
	for d.NextArg() {
		weight, err := caddyarg.ParseNumber(d, "weight", d.Val())
		if err != nil {
			return err
		}
		if weight < 0 {
			return d.Errf("weight %v is negative", weight)
		}
		p.Weights = append(p.Weights, weight)
	}
	if len(p.Weights) > 0 && slices.Max(p.Weights) == 0 {
		return d.Err("all weights are 0, so no upstream would ever be used")
	}
	seen := make(map[string]bool)
	for d.NextBlock(0) {
		if err := caddyarg.Once(d, seen); err != nil {
			return err
		}
		if err := p.unmarshalOption(d); err != nil {
			return err
		}
	}
	return nil
}

func (p *Policy) unmarshalOption(d *caddyfile.Dispenser) (err error) {
	switch d.Val() {
	case "name":
		if p.Name, err = caddyarg.One(d); err == nil && checkName(p.Name) != nil {
			err = d.WrapErr(checkName(p.Name))
		}
	case "alpha":
		if p.Alpha, err = caddyarg.Number(d); err == nil && !(p.Alpha > 0 && p.Alpha <= 1) {
			err = d.Errf("alpha: %v is not above 0 and at most 1", p.Alpha)
		}
	case "floor":
		p.Floor, err = positiveShare(d)
	case "half_life":
		p.HalfLife, err = caddyarg.Duration(d)
	case "slow_start":
		err = p.unmarshalSlowStart(d)
	case "failure_status":
		p.FailureStatus, err = breakerconf.FailureStatus(d)
	case "eject_after":
		var after int
		if after, err = intOrOff(d); err == nil {
			p.EjectAfter = &after
		}
	case "eject_for":
		err = p.unmarshalEjectFor(d)
	case "max_ejected":
		var share float64
		if share, err = caddyarg.Share(d); err == nil {
			p.MaxEjected = &share
		}
	case "retry_budget":
		var share float64
		if share, err = shareOrOff(d); err == nil {
			p.RetryBudget = &share
		}
	case "breaker":
		err = p.unmarshalBreaker(d)
	default:
		err = caddyarg.Unknown(d, "name", "alpha", "floor", "half_life", "slow_start", "failure_status",
			"eject_after", "eject_for", "max_ejected", "retry_budget", "breaker")
	}
	return err
}

// unmarshalBreaker reads the block of a breaker; without one, it has the defaults.
func (p *Policy) unmarshalBreaker(d *caddyfile.Dispenser) error {
	if d.NextArg() {
		return d.Errf("breaker takes no value here, got %q: each upstream has one, named after it", d.Val())
	}
	p.Breaker = new(breakerconf.Config)
	seen := make(map[string]bool)
	for nesting := d.Nesting(); d.NextBlock(nesting); {
		if err := caddyarg.Once(d, seen); err != nil {
			return err
		}
		known, err := p.Breaker.UnmarshalOption(d)
		switch {
		case err != nil:
			return err
		case d.Val() == "fallback" || d.Val() == "fallback_on_failure":
			return d.Errf("%s belongs to the breaker of a route: here requests go to other upstreams", d.Val())
		case !known:
			return caddyarg.Unknown(d, breakerconf.Options...)
		}
	}
	return p.Breaker.Check(d)
}

// checkName refuses what looks as if each request could have a pool of its own.
func checkName(name string) error {
	if strings.ContainsAny(name, "{}") {
		return fmt.Errorf("name %q contains a placeholder: it must be a fixed text", name)
	}
	return nil
}

// positiveShare reads a share that must not be 0.
func positiveShare(d *caddyfile.Dispenser) (float64, error) {
	option := d.Val()
	share, err := caddyarg.Share(d)
	if err == nil && share == 0 {
		err = d.Errf("%s: 0 would never try a failed upstream again", option)
	}
	return share, err
}

func intOrOff(d *caddyfile.Dispenser) (int, error) {
	option := d.Val()
	value, err := caddyarg.One(d)
	if err != nil || value == "off" {
		return 0, err
	}
	n, err := strconv.Atoi(value)
	if err != nil || n < 1 {
		return 0, d.Errf("%s: %q is neither a whole number of at least 1 nor off", option, value)
	}
	return n, nil
}

func shareOrOff(d *caddyfile.Dispenser) (float64, error) {
	option := d.Val()
	value, err := caddyarg.One(d)
	if err != nil {
		return 0, err
	}
	if value == "off" {
		return -1, nil
	}
	return caddyarg.ParseShare(d, option, value)
}

func (p *Policy) unmarshalSlowStart(d *caddyfile.Dispenser) error {
	args, err := caddyarg.UpTo(d, 2)
	if err != nil {
		return err
	}
	if p.SlowStart, err = caddyarg.ParseDuration(d, "slow_start", args[0]); err != nil || len(args) == 1 {
		return err
	}
	if p.SlowStartFrom, err = caddyarg.ParseShare(d, "slow_start", args[1]); err == nil && p.SlowStartFrom == 0 {
		err = d.Errf("slow_start: an upstream that begins with nothing never gets a request")
	}
	return err
}

func (p *Policy) unmarshalEjectFor(d *caddyfile.Dispenser) error {
	args, err := caddyarg.UpTo(d, 2)
	if err != nil {
		return err
	}
	if p.EjectFor, err = caddyarg.ParseDuration(d, "eject_for", args[0]); err != nil || len(args) == 1 {
		return err
	}
	if p.EjectForMax, err = caddyarg.ParseDuration(d, "eject_for", args[1]); err == nil && p.EjectForMax < p.EjectFor {
		err = d.Errf("eject_for: the longest, %s, is shorter than the first, %s", duration(p.EjectForMax), duration(p.EjectFor))
	}
	return err
}

func duration(d caddy.Duration) time.Duration { return time.Duration(d) }
