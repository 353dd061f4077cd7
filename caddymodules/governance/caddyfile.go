package governance

// caddyfile.go reads the global option governance.

import (
	"slices"
	"strconv"

	"github.com/caddyserver/caddy/v2/caddyconfig"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"

	"github.com/weirproxy/weir/internal/caddyarg"
)

func init() {
	httpcaddyfile.RegisterGlobalOption("governance", parseGlobalOption)
}

// parseGlobalOption reads the global option. Syntax:
//
//	governance {
//		process_health {
//			interval           <duration>
//			smoothing          <number>
//			samples            <to enter> <to leave>
//			cpu                <warning> <danger>
//			memory             <warning> <danger>
//			heap               <warning> <danger>
//			gc_pause           <warning> <danger>
//			scheduler_latency  <warning> <danger>
//			goroutines         <warning> <danger>
//			open_files         <warning> <danger>
//			check <name> <url> {
//				every     <duration>
//				timeout   <duration>
//				failures  <number>
//			}
//		}
//		consul [<address>] {
//			...
//		}
//		register <service> <host:port> {
//			...
//		}
//	}
//
// The last two are read by the module governance.consul.
func parseGlobalOption(d *caddyfile.Dispenser, existing any) (any, error) {
	d.Next() // consume the option's name
	if existing != nil {
		return nil, d.Err("governance is given twice")
	}
	if d.NextArg() {
		return nil, d.Errf("governance takes a block and no value, got %q", d.Val())
	}
	app, seen := new(App), make(map[string]bool)
	var consul consulOptions
	for nesting := d.Nesting(); d.NextBlock(nesting); {
		if d.Val() != "register" { // which may be given for several services
			if err := caddyarg.Once(d, seen); err != nil {
				return nil, err
			}
		}
		var err error
		switch d.Val() {
		case "process_health":
			app.ProcessHealth = new(ProcessHealth)
			err = app.ProcessHealth.unmarshal(d)
		case "consul", "register":
			err = consul.unmarshal(d)
		default:
			err = caddyarg.Unknown(d, "process_health", "consul", "register")
		}
		if err != nil {
			return nil, err
		}
	}
	var err error
	if app.Consul, err = consul.encode(); err != nil {
		return nil, err
	}
	return httpcaddyfile.App{Name: "governance", Value: caddyconfig.JSON(app, nil)}, nil
}

func (p *ProcessHealth) unmarshal(d *caddyfile.Dispenser) error {
	if d.NextArg() {
		return d.Errf("process_health takes a block and no value, got %q", d.Val())
	}
	seen := make(map[string]bool)
	for nesting := d.Nesting(); d.NextBlock(nesting); {
		if d.Val() != "check" {
			if err := caddyarg.Once(d, seen); err != nil {
				return err
			}
		}
		if err := p.unmarshalOption(d); err != nil {
			return err
		}
		// here, and not only when it is provisioned, the line is known
		if err := p.settings().Validate(); err != nil {
			return d.WrapErr(err)
		}
	}
	return nil
}

func (p *ProcessHealth) unmarshalOption(d *caddyfile.Dispenser) (err error) {
	switch d.Val() {
	case "interval":
		p.Interval, err = caddyarg.Duration(d)
	case "smoothing":
		if p.Smoothing, err = caddyarg.Number(d); err == nil && p.Smoothing == 0 {
			err = d.Err("smoothing: 0 would ignore all samples")
		}
	case "samples":
		p.EnterAfter, p.LeaveAfter, err = pair(d, parseCount[int])
	case "cpu":
		p.CPU, err = shares(d)
	case "memory":
		p.Memory, err = shares(d)
	case "heap":
		p.Heap, err = shares(d)
	case "open_files":
		p.OpenFiles, err = shares(d)
	case "gc_pause":
		p.GCPause, err = durations(d)
	case "scheduler_latency":
		p.SchedulerLatency, err = durations(d)
	case "goroutines":
		p.Goroutines = new(Counts)
		p.Goroutines.Warning, p.Goroutines.Danger, err = pair(d, parseCount[uint32])
	case "check":
		err = p.unmarshalCheck(d)
	default:
		err = caddyarg.Unknown(d, "interval", "smoothing", "samples", "cpu", "memory", "heap", "gc_pause",
			"scheduler_latency", "goroutines", "open_files", "check")
	}
	return err
}

// pair reads the two values of an option.
func pair[T any](d *caddyfile.Dispenser, parse func(d *caddyfile.Dispenser, option, value string) (T, error)) (first, second T, err error) {
	option := d.Val()
	args := d.RemainingArgs()
	if len(args) != 2 {
		return first, second, d.Errf("%s takes two values, got %d", option, len(args))
	}
	if first, err = parse(d, option, args[0]); err == nil {
		second, err = parse(d, option, args[1])
	}
	return first, second, err
}

func shares(d *caddyfile.Dispenser) (*Shares, error) {
	warning, danger, err := pair(d, func(d *caddyfile.Dispenser, option, value string) (float64, error) {
		share, err := caddyarg.ParseShare(d, option, value)
		if err == nil && share == 0 {
			err = d.Errf("%s: a threshold of 0 is always reached", option)
		}
		return share, err
	})
	return &Shares{warning, danger}, err
}

func durations(d *caddyfile.Dispenser) (*Durations, error) {
	warning, danger, err := pair(d, caddyarg.ParseDuration)
	return &Durations{warning, danger}, err
}

// parseCount reads a whole number of at least 1.
func parseCount[T int | uint32](d *caddyfile.Dispenser, option, value string) (T, error) {
	n, err := strconv.ParseUint(value, 10, 31)
	if err != nil || n == 0 {
		return 0, d.Errf("%s: %q is not a whole number of at least 1", option, value)
	}
	return T(n), nil
}

func (p *ProcessHealth) unmarshalCheck(d *caddyfile.Dispenser) error {
	args := d.RemainingArgs()
	if len(args) != 2 {
		return d.Errf("check takes a name and a URL, got %d values", len(args))
	}
	c := Check{Name: args[0], URL: args[1]}
	if err := c.check().Validate(); err != nil {
		return d.WrapErr(err)
	}
	if slices.ContainsFunc(p.Checks, func(other Check) bool { return other.Name == c.Name }) {
		return d.Errf("check %s is given twice", c.Name)
	}
	seen := make(map[string]bool)
	for nesting := d.Nesting(); d.NextBlock(nesting); {
		err := caddyarg.Once(d, seen)
		if err != nil {
			return err
		}
		switch option := d.Val(); option {
		case "every":
			c.Every, err = caddyarg.Duration(d)
		case "timeout":
			c.Timeout, err = caddyarg.Duration(d)
		case "failures":
			var value string
			if value, err = caddyarg.One(d); err == nil {
				c.Failures, err = parseCount[int](d, option, value)
			}
		default:
			err = caddyarg.Unknown(d, "every", "timeout", "failures")
		}
		if err != nil {
			return err
		}
		if err := c.check().Validate(); err != nil {
			return d.WrapErr(err)
		}
	}
	p.Checks = append(p.Checks, c)
	return nil
}
