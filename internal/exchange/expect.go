package exchange

// expect.go is for clients that wait to be asked for their body (RFC 9110, section 10.1.1).

import (
	"io"
	"net/http"
	"strings"
	"sync/atomic"
)

// awaited is the body of a client that waits to be asked for it, which the first read
// does. A transport may still read it when the request is over.
type awaited struct {
	io.ReadCloser
	asked atomic.Bool
}

// await stands in for the body of such a client, and returns nil for all others.
func await(r *http.Request) *awaited {
	if len(r.Header["Expect"]) == 0 || !strings.EqualFold(r.Header["Expect"][0], "100-continue") || r.ProtoMajor != 1 || r.Body == nil {
		return nil
	}
	a := &awaited{ReadCloser: r.Body}
	r.Body = a
	return a
}

func (a *awaited) Read(p []byte) (int, error) {
	a.asked.Store(true)
	return a.ReadCloser.Read(p)
}

// refuse has the connection closed after an error if the client was not asked for its
// body. Otherwise the server waits for the body before it answers: net/http knows
// better, but does not recognise the body that Caddy puts before its own to log its size.
func (a *awaited) refuse(header http.Header) {
	if a != nil && !a.asked.Load() {
		header.Set("Connection", "close")
	}
}
