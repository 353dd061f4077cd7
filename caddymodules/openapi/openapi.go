// Package openapi holds the HTTP handler openapi_contract, which judges requests and answers by an OpenAPI 3.0 or 3.1
// document that it reloads while it serves.
package openapi

import (
	"fmt"

	"go.uber.org/zap"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/weirproxy/weir/governance/livestate"
	"github.com/weirproxy/weir/internal/metricset"
)

func init() {
	caddy.RegisterModule(new(Handler))
}

// Handler judges requests, and answers if it is told to, by an OpenAPI document. What does not keep the contract is
// refused, or only reported.
//
// The document is compiled once, when it is loaded, and again when it changes. A newer document is swapped in while
// requests are served; each request keeps the one that it began with. One that does not load leaves the last good
// one in force.
//
// Bodies are read only where they are to be judged, and passed on byte by byte as they came; everything else streams.
// Security requirements are not checked.
//
// Placeholders, set for requests that match an operation:
//
// Placeholder | Description
// ------------|-------------
// `{http.openapi.operation_id}` | The operationId; empty if the document gives none
// `{http.openapi.path_template}` | The path as the document writes it, such as /pets/{petId}
type Handler struct {
	// Name identifies the contract in metrics, in the admin API and across reloads. Handlers of one configuration
	// that have the same name must have the same document, read with the same settings. Default: the base name
	// of the source without its extension.
	Name string `json:"name,omitempty"`

	// Source is the path of a file, or an http(s) URL. Required.
	Source string `json:"source,omitempty"`

	// Mode is enforce, which refuses requests that break the contract, or report, which refuses none. Default: enforce.
	Mode string `json:"mode,omitempty"`

	// ReportOnly are operations that are only reported in the mode enforce. An operation is an operationId, or a
	// method and a path template, such as "GET /pets/{petId}".
	ReportOnly []string `json:"report_only,omitempty"`

	// EnforceOnly are operations that are enforced in the mode report.
	EnforceOnly []string `json:"enforce_only,omitempty"`

	// Skip are operations that are not judged at all.
	Skip []string `json:"skip,omitempty"`

	// Responses is off, report, or enforce, which answers 502 in place of what breaks the contract. Of operations that
	// are only reported, responses are too. Default: off.
	Responses string `json:"responses,omitempty"`

	// ResponseShare is the share of the requests whose responses are judged, above 0 and at most 1. Default: 1.
	ResponseShare float64 `json:"response_share,omitempty"`

	// Refresh is how often the source is looked at; of files, besides being watched. 0 is never. Default: 30s.
	Refresh *caddy.Duration `json:"refresh,omitempty"`

	// Lazy loads the document with the first request, and not with the configuration.
	Lazy bool `json:"lazy,omitempty"`

	// AllowRefs are hosts from which the document may include others. Default: none; only files in the folder of the
	// document and below, which for a document of a URL are those of its host in its folder.
	AllowRefs []string `json:"allow_refs,omitempty"`

	// StripPrefix is cut from the path of a request before it is looked up. Requests whose path does not begin with
	// it have an unknown path. Default: none.
	StripPrefix string `json:"strip_prefix,omitempty"`

	// IgnoreServers leaves out the base paths of the document's servers.
	IgnoreServers bool `json:"ignore_servers,omitempty"`

	// UnknownPath is 404 to refuse requests whose path the document does not have. Default: 0, they pass.
	UnknownPath int `json:"unknown_path,omitempty"`

	// UnknownMethod is 405 to refuse requests whose method the document does not have for the path. Default: 0, they
	// pass.
	UnknownMethod int `json:"unknown_method,omitempty"`

	// StrictQuery refuses query parameters that the operation does not declare.
	StrictQuery bool `json:"strict_query,omitempty"`

	// StrictHeaders refuses headers that the operation does not declare, but for those which HTTP, browsers, proxies
	// and tracing send by themselves.
	StrictHeaders bool `json:"strict_headers,omitempty"`

	// MaxBody is how many bytes of a body are judged. Larger request bodies are refused with 413, larger responses
	// are not judged. Bodies that are not to be judged have no limit. Default: 1 MiB.
	MaxBody int64 `json:"max_body,omitempty"`

	// MaxBodyOf is MaxBody for single operations.
	MaxBodyOf map[string]int64 `json:"max_body_of,omitempty"`

	// BodyTimeout is how long a request's body that is judged may take to arrive. Longer ones are refused with 408,
	// unless the operation is only reported. Default: 30s.
	BodyTimeout caddy.Duration `json:"body_timeout,omitempty"`

	// LenientJSON accepts what strict JSON does not: duplicate_keys, trailing_data, invalid_utf8. Default: none.
	LenientJSON []string `json:"lenient_json,omitempty"`

	// IgnoreFormats does not judge formats.
	IgnoreFormats bool `json:"ignore_formats,omitempty"`

	// RefuseReadOnly refuses requests that send properties which are readOnly. Default: they may be there, and are
	// never required.
	RefuseReadOnly bool `json:"refuse_read_only,omitempty"`

	// ParameterStatus is the status for parameters that break the contract, BodyStatus that for bodies; both are from
	// 400 to 499. Default: 400 and 422.
	ParameterStatus int `json:"parameter_status,omitempty"`
	BodyStatus      int `json:"body_status,omitempty"`

	// EchoValues shows clients the values that break the contract. Logs and the admin API then have no details.
	EchoValues bool `json:"echo_values,omitempty"`

	// Limits bound the work for one request.
	Limits *Limits `json:"limits,omitempty"`

	logger *zap.Logger
	by     string // for Refusal.By
	plans  *plans

	handle *livestate.Handle
	live   *live
	track  *track
}

