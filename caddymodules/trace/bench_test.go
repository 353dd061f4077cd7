package trace

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/weirproxy/weir/internal/exchange"
)

var nothing = caddyhttp.HandlerFunc(func(http.ResponseWriter, *http.Request) error { return nil })

// run serves requests with that header; each gets fresh variables, as from Caddy.
func run(b *testing.B, h caddyhttp.MiddlewareHandler, header http.Header) {
	b.Helper()
	w := httptest.NewRecorder()
	r := httptest.NewRequest(http.MethodGet, "https://example.com/", nil)
	r = caddyhttp.PrepareRequest(r, caddy.NewReplacer(), w, new(caddyhttp.Server))
	variables := r.Context().Value(caddyhttp.VarsCtxKey).(map[string]any)
	proxy, client := variables[caddyhttp.TrustedProxyVarKey], variables[caddyhttp.ClientIPVarKey]
	b.ReportAllocs()
	for b.Loop() {
		clear(variables)
		variables[caddyhttp.TrustedProxyVarKey], variables[caddyhttp.ClientIPVarKey] = proxy, client
		clear(r.Header)
		for name, values := range header {
			r.Header[name] = values
		}
		if err := h.ServeHTTP(w, r, nothing); err != nil {
			b.Fatal(err)
		}
	}
}

// baseline is what run and the exchange cost by themselves.
type baseline struct{}

func (baseline) ServeHTTP(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	return exchange.From(r).Serve(w, r, next)
}

func BenchmarkServeHTTP(b *testing.B) {
	w3c := http.Header{"Traceparent": {inParent}, "Tracestate": {"rojo=00f067aa0ba902b7"}}
	for _, c := range []struct {
		name    string
		handler Handler
		header  http.Header
	}{
		{"pass/w3c", Handler{}, w3c},
		{"pass/w3c,private_ranges", Handler{Trust: []string{"private_ranges", "192.0.2.0/24"}}, w3c},
		{"pass/b3", Handler{Emit: []string{"b3"}}, http.Header{"B3": {b3TraceID + "-" + b3SpanID + "-1"}}},
		{"pass/w3c,response_header", Handler{ResponseHeader: "X-Trace-Id"}, w3c},
		{"translate/w3c to w3c,b3", Handler{Emit: []string{"w3c", "b3"}}, w3c},
		{"translate/w3c to w3c,b3multi", Handler{Emit: []string{"w3c", "b3multi"}}, w3c},
		{"translate/b3 to w3c", Handler{}, http.Header{"B3": {b3TraceID + "-" + b3SpanID + "-1"}}},
		{"generate/w3c", Handler{}, http.Header{}},
		{"generate/w3c,b3multi", Handler{Emit: []string{"w3c", "b3multi"}}, http.Header{}},
		{"generate/b3 (bridge)", Handler{Emit: []string{"b3"}}, http.Header{}},
		{"hostile/traceparent 64KiB", Handler{}, http.Header{"Traceparent": {strings.Repeat("0", 64<<10)}}},
		{"hostile/traceparent 64KiB valid start", Handler{}, http.Header{"Traceparent": {"cc" + inParent[2:] + strings.Repeat("-0", 32<<10)}}},
		{"hostile/traceparent x1000", Handler{}, http.Header{"Traceparent": strings.Fields(strings.Repeat(inParent+" ", 1000))}},
		{"hostile/tracestate x1000", Handler{}, http.Header{"Traceparent": {inParent}, "Tracestate": strings.Fields(strings.Repeat("a=1 ", 1000))}},
	} {
		b.Run(c.name, func(b *testing.B) { run(b, provision(b, &c.handler), c.header) })
	}
	b.Run("baseline", func(b *testing.B) { run(b, baseline{}, w3c) })
}

// A valid id that passes through costs, besides the exchange, the two variables.
func TestPassThroughAllocations(t *testing.T) {
	h := provision(t, new(Handler))
	measure := func(h caddyhttp.MiddlewareHandler) float64 {
		w := httptest.NewRecorder()
		r := httptest.NewRequest(http.MethodGet, "https://example.com/", nil)
		r.Header = http.Header{"Traceparent": {inParent}, "Tracestate": {"a=1"}}
		return testing.AllocsPerRun(1000, func() {
			variables := make(map[string]any)
			served := r.WithContext(context.WithValue(r.Context(), caddyhttp.VarsCtxKey, variables))
			if err := h.ServeHTTP(w, served, nothing); err != nil {
				t.Fatal(err)
			}
			if len(variables) == 0 {
				t.Fatal("no variables")
			}
		})
	}
	if with, without := measure(h), measure(baseline{}); with-without > 2 {
		t.Errorf("%v allocations, %v without trace_context", with, without)
	}
}
