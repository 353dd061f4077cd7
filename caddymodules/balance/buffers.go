package balance

// buffers.go keeps the bodies of clients apart where reverse_proxy holds them in buffers that it
// shares (Caddy 2.11.9). It gives a buffer back when its handler returns, which a transport may
// outlive that still sends the body, and, if the body broke off or is longer than request_buffers,
// each time that the body is closed, which is once an attempt. The buffer then has two owners, and
// an upstream gets one client's request with a part of another's.

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"reflect"
	"sync"
	"sync/atomic"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// inMemory is the type of a body that the proxy holds as a whole.
var inMemory = reflect.TypeOf(io.NopCloser(new(bytes.Reader)))

// bufferedBody stands in for a body in one attempt to send it. It is not read once the attempt
// is over, and nobody closes what is below: that is the server's, which does it in the end.
type bufferedBody struct {
	io.ReadCloser
	whole   bool       // in memory, so that reading it does not wait for the client
	reading sync.Mutex // held while a whole one is read
	over    atomic.Bool
	used    *usedBody // nil if it is whole: each attempt has its own
}

// usedBody is a body that all attempts of a request read from, and so only one of them.
type usedBody struct {
	body io.ReadCloser
	used atomic.Bool
}

// usedVariable is the request variable that holds the last one.
const usedVariable = "weir.balance.used_body"

func newBufferedBody(ctx context.Context, body io.ReadCloser) *bufferedBody {
	b := &bufferedBody{ReadCloser: body, whole: reflect.TypeOf(body) == inMemory}
	if b.whole {
		return b
	}
	b.used, _ = caddyhttp.GetVar(ctx, usedVariable).(*usedBody)
	if b.used == nil || !reflect.TypeOf(body).Comparable() || b.used.body != body {
		b.used = &usedBody{body: body}
		caddyhttp.SetVar(ctx, usedVariable, b.used)
	}
	b.over.Store(b.used.used.Load())
	return b
}

// Read implements io.Reader.
func (b *bufferedBody) Read(p []byte) (int, error) {
	if b.whole {
		b.reading.Lock()
		defer b.reading.Unlock()
	}
	if b.over.Load() {
		return 0, http.ErrBodyReadAfterClose
	}
	n, err := b.ReadCloser.Read(p)
	if b.used != nil && (n > 0 || err != nil && !errors.Is(err, io.EOF)) {
		b.used.used.Store(true)
	}
	return n, err
}

// Close implements io.Closer.
func (b *bufferedBody) Close() error {
	b.end()
	return nil
}

// end is called when the attempt is over: from then on nobody reads the buffer. b may be nil.
func (b *bufferedBody) end() {
	if b == nil {
		return
	}
	if b.whole {
		b.reading.Lock()
		defer b.reading.Unlock()
	}
	b.over.Store(true)
}
