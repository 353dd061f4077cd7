package health

// load_shed.go holds the Caddy module http.handlers.load_shed.

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/caddyserver/certmagic"
	"go.uber.org/zap"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/weirproxy/weir/governance/livestate"
	"github.com/weirproxy/weir/governance/shed"
	"github.com/weirproxy/weir/internal/exchange"
	"github.com/weirproxy/weir/internal/metricset"
	"github.com/weirproxy/weir/internal/problem"
)

func init() {
	caddy.RegisterModule(new(LoadShed))
}

// LoadShed is a handler that refuses requests while there are more than can be
// answered in time, those of the lowest priority first.
//
// It refuses when the process is under pressure (its CPU, its memory and more: see
// process_health), and when more requests are in flight than max_in_flight allows.
// Refused clients get 503 with a Retry-After of one to five seconds. Requests are of
// normal priority unless a matcher says otherwise.
type LoadShed struct {
	// Name identifies the handler in metrics, in the admin API, and across reloads.
	// Handlers of one configuration that have the same name must have the same
	// settings; they share a limit. Required.
	Name string `json:"name,omitempty"`

	// CriticalRaw matches the requests that are refused last. Default: none.
	CriticalRaw caddyhttp.RawMatcherSets `json:"critical,omitempty" caddy:"namespace=http.matchers"`

	// LowRaw matches, among the others, those that are refused first. Default: none.
	LowRaw caddyhttp.RawMatcherSets `json:"low,omitempty" caddy:"namespace=http.matchers"`

	// ExemptRaw matches requests that are never refused nor counted, besides those to
	// the live and ready paths of process_health: a load balancer's health checks of
	// what is behind the gateway, for one. Default: none.
	ExemptRaw caddyhttp.RawMatcherSets `json:"exempt,omitempty" caddy:"namespace=http.matchers"`

	// MaxInFlight is how many requests may be in flight at once, up to 1000000. The
	// highest priority that is configured may use all of that, each one below a tenth
	// less, and at least one less. Default: no limit.
	MaxInFlight int `json:"max_in_flight,omitempty"`

	// Auto has the limit found by how latencies change. Excludes max_in_flight.
	// Default: no limit.
	Auto *AutoLimit `json:"auto,omitempty"`

	// Floor is the share of the requests of each priority that is admitted also when
	// they are to be refused, while less than twice as many as allowed are in flight.
	// At least 0 and below 1. Default: 0.05.
	Floor *float64 `json:"floor,omitempty"`

	// DryRun counts and logs what would be refused, and refuses nothing. Default:
	// false.
	DryRun bool `json:"dry_run,omitempty"`

	critical, low, exempt caddyhttp.MatcherSets

	logger   *zap.Logger
	storage  certmagic.Storage
	pressure func() float64 // that of the process
	checks   *checkPaths
	handle   *livestate.Handle
	live     *liveShed
	shedder  *shed.Shedder
	ctx      caddy.Context
}

// AutoLimit bounds a limit that is found.
type AutoLimit struct {
	// Min is the least limit. Default: 50, or max if that is less.
	Min int `json:"min,omitempty"`
	// Max is the largest limit. Default: 2000, or min if that is more.
	Max int `json:"max,omitempty"`
}

// CaddyModule returns the Caddy module information.
func (*LoadShed) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  "http.handlers.load_shed",
		New: func() caddy.Module { return new(LoadShed) },
	}
}

// Provision loads the matchers and takes up what is known under the name.
func (h *LoadShed) Provision(ctx caddy.Context) error {
	h.logger = ctx.Logger()
	h.storage = ctx.Storage()
	if err := checkShedName(h.Name); err != nil {
		return fmt.Errorf("load_shed: %w", err)
	}
	settings := h.settings()
	if err := settings.Validate(); err != nil {
		return fmt.Errorf("load_shed %s: %w", h.Name, err)
	}
	registry := ctx.GetMetricsRegistry()
	claim, err := h.claim(registry, settings)
	if err != nil {
		return fmt.Errorf("load_shed %s: %w", h.Name, err)
	}
	if err := h.loadMatchers(ctx); err != nil {
		return fmt.Errorf("load_shed %s: %w", h.Name, err)
	}
	if err := metricset.Register(registry); err != nil {
		return err
	}
	monitor, err := monitorOf(ctx)
	if err != nil {
		return err
	}
	h.pressure = func() float64 { return monitor.Verdict().Pressure }
	h.checks = checkPathsOf(ctx)
	h.live, h.handle, err = livestate.Acquire(livestate.Default, claim, func() (*liveShed, error) { return newLiveShed(), nil })
	if err != nil {
		return fmt.Errorf("load_shed: %w", err)
	}
	h.shedder = shed.New(&h.live.State, settings)
	h.live.restore(h)
	h.ctx = ctx
	h.handle.Show(h)
	return nil
}

