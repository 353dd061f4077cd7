package exchange

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/weirproxy/weir/internal/problem"
)

// server is a server with error routes, as the Caddyfile makes them: a subroute
// for the site, which holds what handle_errors says.
func server(t *testing.T, routes string) *caddyhttp.Server {
	t.Helper()
	ctx, cancel := caddy.NewContext(caddy.Context{Context: context.Background()})
	t.Cleanup(cancel)
	s := &caddyhttp.Server{Errors: new(caddyhttp.HTTPErrorConfig)}
	if err := json.Unmarshal([]byte(routes), &s.Errors.Routes); err != nil {
		t.Fatal(err)
	}
	if err := s.Errors.Routes.Provision(ctx); err != nil {
		t.Fatal(err)
	}
	return s
}

// siteRoutes are error routes of a site that answer matching requests with body.
func siteRoutes(host, match string) string {
	return fmt.Sprintf(`[{"match": [{"host": [%q]}], "terminal": true, "handle": [
		{"handler": "subroute", "routes": [{"match": [%s], "handle": [
			{"handler": "static_response", "status_code": "502", "body": "{http.error.status_code} at {http.request.uri}"}
		]}]}]}]`, host, match)
}

func TestRender(t *testing.T) {
	unavailable := caddyhttp.Error(http.StatusServiceUnavailable, errTest)
	tests := []struct {
		name   string
		server func(*testing.T) *caddyhttp.Server
		err    error
		status int
		body   string
	}{
		{"no error routes", func(*testing.T) *caddyhttp.Server { return new(caddyhttp.Server) }, unavailable, 503, ""},
		{"error without a status", func(*testing.T) *caddyhttp.Server { return new(caddyhttp.Server) }, errTest, 500, ""},
		{"a route matches", func(t *testing.T) *caddyhttp.Server { return server(t, siteRoutes("example.com", "{}")) },
			unavailable, 502, "503 at /before"},
		{"another site", func(t *testing.T) *caddyhttp.Server { return server(t, siteRoutes("other.com", "{}")) },
			unavailable, 503, ""},
		{"no route in the site", func(t *testing.T) *caddyhttp.Server {
			return server(t, siteRoutes("example.com", `{"expression": "{http.error.status_code} == 404"}`))
		}, unavailable, 503, ""},
		{"a matcher that fails", func(t *testing.T) *caddyhttp.Server {
			return server(t, siteRoutes("example.com", `{"expression": "{http.error.status_code} > 400"}`))
		}, errTest, 500, ""},
		{"a route that fails", func(t *testing.T) *caddyhttp.Server {
			return server(t, `[{"handle": [{"handler": "error", "error": "again", "status_code": 507}]}]`)
		}, unavailable, 503, ""},
		{"a route that writes nothing", func(t *testing.T) *caddyhttp.Server {
			return server(t, `[{"handle": [{"handler": "vars", "a": "b"}]}]`)
		}, unavailable, 503, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := httptest.NewRecorder()
			r := prepare(httptest.NewRequest("GET", "http://example.com/before", nil), w, tt.server(t))
			x := From(r)
			x.TraceID = "id"
			var o recording
			x.Observe(&o)
			err := x.Serve(w, r, caddyhttp.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) error {
				r.RequestURI, r.URL.Path = "/after", "/after" // as rewrite does
				return tt.err
			}))
			if err != nil {
				t.Errorf("the error was not dealt with: %v", err)
			}
			if w.Code != tt.status || o.status != tt.status || o.calls != 1 {
				t.Errorf("status %d, want %d; observed %+v", w.Code, tt.status, o)
			}
			if tt.body != "" && w.Body.String() != tt.body {
				t.Errorf("body %q, want %q", w.Body, tt.body)
			}
			if tt.body == "" {
				wantProblem(t, w, tt.status)
			}
		})
	}
}

func wantProblem(t *testing.T, w *httptest.ResponseRecorder, status int) {
	t.Helper()
	var doc map[string]any
	if err := json.Unmarshal(w.Body.Bytes(), &doc); err != nil {
		t.Fatalf("%v in %q", err, w.Body)
	}
	if doc["status"] != float64(status) || doc["trace_id"] != "id" {
		t.Errorf("problem %v", doc)
	}
}

