package breaker

// writer.go is the guard as the writer of next: it sees the status, ends the call at the
// headers of a stream, and holds a failing answer back that the fallback is to replace.

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/http"

	"github.com/weirproxy/weir/governance/circuit"
	"github.com/weirproxy/weir/internal/exchange"
)

// WriteHeader notes the final status; informational ones pass, except 101, which
// is final.
func (g *guard) WriteHeader(status int) {
	if g.held() {
		return
	}
	if g.status == 0 && (status >= 200 || status == http.StatusSwitchingProtocols) {
		g.status = status
		failed := g.handler.failures.Has(status)
		switch {
		case failed && g.hold():
			return
		case failed || exchange.IsStream(status, g.Header(), g.tunnel):
			g.answered(failed)
		case status != exchange.StatusClientClosed && !g.body.failed.Load(): // else nobody has answered
			g.call.Answered()
		}
	}
	g.ResponseWriter.WriteHeader(status)
}

// answered ends the call at the headers of a stream, as how long that lasts, and how it
// ends, is as much the client's doing, and at those of a failure, which nothing after
// them makes better.
func (g *guard) answered(failed bool) {
	outcome := circuit.Success
	switch {
	case g.body.failed.Load():
		outcome = circuit.Neutral
	case failed:
		outcome = circuit.Failure
	}
	g.call.End(outcome, g.retryAfter())
}

func (g *guard) Write(p []byte) (int, error) {
	if g.status == 0 {
		g.WriteHeader(http.StatusOK)
	}
	if g.held() {
		return g.second.discard(p)
	}
	n, err := g.ResponseWriter.Write(p)
	if err != nil && !isMisuse(err) {
		g.unsent = true
	}
	return n, err
}

// isMisuse reports whether err is the server's answer to a handler that writes
// what it may not, such as a body to a 304.
func isMisuse(err error) bool {
	return errors.Is(err, http.ErrBodyNotAllowed) || errors.Is(err, http.ErrContentLength) || errors.Is(err, http.ErrHijacked)
}

// ReadFrom implements io.ReaderFrom, for sendfile and splice.
func (g *guard) ReadFrom(r io.Reader) (int64, error) {
	if g.status == 0 {
		g.WriteHeader(http.StatusOK)
	}
	if g.held() {
		return io.Copy(writerFunc(g.second.discard), r)
	}
	if rf, ok := g.ResponseWriter.(io.ReaderFrom); ok {
		return rf.ReadFrom(r)
	}
	return io.Copy(g.ResponseWriter, r)
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

// Flush implements http.Flusher, for handlers that do not know
// http.ResponseController.
func (g *guard) Flush() { _ = g.FlushError() }

// FlushError is what http.ResponseController calls to flush. A flush sends the
// headers, also to a client that has got nothing else yet.
func (g *guard) FlushError() error {
	if g.status == 0 && !g.hijacked {
		g.WriteHeader(http.StatusOK)
	}
	if g.held() {
		return nil
	}
	return http.NewResponseController(g.ResponseWriter).Flush()
}

// Hijack hands the connection over; whoever has it writes the answer, which is a
// stream as far as the breaker is concerned.
func (g *guard) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, buffered, err := http.NewResponseController(g.ResponseWriter).Hijack()
	if err == nil {
		g.hijacked = true
		g.answered(false)
	}
	return conn, buffered, err
}

// Push implements http.Pusher, as every writer in Caddy does.
func (g *guard) Push(target string, opts *http.PushOptions) error {
	if pusher, ok := g.ResponseWriter.(http.Pusher); ok {
		return pusher.Push(target, opts)
	}
	return http.ErrNotSupported
}

// Unwrap lets http.ResponseController reach the writers below.
func (g *guard) Unwrap() http.ResponseWriter { return g.ResponseWriter }

// Interface guards
var (
	_ http.ResponseWriter = (*guard)(nil)
	_ io.ReaderFrom       = (*guard)(nil)
	_ http.Flusher        = (*guard)(nil)
	_ http.Hijacker       = (*guard)(nil)
	_ http.Pusher         = (*guard)(nil)
)
