package breaker

// body.go holds what stands in for a request's body, to know whether the client broke it.

import (
	"sync/atomic"

	"github.com/weirproxy/weir/governance/circuit"
	"github.com/weirproxy/weir/internal/exchange"
)

// watchedBody tells the call from when until when it is read: meanwhile it may be the client
// who is waited for. The transport reads it in a goroutine of its own.
type watchedBody struct {
	exchange.Body
	call  *circuit.Call
	begun atomic.Bool // somebody reads it, or what he reads is no body
}

func (b *watchedBody) Read(p []byte) (int, error) {
	if !b.begun.Load() && b.begun.CompareAndSwap(false, true) {
		b.call.Sending()
	}
	n, err := b.Body.Read(p)
	if err != nil {
		b.call.Sent()
	}
	return n, err
}

// Close implements io.Closer. Whoever closes the body needs no more of it.
func (b *watchedBody) Close() error {
	b.call.Sent()
	return b.Body.Close()
}
