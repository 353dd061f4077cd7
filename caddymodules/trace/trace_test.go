package trace

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/weirproxy/weir/internal/exchange"
)

const (
	inTraceID = "4bf92f3577b34da6a3ce929d0e0e4736"
	inSpanID  = "00f067aa0ba902b7"
	inParent  = "00-" + inTraceID + "-" + inSpanID + "-01"
	b3TraceID = "80f198ee56343ba864fe8b2a57d3eff7"
	b3SpanID  = "e457b5a2e4d86bd1"
)

func newContext(t testing.TB) caddy.Context {
	ctx, cancel := caddy.NewContext(caddy.Context{Context: context.Background()})
	t.Cleanup(cancel)
	return ctx
}

func provision(t testing.TB, h *Handler) *Handler {
	t.Helper()
	if err := h.Provision(newContext(t)); err != nil {
		t.Fatal(err)
	}
	return h
}

// newRequest is a request as Caddy's server prepares it.
func newRequest(header http.Header) (*http.Request, *httptest.ResponseRecorder) {
	w := httptest.NewRecorder()
	r := httptest.NewRequest(http.MethodGet, "https://example.com/", nil)
	maps.Copy(r.Header, header)
	return caddyhttp.PrepareRequest(r, caddy.NewReplacer(), w, new(caddyhttp.Server)), w
}

// served is what became of a request.
type served struct {
	upstream http.Header // what the next handler gets
	answer   http.Header
	traceID  string // of the exchange
	varTrace string
	varSpan  string
}

// serve sends a request through the handlers, outermost first.
func serve(t testing.TB, header http.Header, handlers ...caddyhttp.MiddlewareHandler) served {
	t.Helper()
	r, w := newRequest(header)
	return serveRequest(t, r, w, handlers...)
}

func serveRequest(t testing.TB, r *http.Request, w *httptest.ResponseRecorder, handlers ...caddyhttp.MiddlewareHandler) served {
	t.Helper()
	var got served
	var next caddyhttp.Handler = caddyhttp.HandlerFunc(func(w http.ResponseWriter, r *http.Request) error {
		got.upstream = r.Header.Clone()
		got.answer = w.Header().Clone() // set before the next handler runs
		repl := r.Context().Value(caddy.ReplacerCtxKey).(*caddy.Replacer)
		got.varTrace = repl.ReplaceAll("{http.vars.trace_id}", "")
		got.varSpan = repl.ReplaceAll("{http.vars.span_id}", "")
		got.traceID = exchange.From(r).TraceID
		return nil
	})
	for _, h := range slices.Backward(handlers) {
		inner := next
		next = caddyhttp.HandlerFunc(func(w http.ResponseWriter, r *http.Request) error {
			return h.ServeHTTP(w, r, inner)
		})
	}
	if err := next.ServeHTTP(w, r); err != nil {
		t.Fatal(err)
	}
	if got.upstream == nil {
		t.Fatal("the next handler was not called")
	}
	return got
}

// upstreamIDs are the trace ids that the upstream sees, by header.
func upstreamIDs(header http.Header) map[string]string {
	ids := make(map[string]string)
	if v := header.Get("Traceparent"); v != "" {
		ids["traceparent"] = strings.Split(v, "-")[1]
	}
	if v := header.Get("B3"); v != "" {
		ids["b3"] = strings.Split(v, "-")[0]
	}
	if v := header.Get("X-B3-Traceid"); v != "" {
		ids["b3multi"] = v
	}
	return ids
}

// requireOneTrace checks that all that is said about the trace agrees.
func requireOneTrace(t testing.TB, got served) {
	t.Helper()
	if !regexp.MustCompile(`^[0-9a-f]{32}$`).MatchString(got.traceID) || strings.Trim(got.traceID, "0") == "" {
		t.Fatalf("trace id %q", got.traceID)
	}
	if got.varTrace != got.traceID {
		t.Errorf("the variable is %q, the exchange has %q", got.varTrace, got.traceID)
	}
	if !regexp.MustCompile(`^[0-9a-f]{16}$`).MatchString(got.varSpan) {
		t.Errorf("span id %q", got.varSpan)
	}
	for name, id := range upstreamIDs(got.upstream) {
		if id != got.traceID {
			t.Errorf("%s has trace id %s, the exchange %s", name, id, got.traceID)
		}
	}
}

