package trace

import (
	"net/http"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/tracing"

	"github.com/weirproxy/weir/governance/tracecontext"
)

// newTracing is Caddy's own handler, which exports nothing here.
func newTracing(t testing.TB, propagators string) caddyhttp.MiddlewareHandler {
	t.Helper()
	t.Setenv("OTEL_TRACES_EXPORTER", "none")
	t.Setenv("OTEL_PROPAGATORS", propagators)
	h := new(tracing.Tracing)
	if err := h.Provision(newContext(t)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := h.Cleanup(); err != nil {
			t.Error(err)
		}
	})
	return h
}

var inbound = map[string]http.Header{
	"nothing": {},
	"w3c":     {"Traceparent": {inParent}, "Tracestate": {"a=1"}},
	"b3":      {"B3": {b3TraceID + "-" + b3SpanID + "-1"}},
	"b3multi": {"X-B3-Traceid": {b3TraceID}, "X-B3-Spanid": {b3SpanID}, "X-B3-Sampled": {"0"}},
	"both":    {"Traceparent": {inParent}, "B3": {b3TraceID + "-" + b3SpanID + "-1"}},
	"faulty":  {"Traceparent": {"x"}, "Tracestate": {"stale=1"}, "B3": {"0"}},
	"twice":   {"Traceparent": {inParent, strings.Replace(inParent, "4bf9", "ffff", 1)}},
	"flags":   {"Traceparent": {inParent[:53] + "ff"}},
	"future":  {"Traceparent": {"cc" + inParent[2:] + "-more"}},
	"state":   {"Tracestate": {"stale=1"}},
}

var (
	propagatorSets = []string{"", "tracecontext,baggage", "b3", "b3multi", "tracecontext,b3", "none", "baggage", "jaeger", "no-such-thing", "b3,no-such-thing"}
	emitSets       = [][]string{{"w3c"}, {"b3"}, {"b3multi"}, {"w3c", "b3multi"}, {"w3c", "b3", "b3multi"}}
)

// Whatever comes in, whatever is emitted and whatever tracing propagates: all
// headers that the upstream gets, the log and the variables name one trace.
func TestOneTraceWithTracing(t *testing.T) {
	for _, propagators := range propagatorSets {
		t.Run("propagators="+propagators, func(t *testing.T) {
			tracing := newTracing(t, propagators)
			for _, emit := range emitSets {
				h := provision(t, &Handler{Emit: emit})
				for name, header := range inbound {
					t.Run(strings.Join(emit, ",")+"/"+name+"/outside", func(t *testing.T) {
						got := serve(t, header.Clone(), tracing, h)
						requireOneTrace(t, got)
						requireEmitted(t, got, emit)
						if strings.Contains(got.upstream.Get("Tracestate"), "stale") {
							t.Error("the tracestate of another trace is sent on")
						}
					})
					t.Run(strings.Join(emit, ",")+"/"+name+"/inside", func(t *testing.T) {
						got := serve(t, header.Clone(), h, tracing)
						requireOneTrace(t, got)
						requireEmitted(t, got, emit)
					})
				}
			}
		})
	}
}

func requireEmitted(t *testing.T, got served, emit []string) {
	t.Helper()
	ids := upstreamIDs(got.upstream)
	for _, format := range emit {
		if format == "w3c" {
			format = "traceparent"
		}
		if ids[format] == "" {
			t.Errorf("the upstream gets no %s: %v", format, got.upstream)
		}
	}
}

// Tracing continues the client's trace with a span of its own, and that span's
// traceparent is what the upstream gets, as tracing wrote it.
func TestTracingOutside(t *testing.T) {
	tracing := newTracing(t, "")
	h := provision(t, &Handler{Emit: []string{"b3"}, ResponseHeader: "X-Trace-Id"})
	got := serve(t, inbound["w3c"].Clone(), tracing, h)
	requireOneTrace(t, got)
	if got.traceID != inTraceID || got.answer.Get("X-Trace-Id") != inTraceID {
		t.Errorf("the client's trace is not continued: %+v", got)
	}
	if got.varSpan == inSpanID {
		t.Error("tracing made no span")
	}
	if want := "00-" + inTraceID + "-" + got.varSpan + "-01"; got.upstream.Get("Traceparent") != want {
		t.Errorf("traceparent is %s, want %s", got.upstream.Get("Traceparent"), want)
	}
	if got.upstream.Get("Tracestate") != "a=1" {
		t.Errorf("tracestate is %q", got.upstream.Get("Tracestate"))
	}
	if want := inTraceID + "-" + got.varSpan + "-1"; got.upstream.Get("B3") != want {
		t.Errorf("b3 is %s, want %s", got.upstream.Get("B3"), want)
	}
}

// Inside trace_context, tracing's span becomes a child of what came in, also where
// the headers are not in a form that tracing reads.
func TestTracingInside(t *testing.T) {
	tracing := newTracing(t, "")
	h := provision(t, &Handler{Emit: []string{"b3"}})
	got := serve(t, inbound["w3c"].Clone(), h, tracing)
	requireOneTrace(t, got)
	if got.traceID != inTraceID || got.varSpan == inSpanID {
		t.Errorf("got %+v", got)
	}
	if want := "00-" + inTraceID + "-" + got.varSpan + "-01"; got.upstream.Get("Traceparent") != want {
		t.Errorf("traceparent is %s, want %s", got.upstream.Get("Traceparent"), want)
	}
	if got.upstream.Get("Tracestate") != "a=1" {
		t.Errorf("tracestate is %q", got.upstream.Get("Tracestate"))
	}
}

func TestNeedsBridge(t *testing.T) {
	tests := []struct {
		propagators string
		emit        []tracecontext.Format
		want        bool
	}{
		{"", []tracecontext.Format{tracecontext.W3C}, false},
		{"", []tracecontext.Format{tracecontext.B3}, true},
		{"", []tracecontext.Format{tracecontext.B3, tracecontext.W3C}, false},
		{"tracecontext,baggage", []tracecontext.Format{tracecontext.W3C}, false},
		{"b3", []tracecontext.Format{tracecontext.W3C}, true},
		{"b3", []tracecontext.Format{tracecontext.B3Multi}, false},
		{"b3multi", []tracecontext.Format{tracecontext.B3}, false},
		{"tracecontext,b3", []tracecontext.Format{tracecontext.B3}, false},
		{"tracecontext,none", []tracecontext.Format{tracecontext.W3C}, true},
		{"jaeger", []tracecontext.Format{tracecontext.W3C}, true},
		{"no-such-thing", []tracecontext.Format{tracecontext.W3C}, false},
		{"no-such-thing", []tracecontext.Format{tracecontext.B3}, true},
		{"b3,no-such-thing", []tracecontext.Format{tracecontext.W3C}, true},
	}
	for _, tt := range tests {
		t.Setenv("OTEL_PROPAGATORS", tt.propagators)
		if got := needsBridge(tt.emit); got != tt.want {
			t.Errorf("OTEL_PROPAGATORS=%s, emit %v: %t", tt.propagators, tt.emit, got)
		}
	}
}
