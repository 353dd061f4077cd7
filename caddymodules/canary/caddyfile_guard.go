package canary

// caddyfile_guard.go reads the guard, and the values that options have.

import (
	"strings"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/weirproxy/weir/internal/caddyarg"
)

// unmarshalCaddyfile reads the block of a guard; its syntax is part of parseCaddyfile's.
func (g *Guard) unmarshalCaddyfile(d *caddyfile.Dispenser) error {
	if d.NextArg() {
		return d.Errf("guard takes no value, got %q; its options go into a block", d.Val())
	}
	seen := make(map[string]bool)
	for nesting := d.Nesting(); d.NextBlock(nesting); {
		if err := caddyarg.Once(d, seen); err != nil {
			return err
		}
		if err := g.unmarshalOption(d); err != nil {
			return err
		}
		if err := g.check(); err != nil {
			return d.WrapErr(err)
		}
	}
	return nil
}

func (g *Guard) unmarshalOption(d *caddyfile.Dispenser) (err error) {
	switch d.Val() {
	case "stage":
		g.Stage, err = caddyarg.One(d)
	case "steps":
		g.Steps, err = stepShares(d)
	case "interval":
		g.Interval, err = caddyarg.Duration(d)
	case "min_requests":
		g.MinRequests, err = caddyarg.Count(d)
	case "max_error_increase":
		var share float64
		share, err = caddyarg.Share(d)
		g.MaxErrorIncrease = &share
	case "max_latency_ratio":
		g.MaxLatencyRatio, err = positiveOf(d)
	case "quantile":
		if g.Quantile, err = caddyarg.Share(d); err == nil && g.Quantile == 0 {
			err = d.Err("quantile: 0 is not from 0.5 to 0.999")
		}
	case "min_errors":
		g.MinErrors, err = caddyarg.Count(d)
	case "alpha":
		g.Alpha, err = positiveOf(d)
	case "on_fail":
		g.OnFail, err = caddyarg.One(d)
	default:
		err = caddyarg.Unknown(d, "stage", "steps", "interval", "min_requests", "max_error_increase",
			"max_latency_ratio", "quantile", "min_errors", "alpha", "on_fail")
	}
	return err
}

func stepShares(d *caddyfile.Dispenser) ([]float64, error) {
	values, err := caddyarg.Some(d)
	if err != nil {
		return nil, err
	}
	shares := make([]float64, len(values))
	for i, value := range values {
		if shares[i], err = shareOf(d, "steps", value); err != nil {
			return nil, err
		}
	}
	return shares, nil
}

// shareOf reads a share. It refuses a 1, which is everybody where one percent may be meant,
// as the operator's commands have it.
func shareOf(d *caddyfile.Dispenser, option, value string) (float64, error) {
	share, err := caddyarg.ParseShare(d, option, value)
	if err == nil && share == 1 && !strings.HasSuffix(value, "%") {
		err = d.Errf("%s: %q can be 1%% or 100%%: write which", option, value)
	}
	return share, err
}

// positiveOf reads a number above 0, which in JSON stands for the default.
func positiveOf(d *caddyfile.Dispenser) (float64, error) {
	option := d.Val()
	n, err := caddyarg.Number(d)
	if err == nil && n <= 0 {
		err = d.Errf("%s: %v is not above 0", option, n)
	}
	return n, err
}

// wrap adds the place to an error, if there is one.
func wrap(d *caddyfile.Dispenser, err error) error {
	if err == nil {
		return nil
	}
	return d.WrapErr(err)
}