// In the wanted headers {trace} and {span} stand for ids that were made.
func TestServeHTTP(t *testing.T) {
	b3 := b3TraceID + "-" + b3SpanID
	all := []string{"w3c", "b3", "b3multi"}
	tests := []struct {
		name    string
		handler Handler
		in      http.Header
		want    http.Header
		traceID string // empty if a new one is made
	}{
		{"nothing comes in", Handler{}, http.Header{}, http.Header{"Traceparent": {"00-{trace}-{span}-02"}}, ""},
		{"nothing comes in, all emitted", Handler{Emit: all}, http.Header{}, http.Header{
			"Traceparent": {"00-{trace}-{span}-02"}, "B3": {"{trace}-{span}"}, "X-B3-Traceid": {"{trace}"}, "X-B3-Spanid": {"{span}"}}, ""},
		{"w3c goes through", Handler{}, http.Header{"Traceparent": {inParent}, "Tracestate": {"a=1, b=2,"}},
			http.Header{"Traceparent": {inParent}, "Tracestate": {"a=1, b=2,"}}, inTraceID},
		{"w3c to all", Handler{Emit: all}, http.Header{"Traceparent": {inParent}}, http.Header{
			"Traceparent": {inParent}, "B3": {inTraceID + "-" + inSpanID + "-1"},
			"X-B3-Traceid": {inTraceID}, "X-B3-Spanid": {inSpanID}, "X-B3-Sampled": {"1"}}, inTraceID},
		{"w3c to b3", Handler{Emit: []string{"b3"}}, http.Header{"Traceparent": {inParent}, "Tracestate": {"a=1"}},
			http.Header{"B3": {inTraceID + "-" + inSpanID + "-1"}}, inTraceID},
		{"random flag", Handler{}, http.Header{"Traceparent": {inParent[:53] + "03"}}, http.Header{"Traceparent": {inParent[:53] + "03"}}, inTraceID},
		{"reserved flags", Handler{}, http.Header{"Traceparent": {inParent[:53] + "09"}}, http.Header{"Traceparent": {inParent}}, inTraceID},
		{"future version is downgraded", Handler{}, http.Header{"Traceparent": {"cc" + inParent[2:] + "-more"}}, http.Header{"Traceparent": {inParent}}, inTraceID},
		{"several tracestates are combined", Handler{}, http.Header{"Traceparent": {inParent}, "Tracestate": {"a=1", "", "b=2"}},
			http.Header{"Traceparent": {inParent}, "Tracestate": {"a=1,b=2"}}, inTraceID},
		{"empty tracestate", Handler{}, http.Header{"Traceparent": {inParent}, "Tracestate": {""}}, http.Header{"Traceparent": {inParent}}, inTraceID},
		{"faulty tracestate", Handler{}, http.Header{"Traceparent": {inParent}, "Tracestate": {"A=1"}}, http.Header{"Traceparent": {inParent}}, inTraceID},
		{"faulty traceparent", Handler{}, http.Header{"Traceparent": {inParent + "."}, "Tracestate": {"a=1"}}, http.Header{"Traceparent": {"00-{trace}-{span}-02"}}, ""},
		{"all-zero trace id", Handler{}, http.Header{"Traceparent": {"00-00000000000000000000000000000000-" + inSpanID + "-01"}}, http.Header{"Traceparent": {"00-{trace}-{span}-02"}}, ""},
		{"two traceparents", Handler{}, http.Header{"Traceparent": {inParent, inParent}}, http.Header{"Traceparent": {"00-{trace}-{span}-02"}}, ""},
		{"tracestate alone", Handler{}, http.Header{"Tracestate": {"a=1"}}, http.Header{"Traceparent": {"00-{trace}-{span}-02"}}, ""},

		{"b3 to w3c", Handler{}, http.Header{"B3": {b3 + "-1-" + inSpanID}}, http.Header{"Traceparent": {"00-" + b3 + "-01"}}, b3TraceID},
		{"b3 goes through", Handler{Emit: []string{"b3"}}, http.Header{"B3": {b3 + "-d-" + inSpanID}}, http.Header{"B3": {b3 + "-d-" + inSpanID}}, b3TraceID},
		{"b3multi goes through", Handler{Emit: []string{"b3multi"}},
			http.Header{"X-B3-Traceid": {b3TraceID}, "X-B3-Spanid": {b3SpanID}, "X-B3-Parentspanid": {inSpanID}, "X-B3-Sampled": {"0"}},
			http.Header{"X-B3-Traceid": {b3TraceID}, "X-B3-Spanid": {b3SpanID}, "X-B3-Parentspanid": {inSpanID}, "X-B3-Sampled": {"0"}}, b3TraceID},
		{"b3multi debug to b3 and w3c", Handler{Emit: []string{"w3c", "b3"}},
			http.Header{"X-B3-Traceid": {b3TraceID}, "X-B3-Spanid": {b3SpanID}, "X-B3-Flags": {"1"}},
			http.Header{"Traceparent": {"00-" + b3 + "-01"}, "B3": {b3 + "-d"}}, b3TraceID},
		{"64-bit b3 is padded everywhere", Handler{Emit: all}, http.Header{"B3": {b3[16:] + "-0"}}, http.Header{
			"Traceparent":  {"00-0000000000000000" + b3[16:] + "-00"},
			"B3":           {"0000000000000000" + b3[16:] + "-0"},
			"X-B3-Traceid": {"0000000000000000" + b3TraceID[16:]}, "X-B3-Spanid": {b3SpanID}, "X-B3-Sampled": {"0"}}, "0000000000000000" + b3TraceID[16:]},
		{"b3 deny without ids", Handler{Emit: all}, http.Header{"B3": {"0"}}, http.Header{
			"Traceparent": {"00-{trace}-{span}-02"}, "B3": {"{trace}-{span}-0"},
			"X-B3-Traceid": {"{trace}"}, "X-B3-Spanid": {"{span}"}, "X-B3-Sampled": {"0"}}, ""},
		{"b3 debug without ids", Handler{Emit: []string{"w3c", "b3"}}, http.Header{"X-B3-Flags": {"1"}}, http.Header{
			"Traceparent": {"00-{trace}-{span}-03"}, "B3": {"{trace}-{span}-d"}}, ""},

		{"w3c before b3", Handler{}, http.Header{"Traceparent": {inParent}, "B3": {b3}}, http.Header{"Traceparent": {inParent}}, inTraceID},
		{"b3 before w3c", Handler{Accept: []string{"b3", "w3c"}}, http.Header{"Traceparent": {inParent}, "Tracestate": {"a=1"}, "B3": {b3}},
			http.Header{"Traceparent": {"00-" + b3 + "-00"}}, b3TraceID},
		{"b3 where w3c is faulty", Handler{}, http.Header{"Traceparent": {"x"}, "B3": {b3}}, http.Header{"Traceparent": {"00-" + b3 + "-00"}}, b3TraceID},
		{"b3 not accepted", Handler{Accept: []string{"w3c"}, Emit: []string{"b3"}}, http.Header{"B3": {b3}}, http.Header{"B3": {"{trace}-{span}"}}, ""},
		{"what is not emitted is removed", Handler{}, http.Header{"B3": {b3}, "X-B3-Traceid": {inTraceID}, "X-B3-Spanid": {inSpanID}, "X-B3-Parentspanid": {inSpanID}, "X-B3-Sampled": {"1"}, "X-B3-Flags": {"1"}},
			http.Header{"Traceparent": {"00-" + b3 + "-00"}}, b3TraceID},
		{"b3 before w3c, an open decision for the same span is w3c's", Handler{Accept: []string{"b3", "w3c"}},
			http.Header{"Traceparent": {inParent}, "B3": {inTraceID + "-" + inSpanID}}, http.Header{"Traceparent": {inParent}}, inTraceID},
		{"b3 before w3c, a decision without ids does not change a traceparent", Handler{Accept: []string{"b3", "w3c"}},
			http.Header{"Traceparent": {inParent}, "B3": {"0"}}, http.Header{"Traceparent": {inParent}}, inTraceID},
		{"nobody is trusted", Handler{Trust: []string{"none"}, Emit: all}, http.Header{"Traceparent": {inParent}, "Tracestate": {"a=1"}, "B3": {"1"}, "X-B3-Flags": {"1"}}, http.Header{
			"Traceparent": {"00-{trace}-{span}-02"}, "B3": {"{trace}-{span}"}, "X-B3-Traceid": {"{trace}"}, "X-B3-Spanid": {"{span}"}}, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := serve(t, tt.in, provision(t, &tt.handler))
			requireOneTrace(t, got)
			if tt.traceID != "" && got.traceID != tt.traceID {
				t.Errorf("trace id %s, want %s", got.traceID, tt.traceID)
			}
			if made := !strings.Contains(fmt.Sprint(tt.in), strings.TrimLeft(got.traceID, "0")); made != (tt.traceID == "") {
				t.Errorf("trace id %s, new = %t", got.traceID, made)
			}
			ids := strings.NewReplacer("{trace}", got.varTrace, "{span}", got.varSpan)
			for _, values := range tt.want {
				for i := range values {
					values[i] = ids.Replace(values[i])
				}
			}
			if !maps.EqualFunc(got.upstream, tt.want, slices.Equal) {
				t.Errorf("the upstream gets\n     %v\nwant %v", got.upstream, tt.want)
			}
		})
	}
}

