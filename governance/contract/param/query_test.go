package param

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/weirproxy/weir/governance/contract/schema"
)

func TestQueryParse(t *testing.T) {
	tests := []struct {
		raw        string
		pairs      []pair
		violations []string // name and code
	}{
		{"", nil, nil},
		{"&&", nil, nil},
		{"a=1&b=2", []pair{{name: "a", value: "1"}, {name: "b", value: "2"}}, nil},
		{"a=1=2&&=x&b", []pair{{name: "a", value: "1=2"}, {name: "", value: "x"}, {name: "b"}}, nil},
		{"a+%62=+%20", []pair{{name: "a b", value: "+%20"}}, nil},
		{"a;b=1;c", []pair{{name: "a;b", value: "1;c", semicolon: true}}, nil},
		{"%=1&a=%&b=%4&c=%zz&d=%41", []pair{
			{name: "a", value: "%", broken: true}, {name: "b", value: "%4", broken: true},
			{name: "c", value: "%zz", broken: true}, {name: "d", value: "%41"},
		}, []string{" syntax", "a syntax", "b syntax", "c syntax"}},
	}
	var q Query // used again
	for _, test := range tests {
		var report schema.Report
		q.Parse(test.raw, &report)
		var violations []string
		for _, v := range report.Violations {
			violations = append(violations, v.Name+" "+v.Code)
		}
		if !slices.Equal(q.pairs, test.pairs) || !slices.Equal(violations, test.violations) {
			t.Errorf("%q: got %+v %q, want %+v %q", test.raw, q.pairs, violations, test.pairs, test.violations)
		}
	}
}

// undeclared reads parameters and returns the names that Undeclared reports.
func undeclared(t *testing.T, raw string, specs ...Spec) (names []string, report *schema.Report) {
	t.Helper()
	var q Query
	report = new(schema.Report)
	q.Parse(raw, report)
	for _, spec := range specs {
		spec.In = inQuery
		d, err := New(spec)
		if err != nil {
			t.Fatal(err)
		}
		d.Query(&q, report)
	}
	q.Undeclared(report)
	for _, v := range report.Violations {
		if v.Code != "undeclared" || v.In != inQuery {
			t.Errorf("%q: got %+v", raw, v)
		}
		names = append(names, v.Name)
	}
	return names, report
}

// K16 of the gateway reference: what is not declared is found, in all styles.
func TestUndeclared(t *testing.T) {
	color := Spec{Name: "color", Shape: str}
	tests := []struct {
		raw   string
		specs []Spec
		want  []string
	}{
		{"color=1", []Spec{color}, nil},
		{"c%6flor=1", []Spec{color}, nil},
		{"color=1&colour=2&x&colour=3&Color=4", []Spec{color}, []string{"colour", "x", "Color"}},
		{"color=1", nil, []string{"color"}},
		{"color=", []Spec{{Name: "color", Shape: integer, AllowEmpty: true}}, nil},
		{"color=1", []Spec{{Name: "color", MediaType: "application/json"}}, nil},
		{"color[a]=1&color[b][c]=2&color=3&colors[a]=4", []Spec{{Name: "color", Style: deepObject, Shape: objectOf(anyType)}},
			[]string{"color", "colors[a]"}},
		{"R=1&G=2&color=3&x=4", []Spec{{Name: "color", Shape: objectOf(str, "R", "G")}}, []string{"color", "x"}},
		{"R=1&x=4", []Spec{{Name: "color", Shape: objectOf(str)}}, nil}, // additional members of any type are all it has
		{"R=1&x=4", []Spec{{Name: "color", Shape: &schema.Shape{Types: schema.Object, Additional: str}}}, nil},
		{"R=1&x=4", []Spec{{Name: "color", Shape: &schema.Shape{Types: schema.Object}}}, []string{"R", "x"}},
		{"color=1&color=2", []Spec{{Name: "color", Shape: arrayOf(str)}}, nil},
		{"%ff=1&" + strings.Repeat("n", 200), nil, []string{"\uFFFD", strings.Repeat("n", 100) + "..."}},
	}
	for _, test := range tests {
		if got, _ := undeclared(t, test.raw, test.specs...); !slices.Equal(got, test.want) {
			t.Errorf("%q: got %q, want %q", test.raw, got, test.want)
		}
	}
	var many []string
	for i := range 100 {
		many = append(many, fmt.Sprint("p", i))
	}
	if names, report := undeclared(t, strings.Join(many, "&")); len(names) != 20 || report.Total != 100 {
		t.Errorf("kept %d of %d, want 20 of 100", len(names), report.Total)
	}
}

