package tracecontext

import (
	"strings"
	"testing"
)

// The ids are those of the examples in the B3 specification.
const (
	b3TraceID = "80f198ee56343ba864fe8b2a57d3eff7"
	b3SpanID  = "e457b5a2e4d86bd1"
	b3Parent  = "05e3ac9a4f6e3b90"
)

func TestParseB3(t *testing.T) {
	ids := Context{TraceID: b3TraceID, SpanID: b3SpanID, Source: B3}
	with := func(s Sampling, parent string) Context {
		c := ids
		c.Sampling, c.ParentSpanID = s, parent
		return c
	}
	short := ids
	short.TraceID = "0000000000000000" + b3TraceID[16:]
	shortAll := short
	shortAll.Sampling, shortAll.ParentSpanID = Accept, b3Parent
	base := b3TraceID + "-" + b3SpanID
	tests := []struct {
		name  string
		value string
		want  Context // without source if invalid
	}{
		{"ids", base, ids},
		{"accept", base + "-1", with(Accept, "")},
		{"deny", base + "-0", with(Deny, "")},
		{"debug", base + "-d", with(Debug, "")},
		{"all", base + "-1-" + b3Parent, with(Accept, b3Parent)},
		{"deferred with parent", base + "-" + b3Parent, with(Undecided, b3Parent)},
		{"64 bits", b3TraceID[16:] + "-" + b3SpanID, short},
		{"64 bits, all", b3TraceID[16:] + "-" + b3SpanID + "-1-" + b3Parent, shortAll},
		{"only deny", "0", Context{Sampling: Deny, Source: B3}},
		{"only accept", "1", Context{Sampling: Accept, Source: B3}},
		{"only debug", "d", Context{Sampling: Debug, Source: B3}},
		{"space around", " " + base + "-1\t", with(Accept, "")},

		{"empty", "", Context{}},
		{"blank", " ", Context{}},
		{"unknown state", base + "-2", Context{}},
		{"upper-case state", base + "-D", Context{}},
		{"word for a state", base + "-true", Context{}},
		{"only an unknown state", "x", Context{}},
		{"only a trace id", b3TraceID, Context{}},
		{"trace id and dash", b3TraceID + "-", Context{}},
		{"dash at the end", base + "-", Context{}},
		{"dash after the state", base + "-1-", Context{}},
		{"two dashes", base + "--" + b3Parent, Context{}},
		{"no dash", base + "1", Context{}},
		{"wrong dash before parent", base + "-1_" + b3Parent, Context{}},
		{"more", base + "-1-" + b3Parent + "-1", Context{}},
		{"zero trace id", strings.Repeat("0", 32) + "-" + b3SpanID, Context{}},
		{"zero 64-bit trace id", strings.Repeat("0", 16) + "-" + b3SpanID, Context{}},
		{"zero span id", b3TraceID + "-0000000000000000", Context{}},
		{"zero parent", base + "-1-0000000000000000", Context{}},
		{"upper-case trace id", strings.ToUpper(b3TraceID) + "-" + b3SpanID, Context{}},
		{"upper-case span id", b3TraceID + "-" + strings.ToUpper(b3SpanID), Context{}},
		{"bad parent", base + "-1-05e3ac9a4f6e3b9x", Context{}},
		{"trace id of 31", b3TraceID[1:] + "-" + b3SpanID, Context{}},
		{"trace id of 24", b3TraceID[8:] + "-" + b3SpanID, Context{}},
		{"span id of 15", b3TraceID + "-" + b3SpanID[1:], Context{}},
		{"span id of 17", b3TraceID + "-" + b3SpanID + "1", Context{}},
		{"long", strings.Repeat("a", 1<<16), Context{}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, ok := ParseB3(tt.value)
			if ok != (tt.want.Source != None) {
				t.Fatalf("valid = %t", ok)
			}
			if ok && got != tt.want {
				t.Errorf("got %+v, want %+v", got, tt.want)
			}
			if !ok && got.HasIDs() {
				t.Errorf("an invalid value left %+v", got)
			}
		})
	}
}

