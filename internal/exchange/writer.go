package exchange

// writer.go holds the response writer that notes what the client gets.

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/http"
	"strconv"
	"time"
)

// writer passes everything on. It keeps ReadFrom (sendfile, splice) and offers
// Unwrap, so that http.ResponseController finds Flush, deadlines and the rest in
// the writers below.
type writer struct {
	http.ResponseWriter
	status     int
	size       int64
	streamedAt *time.Time // when the headers of a stream were sent, nil for anything else
	pinned     *pinned
	entered    bool // Serve is at work
	aborted    bool // the handlers have not returned: once Serve has, they panicked
	clientGone bool // a write failed, and not through the handler's fault
	copyFailed bool // ReadFrom failed, on either side
	hijacked   bool
	tunnel     bool // the request asks for a tunnel: CONNECT, or WebSocket over HTTP/2

	// RetrySoon tells that who refused the request had no room just now, for modules that
	// cannot make an error of it: a 503 then says to try again in a second. It is here
	// because here is room for it.
	RetrySoon bool
}

func (w *writer) begin(rw http.ResponseWriter, r *http.Request) {
	*w = writer{ResponseWriter: rw, pinned: w.pinned, tunnel: r.Method == http.MethodConnect}
}

// pinned is a header that the answer has with exactly one value.
type pinned struct {
	name  string
	value [1]string
}

// PinHeader sets a header, given in canonical form, which goes out with this one
// value. Setting it would not do: reverse_proxy adds the upstream's headers to those
// that are there, and the upstream may be a gateway that sets the same one.
func (w *writer) PinHeader(header http.Header, name, value string) {
	w.pinned = &pinned{name, [1]string{value}}
	w.pinned.set(header)
}

func (p *pinned) set(header http.Header) {
	if values := header[p.name]; len(values) != 1 || values[0] != p.value[0] {
		header[p.name] = p.value[:]
	}
}

// wroteHeader reports whether a final status has been sent.
func (w *writer) wroteHeader() bool { return w.status != 0 || w.hijacked }

// WriteHeader notes the final status; informational ones pass, except 101, which
// is final.
func (w *writer) WriteHeader(status int) {
	if w.status == 0 && (status >= 200 || status == http.StatusSwitchingProtocols) {
		w.status = status
		if w.pinned != nil {
			w.pinned.set(w.Header())
		}
		if IsStream(status, w.Header(), w.tunnel) {
			w.stream()
		}
	}
	w.ResponseWriter.WriteHeader(status)
}

// stream notes that a stream begins. That its time is apart saves every other request
// the room.
func (w *writer) stream() {
	now := time.Now()
	w.streamedAt = &now
}

func (w *writer) Write(p []byte) (int, error) {
	if w.status == 0 {
		w.WriteHeader(http.StatusOK)
	}
	n, err := w.ResponseWriter.Write(p)
	if err != nil && !isMisuse(err) && !w.isTooMuch(len(p)) {
		w.clientGone = true
	}
	w.size += int64(n)
	return n, err
}

// isTooMuch reports whether n more bytes are more than the handler declared. HTTP/2
// has an error of its own for that, which nothing but its text tells from others.
func (w *writer) isTooMuch(n int) bool {
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
	if err != nil {
		w.copyFailed = true
	}
	return n, err
}

// Flush implements http.Flusher, for handlers that do not know
// http.ResponseController.
func (w *writer) Flush() { _ = w.FlushError() }

// FlushError is what http.ResponseController calls to flush. A flush sends the
// headers, also to a client that has got nothing else yet.
func (w *writer) FlushError() error {
	if !w.wroteHeader() {
		w.WriteHeader(http.StatusOK)
	}
	return http.NewResponseController(w.ResponseWriter).Flush()
}

// Hijack hands the connection over; whoever has it writes the answer.
func (w *writer) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, buffered, err := http.NewResponseController(w.ResponseWriter).Hijack()
	if err == nil {
		w.hijacked = true
		if w.streamedAt == nil {
			w.stream()
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
	_ http.Flusher  = (*writer)(nil)
	_ http.Hijacker = (*writer)(nil)
	_ http.Pusher   = (*writer)(nil)
)