func TestNothingIsAppended(t *testing.T) {
	w := httptest.NewRecorder()
	r := prepare(httptest.NewRequest("GET", "http://example.com/", nil), w, server(t, siteRoutes("example.com", "{}")))
	err := From(r).Serve(w, r, caddyhttp.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) error {
		_, _ = io.WriteString(w, "begun")
		return errTest
	}))
	if err != nil {
		t.Errorf("Caddy would run its error routes for %v", err)
	}
	if w.Body.String() != "begun" || w.Code != 200 {
		t.Errorf("status %d, body %q", w.Code, w.Body)
	}
}

// A handler between two of weir's gets the error first and may answer it.
func TestAHandlerBetweenTakesOver(t *testing.T) {
	w := httptest.NewRecorder()
	r := prepare(httptest.NewRequest("GET", "http://example.com/", nil), w, server(t, siteRoutes("example.com", "{}")))
	x := From(r)
	var outer, inner recording
	x.Observe(&outer)
	fails := caddyhttp.HandlerFunc(func(http.ResponseWriter, *http.Request) error { return errTest })
	between := caddyhttp.HandlerFunc(func(w http.ResponseWriter, r *http.Request) error {
		x.Observe(&inner)
		if err := x.Serve(w, r, fails); err != errTest {
			t.Errorf("got %v, want the error as it is", err)
		}
		_, err := io.WriteString(w, "from the cache")
		return err
	})
	if err := x.Serve(w, r, between); err != nil {
		t.Error(err)
	}
	if w.Code != 200 || w.Body.String() != "from the cache" {
		t.Errorf("status %d, body %q", w.Code, w.Body)
	}
	if outer.calls != 0 || (inner != recording{1, 200, 14}) {
		t.Errorf("the outer observer has %+v, the inner one %+v", outer, inner)
	}
}

func TestErrorsAsTheClientLeft(t *testing.T) {
	w := httptest.NewRecorder()
	ctx, cancel := context.WithCancel(context.Background())
	r := prepare(httptest.NewRequest("GET", "/", nil).WithContext(ctx), w, server(t, siteRoutes("example.com", "{}")))
	x := From(r)
	var o recording
	x.Observe(&o)
	if err := x.Serve(w, r, caddyhttp.HandlerFunc(func(http.ResponseWriter, *http.Request) error {
		cancel()
		return errTest
	})); err != nil {
		t.Error(err)
	}
	if o.status != StatusClientClosed || w.Code != StatusClientClosed || w.Body.Len() != 0 {
		t.Errorf("observed %+v, status %d, body %q", o, w.Code, w.Body)
	}
}

func TestRefusalNamesWhoRefused(t *testing.T) {
	w := httptest.NewRecorder()
	r := newRequest(w)
	x := From(r)
	refusal := &problem.Refusal{Status: http.StatusTooManyRequests, By: "breaker b"}
	if err := x.Serve(w, r, caddyhttp.HandlerFunc(func(http.ResponseWriter, *http.Request) error { return refusal.Handler() })); err != nil {
		t.Error(err)
	}
	if x.RefusedBy != "breaker b" || w.Code != http.StatusTooManyRequests {
		t.Errorf("refused by %q, status %d", x.RefusedBy, w.Code)
	}
}

// Who had no room just now has it soon; that is said only of a 503, and only if nobody has
// taken the request since.
func TestRetrySoon(t *testing.T) {
	for _, tc := range []struct {
		name  string
		err   error
		taken bool
		want  string
	}{
		{"refused", caddyhttp.Error(http.StatusServiceUnavailable, errTest), false, "1"},
		{"refused with another time", (&problem.Refusal{Status: 503, RetryAfter: time.Minute}).Handler(), false, "60"},
		{"failed otherwise", caddyhttp.Error(http.StatusBadGateway, errTest), false, ""},
		{"taken by somebody else", caddyhttp.Error(http.StatusServiceUnavailable, errTest), true, ""},
	} {
		w := httptest.NewRecorder()
		r := newRequest(w)
		err := From(r).Serve(w, r, caddyhttp.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) error {
			From(r).RetrySoon = true
			if tc.taken {
				From(r).AddAttempt(1, "one")
			}
			return tc.err
		}))
		if got := w.Header().Get("Retry-After"); got != tc.want || err != nil {
			t.Errorf("%s: Retry-After is %q, %v; want %q", tc.name, got, err, tc.want)
		}
	}
}

// Outside a server there is no one to render for.
func TestErrorOutsideAServer(t *testing.T) {
	w := httptest.NewRecorder()
	r := httptest.NewRequest("GET", "/", nil)
	if err := From(r).Serve(w, r, caddyhttp.HandlerFunc(func(http.ResponseWriter, *http.Request) error { return errTest })); err != errTest {
		t.Errorf("error %v", err)
	}
}
