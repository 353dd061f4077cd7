package param

import (
	"fmt"
	"strings"
	"testing"

	"github.com/weirproxy/weir/governance/contract/schema"
)

func TestTypes(t *testing.T) {
	tests := []struct {
		shape    *schema.Shape
		ok       string // separated by spaces
		mistaken string
	}{
		{integer, "0 -0 7 -12 9007199254740993 123456789012345678901234567890",
			"0x1F 0X1f 1_000 010 00 -01 +1 1. .5 1.0 1e2 Inf NaN 0b1 0o7 1l 1n ٣ １ true null - a 1a 1;2 1,2 0x1p-2"},
		{num, "0 -0.5 1e2 1E+2 1.50e-3 7 -0e0 0.1",
			"0x1F 1_000 010 +1 1. .5 1e 1e+ -.5 Inf -Inf Infinity NaN 0x1p-2 1,5 1.5.5 --1 1e1.5 true e1 1f"},
		{boolean, "true false", "t f T F TRUE True FALSE 1 0 yes no on null"},
	}
	for _, test := range tests {
		for _, in := range []string{inPath, inQuery, inHeader, inCookie} {
			text := func(s string) string {
				if in == inQuery || in == inCookie {
					return "color=" + strings.ReplaceAll(strings.ReplaceAll(s, "+", "%2B"), ";", "%3B")
				}
				return s
			}
			for _, good := range strings.Fields(test.ok) {
				got, report := read(t, Spec{In: in, Shape: test.shape}, text(good))
				wantValue(t, got, report, good)
			}
			for _, bad := range append(strings.Fields(test.mistaken), "") {
				if bad == "" && in == inHeader {
					continue
				}
				got, report := read(t, Spec{In: in, Shape: test.shape}, text(bad))
				if wantViolations(t, got, report, "type"); t.Failed() {
					t.Fatalf("%s %q", in, bad)
				}
			}
		}
		// white space is no part of a number, except around a header's value
		for _, bad := range []string{"color=+1", "color=1%20", "color=%0A1", "color=1%00"} {
			got, report := read(t, Spec{In: inQuery, Shape: test.shape}, bad)
			wantViolations(t, got, report, "type")
		}
	}
}

func TestDigits(t *testing.T) {
	for text, ok := range map[string]bool{
		strings.Repeat("9", 400):              true,
		strings.Repeat("9", 401):              false,
		"1e399":                               true,
		"1e-400":                              false,
		"1E1000000000":                        false,
		"1e999999999999999999999":             false,
		"-1e-999999999999999999999":           false,
		"1e00000000000000000000005":           true,
		"0." + strings.Repeat("0", 401) + "1": false,
	} {
		got, report := read(t, Spec{In: inQuery, Shape: num}, "color="+strings.ReplaceAll(text, "+", "%2B"))
		if ok {
			wantValue(t, got, report, text)
		} else {
			wantViolations(t, got, report, "digits")
		}
	}
	got, report := read(t, Spec{In: inQuery, Shape: integer, MaxDigits: 3}, "color=1234")
	wantViolations(t, got, report, "digits")
	got, report = read(t, Spec{In: inQuery, Shape: num, MaxDigits: 3}, "color=1e3")
	wantViolations(t, got, report, "digits")
}

