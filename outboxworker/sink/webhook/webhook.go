// Package webhook is a sink that posts each message to a URL, with HTTP/1.1 or HTTP/2
// over connections that it keeps.
//
// # Request
//
// The body is the payload as it is. Content-Type is the message's header content-type,
// or else application/json for a payload that is JSON and application/octet-stream for
// others. Besides:
//
//   - webhook-id, webhook-timestamp and webhook-signature of Standard Webhooks
//     (https://www.standardwebhooks.com): the message's id, the second of this attempt,
//     and a signature with each secret. Without a secret there is no signature.
//   - idempotency-key, which is webhook-id under the name that frameworks look for.
//   - ce-id, ce-source, ce-type, ce-subject, ce-time and ce-specversion of CloudEvents
//     1.0 in binary mode. ce-type is the message's type, or its topic if it has none;
//     ce-subject is its key, if it has one; ce-id is webhook-id. Extensions are
//     ce-topic, always, and ce-bizid, if the message has one.
//   - the message's own headers under their names, traceparent and tracestate among
//     them, but for those that are somebody else's to set: what frames the body or
//     manages the connection, credentials and cookies, X-Forwarded-*, Host, webhook-*,
//     ce-*, idempotency-key, and what Settings.Headers sets. Values that are numbers or
//     booleans are sent as JSON writes them; other values that are no strings, and names
//     and values that HTTP does not allow, are left out.
//
// # Outcomes
//
//	2xx                                    delivered
//	Settings.FatalStatus: 400, 410, 413,   fatal
//	415, 422
//	429                                    throttled
//	503 with Retry-After                   throttled
//	502, 504, 503 without Retry-After      unreachable: a proxy without a receiver
//	401, 407                               unreachable: the credentials are wrong for
//	                                       every message alike
//	403, 404, 408, 425, other 5xx          failed: the receiver may be at fault, or the
//	                                       message
//	any other status, redirects included   refused
//	no connection, no TLS                  unreachable
//	a connection, but no answer in time,   failed: the receiver may hang, or it may die
//	a reset, no HTTP                       of the message
//	no request can be made of the message  refused
//	the context is done                    not sent if there was no connection yet, or
//	                                       else unreachable
//	a topic that must not be in a path     fatal
//
// Retry-After is read as seconds or as a date, and is between a second and an hour; it
// is a second if it is nonsense, and with 429 also if it is missing. Redirects are not
// followed: a signed message goes to the address that the operator gave, and to no other.
//
// A connection that was kept, and turns out to be closed when it is used again, is no
// fault of the message: the request is made once more before the message has failed.
//
// The classes are "status 422" and so on for statuses, and without an answer: timeout,
// connection refused, connection reset, dns, tls, not http, topic, request, connection for
// any other error of one, and cancelled when the context is done.
//
// # Errors
//
// An error names the origin of the URL, never its path or query, which may hold secrets,
// the status, and up to 1 KiB of the answer, in any encoding. Secrets and the values of
// Settings.Headers are replaced should the receiver repeat them.
package webhook

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/weirproxy/weir/outboxworker/sink"
)

// New returns a sink that posts messages through sink.Keyed.
func New(settings Settings) (sink.Sink, error) {
	d, err := NewDeliverer(settings)
	if err != nil {
		return nil, err
	}
	return sink.Keyed(d, settings.Concurrency), nil
}

// NewDeliverer returns what posts one message at a time, for callers that keep order by
// themselves. It should be asked for Settings.Concurrency messages at once at most: more
// wait for a connection, and their time runs.
func NewDeliverer(settings Settings) (sink.Deliverer, error) { return newDeliverer(settings) }

// deliverer posts one message at a time.
type deliverer struct {
	settings  Settings
	target    *target
	keys      []signingKey
	fixed     http.Header
	redactor  *strings.Replacer
	transport *http.Transport
}

func newDeliverer(settings Settings) (*deliverer, error) {
	if err := settings.Validate(); err != nil {
		return nil, err
	}
	d := &deliverer{settings: settings, fixed: make(http.Header)}
	var err error
	if d.target, err = parseTarget(settings.URL); err != nil {
		return nil, err
	}
	if d.keys, err = parseSecrets(settings.Secrets); err != nil {
		return nil, err
	}
	for name, value := range settings.Headers {
		d.fixed.Set(name, value)
	}
	d.target.authorize(d.fixed)
	if _, ok := d.fixed["User-Agent"]; !ok {
		d.fixed.Set("User-Agent", "weir-outbox")
	}
	d.redactor = redactor(&settings, d.target, d.fixed)
	d.transport, err = transport(&settings)
	return d, err
}

// transport keeps as many connections as there can be requests at once.
func transport(s *Settings) (*http.Transport, error) {
	t := &http.Transport{
		DialContext:            (&net.Dialer{Timeout: s.Timeout, KeepAlive: 15 * time.Second}).DialContext,
		TLSHandshakeTimeout:    s.Timeout,
		MaxConnsPerHost:        s.Concurrency,
		MaxIdleConns:           s.Concurrency,
		MaxIdleConnsPerHost:    s.Concurrency,
		IdleConnTimeout:        s.IdleTimeout,
		ForceAttemptHTTP2:      true,
		MaxResponseHeaderBytes: 64 << 10,
		// An excerpt of the answer is shown, and a compressed one shows nothing.
		DisableCompression: true,
		TLSClientConfig:    &tls.Config{MinVersion: tls.VersionTLS12},
	}
	if s.TLS != nil {
		t.TLSClientConfig = s.TLS.Clone()
	}
	if s.Proxy != "" {
		proxy, err := parseProxy(s.Proxy)
		if err != nil {
			return nil, err
		}
		t.Proxy = http.ProxyURL(proxy)
	}
	return t, nil
}

// Close closes the connections that are kept.
func (d *deliverer) Close() error {
	d.transport.CloseIdleConnections()
	return nil
}

// Deliver posts a message.
func (d *deliverer) Deliver(ctx context.Context, m *sink.Message) sink.Result {
	address, err := d.target.url(m.Topic)
	if err != nil {
		return sink.Result{Outcome: sink.Fatal, Class: classTopic, Err: fmt.Errorf("posting to %s: %w", d.target.origin, err)}
	}
	attempt, cancel := context.WithTimeout(ctx, d.settings.Timeout)
	defer cancel()
	payload := &payload{data: m.Payload}
	defer payload.release()

	response, t, err := d.post(attempt, address, m, payload)
	if err != nil && t.stale() {
		// Should that fail too, the first error stands: a receiver that the message
		// has brought down cannot be reached now, which is the message's doing.
		if again, _, err2 := d.post(attempt, address, m, payload); err2 == nil {
			response, err = again, nil
		}
	}
	if err != nil {
		return d.unanswered(ctx, t, err)
	}
	return d.answered(response)
}

// unanswered says what an error means that a request ended with.
func (d *deliverer) unanswered(ctx context.Context, t *trip, err error) sink.Result {
	result := sink.Result{Outcome: sink.Unreachable, Class: classOf(err)}
	switch {
	case ctx.Err() != nil && !t.connected.Load():
		result.Outcome, result.Class = sink.NotSent, classCancelled
	case ctx.Err() != nil:
		result.Class = classCancelled
	case t.connected.Load():
		result.Outcome = sink.Failed
	case !t.begun.Load():
		result.Outcome, result.Class = sink.Refused, classRequest
	}
	result.Err = fmt.Errorf("posting to %s: %s: %w", d.target.origin, t.place(), err)
	return result
}
