package canary

// serve.go takes a request to its stage and notes what becomes of it.

import (
	"net/http"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/weirproxy/weir/governance/rollout"
	"github.com/weirproxy/weir/internal/exchange"
	"github.com/weirproxy/weir/internal/replay"
)

// ServeHTTP implements caddyhttp.MiddlewareHandler.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	return exchange.From(r).Serve(w, r, &visit{handler: h, next: next})
}

// visit is one request at the handler, and the writer that sees how it is answered. All of
// it is one allocation.
type visit struct {
	exchange.Writer
	handler  *Handler
	next     caddyhttp.Handler
	stage    int              // that answers: an index in Stages
	began    time.Time        // that it was asked
	call     rollout.Call     // of the guard
	original *replay.Original // nil if stable cannot answer instead
	body     exchange.Body

	cookie   string // value of the cookie to be set, empty if none is
	secure   bool   // the client's connection is
	finished bool
}

// ServeHTTP implements caddyhttp.Handler.
func (v *visit) ServeHTTP(w http.ResponseWriter, r *http.Request) error {
	h := v.handler
	v.Wrap(w, r, v)
	repl := r.Context().Value(caddy.ReplacerCtxKey).(*caddy.Replacer)
	d, err := h.decide(r, repl)
	h.metrics.decided(&d, err)
	h.forgetClients(r.Header)
	if err != nil {
		h.addVary(w.Header())
		return err
	}
	v.stage, v.cookie = d.stage, d.setCookie
	v.secure = v.cookie != "" && isSecure(r)
	h.announce(r, repl, d.stage, d.reason)
	v.call = h.live.start(&d, h)
	v.began = time.Now()
	hasBody := r.Body != nil && r.Body != http.NoBody
	if hasBody {
		v.body.ReadCloser, r.Body = r.Body, &v.body
	}
	if v.hasFallback() {
		v.prepareFallback(r, hasBody)
	}
	return v.pass(r)
}

// pass has the stage answer, or stable in its place. A panic, above all
// http.ErrAbortHandler, passes unchanged: hence a flag and no recover.
func (v *visit) pass(r *http.Request) error {
	returned := false
	defer func() {
		if !returned {
			v.end(r, http.StatusInternalServerError, true)
		}
	}()
	err := v.ask(r)
	if err != nil && v.mayFallBack(r, err) {
		err = v.fallBack(r, err)
	}
	returned = true
	if v.Status() == 0 { // others answer, an error or nothing
		v.decorate(err == nil)
	}
	status := http.StatusOK
	if err != nil {
		status = exchange.StatusOf(err)
	}
	v.end(r, status, false)
	return err
}

// ask has the handlers of the stage answer, or what is behind canary_route where the stages
// have none.
func (v *visit) ask(r *http.Request) error {
	if route := v.handler.routes[v.stage]; route != nil {
		return route.ServeHTTP(v, r, v.next)
	}
	return v.next.ServeHTTP(v, r)
}

// end notes how the request ended. unwritten is the status if none was written.
//
// An answer to a client that left, or whose body broke off, says no more about the stage
// than how long the client waited, unless the stage has failed before.
func (v *visit) end(r *http.Request, unwritten int, panicked bool) {
	status := v.Status()
	if status == 0 {
		status = unwritten
	}
	gone := v.Gone(r)
	if gone && v.Status() < 500 {
		status = exchange.StatusClientClosed
	}
	v.finish(status, status >= 500 || panicked, v.body.Failed() || gone && v.Status() < 500)
}

// finish counts the request, once: a stream is over, as far as this goes, at its headers.
func (v *visit) finish(status int, failed, isClients bool) {
	if v.finished {
		return
	}
	v.finished = true
	took := time.Since(v.began)
	if isClients {
		v.call.Left(took)
	} else {
		v.call.End(took, failed)
	}
	v.handler.metrics.stages[v.stage].answered(status, took)
}

// isSecure reports whether the client's connection is encrypted, to this server or to a
// proxy that is trusted to say so.
func isSecure(r *http.Request) bool {
	if r.TLS != nil {
		return true
	}
	viaTrusted, _ := caddyhttp.GetVar(r.Context(), caddyhttp.TrustedProxyVarKey).(bool)
	return viaTrusted && r.Header.Get("X-Forwarded-Proto") == "https"
}

// Interface guards
var _ caddyhttp.Handler = (*visit)(nil)
