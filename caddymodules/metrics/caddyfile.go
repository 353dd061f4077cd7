package metrics

// caddyfile.go reads request_metrics from a Caddyfile.

import (
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/weirproxy/weir/internal/caddyarg"
	_ "github.com/weirproxy/weir/internal/directiveorder" // places the directive
)

func init() {
	httpcaddyfile.RegisterHandlerDirective("request_metrics", parseCaddyfile)
}

func parseCaddyfile(helper httpcaddyfile.Helper) (caddyhttp.MiddlewareHandler, error) {
	h := new(Handler)
	return h, h.UnmarshalCaddyfile(helper.Dispenser)
}

// UnmarshalCaddyfile sets up the handler from Caddyfile tokens. Syntax:
//
//	request_metrics [<matcher>] [<route>] {
//	    buckets <seconds...>
//	}
func (h *Handler) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next() // consume directive name
	if d.NextArg() {
		h.Route = d.Val()
		if h.Route == "" {
			return d.Err("the route name is empty")
		}
		if err := checkRoute(h.Route); err != nil {
			return d.WrapErr(err)
		}
	}
	if d.NextArg() {
		return d.Errf("request_metrics takes one route name, got also %q", d.Val())
	}
	seen := make(map[string]bool)
	for d.NextBlock(0) {
		if err := caddyarg.Once(d, seen); err != nil {
			return err
		}
		switch d.Val() {
		case "buckets":
			if err := h.unmarshalBuckets(d); err != nil {
				return err
			}
		default:
			return caddyarg.Unknown(d, "buckets")
		}
		if d.NextBlock(1) {
			return d.Errf("buckets takes no block, got %q", d.Val())
		}
	}
	return nil
}

func (h *Handler) unmarshalBuckets(d *caddyfile.Dispenser) error {
	values, err := caddyarg.Some(d)
	if err != nil {
		return err
	}
	for _, value := range values {
		bound, err := caddyarg.ParseNumber(d, "buckets", value)
		if err != nil {
			return err
		}
		h.Buckets = append(h.Buckets, bound)
	}
	if err := checkBuckets(h.Buckets); err != nil {
		return d.WrapErr(err)
	}
	return nil
}
