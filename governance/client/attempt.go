package client

// attempt.go holds one try to get an answer from one endpoint.

import (
	"context"
	"errors"
	"io"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/weirproxy/weir/governance/balance"
	"github.com/weirproxy/weir/governance/circuit"
	"github.com/weirproxy/weir/internal/retryafter"
)

// attempt sends req to an endpoint and notes how that ends.
func (t *Transport) attempt(req *http.Request, to *target) (*http.Response, balance.Outcome, error) {
	sent, body := to.request(req)
	attempt := t.balancer.Begin(to.upstream)
	if body != nil {
		body.attempt = attempt
	}
	if attempt.WouldSkip() {
		t.wouldSkip(to.address)
	}
	returned := false
	defer func() {
		if !returned { // a transport that panics is nothing against the endpoint
			attempt.Answered(balance.Canceled)
			attempt.End()
		}
	}()
	res, err := t.next.RoundTrip(sent)
	returned = true
	outcome := t.classify(sent, res, err, body)
	if outcome == balance.FailedStatus && attempt.Guarded() {
		attempt.Judge(circuit.Failure, retryafter.Of(res.Header, time.Now()))
	}
	attempt.Answered(outcome)
	if err != nil {
		attempt.End()
		if !outcome.Neutral() {
			err = &EndpointError{to.address, err}
		}
		return nil, outcome, err
	}
	// The caller knows the service, not its endpoints: that is what a redirect or a
	// cookie without a host belongs to.
	res.Request = req
	if res.StatusCode == http.StatusSwitchingProtocols || res.Body == nil || res.Body == http.NoBody {
		// the body of a 101 is the connection and must stay what it is
		attempt.End()
		return res, outcome, nil
	}
	res.Body = &responseBody{ReadCloser: res.Body, ctx: req.Context(), attempt: attempt}
	return res, outcome, nil
}

// request returns req as it is sent to the target, and its body if it has one. A
// RoundTripper must not change the request it is given.
func (to *target) request(req *http.Request) (*http.Request, *requestBody) {
	clone, url := *req, *req.URL
	url.Host = to.host
	if to.scheme != "" {
		url.Scheme = to.scheme
	}
	clone.URL = &url
	if clone.Host == "" {
		clone.Host = req.URL.Host
	}
	if req.Body == nil || req.Body == http.NoBody {
		return &clone, nil
	}
	body := &requestBody{ReadCloser: req.Body, declared: req.ContentLength}
	clone.Body = body
	return &clone, body
}

// requestBody remembers whether it was the request's body that failed, and not the
// endpoint, and tells when all is sent: as long as the caller is still sending, it is not
// the endpoint that is slow. The transport reads it in a goroutine of its own.
type requestBody struct {
	io.ReadCloser
	attempt    balance.Attempt // only to tell that
	declared   int64           // length; 0 and less if unknown
	read       int64
	begun      bool
	closed     atomic.Bool
	unsendable atomic.Bool
}

func (b *requestBody) Read(p []byte) (int, error) {
	if !b.begun { // a connection has been made, if that takes long the endpoint is slow
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
	case !b.closed.Load(): // the transport closes it because the endpoint failed
		b.unsendable.Store(true)
	}
	return n, err
}

func (b *requestBody) Close() error {
	b.closed.Store(true)
	b.attempt.Sent()
	return b.ReadCloser.Close()
}

// responseBody notes when an answer breaks off, and when it is over: read to its
// end, or closed.
type responseBody struct {
	io.ReadCloser
	ctx     context.Context
	attempt balance.Attempt
	over    atomic.Bool
}

func (b *responseBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if err == nil {
		return n, nil
	}
	if b.over.CompareAndSwap(false, true) {
		if !errors.Is(err, io.EOF) && !expired(b.ctx) {
			b.attempt.Truncated()
		}
		b.attempt.End()
	}
	return n, err
}

func (b *responseBody) Close() error {
	if b.over.CompareAndSwap(false, true) {
		b.attempt.End()
	}
	return b.ReadCloser.Close()
}
