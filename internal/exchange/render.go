package exchange

// render.go turns the error of a request's handlers into what the client gets.

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/weirproxy/weir/internal/problem"
)

// render answers the request after its handlers returned err. Nothing is added to
// an answer that was begun: Caddy, were it given the error, would run its error
// routes and append what they say. It returns err only outside a Caddy server.
func (x *Exchange) render(r *http.Request, err error) error {
	var refusal *problem.Refusal
	if errors.As(err, &refusal) && refusal.By != "" {
		x.RefusedBy = refusal.By
	}
	server, _ := r.Context().Value(caddyhttp.ServerCtxKey).(*caddyhttp.Server)
	if server == nil {
		return err
	}
	handled := false
	var routesErr error
	switch {
	case x.status != 0:
	case StatusOf(err) != http.StatusRequestTimeout && errors.Is(r.Context().Err(), context.Canceled):
		// A body that was not there in time cancels the context of net/http, too, but its client may still wait.
		x.WriteHeader(StatusClientClosed) // for the access log: no one reads it
		err = caddyhttp.Error(StatusClientClosed, err)
	default:
		handled, routesErr = x.answer(r, server, err)
	}
	x.logError(r, server, err, routesErr, handled)
	return nil
}

// answer sends what the client gets for err. It reports whether the server's error
// routes did, and the error that they themselves ended with.
func (x *Exchange) answer(r *http.Request, server *caddyhttp.Server, err error) (handled bool, routesErr error) {
	restoreRequest(r)
	r = server.Errors.WithError(r, err)
	if server.Errors != nil {
		routesErr = openEnded(server.Errors.Routes).ServeHTTP(x, r)
		handled = x.status != 0
	}
	if !handled {
		// A client that left is noted by the writer.
		_ = problem.Write(x, x.told(err), x.TraceID)
	}
	return handled, routesErr
}

// told is what the client is told about err. reverse_proxy makes its own error of what its
// load balancing policy refuses.
func (x *Exchange) told(err error) problem.Refusal {
	refusal := problem.Of(err)
	if refusal.Status == http.StatusServiceUnavailable && refusal.RetryAfter == 0 && x.RetrySoon {
		refusal.RetryAfter = time.Second
	}
	return refusal
}

// restoreRequest undoes rewrites, as Caddy's server does before it runs error
// routes.
func restoreRequest(r *http.Request) {
	original, ok := r.Context().Value(caddyhttp.OriginalRequestCtxKey).(http.Request)
	if !ok || original.URL == nil {
		return
	}
	r.Method = original.Method
	r.RemoteAddr = original.RemoteAddr
	r.RequestURI = original.RequestURI
	*r.URL = *original.URL
}
