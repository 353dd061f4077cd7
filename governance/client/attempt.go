package client

// attempt.go holds one try to get an answer from one endpoint.

import (
	"net/http"
	"time"

	"github.com/weirproxy/weir/governance/balance"
	"github.com/weirproxy/weir/governance/circuit"
	"github.com/weirproxy/weir/internal/retryafter"
)

// attempt sends req to an endpoint and notes how that ends.
func (t *Transport) attempt(req *http.Request, to *target) (*http.Response, balance.Outcome, error) {
	sent := to.request(req)
	attempt := t.balancer.Begin(to.upstream)
	var body *balance.RequestBody
	if req.Body != nil && req.Body != http.NoBody {
		body = attempt.RequestBody(req.Body, req.ContentLength)
		sent.Body = body
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
	answer := new(balance.ResponseBody)
	answer.Follow(req.Context(), res.Body, attempt)
	res.Body = answer
	return res, outcome, nil
}

// request returns req as it is sent to the target. A RoundTripper must not change the
// request it is given.
func (to *target) request(req *http.Request) *http.Request {
	clone, url := *req, *req.URL
	url.Host = to.host
	if to.scheme != "" {
		url.Scheme = to.scheme
	}
	clone.URL = &url
	if clone.Host == "" {
		clone.Host = req.URL.Host
	}
	return &clone
}
