package tracecontext

import (
	"net/http"
	"regexp"
	"strings"
	"testing"
)

var (
	traceparentForm = regexp.MustCompile(`^00-[0-9a-f]{32}-[0-9a-f]{16}-0[0-3]$`)
	b3Form          = regexp.MustCompile(`^[0-9a-f]{32}-[0-9a-f]{16}(-[01d](-[0-9a-f]{16})?)?$`)
	stateMember     = regexp.MustCompile(`^[a-z0-9][a-z0-9_\-*/@]{0,255}=[ -+\--<>-~]{0,255}[!-+\--<>-~]$`)
)

// requireValidIDs checks what every context read from a request must fulfil.
func requireValidIDs(t *testing.T, c Context) {
	t.Helper()
	if len(c.TraceID) != traceIDLen || !validID(c.TraceID) || len(c.SpanID) != spanIDLen || !validID(c.SpanID) {
		t.Fatalf("invalid ids: %+v", c)
	}
	if c.ParentSpanID != "" && (len(c.ParentSpanID) != spanIDLen || !validID(c.ParentSpanID)) {
		t.Fatalf("invalid parent span id: %+v", c)
	}
}

// requireRoundTrip writes c in each format and reads it again.
func requireRoundTrip(t *testing.T, c Context) {
	t.Helper()
	for _, format := range Formats {
		header := http.Header{}
		format.Inject(header, c)
		back, ok := format.Extract(header)
		if !ok || back.TraceID != c.TraceID || back.SpanID != c.SpanID {
			t.Fatalf("%v reads as %+v, want %+v", header, back, c)
		}
		if back.Sampling.Sampled() != c.Sampling.Sampled() || format != W3C && back.Sampling != c.Sampling {
			t.Fatalf("%v changed the decision of %+v", header, c)
		}
		if v := header.Get("Traceparent"); format == W3C && !traceparentForm.MatchString(v) {
			t.Fatalf("sent %q", v)
		}
		if v := header.Get("B3"); format == B3 && !b3Form.MatchString(v) {
			t.Fatalf("sent %q", v)
		}
		if format == B3Multi && back.ParentSpanID != c.ParentSpanID {
			t.Fatalf("%v lost the parent of %+v", header, c)
		}
	}
}

func FuzzParseTraceparent(f *testing.F) {
	for _, seed := range []string{
		"", testParent, " " + testParent + "\t", testParent + "-more", "cc" + testParent[2:] + "-more",
		"ff" + testParent[2:], strings.ToUpper("00-abcdef" + testParent[9:]), strings.Repeat("0", 55), testParent[:53] + "ff",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, value string) {
		c, ok := ParseTraceparent(value)
		if !ok {
			if c != (Context{}) {
				t.Fatalf("an invalid value left %+v", c)
			}
			return
		}
		requireValidIDs(t, c)
		requireRoundTrip(t, c)
		if !strings.Contains(value, c.TraceID+"-"+c.SpanID) {
			t.Fatalf("%q does not contain %+v", value, c)
		}
		// What is sent on is read in the same way, and then stays as it is.
		sent := string(c.AppendTraceparent(nil))
		again, ok := ParseTraceparent(sent)
		if !ok || string(again.AppendTraceparent(nil)) != sent || again.Random != c.Random {
			t.Fatalf("%q is read as %+v, then as %+v", value, c, again)
		}
	})
}

func FuzzTracestate(f *testing.F) {
	for _, seed := range [][2]string{
		{"", ""}, {"foo=1", ""}, {"foo=1,bar=2", "baz=3"}, {" , ", "a=1 \t, b= 2"}, {"FOO=1", "a=1"},
		{listOf(32), ""}, {listOf(31), "a=1,b=2"}, {"a=b=c", "\x00"}, {strings.Repeat("k", 256) + "=" + strings.Repeat("v", 256), ","},
	} {
		f.Add(seed[0], seed[1])
	}
	f.Fuzz(func(t *testing.T, first, second string) {
		state, ok := ParseTracestate([]string{first, second})
		if !ok {
			if state != "" {
				t.Fatalf("an invalid list left %q", state)
			}
			return
		}
		if len(state) > maxTracestate {
			t.Fatalf("%d bytes passed", len(state))
		}
		wanted := listMembers(first + "," + second)
		got := listMembers(state)
		if strings.Join(got, ",") != strings.Join(wanted, ",") {
			t.Fatalf("%q and %q became %q", first, second, state)
		}
		if len(got) > maxMembers || len(got) == 0 && state != "" {
			t.Fatalf("%d members in %q", len(got), state)
		}
		for _, member := range got {
			if !stateMember.MatchString(member) {
				t.Fatalf("member %q passed", member)
			}
		}
		if again, ok := ParseTracestate([]string{state}); !ok || again != state {
			t.Fatalf("%q is read again as %q, %t", state, again, ok)
		}
	})
}

// listMembers are the members that are not empty.
func listMembers(list string) []string {
	var members []string
	for member := range strings.SplitSeq(list, ",") {
		if member = strings.Trim(member, " \t"); member != "" {
			members = append(members, member)
		}
	}
	return members
}

func FuzzB3(f *testing.F) {
	base := b3TraceID + "-" + b3SpanID
	for _, seed := range [][5]string{
		{base, "", "", "", ""}, {base + "-1-" + b3Parent, "", "", "", ""}, {base[16:] + "-d", "", "", "", ""}, {"0", "", "", "", ""},
		{base + "-" + b3Parent, "", "", "", ""}, {base + "-", "", "", "", ""},
		{b3TraceID, b3SpanID, b3Parent, "1", ""}, {b3TraceID[16:], b3SpanID, "", "true", "1"}, {"", "", "", "0", ""}, {"", b3SpanID, "", "", "x"},
	} {
		f.Add(seed[0], seed[1], seed[2], seed[3], seed[4])
	}
	// The first value is read both as a single header and as X-B3-TraceId.
	f.Fuzz(func(t *testing.T, value, spanID, parentSpanID, sampled, flags string) {
		single, ok := ParseB3(value)
		requireB3(t, single, ok)
		multi, ok := ParseB3Multi(value, spanID, parentSpanID, sampled, flags)
		requireB3(t, multi, ok)
	})
}

func requireB3(t *testing.T, c Context, ok bool) {
	t.Helper()
	switch {
	case !ok:
		if c.HasIDs() {
			t.Fatalf("an invalid value left %+v", c)
		}
	case !c.HasIDs():
		if c.Sampling == Undecided || c.SpanID != "" || c.ParentSpanID != "" {
			t.Fatalf("neither ids nor a decision: %+v", c)
		}
	default:
		requireValidIDs(t, c)
		requireRoundTrip(t, c)
	}
}
