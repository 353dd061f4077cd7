package breaker

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"go.uber.org/zap"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/weirproxy/weir/governance/circuit"
	"github.com/weirproxy/weir/internal/breakerconf"
	"github.com/weirproxy/weir/internal/exchange"
	"github.com/weirproxy/weir/internal/freeport"
	"github.com/weirproxy/weir/internal/problem"
)

// standalone is a breaker without Caddy around it.
func standalone(configure func(*Handler)) *Handler {
	h := &Handler{Name: "test", live: &liveBreaker{History: circuit.NewHistory()}, logger: zap.NewNop()}
	if configure != nil {
		configure(h)
	}
	if err := h.check(); err != nil {
		panic(err)
	}
	h.by = "breaker test"
	h.breaker = circuit.New(h.live.History, h.settings, nil)
	return h
}

func TestOutcomes(t *testing.T) {
	wrote := func(code int) caddyhttp.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) error { w.WriteHeader(code); return nil }
	}
	failed := func(err error) caddyhttp.HandlerFunc {
		return func(http.ResponseWriter, *http.Request) error { return err }
	}
	neutral, success, failure := circuit.Calls{Neutral: 1}, circuit.Calls{Success: 1}, circuit.Calls{Failure: 1}
	for name, c := range map[string]struct {
		next caddyhttp.HandlerFunc
		want circuit.Calls
	}{
		"nothing written":       {failed(nil), success},
		"200":                   {wrote(200), success},
		"304":                   {wrote(304), success},
		"404 of the upstream":   {wrote(404), success},
		"429 of the upstream":   {wrote(429), success},
		"501":                   {wrote(501), success},
		"500":                   {wrote(500), failure},
		"499":                   {wrote(499), neutral},
		"error":                 {failed(errors.New("x")), failure},
		"502":                   {failed(caddyhttp.Error(502, errors.New("x"))), failure},
		"404 of a handler":      {failed(caddyhttp.Error(404, errors.New("x"))), neutral},
		"413 of a handler":      {failed(caddyhttp.Error(413, errors.New("x"))), neutral},
		"501 of a handler":      {failed(caddyhttp.Error(501, errors.New("x"))), neutral},
		"a refusal of weir":     {failed((&problem.Refusal{Status: 503, By: "load_shed"}).Handler()), neutral},
		"500 and then an error": {func(w http.ResponseWriter, _ *http.Request) error { w.WriteHeader(500); return errors.New("x") }, failure},
		"200 and then an error": {func(w http.ResponseWriter, _ *http.Request) error { w.WriteHeader(200); return errors.New("x") }, failure},
		"103 and then 500":      {func(w http.ResponseWriter, _ *http.Request) error { w.WriteHeader(103); w.WriteHeader(500); return nil }, failure},
		"events": {func(w http.ResponseWriter, _ *http.Request) error {
			w.Header().Set("Content-Type", "text/event-stream")
			w.WriteHeader(200)
			return errors.New("the stream broke off")
		}, success},
		"failing events": {func(w http.ResponseWriter, _ *http.Request) error {
			w.Header().Set("Content-Type", "text/event-stream; charset=utf-8")
			w.WriteHeader(503)
			return nil
		}, failure},
		"flushed": {func(w http.ResponseWriter, _ *http.Request) error { return http.NewResponseController(w).Flush() }, success},
	} {
		t.Run(name, func(t *testing.T) {
			h := standalone(nil)
			_ = h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil), c.next)
			if got := h.snapshot(); got.Calls != c.want || got.InFlight != 0 {
				t.Errorf("got %+v with %d in flight, want %+v", got.Calls, got.InFlight, c.want)
			}
		})
	}
}

// What the balancer refuses because its upstreams are busy is nothing against them; that
// there is no upstream is.
func TestRefusalsOfTheBalancer(t *testing.T) {
	for by, want := range map[string]circuit.Calls{
		"max_concurrent shop": {Neutral: 1},
		"pool shop":           {Failure: 1},
		"retry_budget shop":   {Failure: 1},
	} {
		h := standalone(nil)
		inside(func(w http.ResponseWriter, r *http.Request) {
			_ = h.ServeHTTP(w, r, caddyhttp.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) error {
				exchange.From(r).RefusedBy = by
				return caddyhttp.Error(http.StatusServiceUnavailable, errors.New("no upstreams available"))
			}))
		})
		if got := h.snapshot().Calls; got != want {
			t.Errorf("refused by %s: got %+v, want %+v", by, got, want)
		}
	}
}

