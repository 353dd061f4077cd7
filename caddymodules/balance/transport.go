package balance

// transport.go holds the outcome tap: the one place where weir sees how each
// attempt to reach an upstream ended.

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"sync/atomic"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
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
	// upstream like a request, but there are no request variables.
	if !ok || dial.Upstream == nil {
		return o.next.RoundTrip(req)
	}
	if ctx.Value(caddyhttp.VarsCtxKey) == nil {
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
	x := exchange.From(req)
	x.AddAttempt(o.policy, address)
	var sent *requestBody
	if req.Body != nil && req.Body != http.NoBody {
		sent = &requestBody{ReadCloser: req.Body, declared: req.ContentLength}
		req = withBody(req, sent)
	}
	attempt := o.policy.balancer.Begin(upstream)
	if sent != nil {
		sent.attempt = attempt
	}
	if attempt.WouldSkip() {
		o.policy.wouldSkip(address)
	}
	returned := false
	defer func() {
		if !returned { // a transport that panics is nothing against the upstream
			attempt.Answered(balance.Canceled)
			attempt.End()
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
		return res, err
	}
	body := &responseBody{ReadCloser: res.Body, ctx: ctx, attempt: attempt, exchange: x}
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
func (p *Policy) classify(ctx context.Context, res *http.Response, err error, sent *requestBody) balance.Outcome {
	if err == nil {
		if p.failures.Has(res.StatusCode) {
			return balance.FailedStatus
		}
		return balance.Success
	}
	var dialError reverseproxy.DialError
	var netError net.Error
	switch {
	case errors.Is(err, context.Canceled) || errors.Is(ctx.Err(), context.Canceled):
		return balance.Canceled
	case sent != nil && sent.unsendable.Load():
		return balance.ClientFault
	case errors.As(err, &dialError):
		return balance.Refused
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &netError) && netError.Timeout():
		return balance.TimedOut
	default:
		return balance.Broken
	}
}

// requestBody remembers whether it was the request's body that failed, and not the
// upstream: the client broke it, or there is nothing left of it because an earlier
// attempt has used it up. And it tells when all is sent: as long as a client is still
// sending, it is not the upstream that is slow. The transport reads it in a goroutine of
// its own.
type requestBody struct {
	io.ReadCloser
	attempt    balance.Attempt // only to tell that
	declared   int64           // length, -1 if unknown
	read       int64
	begun      bool
	unsendable atomic.Bool
}

func (b *requestBody) Read(p []byte) (int, error) {
	if !b.begun { // a connection has been made, if that takes long the upstream is slow
		b.begun = true
		b.attempt.Sending()
	}
	n, err := b.ReadCloser.Read(p)
	b.read += int64(n)
	if err != nil {
		b.attempt.Sent()
	}
	switch {
	case err == nil:
	case errors.Is(err, io.EOF):
		if b.read < b.declared {
			b.unsendable.Store(true)
		}
	case errors.Is(err, http.ErrBodyReadAfterClose) && b.read > 0:
		// the transport closed it because the upstream failed
	default:
		b.unsendable.Store(true)
	}
	return n, err
}

func (b *requestBody) Close() error {
	b.attempt.Sent()
	return b.ReadCloser.Close()
}

// withBody returns a copy of req with another body; a RoundTripper must not
// change the request it is given.
func withBody(req *http.Request, body io.ReadCloser) *http.Request {
	clone := *req
	clone.Body = body
	return &clone
}

// responseBody notes when an answer breaks off, and when it is over.
type responseBody struct {
	io.ReadCloser
	ctx      context.Context
	attempt  balance.Attempt
	exchange *exchange.Exchange
	stop     func() bool // waiting for the end of the request; nil if no one does
	ended    atomic.Bool
	broken   bool
	closed   bool
}

func (b *responseBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if err == nil {
		return n, nil
	}
	if !errors.Is(err, io.EOF) && !b.broken && !b.closed && b.ctx.Err() == nil {
		b.broken = true
		b.exchange.Outcome = "truncated"
		b.attempt.Truncated()
	}
	b.end()
	return n, err
}

func (b *responseBody) Close() error {
	b.closed = true
	if b.stop != nil {
		b.stop()
	}
	b.end()
	return b.ReadCloser.Close()
}

// end ends the attempt, once: when the body is read to its end, when it is closed,
// or when the request is over.
func (b *responseBody) end() {
	if b.ended.CompareAndSwap(false, true) {
		b.attempt.End()
	}
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
