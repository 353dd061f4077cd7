package exchange

// render.go turns the error of a request's handlers into what the client gets.

import (
	"errors"
	"net/http"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/weirproxy/weir/internal/problem"
)

// render answers the request after its handlers returned err. It returns nil when
// the request is done, and err when there is nothing it can do: something was sent
// already, and Caddy only needs to log it.
func (x *Exchange) render(r *http.Request, err error) error {
	var refusal *problem.Refusal
	if errors.As(err, &refusal) && refusal.By != "" {
		x.RefusedBy = refusal.By
	}
	if x.wroteHeader() {
		return err
	}
	server, _ := r.Context().Value(caddyhttp.ServerCtxKey).(*caddyhttp.Server)
	if server == nil {
		return err
	}
	restoreRequest(r)
	r = server.Errors.WithError(r, err)
	if server.Errors != nil && matches(server.Errors.Routes, r) {
		routes := server.Errors.Routes.Compile(caddyhttp.HandlerFunc(func(http.ResponseWriter, *http.Request) error {
			return nil
		}))
		if routesErr := routes.ServeHTTP(x, r); routesErr != nil {
			logError(r, routesErr, "error handling handler error", zap.NamedError("first_error", err))
		}
	}
	if !x.wroteHeader() {
		if writeErr := problem.Write(x, problem.Of(err), x.TraceID); writeErr != nil {
			x.clientGone = true
		}
	}
	logError(r, err, "")
	return nil
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

// logError logs what Caddy's server would have logged had the error reached it,
// under the same logger name.
func logError(r *http.Request, err error, message string, fields ...zap.Field) {
	status := http.StatusInternalServerError
	var handlerError caddyhttp.HandlerError
	if errors.As(err, &handlerError) {
		status = handlerError.StatusCode
		fields = append(fields, zap.String("err_id", handlerError.ID), zap.String("err_trace", handlerError.Trace))
		if message == "" && handlerError.Err != nil {
			message = handlerError.Err.Error()
		}
	}
	if message == "" {
		message = err.Error()
	} else {
		fields = append(fields, zap.Error(err))
	}
	level := zapcore.DebugLevel
	if status >= 500 {
		level = zapcore.ErrorLevel
	}
	if c := caddy.Log().Named("http.log.error").Check(level, message); c != nil {
		c.Write(append(fields,
			zap.Int("status", status),
			zap.Object("request", caddyhttp.LoggableHTTPRequest{Request: r}))...)
	}
}
