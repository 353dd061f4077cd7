package exchange

// errorlog.go logs errors that do not reach Caddy's server, because they were
// answered here.

import (
	"errors"
	"net"
	"net/http"
	"strings"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/weirproxy/weir/internal/problem"
)

// logError logs err where the server would: as an error if it is the service's fault
// and the site did not answer it itself, or if the site's error routes failed with
// routesErr, and for debugging otherwise. The request is logged without its headers;
// handlers may have added secrets to them.
func (x *Exchange) logError(r *http.Request, server *caddyhttp.Server, err, routesErr error, handled bool) {
	message := err.Error()
	fields := []zap.Field{zap.String("trace_id", x.TraceID)}
	var handlerError caddyhttp.HandlerError
	if errors.As(err, &handlerError) {
		fields = append(fields, zap.String("err_id", handlerError.ID), zap.String("err_trace", handlerError.Trace))
		if handlerError.Err != nil {
			message = handlerError.Err.Error()
		}
	}
	level := logLevel(err, handled)
	if routesErr != nil {
		level = zapcore.ErrorLevel
		fields = append(fields, zap.NamedError("handle_errors", routesErr))
	}
	for _, logger := range errorLoggers(r, server) {
		if c := logger.Check(level, message); c != nil {
			bare := *r
			bare.Header = nil
			c.Write(append(fields,
				zap.Int("status", StatusOf(err)),
				zap.Object("request", caddyhttp.LoggableHTTPRequest{Request: &bare}))...)
		}
	}
}

// logLevel is the level for err. A refusal by a module is what
// the module is for and no error of the service, and there may be thousands a second:
// the access log's refused_by and the module's metrics tell of it.
func logLevel(err error, handled bool) zapcore.Level {
	var refusal *problem.Refusal
	refused := errors.As(err, &refusal) && refusal.By != ""
	if StatusOf(err) >= 500 && !handled && !refused {
		return zapcore.ErrorLevel
	}
	return zapcore.DebugLevel
}

// StatusOf is the status that a client gets for the error of a handler.
func StatusOf(err error) int {
	var handlerError caddyhttp.HandlerError
	if errors.As(err, &handlerError) && handlerError.StatusCode != 0 {
		return handlerError.StatusCode
	}
	return http.StatusInternalServerError
}

// app stands for Caddy's http app, whose loggers the server uses.
var app = new(caddyhttp.App)

// errorLoggers are the loggers of Caddy's server for errors of r: http.log.error, or
// http.log.error.<name> where logs have names.
func errorLoggers(r *http.Request, server *caddyhttp.Server) []*zap.Logger {
	logger := caddy.Log().Named("http") // goes to the default log only
	if active := caddy.ActiveContext(); active.Context != nil {
		logger = active.Logger(app)
	}
	logger = logger.Named("log.error")
	if server.Logs == nil {
		return []*zap.Logger{logger}
	}
	var loggers []*zap.Logger
	for _, name := range logNames(r, server.Logs) {
		loggers = append(loggers, logger.Named(name)) // an empty name adds nothing
	}
	return loggers
}

// logNames are the names of the logs for r. Caddy does not export its own function.
func logNames(r *http.Request, logs *caddyhttp.ServerLogConfig) []string {
	if set, ok := caddyhttp.GetVar(r.Context(), caddyhttp.AccessLoggerNameVarKey).([]any); ok { // log_name
		var names []string
		for _, name := range set {
			if name, ok := name.(string); ok {
				names = append(names, name)
			}
		}
		return names
	}
	host := strings.ToLower(r.Host)
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	if names, ok := logs.LoggerNames[host]; ok {
		return names
	}
	labels := strings.Split(host, ".")
	for i, label := range labels {
		if label == "" {
			continue
		}
		labels[i] = "*"
		if names, ok := logs.LoggerNames[strings.Join(labels, ".")]; ok {
			return names
		}
	}
	return []string{logs.DefaultLoggerName}
}
