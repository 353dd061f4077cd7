package param

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/weirproxy/weir/governance/contract/schema"
)

// compiled is a parameter of a document of OpenAPI 3.1 whose schema is JSON text.
func compiled(t testing.TB, in, text string, settings schema.Settings) Spec {
	t.Helper()
	decoder := json.NewDecoder(strings.NewReader(text))
	decoder.UseNumber()
	var tree any
	if err := decoder.Decode(&tree); err != nil {
		t.Fatal(err)
	}
	const file = "file:///etc/weir/test.json"
	files := schema.Files{file: map[string]any{"schema": tree}}
	compiler := schema.NewCompiler(files, schema.OpenAPI31, settings)
	validator, err := compiler.Compile(file+"#/schema", schema.Request)
	if err != nil {
		t.Fatal(err)
	}
	return Spec{In: in, Name: "color", Shape: compiler.Shape(file + "#/schema"), Validator: validator}
}

type verdict struct{ in, schema, text, want string } // want: "code pointer", "" for none

func judgeAll(t *testing.T, settings schema.Settings, verdicts []verdict) {
	t.Helper()
	for _, v := range verdicts {
		_, report := read(t, compiled(t, v.in, v.schema, settings), v.text)
		var want []string
		if v.want != "" {
			want = strings.Split(v.want, ", ")
		}
		var got []string
		for _, violation := range report.Violations {
			got = append(got, strings.TrimSpace(violation.Code+" "+violation.Pointer))
			if violation.In != v.in || violation.Name != "color" {
				t.Errorf("%+v: got %+v", v, violation)
			}
		}
		if slices.Sort(got); !slices.Equal(got, want) {
			t.Errorf("%+v: got %+v", v, report.Violations)
		}
	}
}

// K8 of the gateway reference: the schema sees what a path parameter means, not how it is encoded.
func TestPathParametersAreJudgedDecoded(t *testing.T) {
	judgeAll(t, schema.Settings{}, []verdict{
		{inPath, `{"type": "string", "maxLength": 2}`, "%E6%97%A5%E6%9C%AC", ""},
		{inPath, `{"type": "string", "maxLength": 1}`, "%E6%97%A5%E6%9C%AC", "max_length"},
		{inPath, `{"type": "string", "minLength": 3}`, "%E6%97%A5%E6%9C%AC", "min_length"},
		{inPath, `{"type": "string", "pattern": "^[a-z/ ]+$"}`, "a%2Fb%20c", ""},
		{inPath, `{"type": "string", "pattern": "%"}`, "a%2Fb%20c", "pattern"},
		{inPath, `{"type": "string", "enum": ["größe", "a b"]}`, "gr%C3%B6%C3%9fe", ""},
		{inPath, `{"type": "string", "enum": ["größe", "a b"]}`, "a%20b", ""},
		{inPath, `{"type": "string", "enum": ["größe", "a b"]}`, "a+b", "enum"},
		{inPath, `{"type": "integer"}`, "%31%32", ""},
		{inQuery, `{"type": "string", "enum": ["größe", "a b"]}`, "color=a+b", ""},
		{inQuery, `{"type": "string", "maxLength": 2}`, "color=%E6%97%A5%E6%9C%AC", ""},
	})
}

