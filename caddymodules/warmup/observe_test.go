package warmup

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/weirproxy/weir/governance/ramp"
)

// rated returns the success rate of a handler's calls so far.
func rated(h *Handler) ramp.RateSnapshot {
	return *h.live.ramp.Snapshot(time.Now()).Success
}

func TestOutcomes(t *testing.T) {
	answered := func(status int) nextFunc {
		return func(w http.ResponseWriter, _ *http.Request) error { w.WriteHeader(status); return nil }
	}
	failed := func(err error) nextFunc {
		return func(http.ResponseWriter, *http.Request) error { return err }
	}
	const success, failure, neutral = 1, 0, -1
	for name, tc := range map[string]struct {
		next   nextFunc
		cancel bool
		want   int
	}{
		"200":                       {answered(200), false, success},
		"404":                       {answered(404), false, success},
		"500":                       {answered(500), false, failure},
		"503":                       {answered(503), false, failure},
		"101":                       {answered(101), false, success},
		"499":                       {answered(499), false, neutral},
		"nothing":                   {failed(nil), false, success},
		"error with status":         {failed(caddyhttp.Error(502, errors.New("x"))), false, failure},
		"client's error":            {failed(caddyhttp.Error(413, errors.New("x"))), false, success},
		"error without status":      {failed(errors.New("x")), false, failure},
		"error with the client off": {failed(caddyhttp.Error(502, errors.New("x"))), true, neutral},
		"499 as an error":           {failed(caddyhttp.Error(499, errors.New("x"))), true, neutral},
		"early hints, then 500": {func(w http.ResponseWriter, _ *http.Request) error {
			w.WriteHeader(103)
			w.WriteHeader(500)
			return nil
		}, false, failure},
		"body without a status": {func(w http.ResponseWriter, _ *http.Request) error {
			_, err := io.WriteString(w, "x")
			return err
		}, false, success},
		"200, then an error": {func(w http.ResponseWriter, _ *http.Request) error {
			w.WriteHeader(200)
			return errors.New("x")
		}, false, failure},
		"200, and the client off": {answered(200), true, success},
		"200, then an error with the client off": {func(w http.ResponseWriter, _ *http.Request) error {
			w.WriteHeader(200)
			return errors.New("x")
		}, true, neutral},
		"200, then an error of the client": {func(w http.ResponseWriter, _ *http.Request) error {
			w.WriteHeader(200)
			return caddyhttp.Error(413, errors.New("x"))
		}, false, success},
		"copied": {func(w http.ResponseWriter, _ *http.Request) error {
			_, err := w.(io.ReaderFrom).ReadFrom(strings.NewReader("x"))
			return err
		}, false, success},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHandler(t, &Handler{Ramp: &Ramp{Interval: hour}})
			r := httptest.NewRequest(http.MethodGet, "/", nil)
			if tc.cancel {
				r = canceled(r)
			}
			_ = h.ServeHTTP(httptest.NewRecorder(), r, tc.next)
			got := neutral
			if s := rated(h); s.Samples == 1 {
				got = int(s.Rate)
			}
			if got != tc.want {
				t.Errorf("outcome is %d, want %d (1 success, 0 failure, -1 neutral)", got, tc.want)
			}
		})
	}
}

// reverse_proxy answers 502 where the client's body broke off, as malformed chunks do.
func TestABodyThatBreaksOffIsNotTheServicesFault(t *testing.T) {
	for name, tc := range map[string]struct {
		body    io.Reader
		samples uint64
	}{
		"malformed": {iotest.ErrReader(errors.New("malformed chunked encoding")), 0},
		"whole":     {strings.NewReader("x"), 1},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHandler(t, &Handler{Ramp: &Ramp{Interval: hour}})
			r := httptest.NewRequest(http.MethodPost, "/", tc.body)
			_ = h.ServeHTTP(httptest.NewRecorder(), r, nextFunc(func(_ http.ResponseWriter, r *http.Request) error {
				_, _ = io.ReadAll(r.Body)
				return caddyhttp.Error(http.StatusBadGateway, errors.New("x"))
			}))
			if s := rated(h); uint64(s.Samples) != tc.samples {
				t.Errorf("%d calls count, want %d", s.Samples, tc.samples)
			}
		})
	}
}

func TestPanicsPassUnchanged(t *testing.T) {
	for _, cause := range []any{http.ErrAbortHandler, "broken"} {
		h := newHandler(t, &Handler{Ramp: &Ramp{Interval: hour}})
		func() {
			defer func() {
				if got := recover(); got != cause {
					t.Errorf("recovered %v, want %v", got, cause)
				}
			}()
			_ = h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/", nil),
				nextFunc(func(http.ResponseWriter, *http.Request) error { panic(cause) }))
		}()
		if s := rated(h); s.Samples != 1 || s.Rate != 0 {
			t.Errorf("after a panic the success rate is %+v, want one failure", s)
		}
	}
}

