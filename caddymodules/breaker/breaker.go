// Package breaker is the Caddy module http.handlers.breaker: it stops calls to what
// does not answer, answers them otherwise, and finds out when calls succeed again.
package breaker

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/caddyserver/certmagic"
	"go.uber.org/zap"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/weirproxy/weir/governance/circuit"
	"github.com/weirproxy/weir/governance/livestate"
	"github.com/weirproxy/weir/internal/breakerconf"
	"github.com/weirproxy/weir/internal/exchange"
	"github.com/weirproxy/weir/internal/metricset"
)

func init() {
	caddy.RegisterModule(new(Handler))
}

// defaultMaxBody is how much of a request's body is kept for the fallback.
const defaultMaxBody = 64 << 10

// Handler is a circuit breaker around the handlers that come after it on the route.
//
// While it is closed, requests pass and are counted. It opens on failures in a row, on
// a share of failures, or on a share of slow calls; then requests are answered by
// the fallback or refused with 503 and Retry-After. After a while it lets probes
// through; when they succeed it closes, and traffic grows back.
//
// What the breaker learnt survives reloads under its name. Of clients that leave or
// send broken bodies it learns nothing.
//
// Placeholders, set where the fallback answers:
//
// Placeholder | Description
// ------------|-------------
// `{http.breaker.<name>.state}` | The state: closed, half_open or open
// `{http.breaker.<name>.reason}` | Why next was not asked: open, half_open, recovering, max_concurrent, forced_open; or failure
type Handler struct {
	// Name identifies the breaker in metrics, in the admin API and across reloads.
	// Breakers of one configuration that have the same name share their state and
	// must have the same settings; only their fallbacks may differ. One inside another
	// of the same name does nothing. Required.
	Name string `json:"name,omitempty"`

	breakerconf.Config

	// FallbackRaw is the handler that answers what the breaker refuses; a subroute
	// holds several. Default: 503 with Retry-After.
	FallbackRaw json.RawMessage `json:"fallback,omitempty" caddy:"namespace=http.handlers inline_key=handler"`

	// FallbackOnFailure has the fallback answer also requests that were let through and
	// failed, unless in a dry run. Default: none; clients get the failure.
	FallbackOnFailure *FallbackOnFailure `json:"fallback_on_failure,omitempty"`

	by       string
	logger   *zap.Logger
	storage  certmagic.Storage
	settings circuit.Settings
	failures *breakerconf.Statuses
	fallback caddyhttp.MiddlewareHandler
	handle   *livestate.Handle
	live     *liveBreaker
	breaker  *circuit.Breaker
	ctx      caddy.Context
}

// FallbackOnFailure says which failed requests are given to the fallback. It takes that
// nothing of the answer was sent, and that the request's body was empty, is still
// unread or is kept.
type FallbackOnFailure struct {
	// MaxBody is how many bytes of a request's body are kept. Default: 64 KiB.
	MaxBody int64 `json:"max_body,omitempty"`

	// NonIdempotent includes requests with a method such as POST or PATCH that may have
	// had an effect already. It is safe with a fallback that does not send
	// requests anywhere. Default: false.
	NonIdempotent bool `json:"non_idempotent,omitempty"`
}

// CaddyModule returns the Caddy module information.
func (*Handler) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  "http.handlers.breaker",
		New: func() caddy.Module { return new(Handler) },
	}
}

// Provision takes up what is known about the breaker.
func (h *Handler) Provision(ctx caddy.Context) error {
	h.logger = ctx.Logger()
	h.storage = ctx.Storage()
	h.by = "breaker " + h.Name
	if err := h.check(); err != nil {
		return fmt.Errorf("breaker %s: %w", h.Name, err)
	}
	if h.FallbackRaw != nil {
		fallback, err := ctx.LoadModule(h, "FallbackRaw")
		if err != nil {
			return fmt.Errorf("breaker %s: loading fallback: %w", h.Name, err)
		}
		h.fallback = fallback.(caddyhttp.MiddlewareHandler)
	}
	if err := metricset.Register(ctx.GetMetricsRegistry()); err != nil {
		return err
	}
	herald, err := breakerconf.NewHerald(ctx)
	if err != nil {
		return err
	}
	if err := h.acquire(ctx); err != nil {
		return fmt.Errorf("breaker %s: %w", h.Name, err)
	}
	h.restore() // before there is anybody to tell: what is restored is no change
	changed := herald.For(map[string]string{"breaker": h.Name})
	h.breaker = circuit.New(h.live.History, h.settings, changed)
	h.ctx = ctx
	h.handle.Show(h)
	return nil
}

// check fills in defaults and refuses what makes no sense.
func (h *Handler) check() (err error) {
	if err := checkName(h.Name); err != nil {
		return err
	}
	if h.settings, err = h.Settings(); err != nil {
		return err
	}
	if h.failures, err = h.Failures(); err != nil {
		return err
	}
	f := h.FallbackOnFailure
	switch {
	case f == nil:
		return nil
	case h.FallbackRaw == nil:
		return errors.New("fallback_on_failure needs a fallback")
	case f.MaxBody < 0:
		return fmt.Errorf("fallback_on_failure: max_body %d is negative", f.MaxBody)
	case f.MaxBody == 0:
		f.MaxBody = defaultMaxBody
	}
	return nil
}

// checkName refuses no name, and what looks as if each request could have a breaker
// of its own.
func checkName(name string) error {
	switch {
	case name == "":
		return errors.New("a name is needed, as in: breaker checkout")
	case strings.ContainsAny(name, "{}"):
		return fmt.Errorf("name %q contains a placeholder: it must be a fixed text", name)
	}
	return nil
}

// Cleanup gives up the live state; requests that are under way go on.
func (h *Handler) Cleanup() error {
	h.handle.Release()
	return nil
}

// ServeHTTP implements caddyhttp.MiddlewareHandler.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	return exchange.From(r).Serve(w, r, &guard{handler: h, next: next})
}

// Interface guards
var (
	_ caddy.Provisioner           = (*Handler)(nil)
	_ caddy.CleanerUpper          = (*Handler)(nil)
	_ caddyhttp.MiddlewareHandler = (*Handler)(nil)
	_ caddyfile.Unmarshaler       = (*Handler)(nil)
	_ livestate.Controller        = (*Handler)(nil)
	_ livestate.Leader            = (*Handler)(nil)
)
