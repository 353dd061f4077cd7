package exchange

// writer.go holds the response writer of all of weir's handlers.

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strconv"
)

// Writer is the response writer that a handler gives to those behind it, to see how they
// answer. A handler embeds one in what it keeps of a request, whose allocation it so shares,
// and is its Owner.
//
// It passes everything on unless the owner wants otherwise. It keeps ReadFrom (sendfile,
// splice) and offers Unwrap, so that http.ResponseController finds Flush, deadlines and the
// rest in the writers below. It belongs to the request's goroutine.
type Writer struct {
	http.ResponseWriter
	owner      Owner
	size       int64
	status     int16 // so that it shares a word with what follows
	tunnel     bool
	hijacked   bool
	held       bool
	diverted   bool
	unsent     bool // a write failed, and not through the fault of those who wrote
	copyFailed bool // ReadFrom failed, on either side
}

// Owner has a Writer.
type Owner interface {
	// Begin is told the final status of the answer, once, which is 200 for one that begins
	// without a status. A connection that is handed over is told as 101, also where another
	// answer has begun before. The header is that of those behind, and may be changed: an
	// outer handler, such as Caddy's header directive, has not seen it yet. If it reports
	// true, header and flushes go no further until Release; the owner then has to Divert the
	// body, too.
	Begin(status int) (hold bool)

	// Take has the body while it is diverted. Owners that divert none have that of their
	// Writer, which sends it to the client.
	Take(p []byte) (int, error)
}

// Wrap has w pass on to below what r is answered with.
func (w *Writer) Wrap(below http.ResponseWriter, r *http.Request, owner Owner) {
	*w = Writer{ResponseWriter: below, owner: owner, tunnel: r.Method == http.MethodConnect}
}

// Status is the final status that was written, 0 if none was.
func (w *Writer) Status() int { return int(w.status) }

// Tunnel reports whether the request asked for a tunnel: CONNECT, or WebSocket over HTTP/2.
func (w *Writer) Tunnel() bool { return w.tunnel }

// Streams reports whether the answer, once it has begun, is a stream: a switched
// protocol, a connection that was handed over, an open tunnel, or server-sent events. How long a stream lasts, and how it
// ends, is as much the client's doing as the service's, so handlers judge it, and let go
// of what they hold for it, when it begins.
func (w *Writer) Streams() bool {
	return w.hijacked || isStream(w.Status(), w.Header(), w.tunnel)
}

// Held reports whether the answer is held back.
func (w *Writer) Held() bool { return w.held }

// Gone reports whether the client of r left before it had its answer.
func (w *Writer) Gone(r *http.Request) bool {
	return w.unsent || w.status == StatusClientClosed || errors.Is(r.Context().Err(), context.Canceled)
}

// Incomplete reports whether the client may not have all that was to be written.
func (w *Writer) Incomplete() bool { return w.unsent || w.copyFailed }

// Divert has the owner take what is written of the body from now on, or no longer.
func (w *Writer) Divert(divert bool) { w.diverted = divert }

// Release sends the header that was held back; what is written from now on follows it.
func (w *Writer) Release() {
	w.held, w.diverted = false, false
	w.ResponseWriter.WriteHeader(w.Status())
}

// WriteHeader implements http.ResponseWriter. Informational statuses pass, except 101,
// which is final.
func (w *Writer) WriteHeader(status int) {
	if w.held {
		return
	}
	if w.status == 0 && (status >= 200 || status == http.StatusSwitchingProtocols) {
		w.status = int16(status)
		if w.held = w.owner.Begin(status); w.held {
			return
		}
	}
	w.ResponseWriter.WriteHeader(status)
}

// imply writes the status of an answer that begins without one.
func (w *Writer) imply() {
	if w.status == 0 {
		w.WriteHeader(http.StatusOK)
	}
}

// Write implements http.ResponseWriter.
func (w *Writer) Write(p []byte) (int, error) {
	w.imply()
	if w.diverted {
		return w.owner.Take(p)
	}
	return w.Take(p)
}

// Take writes to the client, also while the body is diverted.
func (w *Writer) Take(p []byte) (int, error) {
	n, err := w.ResponseWriter.Write(p)
	if err != nil && !isMisuse(err) && !w.isTooMuch(len(p)) {
		w.unsent = true
	}
	w.size += int64(n)
	return n, err
}

// isTooMuch reports whether n more bytes are more than were declared. HTTP/2 has an error
// of its own for that, which nothing but its text tells from others.
func (w *Writer) isTooMuch(n int) bool {
	declared, err := strconv.ParseInt(w.Header().Get("Content-Length"), 10, 64)
	return err == nil && w.size+int64(n) > declared
}

// isMisuse reports whether err is the server's answer to a handler that writes
// what it may not, such as a body to a 304.
func isMisuse(err error) bool {
	return errors.Is(err, http.ErrBodyNotAllowed) || errors.Is(err, http.ErrContentLength) || errors.Is(err, http.ErrHijacked)
}

// ReadFrom implements io.ReaderFrom. Its error may be the reader's, so it says
// nothing about the client.
func (w *Writer) ReadFrom(r io.Reader) (int64, error) {
	w.imply()
	if w.diverted {
		return io.Copy(onlyWriter{w}, r)
	}
	var n int64
	var err error
	if to, ok := w.ResponseWriter.(io.ReaderFrom); ok {
		n, err = to.ReadFrom(r)
	} else {
		n, err = io.Copy(w.ResponseWriter, r)
	}
	w.size += n
	if err != nil {
		w.copyFailed = true
	}
	return n, err
}

// onlyWriter hides ReadFrom, which would be called again.
type onlyWriter struct{ io.Writer }

// Flush implements http.Flusher, for handlers that do not know
// http.ResponseController.
func (w *Writer) Flush() { _ = w.FlushError() }

// FlushError is what http.ResponseController calls to flush. A flush sends the
// headers, also to a client that has got nothing else yet.
func (w *Writer) FlushError() error {
	w.imply()
	if w.held {
		return nil
	}
	return http.NewResponseController(w.ResponseWriter).Flush()
}

// Hijack implements http.Hijacker. Whoever has the connection writes the answer, which is a
// stream as far as anybody here knows.
func (w *Writer) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, buffered, err := http.NewResponseController(w.ResponseWriter).Hijack()
	if err == nil && w.status != http.StatusSwitchingProtocols {
		w.hijacked = true
		if w.status == 0 {
			w.status = http.StatusSwitchingProtocols
		}
		w.owner.Begin(http.StatusSwitchingProtocols)
	}
	return conn, buffered, err
}

// Push implements http.Pusher, as every writer in Caddy does.
func (w *Writer) Push(target string, opts *http.PushOptions) error {
	if pusher, ok := w.ResponseWriter.(http.Pusher); ok {
		return pusher.Push(target, opts)
	}
	return http.ErrNotSupported
}

// Unwrap lets http.ResponseController reach the writers below.
func (w *Writer) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// Interface guards
var (
	_ http.ResponseWriter = (*Writer)(nil)
	_ io.ReaderFrom       = (*Writer)(nil)
	_ http.Flusher        = (*Writer)(nil)
	_ http.Hijacker       = (*Writer)(nil)
	_ http.Pusher         = (*Writer)(nil)
)
