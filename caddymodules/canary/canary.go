// Package canary holds the HTTP handler canary_route, which sends requests to the stages of
// a release, and the matcher release_stage, which tells the stages apart elsewhere.
package canary

import (
	"fmt"
	"net/netip"
	"sync/atomic"

	"github.com/caddyserver/certmagic"
	"go.uber.org/zap"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/weirproxy/weir/governance/cohort"
	"github.com/weirproxy/weir/governance/livestate"
	"github.com/weirproxy/weir/governance/rollout"
	"github.com/weirproxy/weir/internal/metricset"
)

func init() {
	caddy.RegisterModule(new(Handler))
}

const (
	// stableName is the stage that everything falls back to.
	stableName = "stable"
	// canaryName is the stage that is guarded unless the guard names another.
	canaryName = "canary"
	// defaultHeader tells the stage upstream, and asks for one.
	defaultHeader = "X-Release-Stage"
	// defaultMaxBody is how much of a request's body is kept for the fallback.
	defaultMaxBody = 64 << 10
)

// Handler sends each request to a stage of a release, such as stable or canary, and keeps
// everybody where they are while the shares grow.
//
// What decides is, in this order: an operator's kill switch; the header, if the client
// is trusted; the first rule that matches; the stage that the client is pinned to; and
// the cohort, which is a number in [0,1) that comes from the client's key, or from its
// cookie, and which is compared with the shares of the stages.
//
// A guard raises the canary's share step by step while it does as well as stable, and takes
// it back to nothing if it does worse. The share that runs outlives reloads and restarts.
//
// Placeholders:
//
// Placeholder | Description
// ------------|-------------
// `{http.canary.<name>.stage}` | The stage that the request goes to
// `{http.canary.<name>.reason}` | Why: killed, header, rule, pin, key, cookie, random, fallback
type Handler struct {
	// Name identifies the release in metrics, in the admin API, and across reloads: a
	// fixed text of at most 100 bytes. Handlers of one configuration that have the same
	// name share the shares and the guard, and must have the same settings. Required.
	Name string `json:"name,omitempty"`

	// Header is the request header that asks for a stage, and that tells the upstream which
	// it is. Default: X-Release-Stage, followed for nobody. What clients send in it never
	// reaches the upstream.
	Header *Header `json:"header,omitempty"`

	// Rules give requests a stage, whoever sends them; the first that matches counts.
	Rules []Rule `json:"rules,omitempty"`

	// Key are texts with placeholders; the first in which none of them is empty is the
	// client's key, which decides its cohort. Default: none.
	Key []string `json:"key,omitempty"`

	// Cookie keeps the cohort of those who have no key. Default: none, they get another
	// cohort with each request.
	Cookie *Cookie `json:"cookie,omitempty"`

	// Seed is what places the keys: another one mixes everybody anew, and begins the rollout
	// anew. Default: the name.
	Seed string `json:"seed,omitempty"`

	// Guard changes the share of one stage by how well it does with the requests that
	// cohorts have sent there. Default: none.
	Guard *Guard `json:"guard,omitempty"`

	// Stages are the stages of the release, of which one is named stable. Shares are laid
	// out in this order: it should stay, and the guarded stage should be the first of those
	// with a share. Required.
	Stages []Stage `json:"stages,omitempty"`

	// ResponseHeader is a header of the answer that tells the stage. Default: none.
	ResponseHeader string `json:"response_header,omitempty"`

	// MaxBody is how many bytes of a request's body are kept, so that stable can answer
	// what another stage refused. Default: 64 KiB.
	MaxBody int64 `json:"fallback_buffer,omitempty"`

	// NoFallback leaves the client the failure where a stage cannot answer. Default: stable
	// answers instead.
	NoFallback bool `json:"no_fallback,omitempty"`

	logger  *zap.Logger
	storage certmagic.Storage
	ctx     caddy.Context

	header  string         // the name of the request header, canonical
	trust   []netip.Prefix // whose header is followed
	rules   []rule
	keys    []key
	routes  []caddyhttp.MiddlewareHandler // of Stages; all are nil if the handler only decides
	stable  int                           // index in Stages
	guarded int                           // index in Stages; -1 without a guard
	varies  []string                      // headers of requests that the stage may depend on
	warned  atomic.Bool                   // that a proxy is not known as one

	announcer announcer

	settings rollout.Settings // of the guard; zero without one
	hasher   cohort.Hasher
	signer   *cohort.Signer                // nil without a cookie
	layout   atomic.Pointer[cohort.Layout] // its indexes are those of Stages

	live    *liveCanary
	handle  *livestate.Handle
	metrics *requestMetrics
}

// CaddyModule returns the Caddy module information.
func (*Handler) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  "http.handlers.canary_route",
		New: func() caddy.Module { return new(Handler) },
	}
}

// Provision checks the configuration, loads the stages' handlers and takes up the release
// of that name.
func (h *Handler) Provision(ctx caddy.Context) error {
	h.logger, h.storage, h.ctx = ctx.Logger(), ctx.Storage(), ctx
	if err := h.provision(ctx); err != nil {
		return fmt.Errorf("canary_route %s: %w", h.Name, err)
	}
	return nil
}

func (h *Handler) provision(ctx caddy.Context) error {
	if err := h.configure(); err != nil {
		return err
	}
	if err := h.loadRules(ctx); err != nil {
		return err
	}
	if err := h.loadRoutes(ctx); err != nil {
		return err
	}
	if err := metricset.Register(ctx.GetMetricsRegistry()); err != nil {
		return err
	}
	h.metrics = newRequestMetrics(h)
	return h.acquire(ctx)
}

// loadRoutes loads the handlers of the stages.
func (h *Handler) loadRoutes(ctx caddy.Context) error {
	h.routes = make([]caddyhttp.MiddlewareHandler, len(h.Stages))
	for i := range h.Stages {
		stage := &h.Stages[i]
		if stage.HandleRaw == nil {
			continue
		}
		loaded, err := ctx.LoadModule(stage, "HandleRaw")
		if err != nil {
			return fmt.Errorf("loading the handler of stage %s: %w", stage.Name, err)
		}
		h.routes[i] = loaded.(caddyhttp.MiddlewareHandler)
	}
	return nil
}

// Cleanup gives up the release; requests that are under way go on.
func (h *Handler) Cleanup() error {
	h.leave()
	return nil
}

// Interface guards
var (
	_ caddy.Provisioner           = (*Handler)(nil)
	_ caddy.CleanerUpper          = (*Handler)(nil)
	_ caddyhttp.MiddlewareHandler = (*Handler)(nil)
	_ livestate.Controller        = (*Handler)(nil)
	_ livestate.Leader            = (*Handler)(nil)
)
