package breaker

// second.go gives a request that failed to the fallback.

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"go.uber.org/zap"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/weirproxy/weir/governance/circuit"
	"github.com/weirproxy/weir/internal/replay"
)

// Up to mostDiscarded bytes of a failing answer, and what comes of it within discardFor, are
// read, which keeps the connection to the upstream; the rest is cut off.
const (
	mostDiscarded = 64 << 10
	discardFor    = 100 * time.Millisecond
)

// errCut tells next that no more of its failing answer is wanted.
var errCut = errors.New("the failing answer is replaced by the fallback")

// second is what it takes to give a failed request to the fallback: the request and the
// answer's header as they were before next had them.
type second struct {
	replay.Original

	cancel     context.CancelFunc // of next
	held       *time.Timer        // cancels it; set once the failing answer is held back
	discarded  int
	retryAfter string // of the failing answer
}

// passOrFallback passes the request and, if it fails while that can still be
// mended, gives it to the fallback. watched says that it has a body.
func (g *guard) passOrFallback(r *http.Request, watched bool) error {
	h := g.handler
	s := new(second)
	s.Keep(r, g.Header())
	if watched {
		s.KeepBody(r, &g.body, h.FallbackOnFailure.MaxBody, g.call.Sent)
	}
	// It ends with the request's, and is canceled before that only to cut an answer off. The
	// request stays where it is: placeholders are about this one.
	var ctx context.Context
	ctx, s.cancel = context.WithCancel(r.Context())
	*r = *r.WithContext(ctx)
	g.second = s
	err := g.passUnlessHeld(r)
	if !g.Held() && (err == nil || !g.failedUnsent(r, err) || !g.harmless(r, err) || !s.Reopen()) {
		return err
	}
	if c := h.logger.Check(zap.DebugLevel, "request that failed is given to the fallback"); c != nil {
		c.Write(zap.String("breaker", h.Name), zap.Int("status", g.Status()), zap.Error(err))
	}
	if g.Held() {
		err = caddyhttp.Error(g.Status(), fmt.Errorf("status %d from behind the breaker, and no answer from its fallback", g.Status()))
	}
	s.restore(r, g.Header())
	h.live.fallbacksFailure.Add(1)
	return h.serveFallback(g.ResponseWriter, r, "failure", func(w http.ResponseWriter, _ *http.Request) error {
		if s.retryAfter != "" {
			w.Header().Set("Retry-After", s.retryAfter)
		}
		return err
	})
}

// passUnlessHeld is pass, except that it returns where next panics because the answer that
// is held back, and so nobody's to see, broke off or was cut off.
func (g *guard) passUnlessHeld(r *http.Request) error {
	defer func() {
		if !g.Held() {
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
	return g.Status() == 0 && g.outcome(r, err) == circuit.Failure
}

// harmless reports whether it does no harm to make the request once more. err is what it
// failed with, nil if with an answer.
func (g *guard) harmless(r *http.Request, err error) bool {
	return g.handler.FallbackOnFailure.NonIdempotent || idempotent(g.second.Method()) || err != nil && replay.NeverSent(r, err)
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

// hold holds a failing answer back, of which only the status and the header are known, if the
// fallback may replace it. That is the end of the call.
func (g *guard) hold() bool {
	s := g.second
	if s == nil || g.body.Failed() || !g.harmless(nil, nil) || !s.Reopen() {
		return false
	}
	s.held = time.AfterFunc(discardFor, s.cancel)
	s.retryAfter = g.Header().Get("Retry-After")
	g.Divert(true)
	g.call.End(circuit.Failure, g.retryAfter())
	return true
}

// discard takes what next writes of a failing answer.
func (s *second) discard(p []byte) (int, error) {
	s.discarded += len(p)
	if s.discarded > mostDiscarded {
		return 0, errCut
	}
	return len(p), nil
}

// restore undoes what next did to the request and to the header of the answer.
func (s *second) restore(r *http.Request, answer http.Header) {
	if s.held != nil {
		s.held.Stop()
	}
	s.cancel() // what is left of next has no use any more
	s.Restore(r, answer)
}
