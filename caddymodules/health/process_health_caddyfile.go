package health

// process_health_caddyfile.go reads process_health from a Caddyfile.

import (
	"slices"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/weirproxy/weir/internal/caddyarg"
	_ "github.com/weirproxy/weir/internal/directiveorder" // places the directive
)

func init() {
	httpcaddyfile.RegisterHandlerDirective("process_health", parseProcessHealth)
}

func parseProcessHealth(helper httpcaddyfile.Helper) (caddyhttp.MiddlewareHandler, error) {
	h := new(ProcessHealth)
	return h, h.UnmarshalCaddyfile(helper.Dispenser)
}

// UnmarshalCaddyfile sets up the handler from Caddyfile tokens. Syntax:
//
//	process_health [<matcher>] {
//		live    <path>|off
//		ready   <path>|off
//		detail  <path>|off
//		dry_run
//	}
func (h *ProcessHealth) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next() // consume the directive's name
	if d.NextArg() {
		return d.Errf("process_health takes no value, got %q; thresholds and checks stand in the global option governance", d.Val())
	}
	seen := make(map[string]bool)
	var options []caddyfile.Dispenser // where each stands
	for d.NextBlock(0) {
		if err := caddyarg.Once(d, seen); err != nil {
			return err
		}
		options = append(options, *d)
		if err := h.unmarshalOption(d); err != nil {
			return err
		}
	}
	filled := ProcessHealth{Live: h.Live, Ready: h.Ready, Detail: h.Detail}
	filled.setDefaults()
	if err := filled.Validate(); err != nil {
		return filled.culprit(options, d).WrapErr(err)
	}
	return nil
}

// culprit is the last of the options that has the path of another, or off; what is
// wrong when each makes sense by itself, and the whole does not, is never that of one
// that was not given.
func (h *ProcessHealth) culprit(options []caddyfile.Dispenser, otherwise *caddyfile.Dispenser) *caddyfile.Dispenser {
	paths := map[string]string{"live": h.Live, "ready": h.Ready, "detail": h.Detail}
	used := make(map[string]int)
	for _, path := range paths {
		used[path]++
	}
	for _, option := range slices.Backward(options) {
		if path, ok := paths[option.Val()]; ok && used[path] > 1 {
			return &option
		}
	}
	return otherwise
}

func (h *ProcessHealth) unmarshalOption(d *caddyfile.Dispenser) (err error) {
	switch d.Val() {
	case "live":
		h.Live, err = pathOrOff(d)
	case "ready":
		h.Ready, err = pathOrOff(d)
	case "detail":
		h.Detail, err = pathOrOff(d)
	case "dry_run":
		if d.NextArg() {
			return d.Errf("dry_run takes no value, got %q", d.Val())
		}
		h.DryRun = true
	default:
		err = caddyarg.Unknown(d, "live", "ready", "detail", "dry_run")
	}
	return err
}

func pathOrOff(d *caddyfile.Dispenser) (string, error) {
	option := d.Val()
	path, err := caddyarg.One(d)
	if err == nil && path != off && checkPath(path) != nil {
		err = d.Errf("%s: %w", option, checkPath(path))
	}
	return path, err
}