// Limits bound the work for one request or response.
type Limits struct {
	// Depth is how deep arrays and objects may be inside each other. Default: 64.
	Depth int `json:"depth,omitempty"`
	// Nodes is how many values a body may have. Default: 100000.
	Nodes int `json:"nodes,omitempty"`
	// Properties is how many properties an object may have. Default: 10000.
	Properties int `json:"properties,omitempty"`
	// ArrayIndex is the highest index of an array in a deepObject parameter. Default: 1000.
	ArrayIndex int `json:"array_index,omitempty"`
	// Digits is how many digits a number may have, its exponent counted as that many. Default: 400.
	Digits int `json:"digits,omitempty"`
	// Violations is how many violations are shown of one request. Default: 20.
	Violations int `json:"violations,omitempty"`
	// Document is how many bytes the document may have, with all the files it refers to. Default: 16 MiB.
	Document int64 `json:"document,omitempty"`
}

// CaddyModule returns the Caddy module information.
func (*Handler) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  "http.handlers.openapi_contract",
		New: func() caddy.Module { return new(Handler) },
	}
}

// Provision checks the configuration, loads the document unless it is lazy or known already, and checks the
// operations that the configuration names.
func (h *Handler) Provision(ctx caddy.Context) error {
	h.logger = ctx.Logger()
	if err := h.configure(); err != nil {
		return fmt.Errorf("openapi_contract %s: %w", h.Name, err)
	}
	h.by = "openapi_contract " + h.Name
	h.plans = new(plans)
	if err := metricset.Register(ctx.GetMetricsRegistry()); err != nil {
		return err
	}
	if err := h.acquire(ctx); err != nil {
		return fmt.Errorf("openapi_contract %s: %w", h.Name, err)
	}
	if g := h.track.generation(); g != nil {
		if err := h.checkOperations(ctx, g); err != nil {
			return fmt.Errorf("openapi_contract %s: %w", h.Name, err)
		}
		h.planFor(g)
	}
	h.handle.Show(h)
	return nil
}

// Cleanup gives up the contract; requests that are under way go on.
func (h *Handler) Cleanup() error {
	if h.track != nil {
		h.track.release()
	}
	h.handle.Release()
	return nil
}

// Interface guards
var (
	_ caddy.Provisioner           = (*Handler)(nil)
	_ caddy.CleanerUpper          = (*Handler)(nil)
	_ caddyhttp.MiddlewareHandler = (*Handler)(nil)
	_ caddyfile.Unmarshaler       = (*Handler)(nil)
)
