// Package balance is the Caddy module http.reverse_proxy.selection_policies.success_weighted:
// it shares requests out among upstreams by how well each one does.
package balance

import (
	"errors"
	"fmt"
	"math"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/caddyserver/certmagic"
	"go.uber.org/zap"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/reverseproxy"

	"github.com/weirproxy/weir/governance/balance"
	"github.com/weirproxy/weir/governance/livestate"
	"github.com/weirproxy/weir/internal/breakerconf"
	"github.com/weirproxy/weir/internal/metricset"
)

func init() {
	caddy.RegisterModule(new(Policy))
}

// Policy is a load balancing policy that weighs upstreams by their success.
//
// The effective weight of an upstream is its configured weight, times its success
// rate, times a ramp while it is new, but at least a floor. The success rate is an
// exponential moving average over attempts, retries included. A refused connection
// or several failures in a row take an upstream out of the rotation at once, for a
// second first and for longer if it keeps failing.
//
// The policy observes attempts by wrapping the transport of the reverse_proxy it
// belongs to, so it also works below another policy that uses it as a fallback.
// What it learnt survives reloads under its name.
type Policy struct {
	// Name identifies the pool in metrics, in the admin API, and across reloads.
	// Policies of one configuration that have the same name must have the same
	// settings and upstreams. Required with dynamic upstreams. Default: the
	// addresses of the upstreams, joined by commas.
	Name string `json:"name,omitempty"`

	// Weights are the weights of the static upstreams, in their order; 0 keeps an
	// upstream out. Dynamic upstreams have the weights that their source tells.
	// Default: 1 each.
	Weights []float64 `json:"weights,omitempty"`

	// Alpha is the weight of the latest attempt in the success rate, above 0 and
	// at most 1. Default: 0.1.
	Alpha float64 `json:"alpha,omitempty"`

	// Floor is the least share of its weight that a failing upstream keeps, above
	// 0 and at most 1. Default: 0.05.
	Floor float64 `json:"floor,omitempty"`

	// HalfLife is how long an upstream goes without any attempt before its success
	// rate drifts back towards 1, and the half-life of that drift. Default: 30s.
	HalfLife caddy.Duration `json:"half_life,omitempty"`

	// SlowStart is how long an upstream that joins takes to reach its full weight.
	// Default: 0, at once.
	SlowStart caddy.Duration `json:"slow_start,omitempty"`

	// SlowStartFrom is the share of its weight that it begins with, above 0 and at
	// most 1. Default: 0.1.
	SlowStartFrom float64 `json:"slow_start_from,omitempty"`

	// FailureStatus are the statuses that count as failures, from 400 on; 4 and 5
	// stand for their classes. Default: 500, 502, 503, 504.
	FailureStatus []int `json:"failure_status,omitempty"`

	// EjectAfter is the number of failures in a row that eject an upstream; one
	// refused connection always does. 0 means that nothing ejects. Default: 5.
	EjectAfter *int `json:"eject_after,omitempty"`

	// EjectFor is how long the first ejection lasts. Default: 1s.
	EjectFor caddy.Duration `json:"eject_for,omitempty"`

	// EjectForMax is how long an ejection lasts at most; each one doubles the last.
	// Default: 30s, or eject_for if that is longer.
	EjectForMax caddy.Duration `json:"eject_for_max,omitempty"`

	// MaxEjected is the largest part of the pool that may be ejected, between 0 and
	// 1; at least one upstream stays. Ejections beyond it are ignored, which the
	// admin API and the metrics show as panic. Default: 0.5.
	MaxEjected *float64 `json:"max_ejected,omitempty"`

	// RetryBudget caps retries, in the long run, to this share of first attempts,
	// between 0 and 1, plus a hundred at first and one a second; 0 means no
	// retries and -1 no cap. It allows no retry that reverse_proxy's own settings
	// do not ask for. Default: 0.2.
	RetryBudget *float64 `json:"retry_budget,omitempty"`

	// Breaker gives each upstream a circuit breaker, beside ejections: an upstream whose
	// breaker is open is out of the rotation, within max_ejected. Its max_concurrent
	// bounds the attempts at an upstream that wait for an answer, and its
	// failure_status is by default that of the policy. Default: no breakers.
	Breaker *breakerconf.Config `json:"breaker,omitempty"`

	logger   *zap.Logger
	storage  certmagic.Storage
	failures breakerconf.Statuses
	retries  bool // whether the proxy retries at all
	handles  bool // whether answers go to other handlers first
	buffers  bool // whether the proxy keeps bodies of requests
	dynamic  bool
	weights  map[string]float64 // of the static upstreams, by address
	source   func() memberSource
	breakers breakers
	handle   *livestate.Handle
	live     *livePool
	balancer *balance.Balancer
	owned    *reverseproxy.HTTPTransport
	current  atomic.Pointer[binding]
	ctx      caddy.Context
	leads    atomic.Bool
}

