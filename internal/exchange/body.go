package exchange

// body.go holds what stands in for the body of a request. A transport may read that in a
// goroutine of its own, also when the request is over.

import (
	"errors"
	"io"
	"net/http"
	"sync/atomic"
)

// Body is a request's body that notes whether it failed, which is the client's fault.
// Handlers embed one in what they keep of a request.
type Body struct {
	io.ReadCloser
	closed atomic.Bool
	failed atomic.Bool
}

// Read implements io.Reader. That the body was closed is the transport's doing, also while
// it is read: HTTP/2 and HTTP/3 have errors of their own for that.
func (b *Body) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, http.ErrBodyReadAfterClose) && !b.closed.Load() {
		b.failed.Store(true)
	}
	return n, err
}

// Close implements io.Closer.
func (b *Body) Close() error {
	b.closed.Store(true)
	return b.ReadCloser.Close()
}

// Failed reports whether reading the body has failed.
func (b *Body) Failed() bool { return b.failed.Load() }

// body counts the bytes of a request body of unknown length.
type body struct {
	io.ReadCloser
	size atomic.Int64
}

// measure takes the declared length of r's body, or stands in for the body to
// count it.
func (b *body) measure(r *http.Request) {
	switch {
	case r.ContentLength >= 0:
		b.size.Store(r.ContentLength)
	case r.Body != nil && r.Body != http.NoBody:
		b.ReadCloser = r.Body
		r.Body = b
	}
}

func (b *body) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.size.Add(int64(n))
	return n, err
}