// An answer that breaks off is a failure, unless it was the client who broke it off or
// it is a stream, which counts at its headers.
func TestAnswersThatBreakOff(t *testing.T) {
	breaksOff := func(status int, contentType string) nextFunc {
		return func(w http.ResponseWriter, _ *http.Request) error {
			w.Header().Set("Content-Type", contentType)
			w.WriteHeader(status)
			_, _ = io.WriteString(w, "x")
			panic(http.ErrAbortHandler)
		}
	}
	plain := httptest.NewRequest(http.MethodGet, "/", nil)
	for name, tc := range map[string]struct {
		next     nextFunc
		request  *http.Request
		writer   http.ResponseWriter
		samples  int
		succeeds float64
	}{
		"text":                {breaksOff(200, "text/plain"), plain, httptest.NewRecorder(), 1, 0},
		"the client left":     {breaksOff(200, "text/plain"), canceled(plain), httptest.NewRecorder(), 0, 0},
		"the client is gone":  {breaksOff(200, "text/plain"), plain, gone{httptest.NewRecorder()}, 0, 0},
		"events":              {breaksOff(200, "text/event-stream"), plain, httptest.NewRecorder(), 1, 1},
		"a switched protocol": {breaksOff(101, ""), plain, httptest.NewRecorder(), 1, 1},
		"a tunnel":            {breaksOff(200, ""), httptest.NewRequest(http.MethodConnect, "/", nil), httptest.NewRecorder(), 1, 1},
	} {
		h := newHandler(t, &Handler{Ramp: &Ramp{From: 1, Follow: 1, Interval: hour}})
		func() {
			defer func() {
				if got := recover(); got != http.ErrAbortHandler {
					t.Errorf("%s: recovered %v", name, got)
				}
			}()
			_ = h.ServeHTTP(tc.writer, tc.request, tc.next)
		}()
		if s := rated(h); s.Samples != tc.samples || s.Rate != tc.succeeds {
			t.Errorf("%s: %d samples with the success rate %v, want %d with %v", name, s.Samples, s.Rate, tc.samples, tc.succeeds)
		}
	}
}

// gone is the response writer of a client that is gone.
type gone struct{ *httptest.ResponseRecorder }

func (gone) Write([]byte) (int, error) { return 0, net.ErrClosed }

// What an answer says of a cache is read at its headers, from which others may take it
// away; a long one that has begun does not hang.
func TestLongAnswers(t *testing.T) {
	h := newHandler(t, &Handler{Probe: &Slope{hour, 1000, 1000}, Climb: &Slope{hour, 1000, 1000}, CacheHit: &CacheHit{0.6, 0.7, ""}})
	_ = h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/", nil), nextFunc(func(w http.ResponseWriter, _ *http.Request) error {
		w.Header().Set("Cache-Status", "a; hit")
		w.WriteHeader(200)
		w.Header().Del("Cache-Status")
		return nil
	}))
	if hit := h.live.ramp.Snapshot(time.Now()).CacheHit; hit.Samples != 1 || hit.Rate != 1 {
		t.Errorf("the cache-hit rate is %+v, want one hit", hit)
	}
	h = newHandler(t, &Handler{Ramp: &Ramp{From: 1, Follow: 1, Interval: hour}})
	var deep func(n int) nextFunc // n calls at once
	deep = func(n int) nextFunc {
		return func(w http.ResponseWriter, r *http.Request) error {
			w.WriteHeader(200)
			if s := rated(h); s.Samples != 0 {
				t.Errorf("%d samples while answers go on, want none", s.Samples)
			}
			if n == 0 {
				return nil
			}
			return h.ServeHTTP(httptest.NewRecorder(), r, deep(n-1))
		}
	}
	_ = h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/", nil), deep(30))
	if s := rated(h); s.Samples != 31 || s.Rate != 1 {
		t.Errorf("the success rate is %+v, want 31 successes", s)
	}
}

// connection is a response writer that can be taken over.
type connection struct {
	*httptest.ResponseRecorder
	taken net.Conn
}

func (c *connection) Hijack() (net.Conn, *bufio.ReadWriter, error) { return c.taken, nil, nil }

// What streams keeps streaming, also for handlers that do not know
// http.ResponseController, and counts before it ends.
func TestStreamsAreNotHeldBack(t *testing.T) {
	h := newHandler(t, &Handler{Ramp: &Ramp{From: 1, Follow: 1, Interval: hour}})
	serve := func(next nextFunc) {
		t.Helper()
		mine, theirs := net.Pipe()
		defer mine.Close()
		defer theirs.Close()
		w := &connection{httptest.NewRecorder(), theirs}
		before := rated(h).Samples
		if err := h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/", nil), nextFunc(func(w http.ResponseWriter, r *http.Request) error {
			if err := next(w, r); err != nil {
				return err
			}
			if n := rated(h).Samples - before; n != 1 {
				t.Errorf("%d samples while the stream goes on, want 1", n)
			}
			return nil
		})); err != nil {
			t.Error(err)
		}
		if n := rated(h).Samples - before; n != 1 {
			t.Errorf("%d samples after it, want 1", n)
		}
	}
	serve(func(w http.ResponseWriter, _ *http.Request) error {
		w.Header().Set("Content-Type", "text/event-stream")
		return http.NewResponseController(w).Flush()
	})
	serve(func(w http.ResponseWriter, _ *http.Request) error {
		w.Header().Set("Content-Type", "text/event-stream; charset=utf-8")
		w.(http.Flusher).Flush()
		return nil
	})
	serve(func(w http.ResponseWriter, _ *http.Request) error {
		_, _, err := http.NewResponseController(w).Hijack()
		return err
	})
	serve(func(w http.ResponseWriter, _ *http.Request) error {
		_, _, err := w.(http.Hijacker).Hijack()
		return err
	})
}

func TestRefusalInsideAnotherHandler(t *testing.T) {
	h := newHandler(t, &Handler{Hold: hour, Probe: &Slope{hour, 1, 1}})
	called := false
	err := h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/", nil),
		nextFunc(func(http.ResponseWriter, *http.Request) error { called = true; return nil }))
	refusal := refusalOf(err)
	if refusal == nil || refusal.By != "warm_up test" || refusal.RetryAfter < 59*time.Minute || called {
		t.Errorf("got %+v, want a refusal until the time to hold is over", refusal)
	}
	if h.live.refused.Load() != 1 {
		t.Error("the refusal is not counted")
	}
}
