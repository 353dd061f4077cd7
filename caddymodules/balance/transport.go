package balance

// transport.go holds the outcome tap: the one place where weir sees how each
// attempt to reach an upstream ended.

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp/headers"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/reverseproxy"

	"github.com/weirproxy/weir/governance/balance"
	"github.com/weirproxy/weir/internal/exchange"
)

// observer notes the outcome of every attempt that passes through it. It offers
// what reverse_proxy asks a transport for by type assertion, each with the answer
// that the proxy would assume if the transport below does not offer it.
type observer struct {
	next   http.RoundTripper
	policy *Policy
}

// RoundTrip implements http.RoundTripper.
func (o *observer) RoundTrip(req *http.Request) (*http.Response, error) {
	ctx := req.Context()
	dial, ok := reverseproxy.GetDialInfo(ctx)
	// Active health checks come this way too. They know their server and their
	// upstream like a request, but there is no request that is served.
	if !ok || dial.Upstream == nil {
		return o.next.RoundTrip(req)
	}
	x := exchange.Of(ctx)
	if x == nil {
		res, err := o.next.RoundTrip(req)
		if err == nil {
			o.policy.checked(dial.Upstream.String(), res)
		}
		return res, err
	}
	address := dial.Upstream.String()
	upstream := o.policy.live.Upstream(address)
	if upstream == nil {
		return o.next.RoundTrip(req)
	}
	x.AddAttempt(o.policy, address)
	attempt := o.policy.balancer.Begin(upstream)
	var sent *balance.RequestBody
	var buffered *bufferedBody
	if below := req.Body; below != nil && below != http.NoBody {
		if o.policy.buffers {
			buffered = newBufferedBody(ctx, below)
			below = buffered
		}
		sent = attempt.RequestBody(below, req.ContentLength)
		req = withBody(req, sent)
	}
	if attempt.WouldSkip() {
		o.policy.wouldSkip(address)
	}
	returned := false
	defer func() {
		if !returned { // a transport that panics is nothing against the upstream
			attempt.Answered(balance.Canceled)
			attempt.End()
			buffered.end()
		}
	}()
	res, err := o.next.RoundTrip(req)
	returned = true
	outcome := o.policy.classify(ctx, res, err, sent)
	x.Outcome = outcome.String()
	if err == nil && attempt.Guarded() {
		o.policy.judge(&attempt, res)
	}
	attempt.Answered(outcome)
	if err != nil || res.StatusCode == http.StatusSwitchingProtocols || res.Body == nil || res.Body == http.NoBody {
		// the body of a 101 is the connection and must stay what it is
		attempt.End()
		buffered.end()
		return res, err
	}
	body := &responseBody{exchange: x, buffered: buffered}
	body.Follow(ctx, res.Body, attempt)
	res.Body = body
	if o.policy.handles || res.StatusCode < 100 {
		// The proxy does not close the body if a handler that it gives the answer to
		// panics, as another proxy does when its own answer breaks off, nor if the
		// server panics because of a status that is none.
		body.stop = context.AfterFunc(ctx, body.end)
	}
	return res, nil
}

// classify tells how an attempt ended.
func (p *Policy) classify(ctx context.Context, res *http.Response, err error, sent *balance.RequestBody) balance.Outcome {
	switch {
	case err != nil:
		var refused reverseproxy.DialError // here it is allocated for failures only
		return balance.Failure(ctx, err, sent, errors.As(err, &refused))
	case p.failures.Has(res.StatusCode):
		return balance.FailedStatus
	default:
		return balance.Success
	}
}

// withBody returns a copy of req with another body; a RoundTripper must not
// change the request it is given.
func withBody(req *http.Request, body io.ReadCloser) *http.Request {
	clone := *req
	clone.Body = body
	return &clone
}

// responseBody also tells the exchange when an answer breaks off.
type responseBody struct {
	balance.ResponseBody
	exchange *exchange.Exchange
	buffered *bufferedBody // of the request; nil if none is
	stop     func() bool   // waiting for the end of the request; nil if no one does
}

func (b *responseBody) Read(p []byte) (int, error) {
	n, err := b.ResponseBody.Read(p)
	if err != nil && b.Truncated() {
		b.exchange.Outcome = "truncated"
	}
	return n, err
}

func (b *responseBody) Close() error {
	if b.stop != nil {
		b.stop()
	}
	b.buffered.end()
	return b.ResponseBody.Close()
}

// end is for those who give up an answer without closing it.
func (b *responseBody) end() {
	b.buffered.end()
	b.End()
}

// DefaultBufferSizes implements reverseproxy.BufferedTransport.
func (o *observer) DefaultBufferSizes() (request, response int64) {
	if t, ok := o.next.(reverseproxy.BufferedTransport); ok {
		return t.DefaultBufferSizes()
	}
	return 0, 0
}

// RequestHeaderOps implements reverseproxy.RequestHeaderOpsTransport.
func (o *observer) RequestHeaderOps() *headers.HeaderOps {
	if t, ok := o.next.(reverseproxy.RequestHeaderOpsTransport); ok {
		return t.RequestHeaderOps()
	}
	return nil
}

// ProxyProtocolEnabled implements reverseproxy.ProxyProtocolTransport.
func (o *observer) ProxyProtocolEnabled() bool {
	t, ok := o.next.(reverseproxy.ProxyProtocolTransport)
	return ok && t.ProxyProtocolEnabled()
}

// RequiresContentLength implements reverseproxy.ContentLengthRequiredTransport.
func (o *observer) RequiresContentLength() bool {
	t, ok := o.next.(reverseproxy.ContentLengthRequiredTransport)
	return ok && t.RequiresContentLength()
}

// OverrideHealthCheckScheme implements reverseproxy.HealthCheckSchemeOverriderTransport.
func (o *observer) OverrideHealthCheckScheme(base *url.URL, port string) {
	if t, ok := o.next.(reverseproxy.HealthCheckSchemeOverriderTransport); ok {
		t.OverrideHealthCheckScheme(base, port)
	}
}

// TLSEnabled implements part of reverseproxy.TLSTransport.
func (o *observer) TLSEnabled() bool {
	t, ok := o.next.(reverseproxy.TLSTransport)
	return ok && t.TLSEnabled()
}

// EnableTLS implements part of reverseproxy.TLSTransport.
func (o *observer) EnableTLS(base *reverseproxy.TLSConfig) error {
	if t, ok := o.next.(reverseproxy.TLSTransport); ok {
		return t.EnableTLS(base)
	}
	return errors.New("the transport has no TLS")
}

// EnableH2C implements reverseproxy.H2CTransport.
func (o *observer) EnableH2C() error {
	if t, ok := o.next.(reverseproxy.H2CTransport); ok {
		return t.EnableH2C()
	}
	return errors.New("the transport has no h2c")
}

// Interface guards
var (
	_ http.RoundTripper                                = (*observer)(nil)
	_ reverseproxy.BufferedTransport                   = (*observer)(nil)
	_ reverseproxy.RequestHeaderOpsTransport           = (*observer)(nil)
	_ reverseproxy.ProxyProtocolTransport              = (*observer)(nil)
	_ reverseproxy.ContentLengthRequiredTransport      = (*observer)(nil)
	_ reverseproxy.HealthCheckSchemeOverriderTransport = (*observer)(nil)
	_ reverseproxy.TLSTransport                        = (*observer)(nil)
	_ reverseproxy.H2CTransport                        = (*observer)(nil)
)
