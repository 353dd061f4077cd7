package webhook

// request.go holds one request, and how far it came.

import (
	"context"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"sync/atomic"
	"time"

	"github.com/weirproxy/weir/outboxworker/sink"
)

// trip is how far a request came. The transport notes it, on goroutines of its own too.
type trip struct {
	// begun tells that the transport took the request on.
	begun atomic.Bool
	// connected tells that there was a connection, with TLS if that is wanted, and
	// reused that it had been used before.
	connected, reused atomic.Bool
	// written tells that the request was sent as a whole.
	written atomic.Bool
}

func (t *trip) trace() *httptrace.ClientTrace {
	return &httptrace.ClientTrace{
		GetConn: func(string) { t.begun.Store(true) },
		GotConn: func(info httptrace.GotConnInfo) {
			t.reused.Store(info.Reused)
			t.connected.Store(true)
		},
		WroteRequest: func(info httptrace.WroteRequestInfo) { t.written.Store(info.Err == nil) },
	}
}

// stale tells whether a request may have failed because the connection was kept for
// too long.
func (t *trip) stale() bool { return t.connected.Load() && t.reused.Load() }

// place names what a request was at, for errors.
func (t *trip) place() string {
	switch {
	case !t.begun.Load():
		return "building the request"
	case !t.connected.Load():
		return "connecting"
	case !t.written.Load():
		return "sending the request"
	default:
		return "waiting for the answer"
	}
}

// post makes a request. It uses the transport alone, as a client would follow redirects
// and put the URL into its errors.
func (d *deliverer) post(ctx context.Context, address *url.URL, m *sink.Message, p *payload) (*http.Response, *trip, error) {
	t := new(trip)
	request := &http.Request{
		Method:        http.MethodPost,
		URL:           address,
		Header:        d.headers(m, time.Now()),
		ContentLength: int64(len(p.data)),
		Body:          http.NoBody,
	}
	if len(p.data) > 0 {
		request.Body = p.reader()
		request.GetBody = func() (io.ReadCloser, error) { return p.reader(), nil }
	}
	response, err := d.transport.RoundTrip(request.WithContext(httptrace.WithClientTrace(ctx, t.trace())))
	return response, t, err
}