// settings are those that the fields come to, with defaults.
func (h *LoadShed) settings() shed.Settings {
	s := shed.DefaultSettings()
	s.MaxInFlight = h.MaxInFlight
	s.HasCritical = len(h.CriticalRaw) > 0
	s.HasLow = len(h.LowRaw) > 0
	if h.Floor != nil {
		s.Floor = *h.Floor
	}
	if h.Auto == nil {
		return s
	}
	s.Auto = true
	switch least, most := h.Auto.Min, h.Auto.Max; {
	case least != 0 && most != 0:
		s.AutoMin, s.AutoMax = least, most
	case least != 0:
		s.AutoMin, s.AutoMax = least, max(s.AutoMax, least)
	case most != 0:
		s.AutoMin, s.AutoMax = min(s.AutoMin, most), most
	}
	return s
}

// checkShedName refuses what cannot be a label, or looks as if each request could
// have a name of its own.
func checkShedName(name string) error {
	switch {
	case name == "":
		return errors.New("a name is needed: load_shed <name>")
	case strings.ContainsAny(name, "{}"):
		return fmt.Errorf("name %q contains a placeholder: it must be a fixed text", name)
	case len(name) > 100 || !utf8.ValidString(name):
		return fmt.Errorf("name %.100q is longer than 100 bytes or no UTF-8", name)
	default:
		return nil
	}
}

// Cleanup gives up what the handler holds; requests that are under way go on.
func (h *LoadShed) Cleanup() error {
	if h.shedder != nil {
		h.shedder.Close()
	}
	h.handle.Release()
	return nil
}

// ServeHTTP implements caddyhttp.MiddlewareHandler.
func (h *LoadShed) ServeHTTP(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	x := exchange.From(r)
	priority, exempt, err := h.classify(r)
	if err != nil {
		return x.Serve(w, r, refusing(err))
	}
	if exempt {
		return x.Serve(w, r, next)
	}
	mode := h.mode()
	if mode == modeOff {
		h.live.Count(priority, shed.WasAdmitted)
		return x.Serve(w, r, next)
	}
	pressure := h.pressure()
	permit, reason := h.shedder.Admit(priority, pressure)
	switch {
	case reason == shed.Admitted:
		h.live.Count(priority, shed.WasAdmitted)
		if permit.Held() {
			return h.hold(x, w, r, next, permit)
		}
		return x.Serve(w, r, next)
	case mode == modeDryRun:
		h.live.Count(priority, shed.WouldBeShed)
		h.live.wouldRefuse.add(h, priority, reason, pressure)
		if permit := h.shedder.Ignore(); permit.Held() {
			return h.hold(x, w, r, next, permit)
		}
		return x.Serve(w, r, next)
	default:
		h.live.Count(priority, shed.WasShed)
		h.live.refused.add(h, priority, reason, pressure)
		return x.Serve(w, r, refusing(h.refusal()))
	}
}

// refusing is a handler that only returns err, so that the outermost handler of weir
// renders it also if this one is the outermost.
func refusing(err error) caddyhttp.Handler {
	return caddyhttp.HandlerFunc(func(http.ResponseWriter, *http.Request) error { return err })
}

// refusal says when to come again: not all at once.
func (h *LoadShed) refusal() error {
	const earliest, latest = 1, 5
	refusal := &problem.Refusal{
		Status:     http.StatusServiceUnavailable,
		Detail:     "There are more requests than can be answered in time. Try again in a moment.",
		RetryAfter: time.Duration(earliest+rand.IntN(latest-earliest+1)) * time.Second,
		By:         "load_shed " + h.Name,
	}
	return refusal.Handler()
}

// Interface guards
var (
	_ caddy.Provisioner           = (*LoadShed)(nil)
	_ caddy.CleanerUpper          = (*LoadShed)(nil)
	_ caddyhttp.MiddlewareHandler = (*LoadShed)(nil)
	_ livestate.Controller        = (*LoadShed)(nil)
	_ livestate.Leader            = (*LoadShed)(nil)
)
