package trace

// caddyfile.go holds the directive trace_context.

import (
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/weirproxy/weir/internal/caddyarg"

	// The place of trace_context in the order of directives.
	_ "github.com/weirproxy/weir/internal/directiveorder"
)

func init() {
	httpcaddyfile.RegisterHandlerDirective("trace_context", parseCaddyfile)
}

// UnmarshalCaddyfile sets up the handler from Caddyfile tokens. Syntax:
//
//	trace_context [<matcher>] {
//		accept          w3c|b3...
//		emit            w3c|b3|b3multi...
//		trust           any|none|private_ranges|<cidr...>
//		response_header <name>
//	}
func (h *Handler) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next() // consume directive name
	if d.NextArg() {
		return d.Errf("trace_context takes no value, got %q; its options go into a block", d.Val())
	}
	seen := make(map[string]bool)
	for d.NextBlock(0) {
		if err := caddyarg.Once(d, seen); err != nil {
			return err
		}
		if err := h.unmarshalOption(d); err != nil {
			return err
		}
	}
	return nil
}

// unmarshalOption reads one option. It checks the values as Provision does, so that
// the error names the line.
func (h *Handler) unmarshalOption(d *caddyfile.Dispenser) error {
	var err error
	option := d.Val()
	switch option {
	case "accept":
		if h.Accept, err = caddyarg.Some(d); err != nil {
			return err
		}
		_, err = parseAccept(h.Accept)
	case "emit":
		if h.Emit, err = caddyarg.Some(d); err != nil {
			return err
		}
		_, err = parseEmit(h.Emit)
	case "trust":
		if h.Trust, err = caddyarg.Some(d); err != nil {
			return err
		}
		_, _, err = parseTrust(h.Trust)
	case "response_header":
		if h.ResponseHeader, err = caddyarg.One(d); err != nil {
			return err
		}
		err = checkHeaderName(h.ResponseHeader)
	default:
		return caddyarg.Unknown(d, "accept", "emit", "trust", "response_header")
	}
	if err != nil {
		return d.Errf("%s: %w", option, err)
	}
	return nil
}

func parseCaddyfile(h httpcaddyfile.Helper) (caddyhttp.MiddlewareHandler, error) {
	handler := new(Handler)
	if err := handler.UnmarshalCaddyfile(h.Dispenser); err != nil {
		return nil, err
	}
	return handler, nil
}
