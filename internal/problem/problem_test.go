package problem

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

func TestError(t *testing.T) {
	for want, r := range map[string]*Refusal{
		"Service Unavailable":                     {Status: 503},
		"breaker b: Service Unavailable":          {Status: 503, By: "breaker b"},
		"breaker b: Too Many Requests: slow down": {Status: 429, By: "breaker b", Detail: "slow down"},
	} {
		if got := r.Error(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

func TestHandler(t *testing.T) {
	refusal := &Refusal{Status: 429, By: "b"}
	err := refusal.Handler()
	handlerError, ok := err.(caddyhttp.HandlerError) // Caddy does not unwrap
	if !ok || handlerError.StatusCode != 429 {
		t.Fatalf("%#v is not what Caddy expects", err)
	}
	var found *Refusal
	if !errors.As(err, &found) || found != refusal {
		t.Error("the refusal is lost")
	}
}

func TestOf(t *testing.T) {
	secret := errors.New("dial tcp 10.0.0.7:80")
	full := Refusal{Status: 422, Title: "T", Detail: "D", Errors: []Fault{{Detail: "x"}}}
	tests := []struct {
		name string
		err  error
		want Refusal
	}{
		{"plain", secret, Refusal{Status: 500}},
		{"with a status", caddyhttp.Error(404, secret), Refusal{Status: 404}},
		{"of another handler", caddyhttp.Error(503, secret), Refusal{Status: 503}},
		{"of the proxy", caddyhttp.HandlerError{Err: secret, StatusCode: 502, Trace: "reverseproxy.statusError (reverseproxy.go:1)"}, Refusal{Status: 502, Detail: "The upstream did not give a valid answer."}},
		{"without a status", caddyhttp.HandlerError{Err: secret}, Refusal{Status: 500}},
		{"wrapped", fmt.Errorf("more: %w", caddyhttp.Error(404, secret)), Refusal{Status: 404}},
		{"refusal", full.Handler(), full},
		{"wrapped refusal", fmt.Errorf("more: %w", &full), full},
	}
	for _, tt := range tests {
		if got := Of(tt.err); !reflect.DeepEqual(got, tt.want) {
			t.Errorf("%s: %+v, want %+v", tt.name, got, tt.want)
		}
	}
	for status, detail := range proxyDetails {
		if strings.Contains(detail, "10.") || http.StatusText(status) == "" {
			t.Errorf("%d: %s", status, detail)
		}
	}
}

func TestWrite(t *testing.T) {
	tests := []struct {
		name    string
		refusal Refusal
		traceID string
		status  int
		retry   string
		want    string
	}{
		{"least", Refusal{Status: 503}, "", 503, "",
			`{"type":"about:blank","title":"Service Unavailable","status":503}`},
		{"most", Refusal{
			Status: 422, Type: "https://example.com/p", Title: "T", Detail: "D", RetryAfter: 1100 * time.Millisecond,
			Errors: []Fault{{In: "query", Name: "p", Pointer: "/a", Code: "c", Detail: "d"}, {Detail: "e"}},
		}, "id", 422, "2",
			`{"type":"https://example.com/p","title":"T","status":422,"detail":"D","trace_id":"id",` +
				`"errors":[{"in":"query","name":"p","pointer":"/a","code":"c","detail":"d"},{"detail":"e"}]}`},
		{"no status", Refusal{}, "", 500, "",
			`{"type":"about:blank","title":"Internal Server Error","status":500}`},
		{"status that panics", Refusal{Status: 42}, "", 500, "",
			`{"type":"about:blank","title":"Internal Server Error","status":500}`},
		{"status that is not final", Refusal{Status: 103}, "", 500, "",
			`{"type":"about:blank","title":"Internal Server Error","status":500}`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := httptest.NewRecorder()
			w.Header().Set("Content-Encoding", "gzip")
			w.Header().Set("Etag", "x")
			w.Header().Set("X-Mine", "kept")
			if err := Write(w, tt.refusal, tt.traceID); err != nil {
				t.Fatal(err)
			}
			if w.Code != tt.status || w.Body.String() != tt.want || !json.Valid(w.Body.Bytes()) {
				t.Errorf("status %d, body %s\nwant %d, %s", w.Code, w.Body, tt.status, tt.want)
			}
			want := http.Header{
				"Content-Type":           {"application/problem+json"},
				"Content-Length":         {fmt.Sprint(len(tt.want))},
				"X-Content-Type-Options": {"nosniff"},
				"X-Mine":                 {"kept"},
			}
			if tt.retry != "" {
				want.Set("Retry-After", tt.retry)
			}
			if !reflect.DeepEqual(w.Header(), want) {
				t.Errorf("header %v, want %v", w.Header(), want)
			}
		})
	}
}

// What a real server does with the statuses and methods that have no body.
func TestWriteToAServer(t *testing.T) {
	for _, status := range []int{204, 304, 499, 503, 999} {
		for _, method := range []string{"GET", "HEAD"} {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				_ = Write(w, Refusal{Status: status}, "")
			}))
			request, _ := http.NewRequest(method, server.URL, nil)
			response, err := http.DefaultClient.Do(request)
			if err != nil {
				t.Fatalf("%s, %d: %v", method, status, err)
			}
			body, err := io.ReadAll(response.Body)
			response.Body.Close()
			server.Close()
			if err != nil || response.StatusCode != status || (len(body) > 0) != (method == "GET" && status >= 400) {
				t.Errorf("%s: status %d, want %d, body %q, %v", method, response.StatusCode, status, body, err)
			}
		}
	}
}
