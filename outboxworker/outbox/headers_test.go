package outbox

import (
	"context"
	"encoding/json"
	"maps"
	"testing"

	"go.opentelemetry.io/otel/trace"
)

const (
	parent  = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	another = "00-11111111111111111111111111111111-2222222222222222-00"
	span    = "00-01020000000000000000000000000000-0300000000000000-01" // that of spanned
)

// spanned returns a context with an OpenTelemetry span.
func spanned(ctx context.Context) context.Context {
	state, _ := trace.ParseTraceState("vendor=1") // the test would miss it
	return trace.ContextWithSpanContext(ctx, trace.NewSpanContext(trace.SpanContextConfig{
		TraceID: trace.TraceID{1, 2}, SpanID: trace.SpanID{3}, TraceFlags: trace.FlagsSampled | 0x80, TraceState: state,
	}))
}

var headerTests = []struct {
	name string
	ctx  func(context.Context) context.Context
	own  map[string]string
	want map[string]string
}{
	{"none", func(ctx context.Context) context.Context { return ctx }, nil, nil},
	{
		"of the message", func(ctx context.Context) context.Context { return ctx },
		map[string]string{"a": "\"\\\n<&>\u2028ä"}, map[string]string{"a": "\"\\\n<&>\u2028ä"},
	},
	{
		"of the context",
		func(ctx context.Context) context.Context {
			return ContextWithHeader(ContextWithHeader(ctx, "X-Tenant-Id", "1"), "X-User", "u")
		},
		nil, map[string]string{"X-Tenant-Id": "1", "X-User": "u"},
	},
	{
		"later and nearer ones win",
		func(ctx context.Context) context.Context {
			return ContextWithHeader(ContextWithHeader(ContextWithHeader(ctx, "a", "1"), "a", "2"), "b", "2")
		},
		map[string]string{"b": "3"}, map[string]string{"a": "2", "b": "3"},
	},
	{
		"a traceparent",
		func(ctx context.Context) context.Context { return ContextWithTraceparent(ctx, " "+parent+" ") },
		nil, map[string]string{"traceparent": parent},
	},
	{
		"a traceparent of a later version",
		func(ctx context.Context) context.Context {
			return ContextWithTraceparent(ctx, "01"+parent[2:]+"-more")
		},
		nil, map[string]string{"traceparent": parent},
	},
	{
		"no traceparent",
		func(ctx context.Context) context.Context { return ContextWithTraceparent(ctx, "00-0-0-00") },
		nil, nil,
	},
	{
		"a span", func(ctx context.Context) context.Context { return spanned(ctx) },
		nil, map[string]string{"traceparent": span, "tracestate": "vendor=1"},
	},
	{
		"a span wins over a traceparent",
		func(ctx context.Context) context.Context { return spanned(ContextWithTraceparent(ctx, parent)) },
		nil, map[string]string{"traceparent": span, "tracestate": "vendor=1"},
	},
	{
		"no span's tracestate with another's traceparent", func(ctx context.Context) context.Context { return spanned(ctx) },
		map[string]string{"traceparent": another}, map[string]string{"traceparent": another},
	},
	{
		"the message's own trace wins",
		func(ctx context.Context) context.Context {
			return ContextWithHeader(spanned(ctx), "traceparent", parent)
		},
		map[string]string{"traceparent": another, "tracestate": "mine=1"},
		map[string]string{"traceparent": another, "tracestate": "mine=1"},
	},
}

func TestHeadersOfContextAndMessage(t *testing.T) {
	for _, test := range headerTests {
		t.Run(test.name, func(t *testing.T) {
			rows, err := newRows(test.ctx(t.Context()), []Message{{Topic: "t", Headers: test.own}})
			if err != nil {
				t.Fatal(err)
			}
			if len(test.want) == 0 {
				if rows[0].headers != "" {
					t.Errorf("headers %s, want none", rows[0].headers)
				}
				return
			}
			var got map[string]string
			if err := json.Unmarshal([]byte(rows[0].headers), &got); err != nil {
				t.Fatal(err)
			}
			if !maps.Equal(got, test.want) {
				t.Errorf("headers %v, want %v", got, test.want)
			}
		})
	}
}

// TestContextsShareNothing would fail if a header of one request came to another.
func TestContextsShareNothing(t *testing.T) {
	base := ContextWithHeader(t.Context(), "a", "1")
	_ = ContextWithHeader(base, "b", "2")
	_ = ContextWithHeader(base, "a", "3")
	rows, err := newRows(base, []Message{{Topic: "t"}, {Topic: "t", Headers: map[string]string{"c": "4"}}, {Topic: "t"}})
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []string{`{"a":"1"}`, `{"a":"1","c":"4"}`, `{"a":"1"}`} {
		if rows[i].headers != want {
			t.Errorf("message %d has %s, want %s", i, rows[i].headers, want)
		}
	}
}

func TestBadHeaderOfTheContextIsRefused(t *testing.T) {
	ctx := ContextWithHeader(t.Context(), "X-Tenant-Id", "\x00")
	_, err := newRows(ctx, []Message{{Topic: "t"}})
	if want := `enqueuing a message: checking header "X-Tenant-Id": it holds a NUL`; err == nil || err.Error() != want {
		t.Errorf("error %v, want %q", err, want)
	}
	// A message may set it right.
	if _, err := newRows(ctx, []Message{{Topic: "t", Headers: map[string]string{"X-Tenant-Id": "1"}}}); err != nil {
		t.Error(err)
	}
}
