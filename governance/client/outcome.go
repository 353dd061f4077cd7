package client

// outcome.go holds how attempts are classified: as in the gateway.

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"

	"github.com/weirproxy/weir/governance/balance"
)

// failureStatus returns which statuses count as failures.
func failureStatus(statuses []int) (failures [600]bool, err error) {
	if len(statuses) == 0 {
		statuses = []int{http.StatusInternalServerError, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout}
	}
	for _, status := range statuses {
		switch {
		case status == 4 || status == 5:
			for i := status * 100; i < status*100+100; i++ {
				failures[i] = true
			}
		case status >= 400 && status <= 599:
			failures[status] = true
		default:
			return failures, fmt.Errorf("setting FailureStatus: %d is neither a status from 400 to 599 nor the class 4 or 5", status)
		}
	}
	return failures, nil
}

// classify tells how an attempt ended.
func (t *Transport) classify(req *http.Request, res *http.Response, err error, sent *balance.RequestBody) balance.Outcome {
	if err == nil {
		if res.StatusCode >= 0 && res.StatusCode < len(t.failures) && t.failures[res.StatusCode] {
			return balance.FailedStatus
		}
		return balance.Success
	}
	var dial *net.OpError
	outcome := balance.Failure(req.Context(), err, sent, errors.As(err, &dial) && dial.Op == "dial")
	if outcome == balance.Broken && malformed(req) {
		return balance.ClientFault
	}
	return outcome
}

// malformed reports whether req cannot be sent to anybody: net/http's transport then
// says so without asking the endpoint, in an error like any other.
func malformed(req *http.Request) bool {
	if s := req.URL.Scheme; s != "http" && s != "https" || req.Method != "" && !token(req.Method) {
		return true
	}
	if req.Header == nil || req.Body == nil && req.ContentLength != 0 {
		return true
	}
	for _, header := range []http.Header{req.Header, req.Trailer} {
		for name, values := range header {
			if !token(name) || slices.ContainsFunc(values, controls) {
				return true
			}
		}
	}
	return false
}

// token reports whether s is a token (RFC 9110, 5.6.2).
func token(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool {
		letter := r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9'
		return !letter && (r >= 0x80 || !strings.ContainsRune("!#$%&'*+-.^_`|~", r))
	})
}

// controls reports whether a header's value has what may not be in it (RFC 9110, 5.5).
func controls(value string) bool {
	return strings.ContainsFunc(value, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f })
}
