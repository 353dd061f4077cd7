package openapi

// caddyfile.go holds the directive openapi_contract.

import (
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"

	"github.com/weirproxy/weir/internal/caddyarg"

	// The place of openapi_contract in the order of directives.
	_ "github.com/weirproxy/weir/internal/directiveorder"
)

func init() {
	httpcaddyfile.RegisterDirective("openapi_contract", parseCaddyfile)
}

// parseCaddyfile does what Caddy does for directives of handlers, except that an argument which stands alone is the
// document, also if it begins with a slash, as the paths of files and matchers both do.
func parseCaddyfile(helper httpcaddyfile.Helper) ([]httpcaddyfile.ConfigValue, error) {
	var matcher caddy.ModuleMap
	helper.Next() // consume directive name
	if helper.CountRemainingArgs() != 1 || !helper.NextArg() || !strings.HasPrefix(helper.Val(), "/") {
		helper.Reset()
		helper.Next()
		var err error
		if matcher, err = helper.ExtractMatcherSet(); err != nil {
			return nil, err
		}
	}
	helper.Reset()
	h := new(Handler)
	if err := h.UnmarshalCaddyfile(helper.Dispenser); err != nil {
		return nil, err
	}
	return helper.NewRoute(matcher, h), nil
}

// UnmarshalCaddyfile sets up the handler from Caddyfile tokens. Syntax:
//
//	openapi_contract [<matcher>] [<name>] <file|url> {
//		mode             enforce|report
//		report_only      <operations...>
//		enforce_only     <operations...>
//		skip             <operations...>
//		responses        off|report|enforce [<share>]
//		refresh          <duration>|off
//		lazy
//		allow_refs       <hosts...>
//		strip_prefix     <path>
//		ignore_servers
//		unknown_path     pass|404
//		unknown_method   pass|405
//		strict_query
//		strict_headers
//		max_body         <size> [<operations...>]
//		body_timeout     <duration>
//		lenient_json     duplicate_keys|trailing_data|invalid_utf8...
//		ignore_formats
//		refuse_read_only
//		parameter_status <4xx>
//		body_status      <4xx>
//		echo_values
//		limits {
//			depth       <levels>
//			nodes       <values>
//			properties  <properties>
//			array_index <index>
//			digits      <digits>
//			violations  <violations>
//			document    <size>
//		}
//	}
//
// An operation is an operationId, or a quoted "GET /pets/{petId}". max_body may be repeated for single operations.
func (h *Handler) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next() // consume directive name
	switch args := d.RemainingArgs(); len(args) {
	case 0:
		return d.Err("a document is needed: openapi_contract [<name>] <file or URL>")
	case 1:
		h.Source = args[0]
	case 2:
		h.Name, h.Source = args[0], args[1]
	default:
		return d.Errf("openapi_contract takes a name and a file or URL, got also %q", args[2])
	}
	if err := h.check((*Handler).checkValues); err != nil {
		return d.WrapErr(err)
	}
	seen := make(map[string]bool)
	for d.NextBlock(0) {
		option := d.Val()
		if option != "max_body" {
			if err := caddyarg.Once(d, seen); err != nil {
				return err
			}
		}
		ahead := *d // where the option stands, for what is wrong with its value
		if err := h.unmarshalOption(d); err != nil {
			return err
		}
		if option != "limits" && d.NextBlock(1) {
			return d.Errf("%s takes no block, got %q", option, d.Val())
		}
		if err := h.check((*Handler).checkValues); err != nil {
			return ahead.WrapErr(err)
		}
	}
	if err := h.check((*Handler).configure); err != nil {
		return d.WrapErr(err)
	}
	return nil
}

// check calls a check that fills in defaults, which are not to become part of what was adapted.
func (h *Handler) check(do func(*Handler) error) error {
	trial := *h
	if trial.Limits != nil {
		limits := *h.Limits
		trial.Limits = &limits
	}
	return do(&trial)
}

