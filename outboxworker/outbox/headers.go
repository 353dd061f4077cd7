package outbox

// headers.go puts headers together: those of the context and the message's own.

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"

	"go.opentelemetry.io/otel/trace"

	"github.com/weirproxy/weir/governance/tracecontext"
)

const (
	headerTraceparent = "traceparent"
	headerTracestate  = "tracestate"
)

type (
	headersKey     struct{}
	traceparentKey struct{}
)

// ContextWithHeader returns a context whose messages have a header, such as the tenant
// that a request came from. Later headers of the same name win, and those of a Message
// win over all. A name or value that a message cannot have is refused when one is
// enqueued.
func ContextWithHeader(ctx context.Context, name, value string) context.Context {
	all, _ := ctx.Value(headersKey{}).(map[string]string)
	more := make(map[string]string, len(all)+1)
	maps.Copy(more, all)
	more[name] = value
	return context.WithValue(ctx, headersKey{}, more)
}

// ContextWithTraceparent returns a context whose messages belong to the trace of a W3C
// traceparent, such as that of a request. It is for services without OpenTelemetry:
// where the context has a span, messages belong to that. A value that is not valid is
// ignored, as the specification demands.
func ContextWithTraceparent(ctx context.Context, value string) context.Context {
	parsed, ok := tracecontext.ParseTraceparent(value)
	if !ok {
		return ctx
	}
	return context.WithValue(ctx, traceparentKey{}, string(parsed.AppendTraceparent(nil)))
}

// headers are those of a context, and how they are encoded when a message has none of
// its own. They are the same for all messages of a batch.
type headers struct {
	values  map[string]string
	encoded string
	err     error
}

// inherited finds the headers of a context: its trace, and over it what
// ContextWithHeader set.
func inherited(ctx context.Context) headers {
	values := make(map[string]string)
	if span := trace.SpanContextFromContext(ctx); span.IsValid() {
		known := span.TraceFlags() & (trace.FlagsSampled | trace.FlagsRandom)
		values[headerTraceparent] = "00-" + span.TraceID().String() + "-" + span.SpanID().String() + "-" + known.String()
		if state := span.TraceState().String(); state != "" {
			values[headerTracestate] = state
		}
	} else if parent, ok := ctx.Value(traceparentKey{}).(string); ok {
		values[headerTraceparent] = parent
	}
	set, _ := ctx.Value(headersKey{}).(map[string]string)
	overlay(values, set)
	h := headers{values: values}
	h.encoded, h.err = encode(values)
	return h
}

// with returns the JSON object of the headers and a message's own, or nothing if there
// are none.
func (h *headers) with(own map[string]string) (string, error) {
	if len(own) == 0 {
		return h.encoded, h.err
	}
	all := maps.Clone(h.values)
	overlay(all, own)
	return encode(all)
}

// overlay sets headers. A tracestate belongs to its traceparent and goes with it.
func overlay(values, over map[string]string) {
	if _, ok := over[headerTraceparent]; ok {
		delete(values, headerTracestate)
	}
	maps.Copy(values, over)
}

func encode(values map[string]string) (string, error) {
	if len(values) == 0 {
		return "", nil
	}
	for name, value := range values {
		if name == "" {
			return "", errors.New("checking headers: a name is empty")
		}
		if err := checkText(name); err != nil {
			return "", fmt.Errorf("checking the name of a header: %w", err)
		}
		if err := checkText(value); err != nil {
			return "", fmt.Errorf("checking header %q: %w", name, err)
		}
	}
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(values); err != nil {
		return "", fmt.Errorf("encoding headers: %w", err)
	}
	object := bytes.TrimSuffix(b.Bytes(), []byte("\n"))
	// jsonb is shown with a space after each colon and each comma.
	if size := len(object) + 2*len(values) - 1; size > MaxHeaders {
		return "", fmt.Errorf("checking headers: %d bytes of JSON are more than %d", size, MaxHeaders)
	}
	return string(object), nil
}
