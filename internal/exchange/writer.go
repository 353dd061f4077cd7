package exchange

// writer.go holds the response writer that notes what the client gets.

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"strings"
	"time"
)

// writer passes everything on. It keeps ReadFrom (sendfile, splice) and offers
// Unwrap, so that http.ResponseController finds Flush, deadlines and the rest in
// the writers below.
type writer struct {
	http.ResponseWriter
	status     int
	size       int64
	streamedAt time.Time
	clientGone bool
	hijacked   bool
}

func (w *writer) begin(rw http.ResponseWriter) { w.ResponseWriter = rw }

// wroteHeader reports whether a final status has been sent.
func (w *writer) wroteHeader() bool { return w.status != 0 || w.hijacked }

// WriteHeader notes the final status; informational ones pass, except 101, which
// is final.
func (w *writer) WriteHeader(status int) {
	if w.status == 0 && (status >= 200 || status == http.StatusSwitchingProtocols) {
		w.status = status
		if status == http.StatusSwitchingProtocols || isEventStream(w.Header()) {
			w.streamedAt = time.Now()
		}
	}
	w.ResponseWriter.WriteHeader(status)
}

func isEventStream(h http.Header) bool {
	values := h["Content-Type"]
	return len(values) > 0 && strings.HasPrefix(values[0], "text/event-stream")
}

func (w *writer) Write(p []byte) (int, error) {
	if w.status == 0 {
		w.WriteHeader(http.StatusOK)
	}
	n, err := w.ResponseWriter.Write(p)
	w.size += int64(n)
	if err != nil {
		w.clientGone = true
	}
	return n, err
}

// ReadFrom implements io.ReaderFrom. Its error may be the reader's, so it says
// nothing about the client.
func (w *writer) ReadFrom(r io.Reader) (int64, error) {
	if w.status == 0 {
		w.WriteHeader(http.StatusOK)
	}
	var n int64
	var err error
	if rf, ok := w.ResponseWriter.(io.ReaderFrom); ok {
		n, err = rf.ReadFrom(r)
	} else {
		n, err = io.Copy(w.ResponseWriter, r)
	}
	w.size += n
	return n, err
}

// Hijack hands the connection over; whoever has it writes the answer.
func (w *writer) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, buffered, err := http.NewResponseController(w.ResponseWriter).Hijack()
	if err == nil {
		w.hijacked = true
		if w.streamedAt.IsZero() {
			w.streamedAt = time.Now()
		}
	}
	return conn, buffered, err
}

// Push implements http.Pusher, as every writer in Caddy does.
func (w *writer) Push(target string, opts *http.PushOptions) error {
	if pusher, ok := w.ResponseWriter.(http.Pusher); ok {
		return pusher.Push(target, opts)
	}
	return http.ErrNotSupported
}

// Unwrap lets http.ResponseController reach the writers below.
func (w *writer) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// Interface guards
var (
	_ io.ReaderFrom = (*writer)(nil)
	_ http.Hijacker = (*writer)(nil)
	_ http.Pusher   = (*writer)(nil)
)
