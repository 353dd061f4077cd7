package client

// errors.go holds how requests fail.

import (
	"errors"
	"fmt"
	"time"
)

// NoEndpointError means that there is no endpoint to send a request to: the source
// names none or has never named any, or all have as many requests as they may have at a
// time, but for those whose breaker is open. That endpoints fail is no reason for it; they
// get requests rather than none.
type NoEndpointError struct {
	// RetryAfter is when it may be worth trying again.
	RetryAfter time.Duration
	// Err is why, or nil if the source names no endpoints.
	Err error
}

func (e *NoEndpointError) Error() string {
	if e.Err != nil {
		return fmt.Sprintf("no endpoint for the request: %v", e.Err)
	}
	return "no endpoint for the request: the source names none"
}

// Unwrap returns why there is none.
func (e *NoEndpointError) Unwrap() error { return e.Err }

// EndpointError is a request that failed at an endpoint, the last of those it was
// sent to.
type EndpointError struct {
	// Endpoint is its address.
	Endpoint string
	// Err is what the transport said.
	Err error
}

func (e *EndpointError) Error() string { return "endpoint " + e.Endpoint + ": " + e.Err.Error() }

// Unwrap returns what the transport said.
func (e *EndpointError) Unwrap() error { return e.Err }

// Timeout reports whether it was a timeout. url.Error, which http.Client returns,
// asks for it.
func (e *EndpointError) Timeout() bool {
	var err interface{ Timeout() bool }
	return errors.As(e.Err, &err) && err.Timeout()
}