// livePool is the part of a policy that the registry keeps.
type livePool struct {
	*balance.Pool
	retried atomic.Uint64
	denied  atomic.Uint64
	limited atomic.Uint64 // requests refused for max_concurrent

	dryRunLogged atomic.Int64 // when, in nanoseconds of Unix time

	deciding sync.Mutex      // held while decisions are read, changed and stored
	restored bool            // whether those of before are known
	decided  map[string]bool // what was decided before they were
}

func newLivePool() *livePool {
	return &livePool{Pool: balance.NewPool(), decided: make(map[string]bool)}
}

// CaddyModule returns the Caddy module information.
func (*Policy) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  "http.reverse_proxy.selection_policies.success_weighted",
		New: func() caddy.Module { return new(Policy) },
	}
}

// Provision finds the reverse_proxy that the policy belongs to, takes up what is
// known about the pool, and installs the outcome tap.
func (p *Policy) Provision(ctx caddy.Context) error {
	p.logger = ctx.Logger()
	proxy, err := parent(ctx)
	if err != nil {
		return err
	}
	settings, err := p.settings()
	if err != nil {
		return fmt.Errorf("lb_policy success_weighted: %w", err)
	}
	if err := p.describe(proxy); err != nil {
		return fmt.Errorf("lb_policy success_weighted: %w", err)
	}
	if err := metricset.Register(ctx.GetMetricsRegistry()); err != nil {
		return err
	}
	p.storage = ctx.Storage()
	if err := p.acquire(ctx, proxy, settings); err != nil {
		return fmt.Errorf("lb_policy success_weighted: %w", err)
	}
	p.balancer = balance.NewBalancer(p.live.Pool, settings)
	if err := p.watchBreakers(ctx); err != nil {
		return err
	}
	// before there are breakers to change: what was decided before is no news
	p.live.restore(p)
	if p.dynamic {
		p.balancer.Adopt()
	} else if len(proxy.Upstreams) > 0 {
		p.balancer.Sync(p.members(proxy.Upstreams))
	}
	if err := p.tap(ctx, proxy); err != nil {
		return err
	}
	p.ctx = ctx
	p.handle.Show(p)
	return nil
}

// parent returns the nearest reverse_proxy above the module.
func parent(ctx caddy.Context) (*reverseproxy.Handler, error) {
	modules := ctx.Modules()
	for i := len(modules) - 1; i >= 0; i-- {
		if proxy, ok := modules[i].(*reverseproxy.Handler); ok {
			return proxy, nil
		}
	}
	return nil, errors.New("lb_policy success_weighted works only inside reverse_proxy")
}

// settings fills in the defaults and returns what they come to.
func (p *Policy) settings() (balance.Settings, error) {
	s := balance.DefaultSettings()
	setIf(&s.Alpha, p.Alpha)
	setIf(&s.Floor, p.Floor)
	setIf(&s.HalfLife, time.Duration(p.HalfLife))
	setIf(&s.SlowStart, time.Duration(p.SlowStart))
	setIf(&s.SlowStartFloor, p.SlowStartFrom)
	setIf(&s.EjectFor, time.Duration(p.EjectFor))
	s.EjectForMax = max(s.EjectForMax, s.EjectFor)
	setIf(&s.EjectForMax, time.Duration(p.EjectForMax))
	if p.EjectAfter != nil {
		s.EjectAfter = *p.EjectAfter
	}
	if p.MaxEjected != nil {
		s.MaxEjected = *p.MaxEjected
	}
	if p.RetryBudget != nil {
		s.RetryBudget = *p.RetryBudget
	}
	failures, err := breakerconf.StatusesOf(p.FailureStatus)
	if err != nil {
		return s, err
	}
	p.failures = *failures
	if s.Breaker, err = p.breakerSettings(); err != nil {
		return s, err
	}
	return s, s.Validate()
}

