package schema

import (
	"encoding/json"
	"strings"
	"testing"
)

// Each kind of violation: its code, its detail, and that the detail does not show the value.
func TestDetails(t *testing.T) {
	const value = "s3cret"
	tests := []struct{ schema, value, code, detail string }{
		{`{"type": ["integer", "null"]}`, `"s3cret"`, "type", "must be null or an integer, not string"},
		{`{"type": "string"}`, `{"s3cret": 1}`, "type", "must be a string, not object"},
		{`{"enum": ["a", 1, null]}`, `"s3cret"`, "enum", `must be one of "a", 1, null`},
		{`{"const": {"a": "<b>"}}`, `"s3cret"`, "const", `must be {"a":"<b>"}`},
		{`{"maximum": 12345678901234567890}`, `98765432109876543210`, "maximum", "must be at most 12345678901234567890"},
		{`{"minimum": 0.25}`, `0.125`, "minimum", "must be at least 0.25"},
		{`{"exclusiveMaximum": 1e2}`, `1234`, "exclusive_maximum", "must be less than 100"},
		{`{"exclusiveMinimum": -1}`, `-1234`, "exclusive_minimum", "must be more than -1"},
		{`{"multipleOf": 0.01}`, `0.125`, "multiple_of", "must be a multiple of 0.01"},
		{`{"minLength": 7}`, `"s3cret"`, "min_length", "must be at least 7 characters long"},
		{`{"maxLength": 1}`, `"s3cret"`, "max_length", "must be at most 1 character long"},
		{`{"pattern": "^[a-z]*$"}`, `"s3cret"`, "pattern", "must match the regular expression ^[a-z]*$"},
		{`{"format": "uuid"}`, `"s3cret"`, "format", "must be a UUID: 8-4-4-4-12 hexadecimal digits"},
		{`{"format": "regex"}`, `"s3cret("`, "format", "must be a regular expression (ECMA-262)"},
		{`{"minItems": 2}`, `["s3cret"]`, "min_items", "must have at least 2 items"},
		{`{"maxItems": 0}`, `["s3cret"]`, "max_items", "must have at most 0 items"},
		{`{"uniqueItems": true}`, `[1, "s3cret", "s3cret"]`, "unique_items", "must not have the same item twice, as at 1 and 2"},
		{`{"contains": {"const": 1}}`, `["s3cret"]`, "contains", "has no item of a kind that it must have"},
		{`{"contains": {}, "minContains": 2}`, `["s3cret"]`, "min_contains", "must have at least 2 items of a certain kind, and has 1"},
		{`{"contains": {}, "maxContains": 1}`, `["s3cret", 1]`, "max_contains", "must have at most 1 item of a certain kind, and has 2"},
		{`{"minProperties": 2}`, `{"a": "s3cret"}`, "min_properties", "must have at least 2 properties"},
		{`{"maxProperties": 0}`, `{"a": "s3cret"}`, "max_properties", "must have at most 0 properties"},
		{`{"required": ["b"]}`, `{"a": "s3cret"}`, "required", "is required"},
		{`{"dependentRequired": {"a": ["b"]}}`, `{"a": "s3cret"}`, "dependent_required", `is required where there is a property "a"`},
		{`{"additionalProperties": false}`, `{"a": "s3cret"}`, "additional_properties", "is a property that is not allowed here"},
		{`{"propertyNames": {"maxLength": 0}}`, `{"a": "s3cret"}`, "property_names",
			"has a name that is not allowed: it must be at most 0 characters long"},
		{`{"unevaluatedProperties": false}`, `{"a": "s3cret"}`, "unevaluated", "is not allowed here: no part of the schema describes it"},
		{`{"properties": {"a": false}}`, `{"a": "s3cret"}`, "false_schema", "is not allowed here"},
		{`{"not": {}}`, `"s3cret"`, "not", "fits a schema that it must not fit"},
		{`{"anyOf": [{"type": "integer"}, {"type": "null"}]}`, `"s3cret"`, "any_of", "fits none of the 2 schemas that it may fit"},
		{`{"oneOf": [{"type": "integer"}, {"type": "null"}]}`, `"s3cret"`, "one_of", "fits none of the 2 schemas of which it must fit one"},
		{`{"oneOf": [false, {}, {"type": "string"}]}`, `"s3cret"`, "one_of", "fits schemas 2 and 3, but must fit exactly one"},
	}
	seen := make(map[string]bool)
	for _, test := range tests {
		v := compile(t, compilerFor(t, OpenAPI31, `{"A": `+test.schema+`}`, Settings{}), atA, Request)
		var report Report
		if v.JSON([]byte(test.value), &report); report.Total != 1 {
			t.Errorf("%s: violations of %s are %+v, want one", test.schema, test.value, report.Violations)
			continue
		}
		got := report.Violations[0]
		if got.Code != test.code || got.Detail != test.detail {
			t.Errorf("%s: violation is %s: %s; want %s: %s", test.schema, got.Code, got.Detail, test.code, test.detail)
		}
		if strings.Contains(got.Detail, value) || strings.Contains(got.Detail, test.value) {
			t.Errorf("%s: the detail shows the value: %s", test.schema, got.Detail)
		}
		if seen[got.Code+got.Detail] {
			t.Errorf("%s: two kinds have the same code and detail", got.Code)
		}
		seen[got.Code+got.Detail] = true
	}
}

