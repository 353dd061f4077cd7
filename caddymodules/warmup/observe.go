package warmup

// observe.go sees how admitted calls end.

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/weirproxy/weir/governance/ramp"
	"github.com/weirproxy/weir/internal/exchange"
)

// writer is the response writer of an admitted call. A call counts when its
// headers are there, so that streams count at once. What the inner handlers put into
// the header is seen before an outer one takes it away, which Caddy's header
// directive does when they are written.
type writer struct {
	caddyhttp.ResponseWriterWrapper
	handler *Handler
	request *http.Request
	seen    bool
}

// observe calls next and records how it ended.
func observe(h *Handler, rw http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	w := &writer{handler: h, request: r}
	w.ResponseWriter = rw
	// A panic passes unchanged but counts: hence a status and no recover.
	status := http.StatusInternalServerError
	defer func() { w.saw(status) }()
	err := next.ServeHTTP(w, r)
	status = statusOf(err)
	return err
}

// statusOf is the status of a call that returned err and wrote nothing.
func statusOf(err error) int {
	var handlerError caddyhttp.HandlerError
	switch {
	case err == nil:
		return http.StatusOK
	case errors.As(err, &handlerError) && handlerError.StatusCode != 0:
		return handlerError.StatusCode
	default:
		return http.StatusInternalServerError
	}
}

// saw records the call, once.
func (w *writer) saw(status int) {
	if w.seen {
		return
	}
	w.seen = true
	result := ramp.Result{Outcome: outcomeOf(w.request, status)}
	if hit := w.handler.CacheHit; hit != nil {
		result.Cache = cacheOf(w.Header(), hit.Header)
	}
	w.handler.live.ramp.Record(time.Now(), result)
}

// outcomeOf is what a status says about the service: nothing if the client went
// away, and that it works if the fault is the client's.
func outcomeOf(r *http.Request, status int) ramp.Outcome {
	switch {
	case status == exchange.StatusClientClosed:
		return ramp.Neutral
	case status < 500:
		return ramp.Success
	case errors.Is(r.Context().Err(), context.Canceled):
		return ramp.Neutral
	default:
		return ramp.Failure
	}
}

// WriteHeader records the call by its final status.
func (w *writer) WriteHeader(status int) {
	if status >= 200 || status == http.StatusSwitchingProtocols {
		w.saw(status)
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *writer) Write(p []byte) (int, error) {
	w.saw(http.StatusOK)
	return w.ResponseWriter.Write(p)
}

// ReadFrom implements io.ReaderFrom, which keeps sendfile and splice.
func (w *writer) ReadFrom(r io.Reader) (int64, error) {
	w.saw(http.StatusOK)
	return w.ResponseWriterWrapper.ReadFrom(r)
}

// Flush implements http.Flusher, for handlers that do not know
// http.ResponseController.
func (w *writer) Flush() { _ = w.FlushError() }

// FlushError is what http.ResponseController calls to flush, which sends the headers.
func (w *writer) FlushError() error {
	w.saw(http.StatusOK)
	return http.NewResponseController(w.ResponseWriter).Flush()
}

// Hijack hands the connection over.
func (w *writer) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	w.saw(http.StatusSwitchingProtocols)
	return http.NewResponseController(w.ResponseWriter).Hijack()
}

// Interface guards
var (
	_ io.ReaderFrom = (*writer)(nil)
	_ http.Flusher  = (*writer)(nil)
	_ http.Hijacker = (*writer)(nil)
	_ http.Pusher   = (*writer)(nil)
)