func TestPresence(t *testing.T) {
	loose := objectOf(str, "R", "G")
	tests := []struct {
		spec       Spec
		text       string
		value      string
		violations []string
	}{
		{Spec{In: inQuery, Shape: str}, "", "", nil},
		{Spec{In: inQuery, Shape: str, Required: true}, "", "", []string{"required"}},
		{Spec{In: inQuery, Shape: str, Required: true}, "Color=a", "", []string{"required"}},
		{Spec{In: inQuery, Shape: str, Required: true}, "color", `""`, nil},
		{Spec{In: inQuery, Shape: integer}, "color=", "", []string{"type"}},
		{Spec{In: inQuery, Shape: integer, AllowEmpty: true, Required: true}, "color=", "", nil},
		{Spec{In: inQuery, Shape: integer, AllowEmpty: true, Required: true}, "color", "", nil},
		{Spec{In: inQuery, Shape: integer, AllowEmpty: true, Required: true}, "", "", []string{"required"}},
		{Spec{In: inQuery, Shape: integer, AllowEmpty: true}, "color=a", "", []string{"type"}},
		{Spec{In: inQuery, Shape: arrayOf(integer)}, "color=", "", []string{"type /0"}},
		{Spec{In: inQuery, Shape: arrayOf(str)}, "color=", `[""]`, nil},
		{Spec{In: inHeader, Shape: str, Required: true}, "", "", []string{"required"}},
		{Spec{In: inHeader, Shape: str}, "", "", nil},
		{Spec{In: inCookie, Shape: str, Required: true}, "colors=1; x", "", []string{"required"}},
		{Spec{In: inQuery, Shape: loose}, "color=1", "", nil},
		{Spec{In: inQuery, Shape: loose, Required: true}, "color=1", "", []string{"required"}},
		{Spec{In: inQuery, Shape: loose, Required: true}, "R=1&x=2", `{"R":"1"}`, nil},
		{Spec{In: inQuery, Shape: loose, Style: deepObject, Required: true}, "color=1&colors[R]=1", "", []string{"required"}},
		{Spec{In: inQuery, Shape: nil}, "color=1", `"1"`, nil},
	}
	for _, test := range tests {
		got, report := read(t, test.spec, test.text)
		if len(test.violations) > 0 {
			wantViolations(t, got, report, test.violations...)
		} else {
			wantValue(t, got, report, test.value)
		}
		if t.Failed() {
			t.Fatalf("%+v", test)
		}
	}
}

func TestHeaders(t *testing.T) {
	empty := func(shape *schema.Shape) (*kept, *schema.Report) {
		return read(t, Spec{In: inHeader, Name: "x-color", Shape: shape}, " ") // there, and blank
	}
	got, report := empty(str)
	wantValue(t, got, report, `""`)
	got, report = empty(arrayOf(str))
	wantValue(t, got, report, `[]`)
	got, report = empty(objectOf(str))
	wantValue(t, got, report, `{}`)
	got, report = empty(integer)
	wantViolations(t, got, report, "type")
	got, report = read(t, Spec{In: inHeader, Shape: integer}, " 7 ")
	wantValue(t, got, report, `7`)
	ignored := map[string]bool{"accept": true, "Content-Type": true, "AUTHORIZATION": true, "Accept-Language": false}
	for name, want := range ignored {
		if Ignored(inHeader, name) != want || Ignored(inQuery, name) {
			t.Errorf("%s: ignored in headers %t, in queries %t", name, Ignored(inHeader, name), Ignored(inQuery, name))
		}
	}
}

// Items and members have types of their own, and each that is wrong has its place.
func TestPlaces(t *testing.T) {
	pair := &schema.Shape{Types: schema.Array, Prefix: []*schema.Shape{integer, boolean}, Items: str}
	member := objectOf(integer, "n", "a/b~")
	member.Properties["tags"] = arrayOf(integer)
	tests := []struct {
		spec       Spec
		text       string
		value      string
		violations []string
	}{
		{Spec{In: inPath, Shape: pair}, "1,true,1,true", `[1,true,"1","true"]`, nil},
		{Spec{In: inPath, Shape: pair}, "true,1,x", "", []string{"type /0", "type /1"}},
		{Spec{In: inPath, Explode: yes(), Shape: member}, "n=x,a/b~=y,z=z", "", []string{"type /n", "type /a~1b~0"}},
		{Spec{In: inPath, Explode: yes(), Shape: member}, "n=1,z=z", `{"n":1,"z":"z"}`, nil},
		{Spec{In: inPath, Explode: yes(), Shape: member}, "tags=1", "", []string{"type /tags"}},
		{Spec{In: inQuery, Shape: member}, "tags=1&n=2", `{"n":2,"tags":[1]}`, nil},
		{Spec{In: inQuery, Shape: member}, "tags=1&n=2&tags=3", `{"n":2,"tags":[1,3]}`, nil},
		{Spec{In: inQuery, Shape: member}, "tags=1&n=2&tags=x", "", []string{"type /tags/1"}},
	}
	for _, test := range tests {
		got, report := read(t, test.spec, test.text)
		if test.violations != nil {
			wantViolations(t, got, report, test.violations...)
		} else {
			wantValue(t, got, report, test.value)
		}
	}
}

