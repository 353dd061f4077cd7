package breaker

// second.go gives a request that failed to the fallback.

import (
	"errors"
	"maps"
	"net/http"
	"net/url"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/reverseproxy"

	"github.com/weirproxy/weir/governance/circuit"
)

// mostDiscarded is how much of a failing answer's body is read to its end, which
// keeps the connection to the upstream, before the rest is cut off.
const mostDiscarded = 64 << 10

// errCut tells next that no more of its failing answer is wanted.
var errCut = errors.New("the failing answer is replaced by the fallback")

// second is what it takes to give a failed request to the fallback: the request and the
// answer's header as they were before next had them.
type second struct {
	method, uri, host string
	url               url.URL
	header            http.Header
	answer            http.Header
	body              *keptBody // nil if there is none

	held      bool // the failing answer is held back
	cut       bool
	discarded int
}

// passOrFallback passes the request and, if it fails while that can still be
// mended, gives it to the fallback.
func (g *guard) passOrFallback(r *http.Request) error {
	h := g.handler
	s := &second{
		method: r.Method, uri: r.RequestURI, host: r.Host, url: *r.URL,
		header: r.Header.Clone(), answer: maps.Clone(g.Header()),
	}
	if r.Body != nil && r.Body != http.NoBody {
		g.body.ReadCloser = r.Body
		s.body, r.Body = newKeptBody(&g.body, h.FallbackOnFailure.MaxBody)
	}
	g.second = s
	err := g.passUncut(r)
	switch {
	case s.held:
		if err == nil {
			err = caddyhttp.Error(g.status, errCut)
		}
	case err == nil || !g.failedUnsent(r, err) || !g.repeatable(r, err):
		return err
	}
	s.restore(r, g.Header())
	h.live.fallbacksFailure.Add(1)
	return h.serveFallback(g.ResponseWriter, r, "failure", err)
}

// passUncut is pass, except that it returns where next panics because the answer that it
// was sending has been cut off.
func (g *guard) passUncut(r *http.Request) error {
	defer func() {
		if !g.second.cut {
			return
		}
		if v := recover(); v != nil && v != http.ErrAbortHandler {
			panic(v)
		}
	}()
	return g.pass(r)
}

// failedUnsent reports whether next failed with err before anything was sent.
func (g *guard) failedUnsent(r *http.Request, err error) bool {
	return g.status == 0 && !g.hijacked && g.outcome(r, err) == circuit.Failure
}

// repeatable reports whether the request can be made once more: its body is there,
// and it does no harm. err is what it failed with, nil if with an answer.
func (g *guard) repeatable(r *http.Request, err error) bool {
	if !g.second.body.whole() {
		return false
	}
	return g.handler.FallbackOnFailure.NonIdempotent || idempotent(g.second.method) || err != nil && neverSent(r, err)
}

// idempotent reports whether requests with the method may be repeated
// (RFC 9110, section 9.2.2).
func idempotent(method string) bool {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodTrace, http.MethodPut, http.MethodDelete:
		return true
	}
	return false
}

// neverSent reports whether err proves that the request has reached no upstream: none
// took the connection, or there was none to connect to. If it was tried before, the
// operator has configured the proxy to repeat such requests.
func neverSent(r *http.Request, err error) bool {
	var dialError reverseproxy.DialError
	if errors.As(err, &dialError) {
		return true
	}
	var handlerError caddyhttp.HandlerError
	if !errors.As(err, &handlerError) || !strings.HasPrefix(handlerError.Trace, "reverseproxy.") {
		return false
	}
	repl, ok := r.Context().Value(caddy.ReplacerCtxKey).(*caddy.Replacer)
	if !ok {
		return false
	}
	_, tried := repl.Get("http.reverse_proxy.upstream.address")
	return !tried
}

// held reports whether next's answer is held back.
func (g *guard) held() bool { return g.second != nil && g.second.held }

// hold holds a failing answer back, of which only the status is known, if the
// fallback may replace it. That is the end of the call.
func (g *guard) hold() bool {
	if g.second == nil || g.body.failed.Load() || !g.repeatable(nil, nil) {
		return false
	}
	g.second.held = true
	g.call.End(circuit.Failure, g.retryAfter())
	return true
}

// discard takes what next writes of a failing answer.
func (s *second) discard(p []byte) (int, error) {
	s.discarded += len(p)
	if s.discarded > mostDiscarded {
		s.cut = true
		return 0, errCut
	}
	return len(p), nil
}

// restore undoes what next did to the request and to the header of the answer.
func (s *second) restore(r *http.Request, answer http.Header) {
	r.Method, r.RequestURI, r.Host, *r.URL, r.Header = s.method, s.uri, s.host, s.url, s.header
	if s.body != nil {
		r.Body = s.body.again()
	}
	clear(answer)
	maps.Copy(answer, s.answer)
}
