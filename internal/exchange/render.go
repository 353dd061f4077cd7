package exchange

// render.go turns the error of a request's handlers into what the client gets.

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/caddyserver/caddy/v2"
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
	switch {
	case x.wroteHeader():
	case errors.Is(r.Context().Err(), context.Canceled):
		x.WriteHeader(StatusClientClosed) // for the access log: no one reads it
		err = caddyhttp.Error(StatusClientClosed, err)
	default:
		handled = x.answer(r, server, err)
	}
	x.logError(r, err, handled)
	return nil
}

// answer sends what the client gets for err and reports whether the site's error
// routes did.
func (x *Exchange) answer(r *http.Request, server *caddyhttp.Server, err error) (handled bool) {
	restoreRequest(r)
	r = server.Errors.WithError(r, err)
	if server.Errors != nil && matches(server.Errors.Routes, r) {
		routes := server.Errors.Routes.Compile(caddyhttp.HandlerFunc(func(http.ResponseWriter, *http.Request) error {
			return nil
		}))
		if routesErr := routes.ServeHTTP(x, r); routesErr != nil {
			x.logError(r, fmt.Errorf("handling the error %w: %w", err, routesErr), false)
		}
		handled = x.wroteHeader()
	}
	if !handled {
		// A client that left is noted by the writer.
		_ = problem.Write(x, problem.Of(err), x.TraceID)
	}
	return handled
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

// matches reports whether one of the error routes has handlers for r. The
// Caddyfile wraps the routes of each site in a subroute that ends the chain with
// an empty answer, so running them would not tell.
func matches(routes caddyhttp.RouteList, r *http.Request) bool {
	for i := range routes {
		if matched, err := routes[i].MatcherSets.AnyMatchWithError(r); err != nil || !matched {
			continue
		}
		for _, handler := range routes[i].Handlers {
			subroute, ok := handler.(*caddyhttp.Subroute)
			if !ok || matches(subroute.Routes, r) {
				return true
			}
		}
	}
	return false
}

// logError logs an error that does not reach Caddy's server, because it was
// answered here, where the server logs its own: as an error if it is the service's
// fault and the site did not answer it itself, for debugging otherwise. The
// request is logged without its headers; handlers may have added secrets to them.
func (x *Exchange) logError(r *http.Request, err error, handled bool) {
	status, message := http.StatusInternalServerError, err.Error()
	fields := []zap.Field{zap.String("trace_id", x.TraceID)}
	var handlerError caddyhttp.HandlerError
	if errors.As(err, &handlerError) {
		status = handlerError.StatusCode
		fields = append(fields, zap.String("err_id", handlerError.ID), zap.String("err_trace", handlerError.Trace))
		if handlerError.Err != nil {
			message = handlerError.Err.Error()
		}
	}
	level := zapcore.DebugLevel
	if status >= 500 && !handled {
		level = zapcore.ErrorLevel
	}
	if c := caddy.Log().Named("http.log.error").Check(level, message); c != nil {
		bare := *r
		bare.Header = nil
		c.Write(append(fields,
			zap.Int("status", status),
			zap.Object("request", caddyhttp.LoggableHTTPRequest{Request: &bare}))...)
	}
}
