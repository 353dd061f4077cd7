// Package metrics holds the HTTP handler request_metrics, which counts and times
// requests under a route name that the operator gives or, where none is given and the
// API has a contract, under the path template of the operation (template.go).
//
// A request is counted once, when its answer is over, with the status that the
// client got: also when an error route rendered it, when a handler panicked and
// when the client left. What is counted survives reloads, because it belongs to
// the route name and not to the handler.
package metrics

import (
	"errors"
	"fmt"
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/weirproxy/weir/governance/livestate"
	"github.com/weirproxy/weir/internal/exchange"
	"github.com/weirproxy/weir/internal/metricset"
)

func init() {
	caddy.RegisterModule(new(Handler))
}

const (
	defaultRoute  = "default"
	maxRouteBytes = 100
	maxBuckets    = 50
)

// defaultBuckets are Prometheus's own, so that dashboards which ask for 0.1 or
// 0.25 seconds work, and three more that a gateway needs: refusals and cached
// answers take less than 5 ms, and upstreams that time out do so after 30 s, which
// without a bound there would be no different from 10 s.
var defaultBuckets = []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30}

// Handler measures the requests that pass through it, by route, method and status.
//
// Of several request_metrics handlers on a request's way the innermost one counts
// it. Handlers with the same route name share what they count.
type Handler struct {
	// Route is the value of the label `route`: a fixed text of at most 100 bytes,
	// without placeholders. Default: `default`, and then, for a request to an operation of
	// an API that openapi_contract knows, the operation's path template, such as
	// `/pets/{petId}`.
	Route string `json:"route,omitempty"`
	// Buckets are the upper bounds, in seconds, of the duration histogram, in
	// ascending order. All handlers of one route name must agree on them.
	// Default: 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5,
	// 10, 30.
	Buckets []float64 `json:"buckets,omitempty"`

	recorder *recorder
	handle   *livestate.Handle
}

// CaddyModule returns the Caddy module information.
func (*Handler) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  "http.handlers.request_metrics",
		New: func() caddy.Module { return new(Handler) },
	}
}

// Provision sets defaults, checks the configuration and takes hold of the route's
// state.
func (h *Handler) Provision(ctx caddy.Context) error {
	if h.Route == "" {
		h.Route = defaultRoute
	}
	if h.Buckets == nil {
		h.Buckets = slices.Clone(defaultBuckets)
	}
	if err := checkRoute(h.Route); err != nil {
		return err
	}
	if err := checkBuckets(h.Buckets); err != nil {
		return err
	}
	registry := ctx.GetMetricsRegistry()
	if err := metricset.Register(registry); err != nil {
		return err
	}
	return h.hold(registry)
}

// hold acquires the route's state. configuration is what all modules of one
// configuration have in common.
func (h *Handler) hold(configuration any) error {
	buckets := formatBuckets(h.Buckets)
	state, handle, err := livestate.Acquire(livestate.Default, livestate.Claim{
		Key:           livestate.Key{Kind: routeKind, Name: h.Route},
		Configuration: configuration,
		Settings:      buckets,
		Place:         "a request_metrics with the buckets " + buckets,
	}, func() (*route, error) { return newRoute(h.Route), nil })
	if err != nil {
		return fmt.Errorf("holding the route's metrics: %w", err)
	}
	h.handle = handle
	h.recorder = state.hold(h.Buckets)
	handle.Show(&view{buckets: h.Buckets, route: state})
	return nil
}

// Cleanup gives up the route's state. The recorder stays, for requests that are
// still on their way.
func (h *Handler) Cleanup() error {
	if h.handle != nil {
		h.recorder.route.release(h.recorder)
		h.handle.Release()
		h.handle = nil
	}
	return nil
}

// ServeHTTP calls next and has the request recorded when its answer is over.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	x := exchange.From(r)
	x.Measure(r)
	// The method is looked up now because a handler further in may change it.
	m := &h.recorder.methods[methodIndex(r.Method)]
	m.recorder.route.inFlight.Add(1)
	if outer, ok := x.Observe(m).(*methodRecorder); ok {
		outer.recorder.route.inFlight.Add(-1)
	}
	return x.Serve(w, r, next)
}

func checkRoute(name string) error {
	switch {
	case len(name) > maxRouteBytes:
		return fmt.Errorf("route %q... is longer than %d bytes", strings.ToValidUTF8(name[:20], ""), maxRouteBytes)
	case !utf8.ValidString(name):
		return fmt.Errorf("route %q is not valid UTF-8", name)
	case strings.ContainsAny(name, "{}"):
		return fmt.Errorf("route %q contains a placeholder: it must be a fixed text, or clients could create any number of series", name)
	}
	return nil
}

func checkBuckets(buckets []float64) error {
	switch {
	case len(buckets) == 0:
		return errors.New("buckets: at least one is needed")
	case len(buckets) > maxBuckets:
		return fmt.Errorf("buckets: %d are too many, the limit is %d", len(buckets), maxBuckets)
	}
	for i, bound := range buckets {
		if !(bound > 0) || math.IsInf(bound, 0) {
			return fmt.Errorf("buckets: %v is not a positive number of seconds", bound)
		}
		if i > 0 && bound <= buckets[i-1] {
			return fmt.Errorf("buckets: %v comes after %v, but they must ascend", bound, buckets[i-1])
		}
	}
	return nil
}

func formatBuckets(buckets []float64) string {
	texts := make([]string, len(buckets))
	for i, bound := range buckets {
		texts[i] = strconv.FormatFloat(bound, 'g', -1, 64)
	}
	return strings.Join(texts, " ")
}

// Interface guards
var (
	_ caddy.Provisioner           = (*Handler)(nil)
	_ caddy.CleanerUpper          = (*Handler)(nil)
	_ caddyhttp.MiddlewareHandler = (*Handler)(nil)
	_ caddyfile.Unmarshaler       = (*Handler)(nil)
)