func TestDetailsWithValues(t *testing.T) {
	tests := []struct{ schema, value, want string }{
		{`{"type": "integer"}`, `"secret"`, `must be an integer, not string; it is "secret"`},
		{`{"properties": {"a": {"items": {"maximum": 1}}}}`, `{"a": [0, 2]}`, `must be at most 1; it is 2`},
		{`{"type": "integer"}`, `"` + strings.Repeat("ä", 100) + `"`, `must be an integer, not string; it is "` + strings.Repeat("ä", 49) + "..."},
		{`{"additionalProperties": false}`, `{"a": {"b": 1}}`, `is a property that is not allowed here; it is {"b":1}`},
		{`{"required": ["a"]}`, `{}`, "is required"},
	}
	for _, test := range tests {
		v := compile(t, compilerFor(t, OpenAPI31, `{"A": `+test.schema+`}`, Settings{}), atA, Request)
		report := Report{Values: true}
		if v.JSON([]byte(test.value), &report); report.Total != 1 || report.Violations[0].Detail != test.want {
			t.Errorf("%s: violations of %s are %+v, want %s", test.schema, test.value, report.Violations, test.want)
		}
	}
}

func TestLongListsAreCut(t *testing.T) {
	var values []string
	for range 500 {
		values = append(values, strings.Repeat("x", 50))
	}
	list, _ := json.Marshal(values)
	v := compile(t, compilerFor(t, OpenAPI31, `{"A": {"enum": `+string(list)+`}}`, Settings{}), atA, Request)
	var report Report
	v.JSON([]byte(`1`), &report)
	if detail := report.Violations[0].Detail; len(detail) > 500 || !strings.HasSuffix(detail, " more") {
		t.Errorf("detail is %d bytes long: %s", len(detail), detail)
	}
}

func TestViolationsAreOrdered(t *testing.T) {
	v := compile(t, compilerFor(t, OpenAPI31, `{"A": {"items": {"properties": {"b": {"type": "string"}, "a": {"type": "string"}}}}}`, Settings{}), atA, Request)
	item := `{"a": 1, "b": 1}`
	text := "[" + strings.Repeat(item+", ", 10) + item + "]"
	for range 20 {
		got := judge(v, text)
		if len(got) != 22 || got[0] != "/0/a type" || got[1] != "/0/b type" || got[2] != "/1/a type" || got[21] != "/10/b type" {
			t.Fatalf("violations are %q", got)
		}
	}
}

func TestReport(t *testing.T) {
	report := Report{Max: 2}
	report.At("query", "limit")
	report.Add("", "type", "a")
	report.At("body", "")
	if report.Full() {
		t.Error("one of two is full")
	}
	report.Add("/x", "type", "b")
	report.Add("/y", "type", "c")
	if !report.Full() || report.Total != 3 || len(report.Violations) != 2 {
		t.Errorf("report is %+v", report)
	}
	text, err := json.Marshal(report.Violations)
	want := `[{"in":"query","name":"limit","code":"type","detail":"a"},{"in":"body","pointer":"/x","code":"type","detail":"b"}]`
	if err != nil || string(text) != want {
		t.Errorf("violations are %s, want %s", text, want)
	}
	var byItself Report
	for range 30 {
		byItself.At("query", strings.Repeat("ä", 1000))
		byItself.Add(strings.Repeat("/ä", 1000), "type", "")
	}
	first := byItself.Violations[0]
	if len(byItself.Violations) != DefaultViolations || len(first.Pointer) > maxNamed+3 || len(first.Name) > maxNamed+3 {
		t.Errorf("%d violations are kept, with pointers of %d bytes and names of %d", len(byItself.Violations),
			len(first.Pointer), len(first.Name))
	}
}
