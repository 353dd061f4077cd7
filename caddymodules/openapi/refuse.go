package openapi

// refuse.go says no.

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"time"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/weirproxy/weir/governance/contract/schema"
	"github.com/weirproxy/weir/internal/exchange"
	"github.com/weirproxy/weir/internal/problem"
)

// problemTypes identify the kinds of refusal for clients.
const (
	typeInvalid  = "urn:weir:problem:contract-violation"
	typeNoAnswer = "urn:weir:problem:upstream-contract-violation"
)

// retryLoading is when to ask again for a document that is not loaded yet.
const retryLoading = 2 * time.Second

// refusal is the error for a client whose request breaks the contract.
func (h *Handler) refusal(status int, op *operation, rep *schema.Report) error {
	p := &problem.Refusal{
		Status: status,
		Type:   typeInvalid,
		Title:  "The request does not keep the contract of the API",
		Detail: detail(status, op, rep),
		By:     h.by,
		Errors: make([]problem.Fault, len(rep.Violations)),
	}
	for i, v := range rep.Violations {
		p.Errors[i] = problem.Fault{In: v.In, Name: clip(v.Name), Pointer: v.Pointer, Code: v.Code, Detail: v.Detail}
	}
	return p.Handler()
}

func detail(status int, op *operation, rep *schema.Report) string {
	switch shown := len(rep.Violations); {
	case status == http.StatusRequestEntityTooLarge:
		return fmt.Sprintf("The body of this operation may have at most %d bytes.", op.maxBody)
	case shown < rep.Total:
		return fmt.Sprintf("The first %d of at least %d violations are listed.", shown, rep.Total)
	case shown == 1:
		return "There is one violation."
	default:
		return fmt.Sprintf("There are %d violations.", shown)
	}
}

// unread is the error for a client whose body could not be read, and what that counts as. A client that left has not
// broken anything.
func (h *Handler) unread(r *http.Request, err error) (requestResult, error) {
	p := &problem.Refusal{Status: http.StatusBadRequest, Detail: "The request's body broke off or is malformed.", By: h.by}
	var tooLarge *http.MaxBytesError
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		p.Status, p.Detail = http.StatusRequestTimeout, "The request's body took too long."
	case r.Context().Err() != nil:
		return requestSkipped, caddyhttp.Error(exchange.StatusClientClosed, err)
	case errors.As(err, &tooLarge): // by request_body
		p.Status, p.Detail = http.StatusRequestEntityTooLarge, fmt.Sprintf("The body may have at most %d bytes.", tooLarge.Limit)
	}
	return requestInvalid, p.Handler()
}

// unknown deals with requests that the document has no operation for.
func (h *Handler) unknown(c *check, w http.ResponseWriter, r *http.Request) error {
	result, status, text := requestUnknownPath, h.UnknownPath, "The API has no such path."
	switch {
	case c.match.PathKnown && isPreflight(r):
		result, status = requestSkipped, 0
	case c.match.PathKnown:
		result, status, text = requestUnknownMethod, h.UnknownMethod, "The API does not have this method for the path."
	}
	h.live.counts.none.requests[result].Add(1)
	if status == 0 || h.Mode == modeReport {
		return nil
	}
	if result == requestUnknownMethod {
		w.Header().Set("Allow", c.match.Allow)
	}
	return (&problem.Refusal{Status: status, Detail: text, By: h.by}).Handler()
}

// isPreflight tells the requests by which browsers ask what a page may send (Fetch standard, section 3.3.5).
func isPreflight(r *http.Request) bool {
	return r.Method == http.MethodOptions && len(r.Header["Origin"]) > 0 && len(r.Header["Access-Control-Request-Method"]) > 0
}

// unavailable stands for next while there is no document.
func (h *Handler) unavailable(next caddyhttp.Handler) caddyhttp.Handler {
	h.live.counts.none.requests[requestUnavailable].Add(1)
	if h.Mode == modeReport {
		return next
	}
	return failing((&problem.Refusal{
		Status:     http.StatusServiceUnavailable,
		Detail:     "The description of the API is not loaded yet.",
		RetryAfter: retryLoading,
		By:         h.by,
	}).Handler())
}

// noAnswer is the error in place of an answer that breaks the contract. It does not tell what the upstream said.
func (h *Handler) noAnswer() error {
	return (&problem.Refusal{
		Status: http.StatusBadGateway,
		Type:   typeNoAnswer,
		Detail: "The upstream's answer does not keep the contract.",
		By:     h.by,
	}).Handler()
}

// failing is a handler that fails a request with err.
func failing(err error) caddyhttp.Handler {
	return caddyhttp.HandlerFunc(func(http.ResponseWriter, *http.Request) error { return err })
}
