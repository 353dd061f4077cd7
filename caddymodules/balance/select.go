package balance

// select.go holds the policy's pick for each attempt.

import (
	"net/http"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp/reverseproxy"

	"github.com/weirproxy/weir/internal/exchange"
)

// Select returns the upstream for the next attempt, or nil if there is none or
// the retry budget is used up.
func (p *Policy) Select(pool reverseproxy.UpstreamPool, r *http.Request, _ http.ResponseWriter) *reverseproxy.Upstream {
	if len(pool) == 0 {
		if p.dynamic {
			p.balancer.Learn(nil)
		}
		exchange.From(r).RefusedBy = "pool " + p.Name
		return nil
	}
	b := p.bind(pool)
	if !p.retries {
		return p.pickFirst(b, pool, r)
	}
	x := exchange.From(r)
	if x.AttemptsOf(p) == 0 {
		return p.pickFirst(b, pool, r)
	}
	tried := func(i int) bool { return x.Tried(p, b.table.Member(i).Address) }
	// The budget is asked first: a pick may take the only place for a probe.
	if !p.balancer.Retry() {
		// the proxy may ask again and again until its time is up
		if by := "retry_budget " + p.Name; x.RefusedBy != by {
			x.RefusedBy = by
			p.live.denied.Add(1)
		}
		return nil
	}
	u := b.pick(pool, tried)
	if u == nil {
		p.balancer.Refund()
		p.refuse(b, x)
		return nil
	}
	p.live.retried.Add(1)
	return u
}

// pickFirst picks for a request that was not sent to any upstream yet.
func (p *Policy) pickFirst(b *binding, pool reverseproxy.UpstreamPool, r *http.Request) *reverseproxy.Upstream {
	u := b.pick(pool, nil)
	if u == nil {
		p.refuse(b, exchange.From(r))
		return nil
	}
	if p.retries {
		p.balancer.FirstAttempt()
	}
	return u
}

// refuse notes that no upstream can have the request.
func (p *Policy) refuse(b *binding, x *exchange.Exchange) {
	if !b.table.Full() {
		x.RefusedBy, x.RetrySoon = "pool "+p.Name, false
		return
	}
	x.RetrySoon = true // it takes one answer until there is room
	// the proxy may ask again and again until its time is up
	if by := "max_concurrent " + p.Name; x.RefusedBy != by {
		x.RefusedBy = by
		p.live.limited.Add(1)
	}
}