func (h *Handler) unmarshalOption(d *caddyfile.Dispenser) (err error) {
	switch d.Val() {
	case "mode":
		h.Mode, err = oneOf(d, modeEnforce, modeReport)
	case "report_only":
		h.ReportOnly, err = caddyarg.Some(d)
	case "enforce_only":
		h.EnforceOnly, err = caddyarg.Some(d)
	case "skip":
		h.Skip, err = caddyarg.Some(d)
	case "responses":
		err = h.unmarshalResponses(d)
	case "refresh":
		h.Refresh, err = refresh(d)
	case "lazy":
		h.Lazy, err = true, caddyarg.Flag(d)
	case "allow_refs":
		h.AllowRefs, err = caddyarg.Some(d)
	case "strip_prefix":
		h.StripPrefix, err = caddyarg.One(d)
	case "ignore_servers":
		h.IgnoreServers, err = true, caddyarg.Flag(d)
	case "unknown_path":
		h.UnknownPath, err = passOr(d, 404)
	case "unknown_method":
		h.UnknownMethod, err = passOr(d, 405)
	case "strict_query":
		h.StrictQuery, err = true, caddyarg.Flag(d)
	case "strict_headers":
		h.StrictHeaders, err = true, caddyarg.Flag(d)
	default:
		return h.unmarshalBodyOption(d)
	}
	return err
}

func (h *Handler) unmarshalBodyOption(d *caddyfile.Dispenser) (err error) {
	switch d.Val() {
	case "max_body":
		err = h.unmarshalMaxBody(d)
	case "body_timeout":
		h.BodyTimeout, err = caddyarg.Duration(d)
	case "lenient_json":
		h.LenientJSON, err = caddyarg.Some(d)
	case "ignore_formats":
		h.IgnoreFormats, err = true, caddyarg.Flag(d)
	case "refuse_read_only":
		h.RefuseReadOnly, err = true, caddyarg.Flag(d)
	case "parameter_status":
		h.ParameterStatus, err = status(d)
	case "body_status":
		h.BodyStatus, err = status(d)
	case "echo_values":
		h.EchoValues, err = true, caddyarg.Flag(d)
	case "limits":
		err = h.unmarshalLimits(d)
	default:
		err = caddyarg.Unknown(d, "mode", "report_only", "enforce_only", "skip", "responses", "refresh", "lazy", "allow_refs",
			"strip_prefix", "ignore_servers", "unknown_path", "unknown_method", "strict_query", "strict_headers", "max_body",
			"body_timeout", "lenient_json", "ignore_formats", "refuse_read_only", "parameter_status", "body_status",
			"echo_values", "limits")
	}
	return err
}

func (h *Handler) unmarshalResponses(d *caddyfile.Dispenser) error {
	args, err := caddyarg.UpTo(d, 2)
	if err != nil {
		return err
	}
	h.Responses = args[0]
	if len(args) == 1 {
		return nil
	}
	if h.ResponseShare, err = caddyarg.ParseShare(d, "responses", args[1]); err == nil && h.ResponseShare == 0 {
		err = d.Err("responses: 0% is none of them; write responses off")
	}
	return err
}

func (h *Handler) unmarshalMaxBody(d *caddyfile.Dispenser) error {
	args, err := caddyarg.Some(d)
	if err != nil {
		return err
	}
	n, err := caddyarg.ParseSize(d, "max_body", args[0])
	if err != nil {
		return err
	}
	if len(args) == 1 {
		if h.MaxBody != 0 {
			return d.Err("max_body is given twice without operations")
		}
		h.MaxBody = n
		return nil
	}
	if h.MaxBodyOf == nil {
		h.MaxBodyOf = make(map[string]int64)
	}
	for _, operation := range args[1:] {
		if h.MaxBodyOf[operation] != 0 {
			return d.Errf("max_body is given twice for the operation %q", operation)
		}
		h.MaxBodyOf[operation] = n
	}
	return nil
}