// Rails, PHP and Express read these as the parameter id, older servers take a semicolon for an &: what they would see
// must not escape the schema.
func TestWhatOtherServersReadOtherwise(t *testing.T) {
	id := Spec{In: inQuery, Name: "id", Shape: integer}
	tags := Spec{In: inQuery, Name: "tags[]", Shape: arrayOf(str)}
	deep := Spec{In: inQuery, Name: "deep", Style: deepObject, Shape: objectOf(str)}
	rgb := Spec{In: inQuery, Name: "color", Shape: objectOf(str, "R", "G")}
	for raw, want := range map[string][]string{
		"id=1&tags[]=a&tags[]=b&deep[a]=1&R=1&color=1&color[x]=1&other[]=1&[]=1": nil,
		"id[]=1":           {"id[] undeclared"},
		"id=1&%69d%5B$ne]": {"id[$ne] undeclared"},
		"deep=1":           {"deep undeclared"},
		"deep[a]=1&deep":   {"deep undeclared"},
		"R[]=1":            {"R[] undeclared"},
		"id=1%3B2":         {"id type"},
		"x=1;id=2&id=1":    {"x syntax"},
		"x;=1":             {"x; syntax"},
	} {
		var q Query
		report, names := new(schema.Report), make(map[string]struct{})
		q.Parse(raw, report)
		for _, spec := range []Spec{id, tags, deep, rgb} {
			d, err := New(spec)
			if err != nil {
				t.Fatal(err)
			}
			for _, name := range d.Names() {
				names[name] = struct{}{}
			}
			d.Query(&q, report)
		}
		q.Semicolons(report)
		q.Lookalikes(names, report)
		var got []string
		for _, v := range report.Violations {
			got = append(got, v.Name+" "+v.Code)
		}
		if !slices.Equal(got, want) {
			t.Errorf("%q: got %q, want %q", raw, got, want)
		}
		before := report.Total
		if q.Undeclared(report); slices.ContainsFunc(report.Violations[before:], func(v schema.Violation) bool {
			return slices.Contains(got, v.Name+" undeclared") || slices.Contains(got, v.Name+" syntax")
		}) {
			t.Errorf("%q: reported twice: %+v", raw, report.Violations)
		}
	}
}

// An object with additional members takes what the parameters before it have left.
func TestTakesRest(t *testing.T) {
	rest := Spec{In: inQuery, Name: "filter", Shape: &schema.Shape{Types: schema.Object, Additional: integer}}
	for _, test := range []struct {
		spec Spec
		want bool
	}{
		{rest, true},
		{Spec{In: inQuery, Name: "a", Shape: objectOf(str)}, true},
		{Spec{In: inQuery, Name: "a", Shape: objectOf(str, "b")}, false},
		{Spec{In: inQuery, Name: "a", Shape: &schema.Shape{Types: schema.Object}}, false},
		{Spec{In: inQuery, Name: "a", Explode: no(), Shape: objectOf(str)}, false},
		{Spec{In: inQuery, Name: "a", Style: deepObject, Shape: objectOf(str)}, false},
		{Spec{In: inQuery, Name: "a", MediaType: "application/json", Shape: objectOf(str)}, false},
		{Spec{In: inQuery, Name: "a", Shape: str}, false},
	} {
		d, err := New(test.spec)
		if err != nil || d.TakesRest() != test.want {
			t.Errorf("%+v: got %t %v", test.spec, d.TakesRest(), err)
		}
	}
	got := new(kept)
	rest.Validator = got
	names, report := undeclared(t, "limit=1&a=2&b=3", Spec{Name: "limit", Shape: integer}, rest)
	wantValue(t, got, report, `{"a":2,"b":3}`)
	if len(names) > 0 {
		t.Errorf("undeclared: %q", names)
	}
}

func TestCookiesParse(t *testing.T) {
	var c Cookies
	var report schema.Report
	c.Parse(http.Header{"Cookie": {`a=1; b="2" ;;c; =x;d="`, "a=3=4; e\t = 5 "}}, &report)
	want := []pair{
		{name: "a", value: "1"}, {name: "b", value: "2"}, {name: "d", value: `"`}, {name: "a", value: "3=4"},
		{name: "e", value: "5"},
	}
	if !slices.Equal(c.pairs, want) || report.Total > 0 {
		t.Errorf("got %+v", c.pairs)
	}
	if c.Parse(nil, &report); len(c.pairs) > 0 {
		t.Errorf("cookies of the request before: %+v", c.pairs)
	}
}
