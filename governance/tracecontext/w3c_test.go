package tracecontext

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
)

const (
	testTraceID = "12345678901234567890123456789012"
	testSpanID  = "1234567890123456"
	testParent  = "00-" + testTraceID + "-" + testSpanID + "-01"
)

// The cases are those of W3C's test suite (github.com/w3c/trace-context, test.py),
// and the rules of the section "Versioning of traceparent".
func TestParseTraceparent(t *testing.T) {
	ids := testTraceID + "-" + testSpanID
	tests := []struct {
		name  string
		value string
		want  string // the traceparent sent on; empty if the value is invalid
	}{
		{"sampled", "00-" + ids + "-01", "00-" + ids + "-01"},
		{"not sampled", "00-" + ids + "-00", "00-" + ids + "-00"},
		{"random flag", "00-" + ids + "-02", "00-" + ids + "-02"},
		{"sampled and random", "00-" + ids + "-03", "00-" + ids + "-03"},
		{"reserved flags are set to zero", "00-" + ids + "-ff", "00-" + ids + "-03"},
		{"reserved flag and sampled", "00-" + ids + "-09", "00-" + ids + "-01"},
		{"letters", "00-abcdefabcdefabcdefabcdefabcdefab-abcdefabcdefabcd-01", "00-abcdefabcdefabcdefabcdefabcdefab-abcdefabcdefabcd-01"},
		{"only last digit of ids", "00-00000000000000000000000000000001-0000000000000001-00", "00-00000000000000000000000000000001-0000000000000001-00"},

		{"version 00 with more", "00-" + ids + "-01.", ""},
		{"version 00 with more fields", "00-" + ids + "-01-what-the-future-will-be-like", ""},
		{"version 00 with a dash", "00-" + ids + "-01-", ""},
		{"future version", "cc-" + ids + "-01", "00-" + ids + "-01"},
		{"future version with more fields", "cc-" + ids + "-01-what-the-future-will-be-like", "00-" + ids + "-01"},
		{"future version with a dash", "01-" + ids + "-00-", "00-" + ids + "-00"},
		{"future version, no dash", "cc-" + ids + "-01.what-the-future-will-be-like", ""},
		{"future version, unknown flags", "cc-" + ids + "-ff", "00-" + ids + "-03"},
		{"future version, too short", "cc-" + ids + "-0", ""},
		{"version ff", "ff-" + ids + "-01", ""},
		{"version ff with more", "ff-" + ids + "-01-more", ""},
		{"version with upper case", "CC-" + ids + "-01", ""},
		{"version illegal", ".0-" + ids + "-01", ""},
		{"version illegal, second", "0.-" + ids + "-01", ""},
		{"version too long", "000-" + ids + "-01", ""},
		{"version much too long", "0000-" + ids + "-01", ""},
		{"version too short", "0-" + ids + "-01", ""},

		{"trace id zero", "00-00000000000000000000000000000000-" + testSpanID + "-01", ""},
		{"trace id illegal", "00-.2345678901234567890123456789012-" + testSpanID + "-01", ""},
		{"trace id illegal at the end", "00-1234567890123456789012345678901.-" + testSpanID + "-01", ""},
		{"trace id upper case", "00-ABCDEF78901234567890123456789012-" + testSpanID + "-01", ""},
		{"trace id too long", "00-" + testTraceID + "3-" + testSpanID + "-01", ""},
		{"trace id too short", "00-" + testTraceID[1:] + "-" + testSpanID + "-01", ""},
		{"span id zero", "00-" + testTraceID + "-0000000000000000-01", ""},
		{"span id illegal", "00-" + testTraceID + "-.234567890123456-01", ""},
		{"span id illegal at the end", "00-" + testTraceID + "-123456789012345.-01", ""},
		{"span id upper case", "00-" + testTraceID + "-ABCDEF7890123456-01", ""},
		{"span id too long", "00-" + testTraceID + "-" + testSpanID + "7-01", ""},
		{"span id too short", "00-" + testTraceID + "-" + testSpanID[1:] + "-01", ""},
		{"flags illegal", "00-" + ids + "-.0", ""},
		{"flags illegal, second", "00-" + ids + "-0.", ""},
		{"flags upper case", "00-" + ids + "-0A", ""},
		{"flags too long", "00-" + ids + "-001", ""},
		{"flags too short", "00-" + ids + "-1", ""},
		{"first separator", "00 " + ids + "-01", ""},
		{"second separator", "00-" + testTraceID + "_" + testSpanID + "-01", ""},
		{"third separator", "00-" + ids + "_01", ""},
		{"empty", "", ""},
		{"blank", "   ", ""},
		{"two in one", testParent + "," + testParent, ""},

		{"space before", " " + testParent, testParent},
		{"tab before", "\t" + testParent, testParent},
		{"space after", testParent + " ", testParent},
		{"tab after", testParent + "\t", testParent},
		{"both", "\t " + testParent + " \t", testParent},
		{"too much space", strings.Repeat(" ", maxSpace+1) + testParent, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c, ok := ParseTraceparent(tt.value)
			if ok != (tt.want != "") {
				t.Fatalf("valid = %t", ok)
			}
			if !ok {
				if c != (Context{}) {
					t.Errorf("an invalid value left %+v", c)
				}
				return
			}
			if got := string(c.AppendTraceparent(nil)); got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
			if c.Source != W3C {
				t.Errorf("source is %d", c.Source)
			}
		})
	}
}

