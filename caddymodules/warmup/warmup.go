// Package warmup holds the HTTP handler warm_up, which admits few requests to a
// service that is cold, and more and more while it warms up.
package warmup

import (
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"time"
	"unicode/utf8"

	"go.uber.org/zap"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/weirproxy/weir/governance/livestate"
	"github.com/weirproxy/weir/governance/ramp"
	"github.com/weirproxy/weir/internal/exchange"
	"github.com/weirproxy/weir/internal/metricset"
	"github.com/weirproxy/weir/internal/problem"
)

func init() {
	caddy.RegisterModule(new(Handler))
}

// maxNameBytes bounds what becomes a label and a path.
const maxNameBytes = 100

// Handler refuses a part of the requests while the service behind it is cold.
//
// A warm-up begins when its name is first used in the process, which a reload is
// not, and when an operator restarts it. It has one of two forms: ramp grows the
// share of the requests that is admitted; hold, probe, climb and cache_hit grow how
// many are admitted a second. When it is over, everything is admitted, at the cost
// of one atomic load.
//
// What is refused gets 503 with Retry-After, or what the fallback says.
type Handler struct {
	// Name identifies the warm-up in metrics, in the admin API, and across reloads: a
	// fixed text of at most 100 bytes. Handlers of one configuration that have the
	// same name share the warm-up, and must have the same settings. Required.
	Name string `json:"name,omitempty"`

	// Ready is asked whether the service is ready. Until it has answered, nothing is
	// admitted; if it fails later, the warm-up goes back to half of what is in use: of
	// all requests with ramp, of climb's or probe's highest rate once it is over.
	// Default: no check.
	Ready *Ready `json:"ready,omitempty"`

	// Ramp grows a share of the requests. Excludes hold, probe, climb and cache_hit.
	Ramp *Ramp `json:"ramp,omitempty"`

	// Hold is how long nothing is admitted at first. Default: 0, not at all.
	Hold caddy.Duration `json:"hold,omitempty"`

	// Probe is the first growth of a rate. Required without ramp.
	Probe *Slope `json:"probe,omitempty"`

	// Climb is the second growth of a rate. Default: none, it ends with probe.
	Climb *Slope `json:"climb,omitempty"`

	// CacheHit makes climb depend on the cache-hit rate. Default: it does not.
	CacheHit *CacheHit `json:"cache_hit,omitempty"`

	// FallbackRaw is the handler that answers refused requests. Default: 503 as
	// application/problem+json, which is also what a fallback that does not answer
	// ends in.
	FallbackRaw json.RawMessage `json:"fallback,omitempty" caddy:"namespace=http.handlers inline_key=handler"`

	// DryRun admits everything, and counts and logs what would have been refused.
	DryRun bool `json:"dry_run,omitempty"`

	logger   *zap.Logger
	settings ramp.Settings
	fallback caddyhttp.MiddlewareHandler
	handle   *livestate.Handle
	live     *live
}

// CaddyModule returns the Caddy module information.
func (*Handler) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  "http.handlers.warm_up",
		New: func() caddy.Module { return new(Handler) },
	}
}

// Provision checks the configuration and takes up the warm-up of its name.
func (h *Handler) Provision(ctx caddy.Context) error {
	h.logger = ctx.Logger()
	if err := h.configure(); err != nil {
		return fmt.Errorf("warm_up: %w", err)
	}
	claim, err := h.claim(ctx.GetMetricsRegistry())
	if err != nil {
		return err
	}
	if h.FallbackRaw != nil {
		fallback, err := ctx.LoadModule(h, "FallbackRaw")
		if err != nil {
			return fmt.Errorf("loading the fallback of warm_up %q: %w", h.Name, err)
		}
		h.fallback = fallback.(caddyhttp.MiddlewareHandler)
	}
	if err := metricset.Register(ctx.GetMetricsRegistry()); err != nil {
		return err
	}
	state, handle, err := livestate.Acquire(livestate.Default, claim, func() (*live, error) { return newLive(h.settings), nil })
	if err != nil {
		return fmt.Errorf("warm_up: %w", err)
	}
	h.live, h.handle = state, handle
	state.hold(h)
	handle.Show(h)
	return nil
}

// configure fills in the defaults and checks all that there is to check without a
// running Caddy.
func (h *Handler) configure() error {
	if err := checkName(h.Name); err != nil {
		return err
	}
	if h.Ready != nil {
		if err := h.Ready.configure(); err != nil {
			return err
		}
	}
	h.settings = ramp.Settings{Ready: h.Ready != nil}
	if h.Ramp != nil {
		h.settings.Share = h.Ramp.share()
	}
	if h.Hold != 0 || h.Probe != nil || h.Climb != nil || h.CacheHit != nil {
		if h.Probe == nil {
			return errors.New("hold, climb and cache_hit go with probe, and there is none; add probe <duration> <from> <to>")
		}
		h.settings.Rate = h.rate()
	}
	if h.CacheHit != nil {
		if err := h.CacheHit.validate(); err != nil {
			return err
		}
	}
	return h.settings.Validate()
}

