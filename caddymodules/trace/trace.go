// Package trace holds the HTTP handler trace_context, which gives every request one
// trace id and sees to it that the upstream, the log and the client are told the
// same one.
//
// It creates no spans: a valid id that comes in goes through as it is. Where Caddy's
// tracing handler creates a span for the request, that span's ids are used.
package trace

import (
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"slices"

	oteltrace "go.opentelemetry.io/otel/trace"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/weirproxy/weir/governance/tracecontext"
	"github.com/weirproxy/weir/internal/exchange"
)

func init() {
	caddy.RegisterModule(new(Handler))
}

// Request variables, of the names that Caddy's tracing handler uses.
const (
	variableTraceID = "trace_id"
	variableSpanID  = "span_id"
)

// Handler gives every request a trace id: the one that comes in, after W3C Trace
// Context Level 2 or B3, or else a new one. The id goes to the upstream in the
// formats of `emit`, into the access log as `trace_id`, into problem details, and
// optionally to the client in a header.
//
// A valid inbound id is kept, and its headers are passed on untouched. Trace headers
// that are not emitted are removed from the request, so that the upstream never
// sees two trace ids. An id that is made here is 32 random hex digits, and carries
// no sampling decision unless one came in.
//
// Where Caddy's `tracing` handler runs before this one, as it does in the default
// order, its span is used, whatever came in; where it runs after this one, its span
// becomes part of this handler's trace. Of several trace_context handlers on a
// request's way only the first does anything.
//
// Placeholders:
//
// Placeholder | Description
// ------------|-------------
// `{http.vars.trace_id}` | The trace id, 32 lower-case hex digits
// `{http.vars.span_id}` | The span id that is sent to the upstream, 16 lower-case hex digits
type Handler struct {
	// Accept lists the formats in which inbound ids are read, in order of
	// precedence: `w3c` (traceparent and tracestate) and `b3` (the single header
	// and, after it, X-B3-*). Invalid headers count as absent.
	// Default: `["w3c", "b3"]`.
	Accept []string `json:"accept,omitempty"`
	// Emit lists the formats in which the upstream gets the ids: `w3c`, `b3` (the
	// single header) and `b3multi` (X-B3-*). Headers of the other formats are
	// removed from the request. Default: `["w3c"]`.
	Emit []string `json:"emit,omitempty"`
	// Trust says whose inbound ids are kept: `any`, `none`, or a list of IP
	// addresses, CIDR ranges and `private_ranges`, which is compared with Caddy's
	// client IP (see the server's `trusted_proxies`). Others get a new trace id, and
	// nothing of their trace headers reaches the upstream. An empty list trusts
	// nobody. Default: `["any"]`.
	Trust []string `json:"trust,omitempty"`
	// ResponseHeader is the name of a response header that tells the client the
	// trace id. It replaces one that the upstream sends. Headers that are about the
	// connection or the length of the answer are refused. Default: none is sent.
	ResponseHeader string `json:"response_header,omitempty"`

	accept   []tracecontext.Format
	emit     []tracecontext.Format
	trustAll bool
	trusted  []netip.Prefix
	bridge   bool
}

// CaddyModule returns the Caddy module information.
func (*Handler) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  "http.handlers.trace_context",
		New: func() caddy.Module { return new(Handler) },
	}
}

// Provision implements caddy.Provisioner.
func (h *Handler) Provision(caddy.Context) error {
	if len(h.Accept) == 0 {
		h.Accept = []string{"w3c", "b3"}
	}
	if len(h.Emit) == 0 {
		h.Emit = []string{"w3c"}
	}
	if h.Trust == nil { // whoever writes an empty list does not mean everybody
		h.Trust = []string{"any"}
	}
	var err error
	if h.accept, err = parseAccept(h.Accept); err != nil {
		return fmt.Errorf("reading accept: %w", err)
	}
	if h.emit, err = parseEmit(h.Emit); err != nil {
		return fmt.Errorf("reading emit: %w", err)
	}
	if h.trustAll, h.trusted, err = parseTrust(h.Trust); err != nil {
		return fmt.Errorf("reading trust: %w", err)
	}
	if h.ResponseHeader != "" {
		if err := checkHeaderName(h.ResponseHeader); err != nil {
			return fmt.Errorf("reading response_header: %w", err)
		}
		h.ResponseHeader = http.CanonicalHeaderKey(h.ResponseHeader)
	}
	h.bridge = needsBridge(h.emit)
	return nil
}

