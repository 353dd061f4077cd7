package breaker

// body.go holds what stands in for a request's body: to know whether the client broke
// it, and to read it once more.

import (
	"errors"
	"io"
	"net/http"
	"sync"
	"sync/atomic"

	"github.com/weirproxy/weir/governance/circuit"
)

// watchedBody notes whether it was the request's body that failed, and tells the call from
// when until when it is read: meanwhile it may be the client who is waited for. The
// transport reads it in a goroutine of its own.
type watchedBody struct {
	io.ReadCloser
	call   *circuit.Call
	begun  atomic.Bool // somebody reads it, or what he reads is no body
	failed atomic.Bool
}

func (b *watchedBody) Read(p []byte) (int, error) {
	if !b.begun.Load() && b.begun.CompareAndSwap(false, true) {
		b.call.Sending()
	}
	n, err := b.ReadCloser.Read(p)
	if err != nil {
		b.note(err)
		b.call.Sent()
	}
	return n, err
}

// Close implements io.Closer. Whoever closes the body needs no more of it.
func (b *watchedBody) Close() error {
	b.call.Sent()
	return b.ReadCloser.Close()
}

// note takes an error of reading the body. That it was closed is the transport's doing.
func (b *watchedBody) note(err error) {
	if !errors.Is(err, io.EOF) && !errors.Is(err, http.ErrBodyReadAfterClose) {
		b.failed.Store(true)
	}
}

// keptBody is a request's body that keeps what is read of it, up to a limit, so that it
// can be read again from the start. Closing it does not close the body below, which is
// the server's: a transport closes what it was given when the upstream fails.
type keptBody struct {
	source  *watchedBody
	limit   int64
	reading sync.Mutex // held while source is read

	mu      sync.Mutex
	kept    []byte
	spilt   bool        // more was read than is kept
	current *bodyReader // others read nothing any more
}

// bodyReader is a keptBody for one who reads it.
type bodyReader struct {
	body   *keptBody
	first  bool // what it reads is kept
	at     int  // place in what is kept
	closed bool
}

func newKeptBody(source *watchedBody, limit int64) (*keptBody, io.ReadCloser) {
	b := &keptBody{source: source, limit: limit}
	b.current = &bodyReader{body: b, first: true}
	return b, b.current
}

// again returns the body from its start, and whether it can be read so: that of a request
// without one can. A transport may still be reading it, and wait for the client: what comes
// is kept, and not lost on the transport.
func (b *keptBody) again() (io.ReadCloser, bool) {
	if b == nil {
		return nil, true
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.spilt {
		return nil, false
	}
	b.current = &bodyReader{body: b}
	return b.current, true
}

// Read implements io.Reader.
func (r *bodyReader) Read(p []byte) (int, error) {
	b := r.body
	b.reading.Lock()
	defer b.reading.Unlock()
	if n, err := r.readKept(p); n > 0 || err != nil {
		return n, err
	}
	n, err := b.source.Read(p)
	b.mu.Lock()
	defer b.mu.Unlock()
	replaced := b.current != r
	switch {
	case !r.first || b.spilt:
	case !replaced && int64(len(b.kept)+n) > b.limit:
		b.spilt, b.kept = true, nil
	default:
		b.kept = append(b.kept, p[:n]...)
		r.at += n
	}
	if replaced {
		return 0, http.ErrBodyReadAfterClose
	}
	return n, err
}

// readKept reads what is kept and r has not had.
func (r *bodyReader) readKept(p []byte) (int, error) {
	b := r.body
	b.mu.Lock()
	defer b.mu.Unlock()
	if r.closed || b.current != r {
		return 0, http.ErrBodyReadAfterClose
	}
	if r.at >= len(b.kept) { // also once it is spilt
		return 0, nil
	}
	n := copy(p, b.kept[r.at:])
	r.at += n
	return n, nil
}

// Close implements io.Closer.
func (r *bodyReader) Close() error {
	r.body.source.call.Sent()
	r.body.mu.Lock()
	defer r.body.mu.Unlock()
	r.closed = true
	return nil
}