func TestTrust(t *testing.T) {
	tests := []struct {
		trust  []string
		client string
		kept   bool
	}{
		{nil, "203.0.113.9", true},
		{[]string{}, "203.0.113.9", false},
		{[]string{"any"}, "203.0.113.9", true},
		{[]string{"any"}, "", true},
		{[]string{"none"}, "127.0.0.1", false},
		{[]string{"private_ranges"}, "10.1.2.3", true},
		{[]string{"private_ranges"}, "::1", true},
		{[]string{"private_ranges"}, "fd00::7", true},
		{[]string{"private_ranges"}, "::ffff:10.1.2.3", true},
		{[]string{"private_ranges"}, "203.0.113.9", false},
		{[]string{"203.0.113.0/24"}, "203.0.113.9", true},
		{[]string{"203.0.113.0/24"}, "203.0.114.9", false},
		{[]string{"203.0.113.9"}, "203.0.113.9", true},
		{[]string{"203.0.113.9"}, "203.0.113.8", false},
		{[]string{"private_ranges", "203.0.113.9"}, "203.0.113.9", true},
		{[]string{"2001:db8::/32"}, "2001:db8::1", true},
		{[]string{"fe80::/10"}, "fe80::1%eth0", true},
		{[]string{"0.0.0.0/0"}, "@", false},
		{[]string{"0.0.0.0/0"}, "", false},
	}
	for _, tt := range tests {
		t.Run(fmt.Sprint(tt.trust, tt.client), func(t *testing.T) {
			h := provision(t, &Handler{Trust: tt.trust})
			r, w := newRequest(http.Header{"Traceparent": {inParent}})
			caddyhttp.SetVar(r.Context(), caddyhttp.ClientIPVarKey, tt.client)
			got := serveRequest(t, r, w, h)
			requireOneTrace(t, got)
			if kept := got.traceID == inTraceID; kept != tt.kept {
				t.Errorf("kept = %t", kept)
			}
		})
	}
}