func checkName(name string) error {
	switch {
	case name == "":
		return errors.New("a name is needed: warm_up <name> { ... }")
	case len(name) > maxNameBytes:
		return fmt.Errorf("name %q... is longer than %d bytes", strings.ToValidUTF8(name[:20], ""), maxNameBytes)
	case !utf8.ValidString(name):
		return fmt.Errorf("name %q is not valid UTF-8", name)
	case strings.ContainsAny(name, "{}"):
		return fmt.Errorf("name %q contains a placeholder: it must be a fixed text", name)
	}
	return nil
}

// claim is what the handler wants to share under its name. The URL of the check may
// hold a secret and the fallback anything, so people are not shown all of them.
func (h *Handler) claim(configuration any) (livestate.Claim, error) {
	fallback := fmt.Sprintf("%.8x", sha256.Sum256(h.FallbackRaw))
	effective, err := json.Marshal([]any{h.settings, h.Ready, h.CacheHit, h.DryRun, fallback})
	if err != nil {
		return livestate.Claim{}, err
	}
	shown := *h
	shown.FallbackRaw = nil
	if h.Ready != nil {
		shown.Ready = &Ready{URL: h.Ready.shown(), Interval: h.Ready.Interval, Timeout: h.Ready.Timeout}
	}
	configured, err := json.Marshal(&shown)
	if err != nil {
		return livestate.Claim{}, err
	}
	place := "a warm_up with " + string(configured)
	if h.FallbackRaw != nil {
		place += " and the fallback " + fallback
	}
	return livestate.Claim{
		Key:           livestate.Key{Kind: kind, Name: h.Name},
		Configuration: configuration,
		Settings:      string(effective),
		Place:         place,
	}, nil
}

// Cleanup gives up the warm-up; requests that are under way go on.
func (h *Handler) Cleanup() error {
	if h.live != nil {
		h.live.release(h)
	}
	h.handle.Release()
	return nil
}

// ServeHTTP admits or refuses the request.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	if h.live.ramp.Warm() {
		return next.ServeHTTP(w, r)
	}
	x := exchange.From(r)
	return x.Serve(w, r, caddyhttp.HandlerFunc(func(w http.ResponseWriter, r *http.Request) error {
		now := time.Now()
		switch {
		case h.live.ramp.Admit(now):
			h.live.admitted.Add(1)
		case h.DryRun:
			h.live.wouldRefuse.Add(1)
			h.noteDryRun(now)
		default:
			h.live.refused.Add(1)
			return h.refuse(w, r, x, now)
		}
		return observe(h, w, r, next)
	}))
}

// refuse answers a request that is not admitted.
func (h *Handler) refuse(w http.ResponseWriter, r *http.Request, x *exchange.Exchange, now time.Time) error {
	by := "warm_up " + h.Name
	refusal := caddyhttp.HandlerFunc(func(http.ResponseWriter, *http.Request) error {
		return (&problem.Refusal{
			Status:     http.StatusServiceUnavailable,
			Detail:     "The service is warming up and takes few requests for now. Try again in a moment.",
			RetryAfter: h.live.ramp.RetryAfter(now, rand.Float64()),
			By:         by,
		}).Handler()
	})
	if h.fallback == nil {
		return refusal(w, r)
	}
	// Afterwards, because a fallback that proxies counts as letting it pass.
	defer func() { x.RefusedBy = by }()
	return h.fallback.ServeHTTP(w, r, refusal)
}

// dryRunLog is the least time between two entries in the log of what a dry run
// would have refused.
const dryRunLog = 10 * time.Second

func (h *Handler) noteDryRun(now time.Time) {
	last := h.live.noted.Load()
	if now.UnixNano()-last < int64(dryRunLog) || !h.live.noted.CompareAndSwap(last, now.UnixNano()) {
		return
	}
	h.logger.Info("warm_up would refuse requests, were it no dry run",
		zap.String("warmup", h.Name), zap.Uint64("would_refuse", h.live.wouldRefuse.Load()))
}

// Interface guards
var (
	_ caddy.Provisioner           = (*Handler)(nil)
	_ caddy.CleanerUpper          = (*Handler)(nil)
	_ caddyhttp.MiddlewareHandler = (*Handler)(nil)
	_ livestate.Controller        = (*Handler)(nil)
)
