package client

import (
	"bytes"
	"context"
	"errors"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"
)

// freed returns an address that nobody listens at.
func freed(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	listener.Close()
	return listener.Addr().String()
}

// raw is a handler that writes text to the connection and closes it.
func raw(text string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		conn, _, err := http.NewResponseController(w).Hijack()
		if err == nil {
			io.WriteString(conn, text)
			conn.Close()
		}
	}
}

func stalls(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }

// broken is a request's body that cannot be read to its end.
type broken struct{ io.Reader }

func (b broken) Read(p []byte) (int, error) {
	if n, err := b.Reader.Read(p); err == nil {
		return n, nil
	}
	return 0, errors.New("the disk is gone")
}

func TestOutcomes(t *testing.T) {
	post := func(body io.Reader, length int64) *http.Request {
		req, _ := http.NewRequest(http.MethodPost, "http://orders/", body)
		req.ContentLength = length
		return req
	}
	plain := post(nil, 0)
	badHeader := post(nil, 0)
	badHeader.Header.Set("X-Id", "a\nb")
	badName := post(nil, 0)
	badName.Header["X Id"] = []string{"a"}
	badMethod := post(nil, 0)
	badMethod.Method = "DO IT"
	badScheme := post(nil, 0)
	badScheme.URL.Scheme = "ftp"
	noHeader := post(nil, 0)
	noHeader.Header = nil
	reads := func(_ http.ResponseWriter, r *http.Request) { io.Copy(io.Discard, r.Body) }
	for _, tc := range []struct {
		name    string
		handler http.HandlerFunc
		req     *http.Request
		want    map[string]uint64
	}{
		{"success", status(200), plain, map[string]uint64{"success": 1}},
		{"client_error", status(404), plain, map[string]uint64{"success": 1}},
		{"failed_status", status(503), plain, map[string]uint64{"failed_status": 1}},
		{"timed_out", stalls, plain, map[string]uint64{"timed_out": 1}},
		{"broken", raw(""), plain, map[string]uint64{"broken": 1}},
		{"nonsense", raw("SSH-2.0\r\n\r\n"), plain, map[string]uint64{"broken": 1}},
		{"body_fails", reads, post(broken{strings.NewReader("x")}, -1), map[string]uint64{"client_fault": 1}},
		{"body_too_short", reads, post(io.LimitReader(strings.NewReader("x"), 1), 10), map[string]uint64{"client_fault": 1}},
		{"body_too_long", reads, post(io.LimitReader(strings.NewReader("long"), 4), 2), map[string]uint64{"client_fault": 1}},
		{"no_body", reads, post(nil, 2), map[string]uint64{"client_fault": 1}},
		{"no_header", reads, noHeader, map[string]uint64{"client_fault": 1}},
		{"bad_header", status(200), badHeader, map[string]uint64{"client_fault": 1}},
		{"bad_header_name", status(200), badName, map[string]uint64{"client_fault": 1}},
		{"bad_method", status(200), badMethod, map[string]uint64{"client_fault": 1}},
		{"bad_scheme", status(200), badScheme, map[string]uint64{"client_fault": 1}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			address := backend(t, tc.handler)
			next := newHTTPTransport()
			next.ResponseHeaderTimeout = 200 * time.Millisecond
			transport := newTransport(t, Settings{Endpoints: Static(address), Transport: next})
			res, err := transport.RoundTrip(tc.req)
			if err == nil {
				res.Body.Close()
			}
			if got := attempts(transport, address); !maps.Equal(got, tc.want) {
				t.Errorf("attempts are %v after %v, want %v", got, err, tc.want)
			}
			var at *EndpointError
			blamed := tc.want["broken"]+tc.want["timed_out"] > 0
			if errors.As(err, &at) != blamed || blamed && at.Endpoint != address {
				t.Errorf("the error is %v; it names the endpoint if that is to blame", err)
			}
		})
	}
}

func TestRefusedConnections(t *testing.T) {
	address := freed(t)
	transport := newTransport(t, Settings{Endpoints: Static(address, "nowhere.invalid:80")})
	for range 2 {
		if _, _, err := get(transport, "http://orders/"); err == nil {
			t.Error("there is no error")
		}
	}
	for _, a := range []string{address, "nowhere.invalid:80"} {
		if got := attempts(transport, a); !maps.Equal(got, map[string]uint64{"refused": 1}) {
			t.Errorf("attempts at %s are %v, want one that was refused", a, got)
		}
	}
}