func TestResponseHeader(t *testing.T) {
	got := serve(t, http.Header{}, provision(t, &Handler{ResponseHeader: "x-trace-id"}))
	if values := got.answer["X-Trace-Id"]; len(values) != 1 || values[0] != got.traceID {
		t.Errorf("the next handler finds %v, the trace id is %s", got.answer, got.traceID)
	}
	if got := serve(t, http.Header{}, provision(t, new(Handler))); len(got.answer) != 0 {
		t.Errorf("not asked for, but set: %v", got.answer)
	}
}

// A client cannot have the trace headers dropped on the way to the upstream.
func TestConnectionHeader(t *testing.T) {
	tests := []struct{ in, want []string }{
		{nil, nil},
		{[]string{"keep-alive"}, []string{"keep-alive"}},
		{[]string{"Upgrade,  X-Other"}, []string{"Upgrade,  X-Other"}},
		{[]string{"traceparent"}, nil},
		{[]string{" TraceState ,", "b3,x-b3-TraceId"}, nil},
		{[]string{"Upgrade, traceparent", "X-Other,b3"}, []string{"Upgrade, X-Other"}},
	}
	for _, tt := range tests {
		header := http.Header{"Traceparent": {inParent}}
		if tt.in != nil {
			header["Connection"] = tt.in
		}
		got := serve(t, header, provision(t, new(Handler)))
		if !slices.Equal(got.upstream["Connection"], tt.want) {
			t.Errorf("%q becomes %q, want %q", tt.in, got.upstream["Connection"], tt.want)
		}
	}
}

