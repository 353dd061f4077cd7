package warmup

// observe.go sees how admitted calls end.

import (
	"bufio"
	"cmp"
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

// writer is the response writer of an admitted call. A call counts when next has
// returned, as its answer can break off, but that of a stream and a failure counts
// when its headers are there: nothing after them makes it better. What the inner
// handlers put into the header is seen before an outer one takes it away, which
// Caddy's header directive does when they are written.
type writer struct {
	caddyhttp.ResponseWriterWrapper
	handler *Handler
	request *http.Request
	status  int // that was written, 0 if none
	result  ramp.Result
	over    bool // and recorded
	unsent  bool // the client took no more
}

// observe calls next and records how it ended.
func observe(h *Handler, rw http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	w := &writer{handler: h, request: r}
	w.ResponseWriter = rw
	// A panic, such as that of reverse_proxy when an answer breaks off, passes unchanged
	// but counts: hence a status and no recover.
	status := http.StatusInternalServerError
	defer func() { w.end(status) }()
	err := next.ServeHTTP(w, r)
	status = w.statusOf(err)
	return err
}

// statusOf is the status of a call that returned err.
func (w *writer) statusOf(err error) int {
	var handlerError caddyhttp.HandlerError
	switch {
	case err == nil:
		return cmp.Or(w.status, http.StatusOK)
	case errors.As(err, &handlerError) && handlerError.StatusCode != 0:
		return handlerError.StatusCode
	default:
		return http.StatusInternalServerError
	}
}

// headers notes the headers of an answer, which are about to be sent with the status.
func (w *writer) headers(status int) {
	if w.status != 0 {
		return
	}
	w.status = status
	w.readCache()
	if status >= 500 || exchange.IsStream(status, w.Header(), w.request.Method == http.MethodConnect) {
		w.end(status)
		return
	}
	w.result.Answered = true
	w.handler.live.ramp.Answered(time.Now())
}

func (w *writer) readCache() {
	if hit := w.handler.CacheHit; hit != nil {
		w.result.Cache = cacheOf(w.Header(), hit.Header)
	}
}

// end records the call, once.
func (w *writer) end(status int) {
	if w.over {
		return
	}
	w.over = true
	if w.status == 0 {
		w.readCache()
	}
	w.result.Outcome = w.outcome(status)
	w.handler.live.ramp.Record(time.Now(), w.result)
}

// outcome is what a status says about the service: nothing if the client went
// away, and that it works if the fault is the client's.
func (w *writer) outcome(status int) ramp.Outcome {
	switch {
	case status == exchange.StatusClientClosed:
		return ramp.Neutral
	case status < 500:
		return ramp.Success
	case w.unsent || errors.Is(w.request.Context().Err(), context.Canceled):
		return ramp.Neutral
	default:
		return ramp.Failure
	}
}

// WriteHeader notes the final status; informational ones pass, except 101.
func (w *writer) WriteHeader(status int) {
	if status >= 200 || status == http.StatusSwitchingProtocols {
		w.headers(status)
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *writer) Write(p []byte) (int, error) {
	w.headers(http.StatusOK)
	n, err := w.ResponseWriter.Write(p)
	if err != nil && !isMisuse(err) {
		w.unsent = true
	}
	return n, err
}

// isMisuse reports whether err is the server's answer to a handler that writes
// what it may not, such as a body to a 304.
func isMisuse(err error) bool {
	return errors.Is(err, http.ErrBodyNotAllowed) || errors.Is(err, http.ErrContentLength) || errors.Is(err, http.ErrHijacked)
}

// ReadFrom implements io.ReaderFrom, which keeps sendfile and splice.
func (w *writer) ReadFrom(r io.Reader) (int64, error) {
	w.headers(http.StatusOK)
	return w.ResponseWriterWrapper.ReadFrom(r)
}

// Flush implements http.Flusher, for handlers that do not know
// http.ResponseController.
func (w *writer) Flush() { _ = w.FlushError() }

// FlushError is what http.ResponseController calls to flush, which sends the headers.
func (w *writer) FlushError() error {
	w.headers(http.StatusOK)
	return http.NewResponseController(w.ResponseWriter).Flush()
}

// Hijack hands the connection over; whoever has it writes the answer, a stream.
func (w *writer) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, buffered, err := http.NewResponseController(w.ResponseWriter).Hijack()
	if err == nil {
		w.headers(http.StatusSwitchingProtocols)
		w.end(http.StatusSwitchingProtocols)
	}
	return conn, buffered, err
}

// Interface guards
var (
	_ io.ReaderFrom = (*writer)(nil)
	_ http.Flusher  = (*writer)(nil)
	_ http.Hijacker = (*writer)(nil)
	_ http.Pusher   = (*writer)(nil)
)
