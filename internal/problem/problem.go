// Package problem is how weir says no: one type for every refusal and one
// rendering of it, application/problem+json after RFC 9457.
package problem

import (
	"encoding/json"
	"errors"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// Refusal is a request that weir refuses. Its texts are for clients: they name
// what was wrong with the request or that the service is busy, never an internal
// address or a cause inside the service.
type Refusal struct {
	// Status is the HTTP status. Required.
	Status int
	// Type is a URI that identifies the kind of problem. Default: about:blank.
	Type string
	// Title is a short summary of the kind. Default: the status's standard text.
	Title string
	// Detail says what is wrong with this request, for a person.
	Detail string
	// RetryAfter, if positive, is sent as Retry-After in whole seconds, rounded up.
	RetryAfter time.Duration
	// By names the module that refused and its name, for the access log's
	// refused_by, as in "breaker checkout".
	By string
	// Errors lists the single faults where several things are wrong.
	Errors []Fault
}

// Fault is one of several things that are wrong with a request.
type Fault struct {
	// In is the part of the request: path, query, header, cookie or body.
	In string `json:"in,omitempty"`
	// Name is the name of the faulty parameter, header or cookie.
	Name string `json:"name,omitempty"`
	// Pointer is a JSON pointer (RFC 6901) into the body, or into the value of the
	// parameter. It is empty for the whole.
	Pointer string `json:"pointer,omitempty"`
	// Code is a stable, machine-readable kind of fault.
	Code string `json:"code,omitempty"`
	// Detail is for a person.
	Detail string `json:"detail"`
}

// Error makes a Refusal an error; it is what the log shows.
func (r *Refusal) Error() string {
	text := http.StatusText(r.Status)
	if r.By != "" {
		text = r.By + ": " + text
	}
	if r.Detail != "" {
		text += ": " + r.Detail
	}
	return text
}

// Handler returns r as the error a Caddy handler returns, with its status.
func (r *Refusal) Handler() error { return caddyhttp.Error(r.Status, r) }

// document is the wire form.
type document struct {
	Type    string  `json:"type"`
	Title   string  `json:"title"`
	Status  int     `json:"status"`
	Detail  string  `json:"detail,omitempty"`
	TraceID string  `json:"trace_id,omitempty"`
	Errors  []Fault `json:"errors,omitempty"`
}

// Of returns what a client is told about err. Errors that are no Refusal keep
// their status, 500 if they have none, and a sentence that reveals no cause.
func Of(err error) Refusal {
	var refusal *Refusal
	if errors.As(err, &refusal) {
		return *refusal
	}
	told := Refusal{Status: http.StatusInternalServerError}
	var handlerError caddyhttp.HandlerError
	if errors.As(err, &handlerError) && handlerError.StatusCode != 0 {
		told.Status = handlerError.StatusCode
		// only of reverse_proxy's errors is it known what their status means
		if strings.HasPrefix(handlerError.Trace, "reverseproxy.") {
			told.Detail = proxyDetails[told.Status]
		}
	}
	return told
}

var proxyDetails = map[int]string{
	http.StatusBadGateway:         "The upstream did not give a valid answer.",
	http.StatusServiceUnavailable: "No upstream is available at the moment.",
	http.StatusGatewayTimeout:     "The upstream did not answer in time.",
}

// Write renders refusal to w. It does nothing to headers that other handlers
// set, except those that describe a body that will not come.
func Write(w http.ResponseWriter, refusal Refusal, traceID string) error {
	// Any other code makes net/http panic, or is no final answer.
	if refusal.Status < 200 || refusal.Status > 999 {
		refusal.Status = http.StatusInternalServerError
	}
	doc := document{
		Type:    refusal.Type,
		Title:   refusal.Title,
		Status:  refusal.Status,
		Detail:  refusal.Detail,
		TraceID: traceID,
		Errors:  refusal.Errors,
	}
	if doc.Type == "" {
		doc.Type = "about:blank"
	}
	if doc.Title == "" {
		doc.Title = http.StatusText(doc.Status)
	}
	body, err := json.Marshal(doc)
	if err != nil {
		return err
	}
	h := w.Header()
	for _, field := range []string{"Content-Encoding", "Content-Range", "Etag", "Last-Modified", "Accept-Ranges"} {
		h.Del(field)
	}
	h.Set("Content-Type", "application/problem+json")
	h.Set("Content-Length", strconv.Itoa(len(body)))
	h.Set("X-Content-Type-Options", "nosniff")
	if refusal.RetryAfter > 0 {
		h.Set("Retry-After", strconv.FormatInt(int64(math.Ceil(refusal.RetryAfter.Seconds())), 10))
	}
	w.WriteHeader(refusal.Status)
	_, err = w.Write(body)
	return err
}