// Only the first of several handlers counts, whatever the second is told to do.
func TestSecondHandlerPassesOn(t *testing.T) {
	first := provision(t, new(Handler))
	second := provision(t, &Handler{Trust: []string{"none"}, Emit: []string{"b3"}, ResponseHeader: "X-Trace-Id"})
	got := serve(t, http.Header{"Traceparent": {inParent}}, first, second)
	requireOneTrace(t, got)
	if got.traceID != inTraceID || got.upstream.Get("Traceparent") != inParent || len(got.answer) != 0 {
		t.Errorf("got %+v", got)
	}
}

// Outside Caddy's server there are neither variables nor a client IP.
func TestWithoutCaddyServer(t *testing.T) {
	for _, trust := range []string{"any", "private_ranges"} {
		h := provision(t, &Handler{Trust: []string{trust}})
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		called := false
		err := h.ServeHTTP(httptest.NewRecorder(), r, caddyhttp.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) error {
			called = r.Header.Get("Traceparent") != ""
			return nil
		}))
		if err != nil || !called {
			t.Errorf("err = %v, called with a traceparent = %t", err, called)
		}
	}
}

func TestProvisionErrors(t *testing.T) {
	tests := []struct {
		handler Handler
		want    string
	}{
		{Handler{Accept: []string{"jaeger"}}, `reading accept: unknown format "jaeger"; known are w3c, b3`},
		{Handler{Accept: []string{"b3multi"}}, "b3 reads both forms"},
		{Handler{Accept: []string{"w3c", "w3c"}}, "given twice"},
		{Handler{Emit: []string{"b3single"}}, `reading emit: unknown format "b3single"`},
		{Handler{Emit: []string{"b3", "b3"}}, "given twice"},
		{Handler{Trust: []string{"10.0.0.0/33"}}, `reading trust: "10.0.0.0/33" is not any`},
		{Handler{Trust: []string{"any", "10.0.0.0/8"}}, `"any" cannot be combined`},
		{Handler{Trust: []string{"10.0.0.0/8", "none"}}, `"none" cannot be combined`},
		{Handler{ResponseHeader: "X Trace"}, `reading response_header: "X Trace" is not a valid header name`},
		{Handler{ResponseHeader: "X-Trace:"}, "not a valid header name"},
		{Handler{ResponseHeader: "X-Träce"}, "not a valid header name"},
		{Handler{ResponseHeader: "content-length"}, `reading response_header: "content-length" cannot be set`},
		{Handler{ResponseHeader: "Transfer-Encoding"}, "cannot be set"},
		{Handler{ResponseHeader: "Connection"}, "cannot be set"},
		{Handler{ResponseHeader: "TE"}, "cannot be set"},
	}
	for _, tt := range tests {
		err := tt.handler.Provision(newContext(t))
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("got %v, want %q", err, tt.want)
		}
	}
}

func TestDefaults(t *testing.T) {
	h := provision(t, new(Handler))
	if fmt.Sprint(h.Accept, h.Emit, h.Trust) != "[w3c b3] [w3c] [any]" || h.ResponseHeader != "" {
		t.Errorf("got %+v", h)
	}
}
