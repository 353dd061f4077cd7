package balance

// breaker.go holds what the policy adds to the circuit breakers of its upstreams: their
// settings, what counts for them, and who is told when they open and close.

import (
	"fmt"
	"net/http"
	"time"

	"go.uber.org/zap"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/weirproxy/weir/governance/balance"
	"github.com/weirproxy/weir/governance/circuit"
	"github.com/weirproxy/weir/internal/breakerconf"
	"github.com/weirproxy/weir/internal/retryafter"
)

// logEvery is how often at most a pool logs what its breakers would do if they were
// not in a dry run.
const logEvery = 10 * time.Second

// breakers is the part of a policy that breakers need.
type breakers struct {
	settings *circuit.Settings     // nil if there are none
	failures *breakerconf.Statuses // that count
	healthy  int                   // status or class of a passing active health check
}

// breakerSettings returns the settings of the upstreams' breakers, or nil.
func (p *Policy) breakerSettings() (*circuit.Settings, error) {
	if p.Breaker == nil {
		return nil, nil
	}
	s, err := p.Breaker.Settings()
	if err != nil {
		return nil, fmt.Errorf("breaker: %w", err)
	}
	p.breakers.settings, p.breakers.failures = &s, &p.failures
	if len(p.Breaker.FailureStatus) > 0 {
		if p.breakers.failures, err = p.Breaker.Failures(); err != nil {
			return nil, fmt.Errorf("breaker: %w", err)
		}
	}
	return &s, nil
}

// watchBreakers has the log and the subscribers of events told when a breaker opens or
// closes.
func (p *Policy) watchBreakers(ctx caddy.Context) error {
	if p.Breaker == nil {
		return nil
	}
	herald, err := breakerconf.NewHerald(ctx)
	if err != nil {
		return err
	}
	p.balancer.Watch(func(address string, c circuit.Change) {
		herald.For(map[string]string{"pool": p.Name, "upstream": address})(c)
	})
	return nil
}

// judge tells the upstream's breaker how an attempt ended that was answered.
func (p *Policy) judge(attempt *balance.Attempt, res *http.Response) {
	if p.breakers.failures.Has(res.StatusCode) {
		attempt.Judge(circuit.Failure, retryafter.Of(res.Header, time.Now()))
	} else {
		attempt.Judge(circuit.Success, 0)
	}
}

// wouldSkip logs, not too often, that a breaker would have had an upstream skipped if it
// were not in a dry run.
func (p *Policy) wouldSkip(address string) {
	now, last := time.Now().UnixNano(), p.live.dryRunLogged.Load()
	if now-last < int64(logEvery) || !p.live.dryRunLogged.CompareAndSwap(last, now) {
		return
	}
	p.logger.Info("a breaker would have had an upstream skipped, were it not in a dry run; logged at most once in 10 s",
		zap.String("pool", p.Name), zap.String("upstream", address))
}

// checked notes the answer to an active health check of the upstream at address: if
// its status is as it should be, an open breaker probes. A policy that does not lead yet
// checks for a configuration that may never be the one that runs.
func (p *Policy) checked(address string, res *http.Response) {
	if p.Breaker == nil || !p.leads.Load() || !caddyhttp.StatusCodeMatches(res.StatusCode, p.breakers.healthy) {
		return
	}
	if u := p.live.Upstream(address); u != nil {
		p.balancer.Healthy(u)
	}
}
