package breaker

// refuse.go answers in place of next.

import (
	"net/http"
	"time"

	"go.uber.org/zap"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/weirproxy/weir/governance/circuit"
	"github.com/weirproxy/weir/internal/exchange"
	"github.com/weirproxy/weir/internal/problem"
)

// dryRunLogEvery is how often a dry run logs what would be refused.
const dryRunLogEvery = 10 * time.Second

// problemTypes identify the kinds of refusal for clients.
const (
	typeUnavailable = "urn:weir:problem:breaker-open"
	typeBusy        = "urn:weir:problem:too-many-concurrent-requests"
)

// refuse answers a request that may not pass: with the fallback or, where there is none
// or it does not answer, with an error.
func (h *Handler) refuse(w http.ResponseWriter, r *http.Request, refusal *circuit.Refusal) error {
	err := h.refusal(refusal)
	if h.fallback == nil {
		return err
	}
	x := exchange.From(r)
	x.RefusedBy = h.by
	h.live.fallbacksRefused.Add(1)
	failed := h.serveFallback(w, r, string(refusal.Reason), func(http.ResponseWriter, *http.Request) error { return err })
	x.RefusedBy = h.by // a fallback that asked an upstream has overwritten it
	return failed
}

// refusal is the error for the client.
func (h *Handler) refusal(refusal *circuit.Refusal) error {
	p := &problem.Refusal{
		Status:     http.StatusServiceUnavailable,
		Type:       typeUnavailable,
		Title:      "Temporarily unavailable",
		Detail:     "The service has trouble and is given time to recover.",
		RetryAfter: refusal.RetryAfter,
		By:         h.by,
	}
	if refusal.Reason == circuit.ReasonMaxConcurrent {
		p.Type, p.Title = typeBusy, "Too many concurrent requests"
		p.Detail = "As many requests as the service takes at a time are under way."
	}
	return p.Handler()
}

// serveFallback has the fallback answer, and unanswered what it leaves unanswered.
func (h *Handler) serveFallback(w http.ResponseWriter, r *http.Request, reason string, unanswered caddyhttp.HandlerFunc) error {
	if repl, ok := r.Context().Value(caddy.ReplacerCtxKey).(*caddy.Replacer); ok {
		state, _ := h.breaker.State()
		repl.Set("http.breaker."+h.Name+".state", state.String())
		repl.Set("http.breaker."+h.Name+".reason", reason)
	}
	return h.fallback.ServeHTTP(w, r, unanswered)
}

// wouldRefuse notes that a request passed only because this is a dry run.
func (h *Handler) wouldRefuse(reason circuit.Reason) {
	now, last := time.Now().UnixNano(), h.live.dryRunLogged.Load()
	if now-last < int64(dryRunLogEvery) || !h.live.dryRunLogged.CompareAndSwap(last, now) {
		return
	}
	h.logger.Warn("dry run: request would be refused; further ones are only counted for a while",
		zap.String("breaker", h.Name), zap.String("reason", string(reason)), zap.Duration("a_while", dryRunLogEvery))
}
