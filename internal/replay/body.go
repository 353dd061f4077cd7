package replay

// body.go holds what stands in for a request's body that may have to be read once more.

import (
	"io"
	"net/http"
	"sync"
)

// Body is a request's body that keeps what is read of it, up to a limit, so that it can
// be read again from the start. Closing it does not close what is below, which is the
// server's: a transport closes what it was given when the upstream fails.
type Body struct {
	source  io.Reader
	limit   int64
	closed  func()     // nil if nobody wants to know
	reading sync.Mutex // held while source is read

	mu      sync.Mutex
	kept    []byte
	spilt   bool        // more was read than is kept
	current *bodyReader // others read nothing any more
}

// bodyReader is a Body for one who reads it.
type bodyReader struct {
	body   *Body
	first  bool // what it reads is kept
	at     int  // place in what is kept
	closed bool
}

// NewBody returns a Body of source that keeps up to limit bytes, and its first reader.
// closed, if it is not nil, is called when a reader is closed, each time.
func NewBody(source io.Reader, limit int64, closed func()) (*Body, io.ReadCloser) {
	b := &Body{source: source, limit: limit, closed: closed}
	b.current = &bodyReader{body: b, first: true}
	return b, b.current
}

// Again returns the body from its start, and whether it can be read so: that of a request
// without one, a nil Body, can. Earlier readers get http.ErrBodyReadAfterClose from then
// on. A transport may still be reading one, and wait for the client: what comes is kept,
// and not lost on the transport.
func (b *Body) Again() (io.ReadCloser, bool) {
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
	if r.body.closed != nil {
		r.body.closed()
	}
	r.body.mu.Lock()
	defer r.body.mu.Unlock()
	r.closed = true
	return nil
}