func TestParseB3Multi(t *testing.T) {
	type headers struct{ traceID, spanID, parent, sampled, flags string }
	tests := []struct {
		name string
		in   headers
		want Context
	}{
		{"ids", headers{b3TraceID, b3SpanID, "", "", ""}, Context{TraceID: b3TraceID, SpanID: b3SpanID}},
		{"all", headers{b3TraceID, b3SpanID, b3Parent, "1", ""}, Context{TraceID: b3TraceID, SpanID: b3SpanID, ParentSpanID: b3Parent, Sampling: Accept}},
		{"deny", headers{b3TraceID, b3SpanID, "", "0", ""}, Context{TraceID: b3TraceID, SpanID: b3SpanID, Sampling: Deny}},
		{"old true", headers{b3TraceID, b3SpanID, "", "true", ""}, Context{TraceID: b3TraceID, SpanID: b3SpanID, Sampling: Accept}},
		{"old false", headers{b3TraceID, b3SpanID, "", "false", ""}, Context{TraceID: b3TraceID, SpanID: b3SpanID, Sampling: Deny}},
		{"debug", headers{b3TraceID, b3SpanID, "", "", "1"}, Context{TraceID: b3TraceID, SpanID: b3SpanID, Sampling: Debug}},
		{"debug beats deny", headers{b3TraceID, b3SpanID, "", "0", "1"}, Context{TraceID: b3TraceID, SpanID: b3SpanID, Sampling: Debug}},
		{"flags 0", headers{b3TraceID, b3SpanID, "", "1", "0"}, Context{TraceID: b3TraceID, SpanID: b3SpanID, Sampling: Accept}},
		{"64 bits", headers{b3TraceID[16:], b3SpanID, "", "", ""}, Context{TraceID: "0000000000000000" + b3TraceID[16:], SpanID: b3SpanID}},
		{"only deny", headers{"", "", "", "0", ""}, Context{Sampling: Deny}},
		{"only accept", headers{"", "", "", "1", ""}, Context{Sampling: Accept}},
		{"only debug", headers{"", "", "", "", "1"}, Context{Sampling: Debug}},
		{"space around", headers{" " + b3TraceID, b3SpanID + "\t", "", " 1 ", ""}, Context{TraceID: b3TraceID, SpanID: b3SpanID, Sampling: Accept}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, ok := ParseB3Multi(tt.in.traceID, tt.in.spanID, tt.in.parent, tt.in.sampled, tt.in.flags)
			tt.want.Source = B3Multi
			if !ok || got != tt.want {
				t.Errorf("got %+v, %t, want %+v", got, ok, tt.want)
			}
		})
	}
	invalid := map[string]headers{
		"nothing":              {},
		"flags 0 alone":        {flags: "0"},
		"no span id":           {traceID: b3TraceID, sampled: "1"},
		"no trace id":          {spanID: b3SpanID, sampled: "1"},
		"only a parent":        {parent: b3Parent, sampled: "1"},
		"bad sampled":          {b3TraceID, b3SpanID, "", "2", ""},
		"debug as sampled":     {b3TraceID, b3SpanID, "", "d", ""},
		"bad flags":            {b3TraceID, b3SpanID, "", "", "x"},
		"bad trace id":         {b3TraceID[:31] + "g", b3SpanID, "", "", ""},
		"trace id of 20":       {b3TraceID[:20], b3SpanID, "", "", ""},
		"upper-case trace id":  {strings.ToUpper(b3TraceID), b3SpanID, "", "", ""},
		"zero trace id":        {strings.Repeat("0", 32), b3SpanID, "", "", ""},
		"zero span id":         {b3TraceID, strings.Repeat("0", 16), "", "", ""},
		"bad parent":           {b3TraceID, b3SpanID, "1234", "", ""},
		"long trace id":        {strings.Repeat("a", 1<<16), b3SpanID, "", "", ""},
		"a bad decision alone": {sampled: "yes"},
	}
	for name, in := range invalid {
		t.Run(name, func(t *testing.T) {
			if got, ok := ParseB3Multi(in.traceID, in.spanID, in.parent, in.sampled, in.flags); ok {
				t.Errorf("read as %+v", got)
			}
		})
	}
}
