package warmup

// caddyfile.go reads warm_up from a Caddyfile.

import (
	"encoding/json"

	"github.com/caddyserver/caddy/v2/caddyconfig"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/weirproxy/weir/internal/caddyarg"
	_ "github.com/weirproxy/weir/internal/directiveorder" // places the directive
)

func init() {
	httpcaddyfile.RegisterHandlerDirective("warm_up", parseCaddyfile)
}

// parseCaddyfile sets up the handler from Caddyfile tokens. Syntax:
//
//	warm_up [<matcher>] <name> {
//		ready <url> {
//			interval <duration>
//			timeout  <duration>
//		}
//		ramp [<from> <follow>] {
//			factor   <number>
//			interval <duration>
//			complete <share>
//		}
//		hold      <duration>
//		probe     <duration> <from> <to>
//		climb     <duration> <from> <to>
//		cache_hit <grow> <steady> [<header>]
//		fallback {
//			<directives...>
//		}
//		dry_run
//	}
func parseCaddyfile(helper httpcaddyfile.Helper) (caddyhttp.MiddlewareHandler, error) {
	h, d := new(Handler), helper.Dispenser
	d.Next() // consume the directive's name
	places := map[string]caddyfile.Dispenser{"": *d}
	name, err := caddyarg.One(d)
	if err != nil {
		return nil, err
	}
	h.Name = name
	if err := checkName(name); err != nil {
		return nil, d.WrapErr(err)
	}
	seen := make(map[string]bool)
	for d.NextBlock(0) {
		if err := caddyarg.Once(d, seen); err != nil {
			return nil, err
		}
		places[d.Val()] = *d
		if d.Val() == "fallback" {
			h.FallbackRaw, err = parseFallback(helper)
		} else {
			err = h.unmarshalOption(d)
		}
		if err != nil {
			return nil, err
		}
	}
	if err := h.configured(); err != nil {
		place := places[h.misfit()]
		return nil, place.WrapErr(err)
	}
	return h, nil
}

// misfit names the option at fault when each makes sense by itself, and the whole does
// not; it is empty where none is.
func (h *Handler) misfit() string {
	switch {
	case h.CacheHit != nil && (h.Climb == nil || h.Probe == nil):
		return "cache_hit"
	case h.Climb != nil:
		return "climb"
	case h.Hold != 0:
		return "hold"
	default:
		return ""
	}
}

// configured checks the whole without filling in defaults: those are not what the
// Caddyfile says.
func (h *Handler) configured() error {
	whole := *h
	if h.Ready != nil {
		ready := *h.Ready
		whole.Ready = &ready
	}
	return whole.configure()
}

// parseFallback reads the handlers of the fallback.
func parseFallback(helper httpcaddyfile.Helper) (json.RawMessage, error) {
	d := helper.Dispenser
	segment := d.NewFromNextSegment()
	handler, err := httpcaddyfile.ParseSegmentAsSubroute(helper.WithDispenser(segment))
	if err != nil {
		return nil, err
	}
	if subroute, ok := handler.(*caddyhttp.Subroute); ok && len(subroute.Routes) == 0 {
		return nil, d.Err("fallback needs a block of directives that answer, such as respond")
	}
	return caddyconfig.JSONModuleObject(handler, "handler", "subroute", nil), nil
}

func (h *Handler) unmarshalOption(d *caddyfile.Dispenser) (err error) {
	option := d.Val()
	switch option {
	case "ramp":
		if h.Hold != 0 || h.Probe != nil || h.Climb != nil || h.CacheHit != nil {
			return d.Err("ramp grows a share, and hold, probe, climb and cache_hit grow a rate: choose one")
		}
	case "hold", "probe", "climb", "cache_hit":
		if h.Ramp != nil {
			return d.Errf("%s grows a rate, and ramp grows a share: choose one", option)
		}
	}
	switch option {
	case "ready":
		return h.unmarshalReady(d)
	case "ramp":
		return h.unmarshalRamp(d)
	case "hold":
		h.Hold, err = caddyarg.Duration(d)
	case "probe":
		h.Probe, err = unmarshalSlope(d)
	case "climb":
		h.Climb, err = unmarshalSlope(d)
	case "cache_hit":
		h.CacheHit, err = unmarshalCacheHit(d)
	case "dry_run":
		h.DryRun = true
		if d.NextArg() {
			return d.Errf("dry_run takes no value, got %q", d.Val())
		}
	default:
		return caddyarg.Unknown(d, "ready", "ramp", "hold", "probe", "climb", "cache_hit", "fallback", "dry_run")
	}
	if err == nil && d.NextBlock(1) {
		err = d.Errf("%s takes no block, got %q", option, d.Val())
	}
	return err
}

