package breaker

// caddyfile.go holds the directive breaker.

import (
	"github.com/caddyserver/caddy/v2/caddyconfig"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/weirproxy/weir/internal/breakerconf"
	"github.com/weirproxy/weir/internal/caddyarg"

	// The place of breaker in the order of directives.
	_ "github.com/weirproxy/weir/internal/directiveorder"
)

func init() {
	httpcaddyfile.RegisterHandlerDirective("breaker", parseCaddyfile)
}

// UnmarshalCaddyfile sets up the handler from Caddyfile tokens. Syntax:
//
//	breaker [<matcher>] <name> {
//		window         <duration>
//		min_calls      <calls>
//		failure_ratio  <share>|off
//		consecutive    <failures in a row>|off
//		slow_call      <duration> [<share>]
//		open_for       <first> [<longest>]
//		probes         <calls>
//		probe_timeout  <duration>
//		recover_over   <duration>|off
//		max_concurrent <calls>
//		failure_status <statuses or classes such as 5xx...>
//		dry_run
//		fallback {
//			<directives...>
//		}
//		fallback_on_failure {
//			max_body       <size>
//			non_idempotent
//		}
//	}
//
// Of the fallback only the place is taken; it takes the site's helper to read.
func (h *Handler) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	_, err := h.unmarshal(d)
	return err
}

// unmarshal returns the fallback's tokens, nil if there are none.
func (h *Handler) unmarshal(d *caddyfile.Dispenser) (fallback *caddyfile.Dispenser, err error) {
	d.Next() // consume directive name
	if h.Name, err = caddyarg.One(d); err != nil {
		return nil, err
	}
	if err := checkName(h.Name); err != nil {
		return nil, d.WrapErr(err)
	}
	seen := make(map[string]bool)
	var onFailure caddyfile.Dispenser // where it stands
	for d.NextBlock(0) {
		if err := caddyarg.Once(d, seen); err != nil {
			return nil, err
		}
		switch d.Val() {
		case "fallback":
			if fallback, err = fallbackTokens(d); err != nil {
				return nil, err
			}
		case "fallback_on_failure":
			onFailure = *d
			if err := h.unmarshalOnFailure(d); err != nil {
				return nil, err
			}
		default:
			known, err := h.UnmarshalOption(d)
			if err == nil && !known {
				err = caddyarg.Unknown(d, append(breakerconf.Options, "fallback", "fallback_on_failure")...)
			}
			if err != nil {
				return nil, err
			}
		}
	}
	if h.FallbackOnFailure != nil && fallback == nil {
		return nil, onFailure.Err("fallback_on_failure needs a fallback")
	}
	return fallback, h.Check(d)
}

// fallbackTokens takes a block that must not be empty.
func fallbackTokens(d *caddyfile.Dispenser) (*caddyfile.Dispenser, error) {
	fallback := d.NewFromNextSegment()
	ahead := *fallback
	ahead.Next()
	if ahead.NextArg() {
		return nil, ahead.Errf("fallback takes no value, got %q; its directives go into a block", ahead.Val())
	}
	if !ahead.NextBlock(0) {
		return nil, ahead.Err("fallback needs a block with directives, such as respond or reverse_proxy")
	}
	return fallback, nil
}

func (h *Handler) unmarshalOnFailure(d *caddyfile.Dispenser) error {
	h.FallbackOnFailure = new(FallbackOnFailure)
	if d.NextArg() {
		return d.Errf("fallback_on_failure takes no value, got %q; its options go into a block", d.Val())
	}
	seen := make(map[string]bool)
	for nesting := d.Nesting(); d.NextBlock(nesting); {
		if err := caddyarg.Once(d, seen); err != nil {
			return err
		}
		switch d.Val() {
		case "max_body":
			var err error
			if h.FallbackOnFailure.MaxBody, err = caddyarg.Size(d); err != nil {
				return err
			}
		case "non_idempotent":
			if d.NextArg() {
				return d.Errf("non_idempotent takes no value, got %q", d.Val())
			}
			h.FallbackOnFailure.NonIdempotent = true
		default:
			return caddyarg.Unknown(d, "max_body", "non_idempotent")
		}
	}
	return nil
}

func parseCaddyfile(helper httpcaddyfile.Helper) (caddyhttp.MiddlewareHandler, error) {
	h := new(Handler)
	tokens, err := h.unmarshal(helper.Dispenser)
	if err != nil || tokens == nil {
		return h, err
	}
	fallback, err := httpcaddyfile.ParseSegmentAsSubroute(helper.WithDispenser(tokens))
	if err != nil {
		return nil, err
	}
	h.FallbackRaw = caddyconfig.JSONModuleObject(fallback, "handler", "subroute", nil)
	return h, nil
}
