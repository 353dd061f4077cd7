package tracecontext

import (
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
)

func TestExtractPrecedence(t *testing.T) {
	both := []Format{W3C, B3, B3Multi}
	b3First := []Format{B3, B3Multi, W3C}
	b3 := b3TraceID + "-" + b3SpanID + "-1"
	ids := b3TraceID + "-" + b3SpanID
	same := testTraceID + "-" + testSpanID
	tests := []struct {
		name    string
		header  http.Header
		formats []Format
		want    Context // Source None if there is nothing
	}{
		{"nothing", http.Header{}, both, Context{}},
		{"w3c wins", http.Header{"Traceparent": {testParent}, "B3": {b3}}, both,
			Context{TraceID: testTraceID, SpanID: testSpanID, Sampling: Accept, Source: W3C}},
		{"b3 wins", http.Header{"Traceparent": {testParent}, "Tracestate": {"a=1"}, "B3": {b3}}, b3First,
			Context{TraceID: b3TraceID, SpanID: b3SpanID, Sampling: Accept, Source: B3}},
		{"an invalid one counts as absent", http.Header{"Traceparent": {"x"}, "Tracestate": {"a=1"}, "B3": {b3}}, both,
			Context{TraceID: b3TraceID, SpanID: b3SpanID, Sampling: Accept, Source: B3}},
		{"not accepted", http.Header{"Traceparent": {testParent}}, []Format{B3, B3Multi}, Context{}},
		{"single before multi", http.Header{"B3": {b3}, "X-B3-Traceid": {testTraceID}, "X-B3-Spanid": {testSpanID}}, both,
			Context{TraceID: b3TraceID, SpanID: b3SpanID, Sampling: Accept, Source: B3}},
		{"multi if single is invalid", http.Header{"B3": {"x"}, "X-B3-Traceid": {testTraceID}, "X-B3-Spanid": {testSpanID}}, both,
			Context{TraceID: testTraceID, SpanID: testSpanID, Source: B3Multi}},
		{"first value wins", http.Header{"X-B3-Traceid": {b3TraceID, testTraceID}, "X-B3-Spanid": {b3SpanID, testSpanID}}, both,
			Context{TraceID: b3TraceID, SpanID: b3SpanID, Source: B3Multi}},
		{"decision alone", http.Header{"B3": {"0"}}, both, Context{Sampling: Deny, Source: B3}},
		{"decision alone before b3 ids", http.Header{"B3": {"0"}, "X-B3-Traceid": {b3TraceID}, "X-B3-Spanid": {b3SpanID}, "X-B3-Sampled": {"1"}}, both,
			Context{TraceID: b3TraceID, SpanID: b3SpanID, Sampling: Deny, Source: B3Multi}},
		{"decision alone after b3 ids without one", http.Header{"B3": {ids}, "X-B3-Sampled": {"1"}}, both,
			Context{TraceID: b3TraceID, SpanID: b3SpanID, Sampling: Accept, Source: B3}},
		{"decision alone after b3 ids with one", http.Header{"B3": {ids + "-0"}, "X-B3-Sampled": {"1"}}, both,
			Context{TraceID: b3TraceID, SpanID: b3SpanID, Sampling: Deny, Source: B3}},
		{"two decisions alone", http.Header{"B3": {"0"}, "X-B3-Flags": {"1"}}, both, Context{Sampling: Deny, Source: B3}},
		// W3C: "The parent-id field MUST be set to a new value with the sampled flag
		// update", and the parent id is kept here.
		{"ids before a decision alone", http.Header{"B3": {"0"}, "Traceparent": {testParent}}, b3First,
			Context{TraceID: testTraceID, SpanID: testSpanID, Sampling: Accept, Source: W3C}},
		{"decision alone after ids", http.Header{"B3": {"0"}, "Traceparent": {testParent}}, both,
			Context{TraceID: testTraceID, SpanID: testSpanID, Sampling: Accept, Source: W3C}},
		{"same span, debug and parent added", http.Header{"Traceparent": {testParent}, "B3": {same + "-d-" + b3Parent}}, both,
			Context{TraceID: testTraceID, SpanID: testSpanID, ParentSpanID: b3Parent, Sampling: Debug, Source: W3C}},
		{"same span, a decision is not changed", http.Header{"Traceparent": {testParent[:54] + "0"}, "B3": {same + "-d"}}, both,
			Context{TraceID: testTraceID, SpanID: testSpanID, Sampling: Deny, Source: W3C}},
		{"same span, tracestate and random flag added", http.Header{"Traceparent": {testParent[:54] + "3"}, "Tracestate": {"a=1"}, "B3": {same + "-d"}}, b3First,
			Context{TraceID: testTraceID, SpanID: testSpanID, Sampling: Debug, Random: true, TraceState: "a=1", Source: B3}},
		{"same span, an open decision is taken from w3c", http.Header{"Traceparent": {testParent}, "B3": {same}}, b3First,
			Context{TraceID: testTraceID, SpanID: testSpanID, Sampling: Accept, Source: B3}},
		{"same span, an open decision stays open where w3c has no word for it", http.Header{"Traceparent": {testParent[:54] + "2"}, "B3": {same}}, b3First,
			Context{TraceID: testTraceID, SpanID: testSpanID, Random: true, Source: B3}},
		{"same span, an open decision is taken from the other form of b3",
			http.Header{"B3": {ids}, "X-B3-Traceid": {b3TraceID}, "X-B3-Spanid": {b3SpanID}, "X-B3-Parentspanid": {b3Parent}, "X-B3-Sampled": {"1"}}, both,
			Context{TraceID: b3TraceID, SpanID: b3SpanID, ParentSpanID: b3Parent, Sampling: Accept, Source: B3}},
		{"same span, b3's decision stays", http.Header{"Traceparent": {testParent}, "B3": {same + "-0"}}, b3First,
			Context{TraceID: testTraceID, SpanID: testSpanID, Sampling: Deny, Source: B3}},
		{"same span, the parent stays",
			http.Header{"B3": {ids + "-1-" + b3Parent}, "X-B3-Traceid": {b3TraceID}, "X-B3-Spanid": {b3SpanID}, "X-B3-Parentspanid": {testSpanID}}, both,
			Context{TraceID: b3TraceID, SpanID: b3SpanID, ParentSpanID: b3Parent, Sampling: Accept, Source: B3}},
		{"other span, nothing added to an open decision", http.Header{"Traceparent": {testParent}, "B3": {testTraceID + "-" + b3SpanID}}, b3First,
			Context{TraceID: testTraceID, SpanID: b3SpanID, Source: B3}},
		{"other span, nothing added", http.Header{"Traceparent": {testParent}, "B3": {testTraceID + "-" + b3SpanID + "-d"}}, both,
			Context{TraceID: testTraceID, SpanID: testSpanID, Sampling: Accept, Source: W3C}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, ok := Extract(tt.header, tt.formats)
			got.traceparent = ""
			if ok != (tt.want.Source != None) || got != tt.want {
				t.Errorf("got  %+v, %t\nwant %+v", got, ok, tt.want)
			}
		})
	}
}