func TestTraceparentDecision(t *testing.T) {
	for flags, want := range map[string]Context{
		"00": {Sampling: Deny},
		"01": {Sampling: Accept},
		"02": {Sampling: Deny, Random: true},
		"03": {Sampling: Accept, Random: true},
	} {
		c, ok := ParseTraceparent("00-" + testTraceID + "-" + testSpanID + "-" + flags)
		if !ok || c.Sampling != want.Sampling || c.Random != want.Random {
			t.Errorf("flags %s read as %+v", flags, c)
		}
	}
}

// listOf is a list of n members.
func listOf(n int) string {
	list := make([]string, n)
	for i := range list {
		list[i] = fmt.Sprintf("bar%02d=%02d", i, i)
	}
	return strings.Join(list, ",")
}

func TestParseTracestate(t *testing.T) {
	all := ""
	for c := byte(0x20); c <= 0x7e; c++ {
		if c != ',' && c != '=' {
			all += string(c)
		}
	}
	longest := make([]string, maxMembers)
	for i := range longest {
		longest[i] = strings.Repeat("k", maxKey) + "=" + strings.Repeat("v", maxValue)
	}
	const invalid = "(invalid)"
	tests := []struct {
		name   string
		values []string
		want   string
	}{
		{"none", nil, ""},
		{"one", []string{"foo=1"}, "foo=1"},
		{"two", []string{"foo=1,bar=2"}, "foo=1,bar=2"},
		{"empty", []string{""}, ""},
		{"blank", []string{" \t "}, ""},
		{"only commas", []string{",, ,\t,"}, ""},
		{"empty after one", []string{"foo=1", ""}, "foo=1"},
		{"empty before one", []string{"", "foo=1"}, "foo=1"},
		{"several headers", []string{"foo=1,bar=2", "rojo=1,congo=2", "baz=3"}, "foo=1,bar=2,rojo=1,congo=2,baz=3"},
		{"several with blank ones", []string{"foo=1", " , ", "baz=3", ""}, "foo=1,baz=3"},
		{"duplicate keys are kept", []string{"foo=1,foo=2"}, "foo=1,foo=2"},
		{"duplicate keys in two headers", []string{"foo=1", "foo=1"}, "foo=1,foo=1"},
		{"all characters", []string{"abcdefghijklmnopqrstuvwxyz0123456789_-*/@a-z0-9_-*/=" + all}, "abcdefghijklmnopqrstuvwxyz0123456789_-*/@a-z0-9_-*/=" + all},
		{"white space", []string{"foo=1 \t , \t bar=2, \t baz=3"}, "foo=1 \t , \t bar=2, \t baz=3"},
		{"white space around", []string{"\t foo=1 \t"}, "\t foo=1 \t"},
		{"value with leading space", []string{"foo=  1"}, "foo=  1"},
		{"key starts with a digit", []string{"0foo=1"}, "0foo=1"},
		{"Level 2 allows any at sign but the first", []string{"foo@=1,foo@@bar=2,foo@bar@baz=3"}, "foo@=1,foo@@bar=2,foo@bar@baz=3"},
		{"32 members", []string{listOf(10), listOf(20), listOf(2)}, listOf(10) + "," + listOf(20) + "," + listOf(2)},
		{"32 members and empty ones", []string{listOf(32) + ",,"}, listOf(32) + ",,"},
		{"key of 256", []string{"foo=1", strings.Repeat("z", 256) + "=1"}, "foo=1," + strings.Repeat("z", 256) + "=1"},
		{"value of 256", []string{"z=" + strings.Repeat("v", 256)}, "z=" + strings.Repeat("v", 256)},
		{"longest", []string{strings.Join(longest, ",")}, strings.Join(longest, ",")},
		{"longest in two headers", []string{strings.Join(longest[:9], ","), strings.Join(longest[9:], ",")}, strings.Join(longest, ",")},
		{"32 empty members", []string{strings.Repeat(",", 31)}, ""},
		{"32 empty members besides others", []string{"a=1" + strings.Repeat(",", 32)}, "a=1" + strings.Repeat(",", 32)},

		{"33 empty members", []string{strings.Repeat(",", 32)}, invalid},
		{"33 empty headers", append(make([]string, 33), "a=1"), invalid},
		{"33 members", []string{listOf(33)}, invalid},
		{"33 members in two headers", []string{listOf(32), "foo=1"}, invalid},
		{"longer than the longest", []string{strings.Join(longest, ",") + ","}, invalid},
		{"too much in many headers", append(longest, ""), invalid},
		{"no value sign", []string{"foo"}, invalid},
		{"no key", []string{"=1"}, invalid},
		{"no value", []string{"foo=,bar=3"}, invalid},
		{"blank value", []string{"foo= ,bar=3"}, invalid},
		{"two value signs", []string{"foo=bar=baz"}, invalid},
		{"space in key", []string{"foo =1"}, invalid},
		{"upper case", []string{"FOO=1"}, invalid},
		{"dot in key", []string{"foo.bar=1"}, invalid},
		{"at sign first", []string{"@foo=1,bar=2"}, invalid},
		{"tab in value", []string{"foo=a\tb"}, invalid},
		{"control in value", []string{"foo=a\x01b"}, invalid},
		{"delete in value", []string{"foo=a\x7fb"}, invalid},
		{"byte over ASCII", []string{"foo=\xc3\xa9"}, invalid},
		{"key of 257", []string{"foo=1", strings.Repeat("z", 257) + "=1"}, invalid},
		{"value of 257", []string{"z=" + strings.Repeat("v", 257)}, invalid},
		{"one bad of several headers", []string{"foo=1", "BAD=1"}, invalid},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, ok := ParseTracestate(tt.values)
			if !ok {
				if got != "" {
					t.Errorf("an invalid value left %q", got)
				}
				got = invalid
			}
			if got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestExtractW3C(t *testing.T) {
	tests := []struct {
		name   string
		header http.Header
		ok     bool
		state  string
	}{
		{"both", http.Header{"Traceparent": {testParent}, "Tracestate": {"foo=1"}}, true, "foo=1"},
		{"no tracestate", http.Header{"Traceparent": {testParent}}, true, ""},
		{"faulty tracestate keeps the traceparent", http.Header{"Traceparent": {testParent}, "Tracestate": {"FOO"}}, true, ""},
		{"tracestate alone", http.Header{"Tracestate": {"foo=1"}}, false, ""},
		{"faulty traceparent", http.Header{"Traceparent": {"00-x"}, "Tracestate": {"foo=1"}}, false, ""},
		{"two traceparents", http.Header{"Traceparent": {testParent, "00-" + testTraceID[1:] + "9-" + testSpanID + "-01"}}, false, ""},
		{"the same twice", http.Header{"Traceparent": {testParent, testParent}}, false, ""},
		{"other names", http.Header{"Trace-Parent": {testParent}, "Trace.parent": {testParent}}, false, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c, ok := W3C.Extract(tt.header)
			if ok != tt.ok || c.TraceState != tt.state {
				t.Errorf("got %+v, %t", c, ok)
			}
		})
	}
}
