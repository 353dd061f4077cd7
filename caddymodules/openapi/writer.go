package openapi

// writer.go is the answer as the writer of next: it lets through, copies, holds back or throws away what next writes.

import (
	"bufio"
	"errors"
	"io"
	"maps"
	"net"
	"net/http"
	"time"
)

// mostDiscarded is how much of an answer that is refused is read, and longestDiscarded for how long, which keeps the
// connection to the upstream; the rest is cut off.
const (
	mostDiscarded    = 64 << 10
	longestDiscarded = 500 * time.Millisecond
)

var (
	// errCut tells next that no more of its answer is wanted.
	errCut = errors.New("the answer does not keep the contract and is not sent")
	// errIncomplete is for a client that left before its answer was known to be good.
	errIncomplete = errors.New("the client left, and the answer that there is does not keep the contract")
)

// WriteHeader notes the final status; informational ones pass, except 101, which is final.
func (a *answer) WriteHeader(status int) {
	if a.status != 0 {
		if a.state == passing || a.state == copying {
			a.ResponseWriter.WriteHeader(status) // which says that it is superfluous
		}
		return
	}
	if status >= 200 || status == http.StatusSwitchingProtocols {
		a.begin(status)
		if a.state == holding || a.state == refusing {
			a.holdTrailer()
			return
		}
	}
	a.ResponseWriter.WriteHeader(status)
}

// holdTrailer keeps a copy of the header of an answer with announced trailers, which next sets in the same header once
// it has written the body.
func (a *answer) holdTrailer() {
	if header := a.Header(); len(header["Trailer"]) > 0 {
		a.trailer = maps.Clone(header)
	}
}

// release sends what was held back; what next writes from now on passes.
func (a *answer) release() {
	a.state = passing
	var now http.Header
	if header := a.Header(); a.trailer != nil {
		now = maps.Clone(header)
		clear(header)
		maps.Copy(header, a.trailer)
	}
	a.ResponseWriter.WriteHeader(a.status)
	if now != nil {
		maps.Copy(a.Header(), now)
	}
	if len(a.text) > 0 {
		a.write(a.text)
	}
	a.text = nil
}

// write writes to the client.
func (a *answer) write(p []byte) (int, error) {
	n, err := a.ResponseWriter.Write(p)
	if err != nil {
		a.broken = true
	}
	return n, err
}

func (a *answer) Write(p []byte) (int, error) {
	if a.status == 0 {
		a.WriteHeader(http.StatusOK)
	}
	switch a.state {
	case refusing:
		return a.discard(p)
	case holding:
		if a.keep(p) {
			return len(p), nil
		}
		a.overflow()
	case copying:
		if !a.keep(p) {
			a.overflow()
		}
	}
	return a.write(p)
}

// keep adds p to what is kept, and reports whether there was room.
func (a *answer) keep(p []byte) bool {
	if int64(len(a.text)+len(p)) > a.op.maxBody {
		return false
	}
	a.text = append(a.text, p...)
	return true
}

// overflow lets an answer pass that turned out to be too large to be judged.
func (a *answer) overflow() {
	if a.state == holding {
		a.release()
	}
	a.state = passing
	a.skip()
}

// discard takes what next writes of an answer that is refused.
func (a *answer) discard(p []byte) (int, error) {
	if a.discarded += len(p); a.discarded > mostDiscarded || time.Now().After(a.cutAfter) {
		return 0, errCut
	}
	return len(p), nil
}

// ReadFrom implements io.ReaderFrom, for sendfile and splice where the body is not looked at.
func (a *answer) ReadFrom(r io.Reader) (int64, error) {
	if a.status == 0 {
		a.WriteHeader(http.StatusOK)
	}
	if a.state != passing {
		return io.Copy(onlyWriter{a}, r)
	}
	if rf, ok := a.ResponseWriter.(io.ReaderFrom); ok {
		n, err := rf.ReadFrom(r)
		a.broken = a.broken || err != nil
		return n, err
	}
	return io.Copy(onlyWriter{a}, r)
}

// onlyWriter hides ReadFrom, which would be called again.
type onlyWriter struct{ io.Writer }

// Flush implements http.Flusher, for handlers that do not know http.ResponseController.
func (a *answer) Flush() { _ = a.FlushError() }

// FlushError is what http.ResponseController calls to flush. What is held back stays so: a reverse proxy flushes every
// answer whose length it does not know.
func (a *answer) FlushError() error {
	if a.status == 0 {
		a.WriteHeader(http.StatusOK)
	}
	if a.state == holding || a.state == refusing {
		return nil
	}
	return http.NewResponseController(a.ResponseWriter).Flush()
}

// Hijack hands the connection over; whoever has it writes the answer.
func (a *answer) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	return http.NewResponseController(a.ResponseWriter).Hijack()
}

// Push implements http.Pusher, as every writer in Caddy does.
func (a *answer) Push(target string, opts *http.PushOptions) error {
	if pusher, ok := a.ResponseWriter.(http.Pusher); ok {
		return pusher.Push(target, opts)
	}
	return http.ErrNotSupported
}

// Unwrap lets http.ResponseController reach the writers below.
func (a *answer) Unwrap() http.ResponseWriter { return a.ResponseWriter }

// Interface guards
var (
	_ http.ResponseWriter = (*answer)(nil)
	_ io.ReaderFrom       = (*answer)(nil)
	_ http.Flusher        = (*answer)(nil)
	_ http.Hijacker       = (*answer)(nil)
	_ http.Pusher         = (*answer)(nil)
)
