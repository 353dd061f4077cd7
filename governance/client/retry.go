package client

// retry.go holds which requests are tried again.

import (
	"io"
	"net/http"
	"time"

	"github.com/weirproxy/weir/governance/balance"
)

// retry tries req again after it failed at member first, as often as it may, and
// returns what came of the last attempt.
func (t *Transport) retry(req *http.Request, l *list, first int, o balance.Outcome, res *http.Response, err error) (*http.Response, error) {
	tried := []int{first}
	for range t.retries {
		if !o.Failure() || !repeatable(req, o) || balance.Expired(req.Context()) {
			break
		}
		again, ok := fresh(req)
		if !ok {
			break
		}
		i := t.pickAgain(l, tried)
		if i < 0 {
			closeBody(again)
			break
		}
		if res != nil {
			discard(res.Body)
		}
		tried = append(tried, i)
		t.retried.Add(1)
		res, o, err = t.attempt(again, l.endpoints[i])
	}
	if res != nil {
		res.Request = req
	}
	return res, err
}

// pickAgain is pick within the budget. The budget is asked first: a pick may take the
// only place for a probe.
func (t *Transport) pickAgain(l *list, tried []int) int {
	if !t.balancer.Retry() {
		t.denied.Add(1)
		return -1
	}
	i := l.pick(tried)
	if i < 0 {
		t.balancer.Refund()
	}
	return i
}

// repeatable reports whether sending req again does what sending it once does. Where
// no connection could be made, nothing was sent.
func repeatable(req *http.Request, o balance.Outcome) bool {
	if o == balance.Refused {
		return true
	}
	switch req.Method {
	case "", http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodTrace, http.MethodPut, http.MethodDelete:
		return true
	}
	return len(req.Header["Idempotency-Key"]) > 0 || len(req.Header["X-Idempotency-Key"]) > 0
}

// fresh returns req with its body from the beginning; the transport may still be
// reading the one that was sent.
func fresh(req *http.Request) (*http.Request, bool) {
	if req.Body == nil || req.Body == http.NoBody {
		return req, true
	}
	if req.GetBody == nil {
		return nil, false
	}
	body, err := req.GetBody()
	if err != nil {
		return nil, false
	}
	again := *req
	again.Body = body
	return &again, true
}

// An answer that nobody wants is read a little, so that its connection can be used
// again: as much as net/http reads of a redirect's, and not for long.
const (
	mostDiscarded  = 2 << 10
	discardingEnds = 50 * time.Millisecond
)

func discard(body io.ReadCloser) {
	if body == nil {
		return
	}
	stop := time.AfterFunc(discardingEnds, func() { body.Close() })
	io.CopyN(io.Discard, body, mostDiscarded)
	stop.Stop()
	body.Close()
}