// A closed object has its forbidden members judged by the validator, as they are.
func TestForbiddenMembers(t *testing.T) {
	closed := objectOf(integer, "a")
	closed.Additional = nil
	got, report := read(t, Spec{In: inPath, Explode: yes(), Shape: closed}, "a=1,b=2")
	wantValue(t, got, report, `{"a":1,"b":"2"}`)
	got, report = read(t, Spec{In: inQuery, Style: deepObject, Shape: closed}, "color[a]=1&color[b][c]=2")
	wantValue(t, got, report, `{"a":1,"b":{"c":"2"}}`)
}

func TestSeveralReadings(t *testing.T) {
	both := func(types schema.Types) *schema.Shape {
		return &schema.Shape{Types: types, Items: integer, Properties: map[string]*schema.Shape{"a": integer}, Additional: anyType}
	}
	tests := []struct {
		shape      *schema.Shape
		text       string
		value      string
		violations []string
	}{
		{both(schema.Integer | schema.Array), "color=1", "1", nil},
		{both(schema.Integer | schema.Array), "color=1&color=2", "[1,2]", nil},
		{both(schema.Integer | schema.Array), "color=x", "", []string{"type"}},
		{both(schema.Array | schema.Object), "a=1", `{"a":1}`, nil},
		{both(schema.Array | schema.Object), "color=1", `[1]`, nil},
		{both(schema.Array | schema.Null), "color=x", "", []string{"type /0"}},
		{both(schema.Null), "color=null", "", []string{"type"}},
		{anyType, "color=1", `"1"`, nil},
		{anyType, "color=1&color=2", `["1","2"]`, nil},
		{&schema.Shape{Types: schema.Integer | schema.Null}, "color=null", "", []string{"type"}},
		{&schema.Shape{Types: schema.Integer | schema.Boolean}, "color=true", "true", nil},
		{&schema.Shape{Types: schema.Integer | schema.Boolean}, "color=5", "5", nil},
		{&schema.Shape{Types: schema.Integer | schema.String}, "color=05", `"05"`, nil},
	}
	for _, test := range tests {
		got, report := read(t, Spec{In: inQuery, Shape: test.shape}, test.text)
		if len(test.violations) > 0 {
			wantViolations(t, &kept{}, report, test.violations...)
		} else {
			wantValue(t, got, report, test.value)
		}
		if t.Failed() {
			t.Fatalf("%+v", test)
		}
	}
}

