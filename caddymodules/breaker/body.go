package breaker

// body.go holds what stands in for a request's body, to know whether the client broke it.

import (
	"errors"
	"io"
	"net/http"
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