// K9 of the gateway reference: what strconv reads and others do not is no number and no boolean.
func TestNumbersAndBooleansAreStrict(t *testing.T) {
	var verdicts []verdict
	for _, text := range []string{"0x1F", "1_000", "010", "+1", "1e3", "1.0", "0b1", "Inf", "NaN", "0x1p-2"} {
		verdicts = append(verdicts, verdict{inPath, `{"type": "integer"}`, text, "type"})
	}
	for _, text := range []string{"0x1F", "1_000", "010", "+1", "Inf", "-inf", "NaN", "0x1p-2", "1."} {
		verdicts = append(verdicts, verdict{inHeader, `{"type": "number"}`, text, "type"})
	}
	for _, text := range []string{"t", "T", "1", "TRUE", "True", "F", "0"} {
		verdicts = append(verdicts, verdict{inQuery, `{"type": "boolean"}`, "color=" + text, "type"})
	}
	judgeAll(t, schema.Settings{}, append(verdicts,
		verdict{inPath, `{"type": "integer", "maximum": 8}`, "8", ""},
		verdict{inPath, `{"type": "integer", "maximum": 8}`, "9", "maximum"},
		verdict{inPath, `{"type": "integer", "maximum": 9007199254740992}`, "9007199254740993", "maximum"},
		verdict{inPath, `{"type": "integer", "format": "int64"}`, "9223372036854775808", "format"},
		verdict{inPath, `{"type": "number", "multipleOf": 0.1}`, "0.3", ""},
		verdict{inQuery, `{"type": "boolean", "const": true}`, "color=true", ""},
		verdict{inQuery, `{"type": "boolean", "const": true}`, "color=false", "const"},
	))
}

// K13 of the gateway reference: settings and patterns hold for parameters as they do for bodies.
func TestSettingsHoldForParameters(t *testing.T) {
	const uuid, ecma = `{"type": "string", "format": "uuid"}`, `{"type": "string", "pattern": "^\\/[\\d]+\\u00e9$"}`
	verdicts := []verdict{
		{inPath, uuid, "x", "format"}, {inQuery, uuid, "color=x", "format"},
		{inHeader, uuid, "x", "format"}, {inCookie, uuid, "color=x", "format"},
		{inPath, ecma, "%2F12%C3%A9", ""}, {inQuery, ecma, "color=/12%c3%a9", ""}, {inHeader, ecma, "/12é", ""},
		{inPath, ecma, "12", "pattern"}, {inQuery, ecma, "color=12", "pattern"}, {inHeader, ecma, "12", "pattern"},
	}
	judgeAll(t, schema.Settings{}, verdicts)
	for i := range 4 {
		verdicts[i].want = ""
	}
	judgeAll(t, schema.Settings{IgnoreFormats: true}, verdicts)
}

// The schemas of real documents.
func TestShapesOfSchemas(t *testing.T) {
	const (
		ids     = `{"type": "array", "items": {"type": "integer"}, "maxItems": 2, "uniqueItems": true}`
		either  = `{"oneOf": [{"type": "integer"}, {"type": "array", "items": {"type": "integer"}}]}`
		all     = `{"allOf": [{"type": "integer"}, {"minimum": 3}]}`
		untyped = `{"enum": [1, true, "a", null]}`
		several = `{"type": ["integer", "string"], "enum": [1, "2"]}`
		opened  = `{"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}`
		closed  = `{"type": "object", "properties": {"a": {"type": "integer"}}, "additionalProperties": false}`
		null    = `{"type": ["integer", "null"]}`
	)
	judgeAll(t, schema.Settings{}, []verdict{
		{inQuery, ids, "color=1&color=2", ""},
		{inQuery, ids, "color=1&color=x", "type /1"},
		{inQuery, ids, "color=1&color=1", "unique_items"},
		{inQuery, ids, "color=1&color=2&color=3", "max_items"},
		{inPath, ids, "1,2", ""},
		{inQuery, either, "color=1", ""},
		{inQuery, either, "color=1&color=2", ""},
		{inQuery, either, "color=x", "type"},
		{inQuery, all, "color=3", ""},
		{inQuery, all, "color=2", "minimum"},
		{inQuery, all, "color=x", "type"},
		{inQuery, untyped, "color=1", ""},
		{inQuery, untyped, "color=true", ""},
		{inQuery, untyped, "color=a", ""},
		{inQuery, untyped, "color=null", "enum"},
		{inQuery, several, "color=1", ""},
		{inQuery, several, "color=2", ""},
		{inQuery, several, "color=3", "enum"},
		{inPath, opened, "a,1,b,2", ""},
		{inPath, opened, "b,2", "required /a"},
		{inPath, closed, "a,1", ""},
		{inPath, closed, "a,1,b,2", "additional_properties /b"},
		{inQuery, null, "color=1", ""},
		{inQuery, null, "color=null", "type"},
		{inQuery, null, "color=", "type"},
		{inQuery, `{"maxLength": 2}`, "color=red", "max_length"},
		{inQuery, `{"pattern": "^r"}`, "color=red", ""},
		{inQuery, `{"minimum": 5}`, "color=4", "minimum"},
		{inQuery, `{"minimum": 5}`, "color=red", "type"},
		{inQuery, `{"format": "int32"}`, "color=4000000000", "format"},
		{inQuery, `{"maximum": 5, "minLength": 3}`, "color=red", ""},
		{inQuery, `{"maximum": 5, "minLength": 3}`, "color=9", "min_length"},
		{inQuery, `true`, "color=1", ""},
		{inQuery, `false`, "color=1", "false_schema"},
	})
}

