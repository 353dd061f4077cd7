package canary

// fallback.go has stable answer what another stage could not.

import (
	"errors"
	"net/http"
	"time"

	"go.uber.org/zap"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/weirproxy/weir/governance/rollout"
	"github.com/weirproxy/weir/internal/exchange"
	"github.com/weirproxy/weir/internal/problem"
	"github.com/weirproxy/weir/internal/replay"
)

// fallbackHeader tells stable's upstream which stage it answers for.
const fallbackHeader = "X-Release-Stage-Fallback"

// hasFallback reports whether stable may answer in place of the stage. It never is the other
// way round. What comes through a tunnel is no body that could be kept.
func (v *visit) hasFallback() bool {
	h := v.handler
	return v.stage != h.stable && h.routes[v.stage] != nil && !h.NoFallback && !v.Tunnel()
}

// prepareFallback keeps the request as it is before the stage has it.
func (v *visit) prepareFallback(r *http.Request, hasBody bool) {
	v.original = new(replay.Original)
	v.original.Keep(r, v.Header())
	if hasBody {
		v.original.KeepBody(r, &v.body, v.handler.MaxBody, nil)
	}
}

// mayFallBack reports whether stable can answer what the stage failed with err at: the
// stage has refused the request or has not reached anybody with it, nothing was sent to
// the client, who still waits, and all of the body can be read again.
func (v *visit) mayFallBack(r *http.Request, err error) bool {
	return v.original != nil && v.Status() == 0 &&
		!v.body.Failed() && !v.Gone(r) &&
		(isRefusal(err) || replay.NeverSent(r, err)) && v.original.Reopen()
}

// isRefusal reports whether err is that of a module which protects something, such as
// a breaker, and has sent the request nowhere.
func isRefusal(err error) bool {
	var refusal *problem.Refusal
	return errors.As(err, &refusal) &&
		(refusal.Status == http.StatusServiceUnavailable || refusal.Status == http.StatusTooManyRequests)
}

// fallBack has stable answer, with the request as it was. To the guard that is a failure of
// the stage, and nothing of stable's.
func (v *visit) fallBack(r *http.Request, cause error) error {
	h, from := v.handler, v.stage
	v.call.End(time.Since(v.began), true)
	h.metrics.stages[from].fallbacks.Inc()
	name := h.Stages[from].Name
	if c := h.logger.Check(zap.DebugLevel, "request that a stage could not answer is given to stable"); c != nil {
		c.Write(zap.String("canary", h.Name), zap.String("stage", name), zap.Error(cause))
	}

	v.original.Restore(r, v.Header())
	x := exchange.From(r)
	x.RefusedBy, x.RetrySoon = "", false
	v.call, v.original = rollout.Call{}, nil
	v.stage, v.began = h.stable, time.Now()
	ctx := r.Context()
	h.announce(r, ctx.Value(caddy.ReplacerCtxKey).(*caddy.Replacer), h.stable, reasonFallback)
	r.Header[fallbackHeader] = []string{name}
	if extra, ok := ctx.Value(caddyhttp.ExtraLogFieldsCtxKey).(*caddyhttp.ExtraLogFields); ok {
		extra.Set(zap.String("canary_"+h.Name+"_fallback", name))
	}
	return v.ask(r)
}