func (h *Handler) unmarshalReady(d *caddyfile.Dispenser) (err error) {
	h.Ready = new(Ready)
	if h.Ready.URL, err = caddyarg.One(d); err != nil {
		return err
	}
	if err := h.configuredReady(); err != nil {
		return d.WrapErr(err)
	}
	return unmarshalBlock(d, func() (err error) {
		switch d.Val() {
		case "interval":
			h.Ready.Interval, err = caddyarg.Duration(d)
		case "timeout":
			h.Ready.Timeout, err = caddyarg.Duration(d)
		default:
			return caddyarg.Unknown(d, "interval", "timeout")
		}
		if err == nil {
			if invalid := h.configuredReady(); invalid != nil {
				err = d.WrapErr(invalid)
			}
		}
		return err
	})
}

func (h *Handler) configuredReady() error {
	ready := *h.Ready
	return ready.configure()
}

func (h *Handler) unmarshalRamp(d *caddyfile.Dispenser) (err error) {
	h.Ramp = new(Ramp)
	switch args := d.RemainingArgs(); len(args) {
	case 0:
	case 2:
		if h.Ramp.From, err = positiveShare(d, "ramp", args[0]); err != nil {
			return err
		}
		if h.Ramp.Follow, err = positiveShare(d, "ramp", args[1]); err != nil {
			return err
		}
	default:
		return d.Errf("ramp takes no values, or the share to begin with and the one to follow the success rate from, as in ramp 5%% 80%%; got %d", len(args))
	}
	if err := h.Ramp.share().Validate(); err != nil {
		return d.WrapErr(err)
	}
	return unmarshalBlock(d, func() (err error) {
		switch d.Val() {
		case "factor":
			if h.Ramp.Factor, err = caddyarg.Number(d); err == nil && h.Ramp.Factor <= 1 {
				err = d.Errf("factor %v does not make the share grow: it must be above 1", h.Ramp.Factor)
			}
		case "interval":
			h.Ramp.Interval, err = caddyarg.Duration(d)
		case "complete":
			if h.Ramp.Complete, err = caddyarg.Share(d); err == nil && h.Ramp.Complete == 0 {
				err = d.Err("complete: 0% would end the warm-up of a service that fails all calls")
			}
		default:
			return caddyarg.Unknown(d, "factor", "interval", "complete")
		}
		if err == nil {
			if invalid := h.Ramp.share().Validate(); invalid != nil {
				err = d.WrapErr(invalid)
			}
		}
		return err
	})
}

// unmarshalBlock calls unmarshal for each option of a block in the handler's.
func unmarshalBlock(d *caddyfile.Dispenser, unmarshal func() error) error {
	seen := make(map[string]bool)
	for nesting := d.Nesting(); d.NextBlock(nesting); {
		if err := caddyarg.Once(d, seen); err != nil {
			return err
		}
		option := d.Val()
		if err := unmarshal(); err != nil {
			return err
		}
		if d.NextBlock(nesting + 1) {
			return d.Errf("%s takes no block, got %q", option, d.Val())
		}
	}
	return nil
}

func positiveShare(d *caddyfile.Dispenser, option, value string) (float64, error) {
	share, err := caddyarg.ParseShare(d, option, value)
	if err == nil && share == 0 {
		err = d.Errf("%s: 0%% is nothing; it must be above", option)
	}
	return share, err
}

func unmarshalSlope(d *caddyfile.Dispenser) (*Slope, error) {
	option, args := d.Val(), d.RemainingArgs()
	if len(args) != 3 {
		return nil, d.Errf("%s takes a duration and the requests a second to begin and to end with, as in %s 60s 1 10; got %d values", option, option, len(args))
	}
	s := new(Slope)
	var err error
	if s.Over, err = caddyarg.ParseDuration(d, option, args[0]); err != nil {
		return nil, err
	}
	if s.From, err = caddyarg.ParseNumber(d, option, args[1]); err != nil {
		return nil, err
	}
	if s.To, err = caddyarg.ParseNumber(d, option, args[2]); err != nil {
		return nil, err
	}
	if err := s.slope().Validate(option); err != nil {
		return nil, d.WrapErr(err)
	}
	return s, nil
}

func unmarshalCacheHit(d *caddyfile.Dispenser) (*CacheHit, error) {
	args := d.RemainingArgs()
	if len(args) != 2 && len(args) != 3 {
		return nil, d.Errf("cache_hit takes the rate to grow above, the one to be steady from and, if it is not Cache-Status, a header, as in cache_hit 60%% 70%%; got %d values", len(args))
	}
	c := new(CacheHit)
	var err error
	if c.Grow, err = positiveShare(d, "cache_hit", args[0]); err != nil {
		return nil, err
	}
	if c.Steady, err = positiveShare(d, "cache_hit", args[1]); err != nil {
		return nil, err
	}
	if len(args) == 3 {
		c.Header = args[2]
	}
	if err := c.validate(); err != nil {
		return nil, d.WrapErr(err)
	}
	return c, nil
}
