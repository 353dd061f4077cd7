package breaker

// guard.go takes one request through the breaker.

import (
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/weirproxy/weir/governance/circuit"
	"github.com/weirproxy/weir/internal/exchange"
	"github.com/weirproxy/weir/internal/problem"
	"github.com/weirproxy/weir/internal/retryafter"
)

// guard is one request at the breaker: the call, and the writer that sees how it is
// answered. All of it is one allocation.
type guard struct {
	exchange.Writer
	handler *Handler
	next    caddyhttp.Handler
	call    circuit.Call
	body    watchedBody
	second  *second // nil if a failure is the client's to see
}

// ServeHTTP implements caddyhttp.Handler.
func (g *guard) ServeHTTP(w http.ResponseWriter, r *http.Request) error {
	h := g.handler
	if h.isAround(w) {
		return g.next.ServeHTTP(w, r)
	}
	g.Wrap(w, r, g)
	call, refusal := h.breaker.Enter()
	g.call = call
	if refusal != nil {
		if !refusal.DryRun {
			return h.refuse(w, r, refusal)
		}
		h.wouldRefuse(refusal.Reason)
	}
	watched := r.Body != nil && r.Body != http.NoBody
	if watched {
		g.body.ReadCloser, g.body.call = r.Body, &g.call
		g.body.begun.Store(g.Tunnel()) // what comes through a tunnel is no body
	}
	if h.FallbackOnFailure != nil && !g.Tunnel() && g.call.Enforced() {
		return g.passOrFallback(r, watched)
	}
	if watched {
		r.Body = &g.body
	}
	return g.pass(r)
}

// isAround reports whether whoever writes to w is behind this breaker already, under its name
// or another handler's of the same name: one request would take the places of two.
func (h *Handler) isAround(w http.ResponseWriter) bool {
	for {
		switch outer := w.(type) {
		case *guard:
			if outer.handler.live == h.live {
				return true
			}
			w = outer.ResponseWriter
		case *exchange.Exchange: // which is around all of weir's handlers
			return false
		case interface{ Unwrap() http.ResponseWriter }:
			w = outer.Unwrap()
		default:
			return false
		}
	}
}

// pass calls next and notes how the call ended. A panic, above all
// http.ErrAbortHandler, passes unchanged: hence a flag and no recover.
func (g *guard) pass(r *http.Request) error {
	returned := false
	defer func() {
		if !returned {
			g.call.End(g.broken(r), 0)
		}
	}()
	err := g.next.ServeHTTP(g, r)
	returned = true
	g.call.End(g.outcome(r, err), g.retryAfter())
	return err
}

// outcome tells how a call ended that next returned from.
func (g *guard) outcome(r *http.Request, err error) circuit.Outcome {
	failures := g.handler.failures
	switch {
	case g.body.Failed(): // it is the client's fault, whatever became of it
		return circuit.Neutral
	case failures.Has(g.Status()):
		return circuit.Failure
	case g.Gone(r):
		return circuit.Neutral
	case err == nil:
		return circuit.Success
	case refusedInside(r, err) || !failures.Has(exchange.StatusOf(err)):
		return circuit.Neutral
	default:
		return circuit.Failure
	}
}

// broken tells how a call ended that next panicked in: reverse_proxy does so when the
// answer breaks off, other handlers when they are wrong.
func (g *guard) broken(r *http.Request) circuit.Outcome {
	if g.body.Failed() || g.Gone(r) {
		return circuit.Neutral
	}
	return circuit.Failure
}

// refusedInside reports whether err is a refusal by another module of weir, which
// protects something and says nothing about whether that works. A balancer's is an
// error of reverse_proxy: only for the limit of its upstreams it is no sign of trouble.
func refusedInside(r *http.Request, err error) bool {
	var refusal *problem.Refusal
	return errors.As(err, &refusal) || strings.HasPrefix(exchange.From(r).RefusedBy, "max_concurrent ")
}

// retryAfter is for how long a failing answer asks to be left alone; 0 if it does not.
func (g *guard) retryAfter() time.Duration {
	if !g.handler.failures.Has(g.Status()) {
		return 0
	}
	return retryafter.Of(g.Header(), time.Now())
}

// Interface guards
var _ caddyhttp.Handler = (*guard)(nil)
