package health

// load_shed_caddyfile.go reads load_shed from a Caddyfile.

import (
	"strconv"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/weirproxy/weir/governance/shed"
	"github.com/weirproxy/weir/internal/caddyarg"
	_ "github.com/weirproxy/weir/internal/directiveorder" // places the directive
)

func init() {
	httpcaddyfile.RegisterHandlerDirective("load_shed", parseLoadShed)
}

// parseLoadShed reads a handler from Caddyfile tokens. Syntax:
//
//	load_shed [<matcher>] <name> {
//		critical      <matcher>
//		low           <matcher>
//		exempt        <matcher>
//		max_in_flight <n>|auto [<least> [<most>]]
//		floor         <share>
//		dry_run
//	}
//
// A matcher is *, a path, @name, or a matcher in place: path /a /b, or a block of
// several. Options with a matcher can be repeated; one of them has to match.
func parseLoadShed(helper httpcaddyfile.Helper) (caddyhttp.MiddlewareHandler, error) {
	h := new(LoadShed)
	d := helper.Dispenser
	d.Next() // consume the directive's name
	if !d.NextArg() {
		return nil, d.Err("a name is needed: load_shed <name>")
	}
	h.Name = d.Val()
	if err := checkShedName(h.Name); err != nil {
		return nil, d.WrapErr(err)
	}
	if d.NextArg() {
		return nil, d.Errf("load_shed takes one name, got also %q", d.Val())
	}
	seen := make(map[string]bool)
	for d.NextBlock(0) {
		if err := h.unmarshalOption(helper, seen); err != nil {
			return nil, err
		}
		if d.NextBlock(1) {
			return nil, d.Errf("there is no block here, got %q", d.Val())
		}
	}
	return h, nil
}

func (h *LoadShed) unmarshalOption(helper httpcaddyfile.Helper, seen map[string]bool) (err error) {
	d := helper.Dispenser
	option := d.Val()
	switch option {
	case "critical", "low", "exempt":
		sets := map[string]*caddyhttp.RawMatcherSets{"critical": &h.CriticalRaw, "low": &h.LowRaw, "exempt": &h.ExemptRaw}[option]
		set, err := matcherOf(helper)
		if err != nil {
			return err
		}
		*sets = append(*sets, set)
		return nil
	}
	if err := caddyarg.Once(d, seen); err != nil {
		return err
	}
	switch option {
	case "max_in_flight":
		return h.unmarshalMaxInFlight(d)
	case "floor":
		share, err := caddyarg.Share(d)
		if err != nil {
			return err
		}
		h.Floor = &share
		return h.check(d)
	case "dry_run":
		h.DryRun = true
		if d.NextArg() {
			return d.Errf("dry_run takes no value, got %q", d.Val())
		}
		return nil
	default:
		return caddyarg.Unknown(d, "critical", "low", "exempt", "max_in_flight", "floor", "dry_run")
	}
}

// check refuses settings that make no sense together, at the option that has just
// been read.
func (h *LoadShed) check(d *caddyfile.Dispenser) error {
	if err := h.settings().Validate(); err != nil {
		return d.WrapErr(err)
	}
	return nil
}

// matcherOf reads the matcher after an option. Named matchers are known only to the
// helper.
func matcherOf(helper httpcaddyfile.Helper) (caddy.ModuleMap, error) {
	d := helper.Dispenser
	option := d.Val()
	isToken := false
	if d.NextArg() {
		isToken = !d.Token().Quoted() && (d.Val() == "*" || strings.HasPrefix(d.Val(), "/") || strings.HasPrefix(d.Val(), "@"))
		d.Prev()
	}
	if !isToken {
		set, err := caddyhttp.ParseCaddyfileNestedMatcherSet(d)
		if err == nil && len(set) == 0 {
			err = d.Errf("%s needs a matcher, such as *, /path, @name or path /a /b", option)
		}
		return set, err
	}
	set, _, err := helper.MatcherToken()
	if err != nil {
		return nil, d.WrapErr(err)
	}
	if d.NextArg() {
		return nil, d.Errf("%s takes one matcher, got also %q; for several paths, write %s path /a /b", option, d.Val(), option)
	}
	if set == nil {
		set = caddy.ModuleMap{} // matches everything
	}
	return set, nil
}

func (h *LoadShed) unmarshalMaxInFlight(d *caddyfile.Dispenser) error {
	values, err := caddyarg.Some(d)
	if err != nil {
		return err
	}
	if values[0] != "auto" {
		if len(values) > 1 {
			return d.Errf("max_in_flight takes one number, got also %q; bounds are for auto", values[1])
		}
		h.MaxInFlight, err = countOf(d, values[0])
		return err
	}
	if len(values) > 3 {
		return d.Errf("max_in_flight auto takes a least and a most, got also %q", values[3])
	}
	h.Auto = new(AutoLimit)
	for i, bound := range []*int{&h.Auto.Min, &h.Auto.Max}[:len(values)-1] {
		if *bound, err = countOf(d, values[i+1]); err != nil {
			return err
		}
	}
	return h.check(d)
}

func countOf(d *caddyfile.Dispenser, value string) (int, error) {
	n, err := strconv.Atoi(value)
	if err != nil || n < 1 || n > shed.Most {
		return 0, d.Errf("max_in_flight: %q is neither auto nor a whole number from 1 to %d", value, shed.Most)
	}
	return n, nil
}
