package balance

// claim.go tells which policies may share a pool.

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/reverseproxy"

	"github.com/weirproxy/weir/governance/balance"
	"github.com/weirproxy/weir/governance/livestate"
	"github.com/weirproxy/weir/internal/breakerconf"
)

// acquire takes up the live state of the pool. A pool without a name is named after
// its upstreams, so that two of them may meet.
func (p *Policy) acquire(ctx caddy.Context, proxy *reverseproxy.Handler, settings balance.Settings) error {
	where, err := p.place(proxy)
	if err != nil {
		return err
	}
	p.live, p.handle, err = livestate.Acquire(livestate.Default, livestate.Claim{
		Key:           livestate.Key{Kind: kind, Name: p.Name},
		Configuration: ctx.GetMetricsRegistry(),
		Settings:      p.effective(proxy, settings),
		Place:         where,
	}, func() (*livePool, error) { return newLivePool(), nil })
	return err
}

// effective is a text of what the settings come to: a default that is spelled out is
// no other setting. fmt prints maps in order of their keys.
func (p *Policy) effective(proxy *reverseproxy.Handler, settings balance.Settings) string {
	breaker := "no breaker"
	if settings.Breaker != nil {
		breaker = fmt.Sprintf("%+v %v", *settings.Breaker, list(p.breakers.failures))
		settings.Breaker = nil // %+v would print where it is
	}
	return fmt.Sprintf("%+v %v %v %x %s", settings, list(&p.failures), p.weights, sha256.Sum256(proxy.DynamicUpstreamsRaw), breaker)
}

func list(statuses *breakerconf.Statuses) (list []int) {
	for status, in := range statuses {
		if in {
			list = append(list, status)
		}
	}
	return list
}

// place says where the policy stands and what was configured. The configuration of a
// source of upstreams may hold a token, so only its kind is named.
func (p *Policy) place(proxy *reverseproxy.Handler) (string, error) {
	configured, err := json.Marshal(p)
	if err != nil {
		return "", err
	}
	var upstreams []string
	for _, u := range proxy.Upstreams {
		upstreams = append(upstreams, u.String())
	}
	var source struct {
		Name string `json:"source"`
	}
	if json.Unmarshal(proxy.DynamicUpstreamsRaw, &source) == nil {
		upstreams = append(upstreams, "dynamic "+source.Name)
	}
	return fmt.Sprintf("the reverse_proxy to %s with %s", strings.Join(upstreams, ", "), configured), nil
}
