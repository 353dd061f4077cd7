package exchange

// body.go counts the bytes of a request's body.

import (
	"io"
	"net/http"
	"sync/atomic"
)

// body is a request body of unknown length. Its size is atomic because a transport
// may still read the body when the request is over.
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
