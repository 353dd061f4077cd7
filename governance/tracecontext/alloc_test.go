package tracecontext

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
)

var (
	sinkContext Context
	sinkString  string
	sinkOK      bool
)

func passThroughs() map[string]http.Header {
	return map[string]http.Header{
		"w3c":     {"Traceparent": {testParent}, "Tracestate": {"rojo=00f067aa0ba902b7,congo=t61rcWkgMzE"}},
		"b3":      {"B3": {b3TraceID + "-" + b3SpanID + "-1-" + b3Parent}},
		"b3multi": {"X-B3-Traceid": {b3TraceID}, "X-B3-Spanid": {b3SpanID}, "X-B3-Parentspanid": {b3Parent}, "X-B3-Sampled": {"1"}},
	}
}

var formatOf = map[string]Format{"w3c": W3C, "b3": B3, "b3multi": B3Multi}

// Reading a valid header and writing the same again allocates nothing and leaves
// the header's own strings in place.
func TestPassThroughAllocatesNothing(t *testing.T) {
	for name, header := range passThroughs() {
		t.Run(name, func(t *testing.T) {
			before := fmt.Sprint(header)
			allocs := testing.AllocsPerRun(1000, func() {
				sinkContext, sinkOK = Extract(header, Formats[:])
				formatOf[name].Inject(header, sinkContext)
			})
			if allocs != 0 {
				t.Errorf("%v allocations", allocs)
			}
			if !sinkOK || !sinkContext.HasIDs() {
				t.Errorf("not read: %+v", sinkContext)
			}
			if after := fmt.Sprint(header); after != before {
				t.Errorf("changed from %s to %s", before, after)
			}
		})
	}
}

func TestGenerateAllocatesOnce(t *testing.T) {
	if allocs := testing.AllocsPerRun(1000, func() { sinkContext = New(Undecided) }); allocs > 1 {
		t.Errorf("%v allocations", allocs)
	}
}

func BenchmarkPassThrough(b *testing.B) {
	for _, name := range []string{"w3c", "b3", "b3multi"} {
		header := passThroughs()[name]
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				sinkContext, sinkOK = Extract(header, Formats[:])
				formatOf[name].Inject(header, sinkContext)
			}
		})
	}
}

func BenchmarkNew(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		sinkContext = New(Undecided)
	}
}

// A long traceparent costs no more than a short one, whatever it is full of.
func BenchmarkParseTraceparent(b *testing.B) {
	const size = 64 << 10
	for _, c := range []struct{ name, value string }{
		{"valid/55B", testParent},
		{"invalid/55B", strings.Repeat("0", 55)},
		{"digits/64KiB", strings.Repeat("0", size)},
		{"version00/64KiB", testParent + "-" + strings.Repeat("a", size)},
		{"future/64KiB", "cc" + testParent[2:] + "-" + strings.Repeat("a", size)},
		{"spaces/64KiB", strings.Repeat(" ", size)},
		{"dashes/64KiB", strings.Repeat("-", size)},
	} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				sinkContext, sinkOK = ParseTraceparent(c.value)
			}
		})
	}
}

func BenchmarkParseB3(b *testing.B) {
	for _, c := range []struct{ name, value string }{
		{"valid/68B", b3TraceID + "-" + b3SpanID + "-1-" + b3Parent},
		{"digits/64KiB", strings.Repeat("a", 64<<10)},
		{"ids/64KiB", b3TraceID + "-" + b3SpanID + strings.Repeat("-1", 32<<10)},
		{"spaces/64KiB", strings.Repeat(" ", 64<<10)},
	} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				sinkContext, sinkOK = ParseB3(c.value)
			}
		})
	}
}

// The longest valid list is the most that any request can cost.
func BenchmarkParseTracestate(b *testing.B) {
	member := strings.Repeat("k", maxKey) + "=" + strings.Repeat("v", maxValue)
	longest := strings.TrimSuffix(strings.Repeat(member+",", maxMembers), ",")
	for _, c := range []struct {
		name   string
		values []string
	}{
		{"typical/39B", []string{"rojo=00f067aa0ba902b7,congo=t61rcWkgMzE"}},
		{"32members/512B", []string{strings.TrimSuffix(strings.Repeat("key=0123456789a,", 32), ",")}},
		{"longest/16KiB", []string{longest}},
		{"longest/32headers", strings.Split(longest, ",")},
		{"oneheader/64KiB", []string{strings.Repeat("a=1,", 16<<10)}},
		{"oneheader/1MiB", []string{strings.Repeat("a=1,", 256<<10)}},
		{"members/8KiB", []string{strings.Repeat("a=1,", 2<<10)}},
		{"commas/16KiB", []string{strings.Repeat(",", 16<<10)}},
		{"spaces/16KiB", []string{strings.Repeat(" ", 16<<10)}},
		{"emptyheaders/64Ki", make([]string, 64<<10)},
		{"emptyheaders/1Mi", make([]string, 1<<20)},
		{"headers/64Ki", slices.Repeat([]string{"a=1"}, 64<<10)},
	} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				sinkString, sinkOK = ParseTracestate(c.values)
			}
		})
	}
}