// Panics pass as they are. With the client still there they are failures.
func TestPanics(t *testing.T) {
	bug := errors.New("a bug")
	for _, value := range []any{http.ErrAbortHandler, bug} {
		for gone, want := range map[bool]circuit.Calls{false: {Failure: 1}, true: {Neutral: 1}} {
			for _, second := range []*FallbackOnFailure{nil, {}} {
				h := standalone(func(h *Handler) { h.FallbackRaw, h.FallbackOnFailure = []byte("{}"), second })
				ctx, cancel := context.WithCancel(t.Context())
				panicked := func() (v any) {
					defer func() { v = recover() }()
					_ = h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil).WithContext(ctx),
						caddyhttp.HandlerFunc(func(http.ResponseWriter, *http.Request) error {
							if gone {
								cancel()
							}
							panic(value)
						}))
					return nil
				}()
				cancel()
				if panicked != value {
					t.Errorf("panicked with %v, want %v", panicked, value)
				}
				if got := h.snapshot(); got.Calls != want || got.InFlight != 0 {
					t.Errorf("client gone %v: got %+v, want %+v", gone, got.Calls, want)
				}
			}
		}
	}
}

// A tunnel or a stream gives its place back at the headers and goes on.
func TestStreamsReleaseTheirPlace(t *testing.T) {
	listen := freeport.Address(t)
	up := backend(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Upgrade") != "" {
			upgrade(w, r)
			return
		}
		w.Header().Set("Content-Type", "text/event-stream")
		fmt.Fprint(w, "data: one\n\n")
		http.NewResponseController(w).Flush()
		<-r.Context().Done()
	})
	for _, onFailure := range []string{"", "fallback {\n respond fallback\n}\nfallback_on_failure\n"} {
		mustLoad(t, t.TempDir(), site(listen, "max_concurrent 1\n"+onFailure, "reverse_proxy "+up))
		conn, reader := dialUpgrade(t, listen)
		wantCalls(t, 1, 0, 0)
		res, err := client.Get("http://" + listen) // 503 if the place were still taken
		if err != nil {
			t.Fatal(err)
		}
		if res.StatusCode != 200 {
			t.Fatalf("status %d, want 200", res.StatusCode)
		}
		wantCalls(t, 2, 0, 0)
		one := make([]byte, len("data: one\n\n"))
		if _, err := io.ReadFull(res.Body, one); err != nil || string(one) != "data: one\n\n" {
			t.Errorf("the first event is %q, %v", one, err)
		}
		fmt.Fprint(conn, "ping\n")
		if line, err := reader.ReadString('\n'); line != "ping\n" {
			t.Errorf("the tunnel echoes %q, %v", line, err)
		}
		res.Body.Close()
		conn.Close()
		wantCalls(t, 2, 0, 0)
		stop(t)
	}
}

func TestRetryAfterOfAnAnswer(t *testing.T) {
	failures, err := (&breakerconf.Config{}).Failures()
	if err != nil {
		t.Fatal(err)
	}
	in := func(d time.Duration) string { return time.Now().Add(d).UTC().Format(http.TimeFormat) }
	for value, want := range map[string][2]time.Duration{
		"":                     {0, 0},
		"7":                    {7 * time.Second, 7 * time.Second},
		"-7":                   {0, 0},
		"soon":                 {0, 0},
		"99999999999999999999": {math.MaxInt32 * time.Second, math.MaxInt32 * time.Second},
		in(time.Minute):        {58 * time.Second, time.Minute},
		in(-time.Minute):       {0, 0},
	} {
		g := &guard{handler: &Handler{failures: failures}}
		answer := func(status int) {
			g.Wrap(httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil), g)
			g.Header().Set("Retry-After", value)
			g.WriteHeader(status)
		}
		answer(503)
		if got := g.retryAfter(); got < want[0] || got > want[1] {
			t.Errorf("%q is %v, want %v", value, got, want)
		}
		answer(200)
		if got := g.retryAfter(); got != 0 {
			t.Errorf("%q of an answer that is no failure is %v, want 0", value, got)
		}
	}
}