func TestInject(t *testing.T) {
	c := Context{TraceID: b3TraceID, SpanID: b3SpanID}
	with := func(change func(*Context)) Context { d := c; change(&d); return d }
	ids := b3TraceID + "-" + b3SpanID
	tests := []struct {
		name   string
		format Format
		c      Context
		before http.Header
		want   http.Header
	}{
		{"w3c undecided", W3C, c, http.Header{}, http.Header{"Traceparent": {"00-" + ids + "-00"}}},
		{"w3c deny", W3C, with(func(c *Context) { c.Sampling = Deny }), http.Header{}, http.Header{"Traceparent": {"00-" + ids + "-00"}}},
		{"w3c debug, random, state", W3C, with(func(c *Context) { c.Sampling, c.Random, c.TraceState = Debug, true, "a=1" }), http.Header{},
			http.Header{"Traceparent": {"00-" + ids + "-03"}, "Tracestate": {"a=1"}}},
		{"w3c replaces", W3C, c, http.Header{"Traceparent": {testParent, testParent}, "Tracestate": {"old=1"}}, http.Header{"Traceparent": {"00-" + ids + "-00"}}},
		{"w3c combines", W3C, with(func(c *Context) { c.TraceState = "a=1,b=2" }), http.Header{"Tracestate": {"a=1", "b=2"}},
			http.Header{"Traceparent": {"00-" + ids + "-00"}, "Tracestate": {"a=1,b=2"}}},
		{"b3 undecided", B3, c, http.Header{}, http.Header{"B3": {ids}}},
		{"b3 undecided, parent left out", B3, with(func(c *Context) { c.ParentSpanID = b3Parent }), http.Header{}, http.Header{"B3": {ids}}},
		{"b3 deny", B3, with(func(c *Context) { c.Sampling = Deny }), http.Header{}, http.Header{"B3": {ids + "-0"}}},
		{"b3 debug, parent", B3, with(func(c *Context) { c.Sampling, c.ParentSpanID = Debug, b3Parent }), http.Header{"B3": {"0", "1"}}, http.Header{"B3": {ids + "-d-" + b3Parent}}},
		{"multi undecided", B3Multi, c, http.Header{"X-B3-Sampled": {"1"}, "X-B3-Parentspanid": {b3Parent}, "X-B3-Flags": {"1"}},
			http.Header{"X-B3-Traceid": {b3TraceID}, "X-B3-Spanid": {b3SpanID}}},
		{"multi accept, parent", B3Multi, with(func(c *Context) { c.Sampling, c.ParentSpanID = Accept, b3Parent }), http.Header{},
			http.Header{"X-B3-Traceid": {b3TraceID}, "X-B3-Spanid": {b3SpanID}, "X-B3-Sampled": {"1"}, "X-B3-Parentspanid": {b3Parent}}},
		{"multi debug is not sent with sampled", B3Multi, with(func(c *Context) { c.Sampling = Debug }), http.Header{"X-B3-Sampled": {"1"}},
			http.Header{"X-B3-Traceid": {b3TraceID}, "X-B3-Spanid": {b3SpanID}, "X-B3-Flags": {"1"}}},
		{"multi deny", B3Multi, with(func(c *Context) { c.Sampling = Deny }), http.Header{"X-B3-Traceid": {"a", "b"}},
			http.Header{"X-B3-Traceid": {b3TraceID}, "X-B3-Spanid": {b3SpanID}, "X-B3-Sampled": {"0"}}},
		{"no ids removes", B3, Context{Sampling: Deny}, http.Header{"B3": {"1"}}, http.Header{}},
		{"no format does nothing", None, c, http.Header{"B3": {"1"}}, http.Header{"B3": {"1"}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tt.format.Inject(tt.before, tt.c)
			if !maps.EqualFunc(tt.before, tt.want, slices.Equal) {
				t.Errorf("got  %v\nwant %v", tt.before, tt.want)
			}
			for name, values := range tt.before {
				if cap(values) > len(values) {
					t.Errorf("appending to %s could overwrite another header", name)
				}
			}
		})
	}
}

