package trace

// span.go holds what happens together with Caddy's tracing handler.

import (
	"context"
	"net/http"
	"os"
	"slices"
	"strings"

	oteltrace "go.opentelemetry.io/otel/trace"

	"github.com/weirproxy/weir/governance/tracecontext"
)

// reuse makes the headers agree with the span of a tracing handler before this one,
// and returns the span as a context. What that handler injected stays, also in a
// format that is not emitted here: it was configured, in OTEL_PROPAGATORS. All else
// came from the client and names another trace.
func (h *Handler) reuse(header http.Header, span oteltrace.SpanContext) tracecontext.Context {
	c := tracecontext.Context{
		TraceID:    span.TraceID().String(),
		SpanID:     span.SpanID().String(),
		Sampling:   tracecontext.Deny,
		Random:     span.TraceFlags()&oteltrace.FlagsRandom != 0,
		TraceState: span.TraceState().String(),
	}
	if span.IsSampled() {
		c.Sampling = tracecontext.Accept
	}
	for _, format := range tracecontext.Formats {
		there, ok := format.Extract(header)
		injected := ok && there.TraceID == c.TraceID && there.SpanID == c.SpanID
		switch {
		case injected && format == tracecontext.W3C:
			// The traceparent is right; the tracestate may be the client's, as
			// tracing does not remove it when it has none of its own.
			format.Inject(header, c)
		case injected:
		case slices.Contains(h.emit, format):
			format.Inject(header, c)
		default:
			format.Remove(header)
		}
	}
	return c
}

// needsBridge reports whether a tracing handler that runs after this one would not
// find the ids in the headers, because it reads none of the formats emitted.
func needsBridge(emit []tracecontext.Format) bool {
	emitsW3C := slices.Contains(emit, tracecontext.W3C)
	emitsB3 := slices.Contains(emit, tracecontext.B3) || slices.Contains(emit, tracecontext.B3Multi)
	known, found := false, false
	for name := range strings.SplitSeq(os.Getenv("OTEL_PROPAGATORS"), ",") {
		switch name {
		case "none":
			return true
		case "tracecontext":
			known, found = true, found || emitsW3C
		case "b3", "b3multi": // each of them reads both forms
			known, found = true, found || emitsB3
		case "baggage", "jaeger", "xray", "ottrace":
			known = true
		}
	}
	if !known { // then it is as if nothing were set, which means tracecontext
		found = emitsW3C
	}
	return !found
}

// withRemoteSpan returns a context in which a tracing handler finds the ids: it
// takes the span in the context for the parent where the headers name none.
func withRemoteSpan(ctx context.Context, c tracecontext.Context) context.Context {
	traceID, err := oteltrace.TraceIDFromHex(c.TraceID)
	if err != nil {
		return ctx
	}
	spanID, err := oteltrace.SpanIDFromHex(c.SpanID)
	if err != nil {
		return ctx
	}
	var flags oteltrace.TraceFlags
	if c.Random {
		flags |= oteltrace.FlagsRandom
	}
	config := oteltrace.SpanContextConfig{
		TraceID:    traceID,
		SpanID:     spanID,
		TraceFlags: flags.WithSampled(c.Sampling.Sampled()),
		Remote:     true,
	}
	config.TraceState, _ = oteltrace.ParseTraceState(c.TraceState)
	return oteltrace.ContextWithRemoteSpanContext(ctx, oteltrace.NewSpanContext(config))
}
