package webhook

// answer.go holds what an answer means.

import (
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/weirproxy/weir/outboxworker/sink"
)

const (
	// drainBytes is how much of an answer is read, so that its connection can be used
	// again. Of a longer one the connection is closed.
	drainBytes = 64 << 10
	// excerptBytes is how much of it an error shows, taken from the first
	// redactBytes after those were redacted, lest a cut hides a part of a secret.
	excerptBytes = 1 << 10
	redactBytes  = 8 << 10
	minHidden    = 8
)

// answered settles a message by its answer, and reads that.
func (d *deliverer) answered(response *http.Response) sink.Result {
	defer func() { _ = response.Body.Close() }()
	result := d.judge(response.StatusCode, response.Header, time.Now())
	if result.Outcome != sink.Delivered {
		result.Class = fmt.Sprintf("status %d", response.StatusCode)
		text := fmt.Sprintf("posting to %s: status %d", d.target.origin, response.StatusCode)
		if excerpt := d.excerpt(response.Body); excerpt != "" {
			text += ": " + excerpt
		}
		result.Err = answerError(text)
	}
	// What the answer says is known; how its end fails is not of interest.
	_, _ = io.CopyN(io.Discard, response.Body, drainBytes)
	return result
}

// answerError is an answer that is no success.
type answerError string

func (e answerError) Error() string { return string(e) }

// judge returns the result that a status means, as in the package comment.
func (d *deliverer) judge(status int, header http.Header, now time.Time) sink.Result {
	asks := header.Get("Retry-After") != ""
	switch {
	case status >= 200 && status <= 299:
		return sink.Result{Outcome: sink.Delivered}
	case slices.Contains(d.settings.FatalStatus, status):
		return sink.Result{Outcome: sink.Fatal}
	case status == http.StatusTooManyRequests, status == http.StatusServiceUnavailable && asks:
		return sink.Result{Outcome: sink.Throttled, RetryAfter: retryAfter(header, now)}
	}
	result := sink.Result{Outcome: sink.Refused}
	switch status {
	case http.StatusUnauthorized, http.StatusProxyAuthRequired,
		http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return sink.Result{Outcome: sink.Unreachable}
	case http.StatusForbidden, http.StatusNotFound, http.StatusRequestTimeout, http.StatusTooEarly:
		result.Outcome = sink.Failed
	default:
		if status >= 500 && status <= 599 {
			result.Outcome = sink.Failed
		}
	}
	if asks {
		result.RetryAfter = retryAfter(header, now)
	}
	return result
}

// excerpt returns the beginning of an answer, without what must not be shown.
func (d *deliverer) excerpt(body io.Reader) string {
	data, _ := io.ReadAll(io.LimitReader(body, redactBytes))
	text := d.redactor.Replace(string(data))
	return strings.TrimSpace(text[:min(len(text), excerptBytes)])
}

// redactor replaces what an answer must not show should it repeat the request: secrets,
// the values of headers that the operator set, and the URL's path and query, in which
// many receivers want a token.
func redactor(s *Settings, t *target, fixed http.Header) *strings.Replacer {
	var hidden, short []string
	for _, secret := range s.Secrets {
		hidden = append(hidden, secret, strings.TrimPrefix(secret, secretPrefix))
	}
	for name, values := range fixed {
		if name == "User-Agent" || name == "Content-Type" {
			continue
		}
		for _, value := range values {
			hidden = append(hidden, strings.Fields(value)...)
			if value != "" {
				short = append(short, value)
			}
		}
	}
	hidden = append(hidden, t.hidden...)

	// A short part of a path would be replaced where it is a part of words; a header's
	// value is replaced all the same.
	hidden = append(slices.DeleteFunc(hidden, func(text string) bool { return len(text) < minHidden }), short...)
	slices.SortFunc(hidden, func(a, b string) int { return len(b) - len(a) })
	var pairs []string
	for _, text := range hidden {
		pairs = append(pairs, text, "[redacted]")
	}
	return strings.NewReplacer(pairs...)
}