func TestRemove(t *testing.T) {
	full := http.Header{
		"Traceparent": {"1"}, "Tracestate": {"1"}, "B3": {"1"},
		"X-B3-Traceid": {"1"}, "X-B3-Spanid": {"1"}, "X-B3-Parentspanid": {"1"}, "X-B3-Sampled": {"1"}, "X-B3-Flags": {"1"},
		"X-Other": {"1"},
	}
	for format, left := range map[Format]int{None: 9, W3C: 7, B3: 8, B3Multi: 4} {
		header := full.Clone()
		format.Remove(header)
		if len(header) != left || header.Get("X-Other") == "" {
			t.Errorf("format %d leaves %v", format, header)
		}
	}
	// The names are as net/http writes them.
	for name := range full {
		if http.CanonicalHeaderKey(name) != name {
			t.Errorf("%s is not canonical", name)
		}
	}
	for _, name := range append(b3Headers[:], headerB3, headerTraceparent, headerTracestate) {
		if _, ok := full[name]; !ok {
			t.Errorf("%s is not a known header", name)
		}
		if !IsHeader(name) || !IsHeader(strings.ToLower(name)) {
			t.Errorf("%s is not taken for a trace header", name)
		}
	}
	for _, name := range []string{"", "X-Other", "B3x", "X-B3-", "Traceparen"} {
		if IsHeader(name) {
			t.Errorf("%q is taken for a trace header", name)
		}
	}
}

func TestGenerate(t *testing.T) {
	numbers := func(values ...uint64) func() uint64 {
		i := -1
		return func() uint64 { i++; return values[i%len(values)] }
	}
	tests := []struct {
		name     string
		random   func() uint64
		sampling Sampling
		want     string
	}{
		{"order", numbers(0x0123456789abcdef, 0xfedcba9876543210, 0xa), Undecided, "00-0123456789abcdeffedcba9876543210-000000000000000a-02"},
		{"deny", numbers(1), Deny, "00-00000000000000010000000000000001-0000000000000001-02"},
		{"accept", numbers(1), Accept, "00-00000000000000010000000000000001-0000000000000001-03"},
		{"debug", numbers(1), Debug, "00-00000000000000010000000000000001-0000000000000001-03"},
		{"zero", numbers(0), Undecided, "00-00000000000000000000000000000001-0000000000000001-02"},
		{"zero low half", numbers(7, 0, 7), Undecided, "00-00000000000000070000000000000000-0000000000000007-02"},
		{"zero high half", numbers(0, 7, 7), Undecided, "00-00000000000000000000000000000007-0000000000000007-02"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := Generate(tt.random, tt.sampling)
			if got := string(c.AppendTraceparent(nil)); got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
			if c.traceparent != tt.want || c.Sampling != tt.sampling || c.Source != None || !c.Random {
				t.Errorf("got %+v", c)
			}
			if _, ok := ParseTraceparent(c.traceparent); !ok {
				t.Error("what was made is invalid")
			}
		})
	}
}

func TestNewDiffers(t *testing.T) {
	seen := make(map[string]bool)
	for range 10_000 {
		c := New(Undecided)
		if seen[c.TraceID] || seen[c.SpanID] {
			t.Fatalf("%+v repeats an id", c)
		}
		seen[c.TraceID], seen[c.SpanID] = true, true
	}
}

// A context that was changed after it was read must not be sent as it was read.
func TestInjectAfterChange(t *testing.T) {
	c, _ := ParseTraceparent(testParent)
	c.SpanID = b3SpanID
	header := http.Header{}
	W3C.Inject(header, c)
	if got, want := header.Get("Traceparent"), "00-"+testTraceID+"-"+b3SpanID+"-01"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}
