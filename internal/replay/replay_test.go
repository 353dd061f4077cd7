package replay

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/reverseproxy"
)

func TestRestore(t *testing.T) {
	r := httptest.NewRequest(http.MethodPut, "/path?a=b", nil)
	r.Body = io.NopCloser(strings.NewReader("body"))
	r.Header["X-Kept"] = []string{"old"}
	answer := http.Header{"X-Answer": {"old"}}
	url := r.URL

	closed := 0
	var o Original
	o.Keep(r, answer)
	o.KeepBody(r, r.Body, 100, func() { closed++ })
	if _, err := io.ReadFull(r.Body, make([]byte, 2)); err != nil {
		t.Fatal(err)
	}
	r.Body.Close()
	r.Method, r.Host, r.URL.Path, r.URL.RawQuery = http.MethodPost, "other", "/other", ""
	r.Header["X-Kept"][0] = "new"
	r.Header.Set("X-New", "new")
	answer.Set("X-Answer", "new")
	answer.Set("X-New", "new")

	if o.Method() != http.MethodPut || closed != 1 {
		t.Errorf("the method was %s, and the body is closed %d times", o.Method(), closed)
	}
	if !o.Reopen() {
		t.Fatal("a short body cannot be read again")
	}
	o.Restore(r, answer)
	if r.Method != http.MethodPut || r.Host != "example.com" || r.URL != url || r.URL.String() != "/path?a=b" {
		t.Errorf("the request is %s %s %s", r.Method, r.Host, r.URL)
	}
	if fmt.Sprint(r.Header) != "map[X-Kept:[old]]" || fmt.Sprint(answer) != "map[X-Answer:[old]]" {
		t.Errorf("the headers are %v and %v", r.Header, answer)
	}
	if body, err := io.ReadAll(r.Body); string(body) != "body" || err != nil {
		t.Errorf("the body is %q, %v", body, err)
	}
}

func TestRequestsWithoutABody(t *testing.T) {
	r := httptest.NewRequest(http.MethodGet, "/", http.NoBody)
	var o Original
	o.Keep(r, nil)
	if !o.Reopen() {
		t.Error("what has no body cannot be made again")
	}
	r.Body = nil
	o.Restore(r, make(http.Header))
	if r.Body != http.NoBody {
		t.Errorf("the body is %v", r.Body)
	}
}

func TestNeverSent(t *testing.T) {
	proxys := func(err error) error {
		return caddyhttp.HandlerError{Err: err, StatusCode: 503, Trace: "reverseproxy.statusError (reverseproxy.go:1)"}
	}
	some := errors.New("some error")
	for name, c := range map[string]struct {
		err      error
		upstream string // that was tried
		want     bool
	}{
		"refused":              {proxys(reverseproxy.DialError{}), "10.0.0.1:80", true},
		"no upstream":          {proxys(some), "", true},
		"an upstream failed":   {proxys(some), "10.0.0.1:80", false},
		"another handler's":    {caddyhttp.Error(503, some), "", false},
		"no error of handlers": {some, "", false},
	} {
		repl := caddy.NewReplacer()
		if c.upstream != "" {
			repl.Set("http.reverse_proxy.upstream.address", c.upstream)
		}
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		if NeverSent(r, c.err) != (name == "refused") {
			t.Errorf("%s: outside of Caddy it is %v", name, NeverSent(r, c.err))
		}
		r = r.WithContext(context.WithValue(r.Context(), caddy.ReplacerCtxKey, repl))
		if got := NeverSent(r, c.err); got != c.want {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}

func TestAProxyBeforeSaysNothing(t *testing.T) {
	repl := caddy.NewReplacer()
	repl.Set(upstreamTried, "auth:80")
	r := httptest.NewRequest(http.MethodPost, "/", nil)
	r = r.WithContext(context.WithValue(r.Context(), caddy.ReplacerCtxKey, repl))
	none := caddyhttp.HandlerError{Err: errors.New("no upstreams available"), StatusCode: 503, Trace: "reverseproxy.statusError (reverseproxy.go:1)"}
	if NeverSent(r, none) {
		t.Error("without Keep, the proxy before counts")
	}
	new(Original).Keep(r, nil)
	if !NeverSent(r, none) {
		t.Error("after Keep, the proxy before counts")
	}
}
