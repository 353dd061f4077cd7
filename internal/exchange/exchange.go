// Package exchange is what weir's modules know together about one HTTP request.
//
// Modules never import each other; they meet in an Exchange, which lives in the
// request's variables and so is the same for the original request, the clone that
// reverse_proxy makes of it, and the error routes. Everything in it belongs to the
// request's goroutine.
//
// The first weir handler that a request reaches is its outermost one. It counts
// what the client gets and, if the inner handlers return an error, renders it:
// with the error routes of the site (handle_errors) where they answer, and as
// problem+json where they do not. Inner handlers only return errors, so a handler between them
// can still take over.
//
// An Exchange is not recycled: it is one allocation a request, and a recycled
// writer that some other module's goroutine still held would mix two clients'
// answers.
package exchange

import (
	"context"
	"errors"
	"net/http"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// variable is the request variable that holds the *Exchange.
const variable = "weir.exchange"

// StatusClientClosed is the status, outside any standard, that nginx and Caddy
// use for a client that left before it got its answer.
const StatusClientClosed = 499

// Exchange is one request and its answer, as far as weir is concerned.
type Exchange struct {
	Writer

	// TraceID is the request's trace id in 32 lower-case hex digits, or empty.
	TraceID string
	// Outcome classifies the last attempt.
	Outcome string
	// RefusedBy names the module that refused the request, or is empty.
	RefusedBy string
	// RouteTemplate is the path template of the operation in the API's description
	// that the request calls, such as /pets/{petId}, or empty if none is known. It is set by
	// openapi_contract. It comes from the document alone, so there are no more values than
	// the documents have paths: metrics may have it as a label.
	RouteTemplate string
	// RetrySoon tells that who refused the request had no room just now, for modules that
	// cannot make an error of it: a 503 then says to try again in a second.
	RetrySoon bool

	entered    bool // Serve is at work
	aborted    bool // the handlers have not returned: once Serve has, they panicked
	pinned     *pinned
	streamedAt *time.Time // when the headers of a stream were sent, nil for anything else

	started  time.Time
	body     body
	attempts []attempt
	inline   [2]attempt // backs attempts while there are few
	observer Observer
}

// Observer is told once when a request is over.
type Observer interface {
	// Done is called after the answer, including one rendered from an error, has
	// been written, also when a handler panicked.
	Done(r *http.Request, x *Exchange)
}

// attempt is one try to get an answer from an upstream.
type attempt struct {
	balancer any
	upstream string
}

// From returns the exchange of r, creating it if r has none yet.
func From(r *http.Request) *Exchange {
	if x := Of(r.Context()); x != nil {
		return x
	}
	return new(Exchange) // not served by Caddy
}

// Of returns the exchange of the request with ctx, creating it if it has none yet, or nil if
// it is not served by Caddy, such as an active health check.
func Of(ctx context.Context) *Exchange {
	variables, ok := ctx.Value(caddyhttp.VarsCtxKey).(map[string]any)
	if !ok {
		return nil
	}
	if x, ok := variables[variable].(*Exchange); ok {
		return x
	}
	x := new(Exchange)
	variables[variable] = x
	x.addToAccessLog(ctx)
	return x
}

// Serve calls next. The outermost caller for a request wraps the writer, renders
// a returned error, and has the observer called; for all others Serve is
// next.ServeHTTP.
func (x *Exchange) Serve(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	if x.entered {
		return next.ServeHTTP(w, r)
	}
	x.Wrap(w, r, x)
	x.streamedAt, x.RetrySoon = nil, false
	x.entered = true
	// A panic, above all http.ErrAbortHandler, must pass unchanged but be
	// counted: hence a flag and no recover.
	x.aborted = true
	defer x.done(r)
	body := await(r)
	err := next.ServeHTTP(x, r)
	if err != nil {
		if x.status == 0 {
			body.refuse(x.Header())
		}
		err = x.render(r, err)
	}
	x.aborted = false
	return err
}

// done ends the request. Should a handler outside all of weir's run its chain once
// more, that is another answer: it is observed, and written, afresh.
func (x *Exchange) done(r *http.Request) {
	observer := x.observer
	x.observer = nil
	x.entered = false
	if observer != nil {
		observer.Done(r, x)
	}
}

// Observe makes o the observer of this request and returns the one it replaces, if
// any. The innermost caller wins, so a request is never counted twice.
func (x *Exchange) Observe(o Observer) (replaced Observer) {
	replaced = x.observer
	x.observer = o
	return replaced
}

// Measure notes when the request arrived and, where its length is not declared,
// counts its body as it is read. Only the first call does anything, so nested
// callers measure what the client waited.
func (x *Exchange) Measure(r *http.Request) {
	if x.started.IsZero() {
		x.started = time.Now()
		x.body.measure(r)
	}
}

// Started is when the request arrived; it is zero if no one called Measure.
func (x *Exchange) Started() time.Time { return x.started }

// RequestSize is the number of bytes of the request's body: those it declared or,
// if it declared none, those read so far. It is zero if no one called Measure.
func (x *Exchange) RequestSize() int64 { return x.body.size.Load() }

// Status is the status that the client got: 499 if it left before it had its
// whole answer, 500 if a handler panicked before any header was written, 200 if
// nobody wrote anything, as net/http answers then. A stream
// has no whole answer to miss: its status is the one in its headers.
func (x *Exchange) Status(r *http.Request) int {
	switch {
	case x.streamedAt != nil:
		return x.Writer.Status()
	case x.unsent, (x.aborted || x.copyFailed) && errors.Is(r.Context().Err(), context.Canceled):
		return StatusClientClosed
	case x.status != 0:
		return x.Writer.Status()
	case x.aborted:
		return http.StatusInternalServerError
	case errors.Is(r.Context().Err(), context.Canceled):
		return StatusClientClosed // nobody got the empty answer
	default:
		return http.StatusOK
	}
}

// Size is the number of bytes of the answer's body so far; bytes over a hijacked
// connection are not counted.
func (x *Exchange) Size() int64 { return x.size }

// Duration is how long the answer took, from start until now. For a stream (a
// switched protocol or server-sent events) it is the time to the headers: how
// long it stays open says nothing about how fast it was answered.
func (x *Exchange) Duration(start, now time.Time) time.Duration {
	if x.streamedAt != nil {
		now = *x.streamedAt
	}
	return now.Sub(start)
}

// AddAttempt notes that balancer sends the request to upstream.
func (x *Exchange) AddAttempt(balancer any, upstream string) {
	if x.attempts == nil {
		x.attempts = x.inline[:0]
	}
	x.attempts = append(x.attempts, attempt{balancer, upstream})
	x.Outcome = ""
	x.RefusedBy, x.RetrySoon = "", false // by someone who has let it pass since
}

// AttemptsOf is the number of attempts that balancer made. Several balancers can
// work for one request: forward_auth runs beside reverse_proxy.
func (x *Exchange) AttemptsOf(balancer any) int {
	n := 0
	for i := range x.attempts {
		if x.attempts[i].balancer == balancer {
			n++
		}
	}
	return n
}

// Tried reports whether balancer has sent the request to upstream already.
func (x *Exchange) Tried(balancer any, upstream string) bool {
	for i := range x.attempts {
		if x.attempts[i].upstream == upstream && x.attempts[i].balancer == balancer {
			return true
		}
	}
	return false
}

// addToAccessLog makes the exchange part of the request's access log entry, which
// is encoded when the request is over. Adding a field allocates, so it is done
// only on servers that log.
func (x *Exchange) addToAccessLog(ctx context.Context) {
	server, ok := ctx.Value(caddyhttp.ServerCtxKey).(*caddyhttp.Server)
	if !ok || server == nil || server.Logs == nil {
		return
	}
	if extra, ok := ctx.Value(caddyhttp.ExtraLogFieldsCtxKey).(*caddyhttp.ExtraLogFields); ok {
		extra.Add(zap.Inline(x))
	}
}

// MarshalLogObject writes the fixed fields of the access log.
func (x *Exchange) MarshalLogObject(enc zapcore.ObjectEncoder) error {
	enc.AddString("trace_id", x.TraceID)
	upstream := ""
	if n := len(x.attempts); n > 0 {
		upstream = x.attempts[n-1].upstream
	}
	enc.AddString("upstream", upstream)
	enc.AddInt("attempts", len(x.attempts))
	enc.AddString("outcome", x.Outcome)
	enc.AddString("refused_by", x.RefusedBy)
	return nil
}

// Interface guards
var (
	_ Owner                   = (*Exchange)(nil)
	_ zapcore.ObjectMarshaler = (*Exchange)(nil)
)
