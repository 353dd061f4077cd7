package canary

// writer.go is the visit as the writer of the stage: it sees the status, and adds to the
// header before that goes out.

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/weirproxy/weir/internal/exchange"
)

// WriteHeader notes the final status; informational ones pass, except 101, which is final.
func (v *visit) WriteHeader(status int) {
	if v.status == 0 && (status >= 200 || status == http.StatusSwitchingProtocols) {
		v.status = status
		isStream := exchange.IsStream(status, v.Header(), v.tunnel)
		v.decorate(true)
		if isStream {
			v.finish(status, status >= 500, v.body.failed.Load())
		}
	}
	v.ResponseWriter.WriteHeader(status)
}

// decorate adds to the header of the answer what the answer depends on, the stage and, if
// wanted, the cookie. It is done as late as can be: reverse_proxy adds the upstream's
// header to what is there, and whether the cookie may be set depends on it.
func (v *visit) decorate(withCookie bool) {
	h, header := v.handler, v.Header()
	h.addVary(header)
	if h.ResponseHeader != "" {
		header.Set(h.ResponseHeader, h.Stages[v.stage].Name)
	}
	if !withCookie || v.cookie == "" {
		return
	}
	// A 304 is for whoever has kept the answer, and is added to that.
	if v.status == http.StatusNotModified || isShared(header, time.Now()) {
		return
	}
	cookie := http.Cookie{
		Name:     h.Cookie.Name,
		Value:    v.cookie,
		Path:     "/",
		MaxAge:   int(time.Duration(h.Cookie.MaxAge) / time.Second),
		Secure:   v.secure,
		HttpOnly: true,
		SameSite: http.SameSiteLaxMode,
	}
	header.Add("Set-Cookie", cookie.String())
}

func (v *visit) Write(p []byte) (int, error) {
	v.implied()
	n, err := v.ResponseWriter.Write(p)
	if err != nil && !isMisuse(err) {
		v.unsent = true
	}
	return n, err
}

// implied writes the status that an answer without one has.
func (v *visit) implied() {
	if v.status == 0 {
		v.WriteHeader(http.StatusOK)
	}
}

// isMisuse reports whether err is the server's answer to a handler that writes
// what it may not, such as a body to a 304.
func isMisuse(err error) bool {
	return errors.Is(err, http.ErrBodyNotAllowed) || errors.Is(err, http.ErrContentLength) || errors.Is(err, http.ErrHijacked)
}

// ReadFrom implements io.ReaderFrom, for sendfile and splice.
func (v *visit) ReadFrom(r io.Reader) (int64, error) {
	v.implied()
	if to, ok := v.ResponseWriter.(io.ReaderFrom); ok {
		return to.ReadFrom(r)
	}
	return io.Copy(v.ResponseWriter, r)
}

// Flush implements http.Flusher, for handlers that do not know
// http.ResponseController.
func (v *visit) Flush() { _ = v.FlushError() }

// FlushError is what http.ResponseController calls to flush. A flush sends the
// headers, also to a client that has got nothing else yet.
func (v *visit) FlushError() error {
	if !v.hijacked {
		v.implied()
	}
	return http.NewResponseController(v.ResponseWriter).Flush()
}

// Hijack hands the connection over; whoever has it writes the answer, which is a
// stream as far as the stage is concerned.
func (v *visit) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, buffered, err := http.NewResponseController(v.ResponseWriter).Hijack()
	if err == nil {
		v.hijacked = true
		v.finish(http.StatusSwitchingProtocols, false, v.body.failed.Load())
	}
	return conn, buffered, err
}

// Push implements http.Pusher, as every writer in Caddy does.
func (v *visit) Push(target string, opts *http.PushOptions) error {
	if pusher, ok := v.ResponseWriter.(http.Pusher); ok {
		return pusher.Push(target, opts)
	}
	return http.ErrNotSupported
}

// Unwrap lets http.ResponseController reach the writers below.
func (v *visit) Unwrap() http.ResponseWriter { return v.ResponseWriter }

// Interface guards
var (
	_ http.ResponseWriter = (*visit)(nil)
	_ io.ReaderFrom       = (*visit)(nil)
	_ http.Flusher        = (*visit)(nil)
	_ http.Hijacker       = (*visit)(nil)
	_ http.Pusher         = (*visit)(nil)
)