func TestContent(t *testing.T) {
	tests := []struct {
		in, mediaType, text string
		json                string
		value               any
	}{
		{inQuery, "application/json", "color=%7B%22a%22:+[1,2]%7D", `{"a": [1,2]}`, nil},
		{inQuery, "application/vnd.x+json; charset=utf-8", "color=1", "1", nil},
		{inPath, "Application/JSON", "%5B1%5D", "[1]", nil},
		{inCookie, "application/json", "color=%22a%22", `"a"`, nil},
		{inHeader, "application/json", `{"a": "x, y"}`, `{"a": "x, y"}`, nil},
		{inQuery, "text/plain", "color=a%2Cb", "", "a,b"},
	}
	for _, test := range tests {
		got, report := read(t, Spec{In: test.in, MediaType: test.mediaType, Shape: str}, test.text)
		if got.json != test.json || got.value != test.value || !got.asked || report.Total > 0 {
			t.Errorf("%+v: got %+v %v", test, got, report.Violations)
		}
	}
	got, report := read(t, Spec{In: inQuery, MediaType: "application/xml"}, "color=%3Ca/%3E")
	wantValue(t, got, report, "")
	got, report = read(t, Spec{In: inQuery, MediaType: "application/xml", Required: true}, "")
	wantViolations(t, got, report, "required")
	got, report = read(t, Spec{In: inHeader, MediaType: "application/json"}, "1\n2")
	wantViolations(t, got, report, "repeated")
}

// Details say what to do, and show nothing of the value unless asked.
func TestDetails(t *testing.T) {
	const secret = "s3cr3t"
	shapes := []*schema.Shape{integer, num, boolean, arrayOf(integer), {Types: schema.Integer | schema.Boolean}}
	for _, shape := range shapes {
		d, err := New(Spec{In: inQuery, Name: "color", Shape: shape})
		if err != nil {
			t.Fatal(err)
		}
		for _, values := range []bool{false, true} {
			report := schema.Report{Values: values}
			decode(d, "color="+secret+strings.Repeat("x", 1000), &report)
			if len(report.Violations) != 1 {
				t.Fatalf("got %+v", report.Violations)
			}
			v := report.Violations[0]
			if v.In != inQuery || v.Name != "color" || !strings.HasPrefix(v.Detail, "must be ") || len(v.Detail) > 250 ||
				strings.Contains(v.Detail, secret) != values {
				t.Errorf("values shown: %t, got %+v", values, v)
			}
		}
	}
}

func TestLimits(t *testing.T) {
	list := strings.Repeat("1,", 10_000)
	got, report := read(t, Spec{In: inPath, Shape: arrayOf(integer)}, list+"1")
	wantViolations(t, got, report, "nodes")
	got, report = read(t, Spec{In: inHeader, Shape: arrayOf(integer)}, list+"1")
	wantViolations(t, got, report, "nodes")
	if _, report := read(t, Spec{In: inPath, Shape: arrayOf(integer)}, list[:len(list)-1]); report.Total > 0 {
		t.Errorf("10,000 items: got %v", report.Violations)
	}
	got, report = read(t, Spec{In: inPath, Shape: arrayOf(integer), MaxProperties: 2}, "1,2,3")
	wantViolations(t, got, report, "nodes")
	got, report = read(t, Spec{In: inPath, Shape: objectOf(str), MaxProperties: 2}, "a,1,b,2,c,3")
	wantViolations(t, got, report, "nodes")
	got, report = read(t, Spec{In: inPath, Shape: objectOf(str), Explode: yes(), MaxProperties: 2}, "a=1,b=2,c=3")
	wantViolations(t, got, report, "properties")
	got, report = read(t, Spec{In: inQuery, Shape: arrayOf(str)}, strings.Repeat("color=1&", 10_001))
	if report.Total != 1 || report.Violations[0].Code != "properties" {
		t.Errorf("10,001 pairs: got %+v, %d items", report.Violations, len(got.value.([]any)))
	}
	// all wrong items count, 20 are kept
	_, report = read(t, Spec{In: inPath, Shape: arrayOf(boolean)}, list[:len(list)-1])
	if len(report.Violations) != 20 || report.Violations[19].Pointer != "/19" {
		t.Errorf("got %d violations", len(report.Violations))
	}
	var cookies []string
	for i := range 10_001 {
		cookies = append(cookies, fmt.Sprint("c", i, "=1"))
	}
	_, report = read(t, Spec{In: inCookie, Shape: str}, strings.Join(cookies, ";"))
	wantViolations(t, &kept{}, report, "properties")
}