// setIf sets what is configured.
func setIf[T comparable](setting *T, configured T) {
	var zero T
	if configured != zero {
		*setting = configured
	}
}

// describe takes from the proxy what the policy needs to know of it.
func (p *Policy) describe(proxy *reverseproxy.Handler) error {
	p.dynamic = proxy.DynamicUpstreamsRaw != nil
	addresses := make([]string, len(proxy.Upstreams))
	p.weights = make(map[string]float64, len(proxy.Upstreams))
	total := 0.0
	for i, u := range proxy.Upstreams {
		addresses[i] = u.String()
		weight := 1.0
		if i < len(p.Weights) {
			weight = p.Weights[i]
		}
		if !(weight >= 0) || math.IsInf(weight, 1) {
			return fmt.Errorf("weight %v of upstream %s is negative or no number", weight, u)
		}
		p.weights[u.String()] += weight // an upstream that stands there twice counts twice
		total += weight
	}
	switch {
	case len(p.Weights) > 0 && len(p.Weights) != len(addresses):
		return fmt.Errorf("%d weights for %d static upstreams [%s]; give one weight for each, or none (dynamic upstreams have the weights of their source)",
			len(p.Weights), len(addresses), strings.Join(addresses, " "))
	case len(addresses) > 0 && total == 0:
		return fmt.Errorf("all weights are 0, so no upstream of [%s] would ever be used", strings.Join(addresses, " "))
	case checkName(p.Name) != nil:
		return checkName(p.Name)
	case p.Name == "" && p.dynamic:
		return errors.New("a name is needed with dynamic upstreams: lb_policy success_weighted { name ... }")
	case p.Name == "":
		p.Name = strings.Join(addresses, ",")
	}
	p.retries = proxy.LoadBalancing != nil && (proxy.LoadBalancing.Retries > 0 || proxy.LoadBalancing.TryDuration > 0)
	p.handles = len(proxy.HandleResponse) > 0
	p.buffers = proxy.RequestBuffers != 0
	p.breakers.healthy = http.StatusOK / 100
	if checks := proxy.HealthChecks; checks != nil && checks.Active != nil {
		setIf(&p.breakers.healthy, checks.Active.ExpectStatus)
	}
	// dynamic upstreams are loaded after the policy
	p.source = func() memberSource {
		source, _ := proxy.DynamicUpstreams.(memberSource)
		return source
	}
	return nil
}

// tap puts the observer between the proxy and its transport. The transport is
// nil here if none is configured, because the proxy makes its default one later.
func (p *Policy) tap(ctx caddy.Context, proxy *reverseproxy.Handler) error {
	if proxy.Transport == nil {
		p.owned = new(reverseproxy.HTTPTransport)
		if err := p.owned.Provision(ctx); err != nil {
			return fmt.Errorf("provisioning default transport: %w", err)
		}
		proxy.Transport = p.owned
	}
	proxy.Transport = &observer{next: proxy.Transport, policy: p}
	return nil
}

// Cleanup gives up the live state; requests that are under way go on.
func (p *Policy) Cleanup() error {
	if p.balancer != nil {
		p.balancer.Close()
	}
	p.handle.Release()
	if p.owned != nil {
		return p.owned.Cleanup()
	}
	return nil
}

// Interface guards
var (
	_ caddy.Provisioner     = (*Policy)(nil)
	_ caddy.CleanerUpper    = (*Policy)(nil)
	_ reverseproxy.Selector = (*Policy)(nil)
	_ caddyfile.Unmarshaler = (*Policy)(nil)
	_ livestate.Controller  = (*Policy)(nil)
	_ livestate.Leader      = (*Policy)(nil)
)