// ServeHTTP implements caddyhttp.MiddlewareHandler.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	x := exchange.From(r)
	if x.TraceID != "" {
		return x.Serve(w, r, next)
	}
	ctx := r.Context()
	variables, _ := ctx.Value(caddyhttp.VarsCtxKey).(map[string]any)
	var c tracecontext.Context
	if span := oteltrace.SpanContextFromContext(ctx); span.IsValid() {
		c = h.reuse(r.Header, span)
	} else {
		c = h.keepOrCreate(r.Header, variables)
		if h.bridge {
			r = r.WithContext(withRemoteSpan(ctx, c))
		}
	}
	keepForUpstream(r.Header)
	x.TraceID = c.TraceID
	setVariable(variables, variableTraceID, c.TraceID)
	setVariable(variables, variableSpanID, c.SpanID)
	if h.ResponseHeader != "" {
		x.PinHeader(w.Header(), h.ResponseHeader, c.TraceID)
	}
	return x.Serve(w, r, next)
}

// keepOrCreate returns the request's context, and makes the headers say it in the
// formats that are emitted and in no other.
func (h *Handler) keepOrCreate(header http.Header, variables map[string]any) tracecontext.Context {
	var c tracecontext.Context
	if h.trusts(variables) {
		c, _ = tracecontext.Extract(header, h.accept)
	}
	if !c.HasIDs() {
		c = tracecontext.New(c.Sampling)
	}
	for _, format := range tracecontext.Formats {
		if slices.Contains(h.emit, format) {
			format.Inject(header, c)
		} else {
			format.Remove(header)
		}
	}
	return c
}

// trusts reports whether the client's ids are kept.
func (h *Handler) trusts(variables map[string]any) bool {
	if h.trustAll {
		return true
	}
	if len(h.trusted) == 0 {
		return false
	}
	client, _ := variables[caddyhttp.ClientIPVarKey].(string)
	addr, err := netip.ParseAddr(client)
	if err != nil {
		return false // a Unix socket has no address
	}
	addr = addr.Unmap().WithZone("")
	for _, prefix := range h.trusted {
		if prefix.Contains(addr) {
			return true
		}
	}
	return false
}

// setVariable sets a variable that does not have the value already, as putting a
// string into the map allocates. Without Caddy's server there are no variables.
func setVariable(variables map[string]any, name, value string) {
	if variables == nil {
		return
	}
	if current, _ := variables[name].(string); current != value {
		variables[name] = value
	}
}

// parseAccept turns names into formats, in their order.
func parseAccept(names []string) ([]tracecontext.Format, error) {
	var formats []tracecontext.Format
	for i, name := range names {
		if slices.Contains(names[:i], name) {
			return nil, fmt.Errorf("format %q is given twice", name)
		}
		switch name {
		case "w3c":
			formats = append(formats, tracecontext.W3C)
		case "b3":
			formats = append(formats, tracecontext.B3, tracecontext.B3Multi)
		case "b3multi":
			return nil, errors.New(`format "b3multi" is not needed, b3 reads both forms`)
		default:
			return nil, fmt.Errorf("unknown format %q; known are w3c, b3", name)
		}
	}
	return formats, nil
}

// parseEmit turns names into formats.
func parseEmit(names []string) ([]tracecontext.Format, error) {
	var formats []tracecontext.Format
	for i, name := range names {
		if slices.Contains(names[:i], name) {
			return nil, fmt.Errorf("format %q is given twice", name)
		}
		switch name {
		case "w3c":
			formats = append(formats, tracecontext.W3C)
		case "b3":
			formats = append(formats, tracecontext.B3)
		case "b3multi":
			formats = append(formats, tracecontext.B3Multi)
		default:
			return nil, fmt.Errorf("unknown format %q; known are w3c, b3, b3multi", name)
		}
	}
	return formats, nil
}

// parseTrust returns whether everybody is trusted, and if not, who is.
func parseTrust(sources []string) (all bool, trusted []netip.Prefix, err error) {
	for _, source := range sources {
		switch source {
		case "any", "none":
			if len(sources) > 1 {
				return false, nil, fmt.Errorf("%q cannot be combined with other values", source)
			}
			return source == "any", nil, nil
		case "private_ranges":
			for _, private := range caddyhttp.PrivateRangesCIDR() {
				prefix, err := caddyhttp.CIDRExpressionToPrefix(private)
				if err != nil {
					return false, nil, err
				}
				trusted = append(trusted, prefix)
			}
		default:
			prefix, err := caddyhttp.CIDRExpressionToPrefix(source)
			if err != nil {
				return false, nil, fmt.Errorf("%q is not any, none, private_ranges, an IP address or a CIDR range", source)
			}
			trusted = append(trusted, prefix)
		}
	}
	return false, trusted, nil
}

// Interface guards
var (
	_ caddy.Provisioner           = (*Handler)(nil)
	_ caddyhttp.MiddlewareHandler = (*Handler)(nil)
	_ caddyfile.Unmarshaler       = (*Handler)(nil)
)
