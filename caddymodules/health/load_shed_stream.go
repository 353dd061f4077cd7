package health

// load_shed_stream.go lets a request hold its place until it is answered or, if the
// answer is a stream, until its headers.

import (
	"bufio"
	"io"
	"net"
	"net/http"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/weirproxy/weir/governance/shed"
	"github.com/weirproxy/weir/internal/exchange"
)

// hold calls next and gives the permit back at the end, also after a panic, which
// passes unchanged.
func (h *LoadShed) hold(x *exchange.Exchange, w http.ResponseWriter, r *http.Request, next caddyhttp.Handler, permit shed.Permit) error {
	held := &holder{ResponseWriter: w, permit: permit}
	defer func() { held.permit.Release(held.outcome) }()
	return held.serve(x, r, next)
}

// serve calls next and notes how the request ended.
func (w *holder) serve(x *exchange.Exchange, r *http.Request, next caddyhttp.Handler) error {
	w.tunnel = r.Method == http.MethodConnect
	w.outcome = shed.Failed
	err := x.Serve(w, r, next)
	if err == nil && w.status < 500 && r.Context().Err() == nil {
		w.outcome = shed.Answered
	}
	return err
}

// holder is the response writer of a request that holds a permit. It passes
// everything on.
type holder struct {
	http.ResponseWriter
	permit  shed.Permit
	outcome shed.Outcome
	status  int
	tunnel  bool // the request asks for a tunnel: CONNECT, or WebSocket over HTTP/2
}

// WriteHeader notes the final status. Informational ones pass, except 101, which is
// final.
func (w *holder) WriteHeader(status int) {
	if w.status == 0 && (status >= 200 || status == http.StatusSwitchingProtocols) {
		w.status = status
		if exchange.IsStream(status, w.Header(), w.tunnel) {
			w.permit.Release(shed.Streaming)
		}
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *holder) Write(p []byte) (int, error) {
	w.implied()
	return w.ResponseWriter.Write(p)
}

// ReadFrom implements io.ReaderFrom, which keeps sendfile and splice.
func (w *holder) ReadFrom(r io.Reader) (int64, error) {
	w.implied()
	if to, ok := w.ResponseWriter.(io.ReaderFrom); ok {
		return to.ReadFrom(r)
	}
	return io.Copy(w.ResponseWriter, r)
}

// implied writes the status that an answer without one has.
func (w *holder) implied() {
	if w.status == 0 {
		w.WriteHeader(http.StatusOK)
	}
}

// Flush implements http.Flusher, for handlers that do not know
// http.ResponseController.
func (w *holder) Flush() { _ = w.FlushError() }

// FlushError is what http.ResponseController calls to flush. A flush sends the
// headers.
func (w *holder) FlushError() error {
	w.implied()
	return http.NewResponseController(w.ResponseWriter).Flush()
}

// Hijack hands the connection over.
func (w *holder) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, buffered, err := http.NewResponseController(w.ResponseWriter).Hijack()
	if err == nil {
		w.permit.Release(shed.Streaming)
	}
	return conn, buffered, err
}

// Push implements http.Pusher, as every writer in Caddy does.
func (w *holder) Push(target string, opts *http.PushOptions) error {
	if pusher, ok := w.ResponseWriter.(http.Pusher); ok {
		return pusher.Push(target, opts)
	}
	return http.ErrNotSupported
}

// Unwrap lets http.ResponseController reach the writers below.
func (w *holder) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// Interface guards
var (
	_ io.ReaderFrom = (*holder)(nil)
	_ http.Flusher  = (*holder)(nil)
	_ http.Hijacker = (*holder)(nil)
	_ http.Pusher   = (*holder)(nil)
)
