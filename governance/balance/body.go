package balance

// body.go holds what an attempt is seen by over HTTP: the bodies of the request and of the
// answer, and the error in place of an answer.

import (
	"context"
	"errors"
	"io"
	"sync/atomic"
	"time"
)

// RequestBody stands in for the body of a request in one attempt to send it. It notes whether
// it was the body that failed, and not the upstream: the client broke it, it is not as long as
// was declared, or there is nothing left of it because an earlier attempt has used it up. And
// it tells the attempt when all is sent: as long as the client is still sending, it is not the
// upstream that is slow. A transport reads it in a goroutine of its own, also after the attempt.
type RequestBody struct {
	io.ReadCloser
	attempt    Attempt // a copy, only to tell that
	declared   int64
	read       int64
	begun      bool
	closed     atomic.Bool
	unsendable atomic.Bool
}

// RequestBody returns what stands in for body, of length bytes; 0 and less if that is unknown.
func (a *Attempt) RequestBody(body io.ReadCloser, length int64) *RequestBody {
	return &RequestBody{ReadCloser: body, attempt: *a, declared: length}
}

// Read implements io.Reader.
func (b *RequestBody) Read(p []byte) (int, error) {
	if !b.begun { // a connection has been made, if that takes long the upstream is slow
		b.begun = true
		b.attempt.Sending()
	}
	n, err := b.ReadCloser.Read(p)
	b.read += int64(n)
	if err != nil {
		b.attempt.Sent()
	}
	switch {
	case err == nil:
	case errors.Is(err, io.EOF):
		if b.declared > 0 && b.read != b.declared {
			b.unsendable.Store(true)
		}
	case !b.closed.Load(): // the transport closes it because the upstream failed
		b.unsendable.Store(true)
	}
	return n, err
}

// Close implements io.Closer.
func (b *RequestBody) Close() error {
	b.closed.Store(true)
	b.attempt.Sent()
	return b.ReadCloser.Close()
}

// Failure tells how an attempt ended that brought err and no answer. ctx is that of the
// request, sent its body or nil, and refused tells that no connection could be made.
func Failure(ctx context.Context, err error, sent *RequestBody, refused bool) Outcome {
	var timeout interface{ Timeout() bool }
	switch {
	case errors.Is(err, context.Canceled) || errors.Is(ctx.Err(), context.Canceled):
		return Canceled
	case sent != nil && sent.unsendable.Load():
		return ClientFault
	case refused:
		return Refused
	case errors.Is(err, context.DeadlineExceeded), Expired(ctx), errors.As(err, &timeout) && timeout.Timeout():
		return TimedOut
	default:
		return Broken
	}
}

// Expired reports whether a request is over, whoever ended it. http.Client ends one
// by a timer of its own, which may be first to go off.
func Expired(ctx context.Context) bool {
	if ctx.Err() != nil {
		return true
	}
	deadline, ok := ctx.Deadline()
	return ok && !time.Now().Before(deadline)
}

// ResponseBody stands in for the body of an answer. It tells the attempt when the answer
// breaks off, and when it is over: read to its end, or closed. Closing it while it is read is
// safe if that of what is below is.
type ResponseBody struct {
	io.ReadCloser
	ctx       context.Context
	attempt   Attempt
	over      atomic.Bool
	truncated bool
}

// Follow has b stand in for the body of the answer that attempt got to the request of ctx.
func (b *ResponseBody) Follow(ctx context.Context, body io.ReadCloser, attempt Attempt) {
	b.ReadCloser, b.ctx, b.attempt = body, ctx, attempt
}

// Read implements io.Reader.
func (b *ResponseBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if err == nil {
		return n, nil
	}
	if b.over.CompareAndSwap(false, true) {
		if !errors.Is(err, io.EOF) && !Expired(b.ctx) {
			b.truncated = true
			b.attempt.Truncated()
		}
		b.attempt.End()
	}
	return n, err
}

// Truncated reports, to who reads, whether the answer broke off.
func (b *ResponseBody) Truncated() bool { return b.truncated }

// Close implements io.Closer.
func (b *ResponseBody) Close() error {
	b.End()
	return b.ReadCloser.Close()
}

// End ends the attempt if nothing has yet: for those who give up an answer without closing it.
func (b *ResponseBody) End() {
	if b.over.CompareAndSwap(false, true) {
		b.attempt.End()
	}
}