func BenchmarkQueryInteger(b *testing.B) {
	spec := compiled(b, inQuery, `{"type": "integer", "minimum": 1, "maximum": 1000}`, schema.Settings{})
	d, err := New(spec)
	if err != nil {
		b.Fatal(err)
	}
	var q Query
	var report schema.Report
	b.ReportAllocs()
	for b.Loop() {
		q.Parse("offset=20&color=100&sort=name", &report)
		d.Query(&q, &report)
	}
	if report.Total > 0 {
		b.Fatal(report.Violations)
	}
}

func BenchmarkPathString(b *testing.B) {
	d, err := New(compiled(b, inPath, `{"type": "string", "maxLength": 100}`, schema.Settings{}))
	if err != nil {
		b.Fatal(err)
	}
	var report schema.Report
	b.ReportAllocs()
	for b.Loop() {
		d.Path("12345678901", &report)
	}
	if report.Total > 0 {
		b.Fatal(report.Violations)
	}
}

// Members that may be null besides, and types that only one part of an allOf has.
func TestTypesOfMembers(t *testing.T) {
	spec := compiled(t, inQuery, `{"type": "object", "allOf": [{"properties": {"tags": {"type": ["array", "null"], "items": {"type": "integer"}}, "n": {"type": "integer"}}},
		{"properties": {"n": {"description": "how many"}}}]}`, schema.Settings{})
	spec.Style = "deepObject"
	for text, want := range map[string]string{
		"color[tags]=1": "", "color[tags]=1&color[tags]=2": "", "color[tags][0]=1": "", "color[tags]=x": "type /tags/0", "color[n]=5": "", "color[n]=x": "type /n",
	} {
		_, report := read(t, spec, text)
		var got []string
		for _, violation := range report.Violations {
			got = append(got, violation.Code+" "+violation.Pointer)
		}
		if strings.Join(got, ", ") != want {
			t.Errorf("%s: %q, want %q", text, got, want)
		}
	}
}

// A text that an untyped schema refuses is refused, though an array of it would be allowed.
func TestOneTextIsNoArrayOfIt(t *testing.T) {
	const notAdmin, short = `{"not": {"enum": ["admin"]}}`, `{"if": {"type": "string"}, "then": {"maxLength": 2}}`
	judgeAll(t, schema.Settings{}, []verdict{
		{inQuery, notAdmin, "color=admin", "not"}, {inQuery, notAdmin, "color=user", ""}, {inQuery, notAdmin, "color=admin&color=admin", ""},
		{inPath, notAdmin, "admin", "not"}, {inHeader, notAdmin, "admin", "not"}, {inCookie, notAdmin, "color=admin", "not"},
		{inQuery, short, "color=abc", "max_length"}, {inQuery, short, "color=ab", ""}, {inQuery, `{"enum": [["abc"]]}`, "color=abc", ""},
	})
}