func TestCallerThatLeavesIsNeutral(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	address := backend(t, func(w http.ResponseWriter, r *http.Request) {
		cancel()
		stalls(w, r)
	})
	transport := newTransport(t, Settings{Endpoints: Static(address), Retries: 3})
	req, _ := http.NewRequestWithContext(ctx, http.MethodGet, "http://orders/", nil)
	start := time.Now()
	if _, err := transport.RoundTrip(req); !errors.Is(err, context.Canceled) || time.Since(start) > 20*time.Second {
		t.Errorf("after %v the error is %v, want context.Canceled at once", time.Since(start), err)
	}
	if _, err := transport.RoundTrip(req); !errors.Is(err, context.Canceled) {
		t.Errorf("the error is %v, want context.Canceled", err)
	}
	if got := attempts(transport, address); !maps.Equal(got, map[string]uint64{"canceled": 1}) {
		t.Errorf("attempts are %v, want one that was canceled", got)
	}
}

// The deadline ends the request by the context, that of http.Client also by a timer.
// Either way the endpoint did not answer in time, and nothing is tried after it.
func TestDeadlinesAreTheEndpointsTimeouts(t *testing.T) {
	address := backend(t, stalls)
	transport := newTransport(t, Settings{Endpoints: Static(address), Retries: 3})
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	req, _ := http.NewRequestWithContext(ctx, http.MethodGet, "http://orders/", nil)
	if _, err := transport.RoundTrip(req); !errors.Is(err, context.DeadlineExceeded) || !os.IsTimeout(err) {
		t.Errorf("the error is %v, want a timeout", err)
	}
	for range 20 {
		_, err := (&http.Client{Transport: transport, Timeout: 20 * time.Millisecond}).Get("http://orders/")
		var failed *url.Error
		if !errors.As(err, &failed) || !failed.Timeout() {
			t.Errorf("the error is %v, want a timeout", err)
		}
	}
	// on a busy machine a deadline may be over before an attempt begins
	if got := attempts(transport, address); len(got) != 1 || got["timed_out"] < 1 || got["timed_out"] > 21 {
		t.Errorf("attempts are %v, want 21 that timed out", got)
	}
}

// The transport closes the body of a request whose endpoint is gone, and then it
// cannot be read. That is not the body's fault.
func TestBodyThatTheTransportClosesIsNoFault(t *testing.T) {
	address := backend(t, raw(""))
	transport := newTransport(t, Settings{Endpoints: Static(address)})
	reader, writer := io.Pipe()
	go func() {
		for _, err := writer.Write(make([]byte, 1000)); err == nil; _, err = writer.Write(make([]byte, 1000)) {
			time.Sleep(time.Millisecond)
		}
	}()
	req, _ := http.NewRequest(http.MethodPost, "http://orders/", reader)
	if res, err := transport.RoundTrip(req); err == nil {
		t.Errorf("there is an answer with status %d", res.StatusCode)
	}
	if got := attempts(transport, address); !maps.Equal(got, map[string]uint64{"broken": 1}) {
		t.Errorf("attempts are %v, want one that broke", got)
	}
}

func TestTransportThatPanicsEnds(t *testing.T) {
	transport := newTransport(t, Settings{Endpoints: Static("a:1"), Retries: 1, Transport: roundTripper(
		func(*http.Request) (*http.Response, error) { panic(http.ErrAbortHandler) })})
	func() {
		defer func() {
			if got := recover(); got != http.ErrAbortHandler {
				t.Errorf("the panic is %v, want it unchanged", got)
			}
		}()
		transport.RoundTrip(httptest.NewRequest(http.MethodGet, "http://orders/", nil))
	}()
	if u := transport.Snapshot().Upstreams[0]; u.InFlight != 0 || u.SuccessRate != 1 || u.Attempts["canceled"] != 1 {
		t.Errorf("%d are in flight, attempts are %v, success rate is %v", u.InFlight, u.Attempts, u.SuccessRate)
	}
}

func TestFailureStatusIsASetting(t *testing.T) {
	for code, want := range map[int]string{200: "success", 429: "failed_status", 500: "success", 404: "failed_status", 302: "success"} {
		transport := newTransport(t, Settings{
			Endpoints: Static("a:1"), FailureStatus: []int{404, 429},
			Transport: roundTripper(func(r *http.Request) (*http.Response, error) { return answer(r, code), nil }),
		})
		res, err := transport.RoundTrip(httptest.NewRequest(http.MethodGet, "http://orders/", bytes.NewReader(nil)))
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		if got := attempts(transport, "a:1"); got[want] != 1 {
			t.Errorf("attempts with status %d are %v, want %s", code, got, want)
		}
	}
}
