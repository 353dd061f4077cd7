// Package replay has a request answered once more, by others, after those who had it
// first failed: with the request, and the header of its answer, as they were before.
//
// It knows no rules about when that may be done. Whoever asks for it makes sure that
// nothing of an answer was sent, and that doing it again does no harm.
package replay

import (
	"errors"
	"io"
	"maps"
	"net/http"
	"net/url"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/reverseproxy"
)

// Original is a request and its answer's header as they were when Keep was called. It
// belongs to the request's goroutine.
type Original struct {
	request http.Request
	url     url.URL
	header  http.Header
	answer  http.Header
	body    *Body         // nil if there is none, or none that was kept
	again   io.ReadCloser // the body, once it is reopened
}

// upstreamTried is the placeholder of the last upstream that a proxy has chosen.
const upstreamTried = "http.reverse_proxy.upstream.address"

// Keep takes down what r and the header of its answer are. It has NeverSent be about what
// comes from now on: a proxy before, such as forward_auth, says nothing about that.
func (o *Original) Keep(r *http.Request, answer http.Header) {
	*o = Original{request: *r, url: *r.URL, header: r.Header.Clone(), answer: maps.Clone(answer)}
	if repl, ok := r.Context().Value(caddy.ReplacerCtxKey).(*caddy.Replacer); ok {
		repl.Delete(upstreamTried)
	}
}

// KeepBody makes r read its body from source and keeps up to limit bytes of what is
// read. closed is called when a reader closes the body, if it is not nil. It is
// called after Keep, and not for a request without a body.
func (o *Original) KeepBody(r *http.Request, source io.Reader, limit int64, closed func()) {
	o.body, r.Body = NewBody(source, limit, closed)
}

// Method is the method that the request had.
func (o *Original) Method() string { return o.request.Method }

// Reopen takes the body from whoever reads it, and reports whether all of it can be
// read again. From then on nobody can use it up.
func (o *Original) Reopen() (ok bool) {
	o.again, ok = o.body.Again()
	return ok
}

// Restore undoes what was done to the request and to the header of the answer, after
// Reopen has succeeded.
func (o *Original) Restore(r *http.Request, answer http.Header) {
	*r = o.request
	*r.URL, r.Header = o.url, o.header
	if o.again != nil {
		r.Body = o.again
	}
	clear(answer)
	maps.Copy(answer, o.answer)
}

// NeverSent reports whether err proves that the request has reached no upstream: none
// took the connection, or there was none to connect to. If it was tried before, the
// operator has configured the proxy to repeat such requests.
func NeverSent(r *http.Request, err error) bool {
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
	_, tried := repl.Get(upstreamTried)
	return !tried
}
