package onepass_test

import (
	"testing"

	"github.com/weirproxy/weir/governance/contract/onepass"
	"github.com/weirproxy/weir/governance/contract/schema"
)

// keywords has texts for each keyword: both engines must say what stands here.
var keywords = []struct {
	schema         string
	valid, invalid []string
}{
	{`true`, []string{`1`, ` {"a": [null]} `}, []string{``, `{`, `1 2`}},
	{`false`, nil, []string{`1`, `null`}},
	{`{"type": "null"}`, []string{`null`}, []string{`0`, `"null"`, `false`, `nul`}},
	{`{"type": "boolean"}`, []string{`true`, `false`}, []string{`1`, `truth`, `null`}},
	{`{"type": "integer"}`, []string{`1`, `-0`, `1.0`, `1e2`, `10e-1`, `9007199254740993`, `123456789012345678901234`},
		[]string{`1.5`, `1e-1`, `123456789012345678901234.5`, `"1"`, `0.00000000000000000000001`}},
	{`{"type": ["integer", "string"]}`, []string{`1`, `"a"`}, []string{`1.5`, `null`, `[]`}},
	{`{"type": ["integer", "number"]}`, []string{`1.5`}, []string{`""`}},
	{`{"minimum": 9007199254740993}`, []string{`9007199254740993`, `9007199254740993.0`, `1e30`, `"a"`},
		[]string{`9007199254740992`, `-1e30`, `0`}},
	{`{"maximum": -0.3}`, []string{`-0.3`, `-3e-1`, `-0.30000000000000000000000000001`, `-1`},
		[]string{`-0.2999999999999999999999999`, `0`, `-0`, `3`}},
	{`{"exclusiveMinimum": 0, "exclusiveMaximum": 1e-3}`, []string{`0.0009999`, `1e-300`}, []string{`0`, `-0`, `0.001`, `1`, `-1`}},
	{`{"minimum": 1e30}`, []string{`1e30`, `1000000000000000000000000000000`}, []string{`999999999999999999999999999999`, `1e29`}},
	{`{"multipleOf": 0.01}`, []string{`19.99`, `1e20`, `0`, `-0.05`, `123456789012345678901234.56`},
		[]string{`19.999`, `0.001`, `123456789012345678901234.567`}},
	{`{"multipleOf": 3e-30}`, []string{`3`, `6e-30`, `3e300`, `0`, `9e-30`}, []string{`1e-30`, `1e-300`, `1e300`}},
	{`{"multipleOf": 7}`, []string{`14`, `7e20`, `7000000000000000000000000`}, []string{`1e20`, `13`, `7.7`}},
	{`{"multipleOf": 5000000000000000000}`, []string{`2500000000000000000e1`, `25e18`}, []string{`2500000000000000001e1`}},
	{`{"format": "int32"}`, []string{`2147483647`, `1e3`, `"a"`}, []string{`2147483648`, `1.5`}},
	{`{"format": "int64"}`, []string{`9223372036854775807`}, []string{`9223372036854775808`}},
	{`{"format": "double"}`, []string{`1e300`}, []string{`1e399`}},
	{`{"enum": [1, "a", null, true]}`, []string{`1`, `1.0`, `10e-1`, `"a"`, `"\u0061"`, `null`, `true`},
		[]string{`2`, `"b"`, `false`, `{}`, `[]`}},
	{`{"const": 1.50}`, []string{`1.5`, `15e-1`}, []string{`1.51`, `"1.5"`, `null`}},
	{`{"minLength": 2, "maxLength": 3}`, []string{`"ab"`, `"äöü"`, `"😀😀"`, `"\ud83d\ude00\ud83d\ude00"`, `"\n\n\n"`, `1`},
		[]string{`"a"`, `"abcd"`, `"😀"`, `"\ud83d\ude00"`, `"日本日本"`}},
	{`{"pattern": "^[a-z]+$"}`, []string{`"abc"`, `"\u0061"`}, []string{`"A"`, `"\u00e4"`, `""`}},
	{`{"format": "uuid"}`, []string{`"7f9c24e8-3b1a-4d5e-9f60-1a2b3c4d5e6f"`}, []string{`"7f9c24e8"`}},
	{`{"format": "date-time"}`, []string{`"2026-03-14T09:26:53Z"`, `"2026-03-14T09:26:53\u005a"`}, []string{`"2026-03-14"`}},
	{`{"items": {"type": "integer"}}`, []string{`[]`, `[1, 2]`, `{}`}, []string{`["a"]`, `[1,]`, `[,1]`, `[1`, `[1}`, `[1 2]`}},
	{`{"minItems": 1, "maxItems": 2}`, []string{`[1]`, `[[],{}]`}, []string{`[]`, `[1,2,3]`}},
	{`{"prefixItems": [{"type": "string"}, {"type": "null"}], "items": false}`, []string{`[]`, `["a"]`, `["a", null]`},
		[]string{`[1]`, `["a", 1]`, `["a", null, 1]`}},
	{`{"contains": {"const": 1}}`, []string{`[2, 1]`, `[1.0]`}, []string{`[]`, `[2]`}},
	{`{"contains": {"type": "object", "required": ["a"]}, "minContains": 0, "maxContains": 1}`,
		[]string{`[]`, `[{"a":1}, {}]`}, []string{`[{"a":1}, {}, {"a":2}]`}},
	{`{"uniqueItems": true}`, []string{`[]`, `[1, 2]`, `[1, "1"]`, `["a", "b", true, null]`}, []string{`[1, 2, 1]`, `["a", "a"]`, `[null, null]`}},
	{`{"properties": {"a": {"type": "integer"}}}`, []string{`{}`, `{"a": 1, "b": "x"}`, `{"\u0061": 1}`, `[]`},
		[]string{`{"a": "x"}`, `{"\u0061": "x"}`, `{"a": 1, "a": 1}`, `{"a": 1, "\u0061": 1}`, `{"b": 1, "b": 1}`, `{"a"}`, `{"a":}`,
			`{a: 1}`, `{"a": 1,}`, `{,}`, `{"a": 1`, `{"a" 1}`, `{"a": 1]`}},
	{`{"required": ["a", "b"]}`, []string{`{"b": 1, "a": null}`}, []string{`{"a": 1}`, `{"a": {"b": 1}}`, `{}`}},
	{`{"properties": {"a": true}, "additionalProperties": false}`, []string{`{"a": 1}`, `{}`}, []string{`{"b": 1}`}},
	{`{"properties": {"a": true}, "additionalProperties": {"type": "string"}}`, []string{`{"a": 1, "b": "x"}`}, []string{`{"b": 1}`}},
	{`{"patternProperties": {"^a": {"type": "integer"}, "b$": {"minimum": 3}}, "additionalProperties": false}`,
		[]string{`{"a": 1, "ab": 3, "b": "x"}`}, []string{`{"ab": 2}`, `{"ab": "x"}`, `{"c": 1}`}},
	{`{"properties": {"ab": {"maximum": 9}}, "patternProperties": {"^a": {"type": "integer"}}, "additionalProperties": false}`,
		[]string{`{"ab": 1}`, `{"ac": 10}`}, []string{`{"ab": 10}`, `{"ab": 1.5}`, `{"b": 1}`}},
	{`{"propertyNames": {"maxLength": 2}}`, []string{`{"ab": 1}`, `{"äö": 1}`}, []string{`{"abc": 1}`}},
	{`{"propertyNames": {"anyOf": [{"const": "a"}, {"minLength": 5}]}}`, []string{`{"a": 1, "abcde": 2}`}, []string{`{"b": 1}`}},
	{`{"minProperties": 1, "maxProperties": 2}`, []string{`{"a": 1}`, `{"a": 1, "b": 2}`}, []string{`{}`, `{"a": 1, "b": 2, "c": 3}`}},
	{`{"dependentRequired": {"a": ["b", "c"]}}`, []string{`{"b": 1}`, `{"c": 1, "a": 1, "b": 1}`}, []string{`{"a": 1, "b": 1}`}},
	{`{"dependentSchemas": {"a": {"properties": {"b": {"type": "string"}}}}}`, []string{`{"b": 1}`, `{"b": "x", "a": 1}`},
		[]string{`{"b": 1, "a": 1}`}},
	{`{"allOf": [{"properties": {"a": {"minimum": 1}}}, {"properties": {"a": {"maximum": 2}}, "required": ["a"]}]}`,
		[]string{`{"a": 1}`}, []string{`{"a": 0}`, `{"a": 3}`, `{}`}},
	{`{"type": "integer", "allOf": [{"minimum": 1}, {"multipleOf": 0.5}]}`, []string{`1`}, []string{`1.5`, `0`}},
	{`{"required": ["ab"], "patternProperties": {"^a": {"type": "integer"}}, "additionalProperties": false}`,
		[]string{`{"ab": 1}`}, []string{`{"ab": 1.5}`, `{"ab": 1, "b": 1}`}},
	{`{"anyOf": [{"type": "string", "maxLength": 1}, {"type": "integer"}]}`, []string{`"a"`, `1`}, []string{`"ab"`, `1.5`, `null`}},
	{`{"anyOf": [{"type": "object", "required": ["a"]}, {"type": "object", "required": ["b"]}]}`,
		[]string{`{"a": 1}`, `{"b": [{}]}`, `{"a": 1, "b": 1}`}, []string{`{}`, `[]`, `{"c": 1}`}},
	{`{"oneOf": [{"required": ["a"]}, {"required": ["b"]}]}`, []string{`{"a": 1}`, `{"b": 1}`}, []string{`{}`, `{"a": 1, "b": 1}`, `1`}},
	{`{"oneOf": [{"multipleOf": 2}, {"multipleOf": 3}]}`, []string{`2`, `3`}, []string{`6`, `5`, `"a"`}},
	{`{"not": {"type": "string"}}`, []string{`1`, `{}`}, []string{`"a"`}},
	{`{"not": {"properties": {"a": {"const": 1}}, "required": ["a"]}}`, []string{`{"a": 2}`, `{}`}, []string{`{"a": 1}`}},
	{`{"if": {"properties": {"a": {"const": 1}}}, "then": {"required": ["b"]}, "else": {"required": ["c"]}}`,
		[]string{`{"a": 1, "b": 1}`, `{"a": 2, "c": 1}`, `{"b": 1}`, `1`}, []string{`{"a": 1}`, `{"a": 2}`, `{}`}},
	{`{"if": {"type": "string"}, "else": {"minimum": 3}}`, []string{`"a"`, `3`}, []string{`2`}},
	{`{"properties": {"a": {"$ref": "#/components/schemas/A"}}, "type": "object"}`, []string{`{"a": {"a": {}}}`},
		[]string{`{"a": {"a": 1}}`}},
}

func TestKeywords(t *testing.T) {
	for _, test := range keywords {
		p := schema31(t, test.schema)
		if whole := p.program.Whole(); len(whole) > 0 {
			t.Errorf("%s: %q are judged whole", test.schema, whole)
		}
		each := func(texts []string, want onepass.Verdict) {
			for _, text := range texts {
				if got := p.engine([]byte(text)); got != want {
					t.Errorf("%s of %s: the engine says %v, so the test is wrong", text, test.schema, got)
				}
				if got := p.program.Judge([]byte(text)); got != want && text != "" {
					t.Errorf("%s of %s: %v, want %v", text, test.schema, got, want)
				}
			}
		}
		each(test.valid, onepass.Valid)
		each(test.invalid, onepass.Invalid)
	}
}

// What is judged whole is judged as the engine does, and is told.
func TestWhole(t *testing.T) {
	for _, test := range []struct {
		schema         string
		whole          int
		valid, invalid []string
	}{
		{`{"properties": {"a": {"properties": {"b": true}, "unevaluatedProperties": false}}}`, 1,
			[]string{`{"a": {"b": 1}, "c": 1}`, `{"a": 1}`}, []string{`{"a": {"c": 1}}`}},
		{`{"prefixItems": [true], "unevaluatedItems": false}`, 1, []string{`[1]`, `{}`}, []string{`[1, 2]`}},
		{`{"enum": [{"a": [1]}, [2], 3]}`, 1, []string{`{"a": [1.0]}`, `[2]`, `3`}, []string{`{"a": 1}`, `[3]`, `2`}},
		{`{"uniqueItems": true}`, 0, []string{`[{}, []]`, `["a", "\u0062"]`, `[1.0, 2]`, `[{"a": 1, "b": 2}, {"a": 2, "b": 1}]`, `[[1, 2], [2, 1]]`,
			`[{"a": {"b": 1}}, {"a": {"b": "1"}}, {"a": [1]}, {"a": [[1]]}]`, `[0.5, -5, 5, 50, -0.5]`, `[[], [[]], [[], []]]`, `["", {}, 0, null, false, true, [0]]`},
			[]string{`[{"a": 1}, {"a": 1.0}]`, `["a", "\u0061"]`, `[1, 1.0]`, `[0, -0]`}},
		{`{"patternProperties": {"a": true, "b": true, "c": true, "d": true, "e": true, "f": true, "g": {"type": "null"}}}`, 1,
			[]string{`{"g": null}`}, []string{`{"g": 1}`}},
		{`{"not": {"unevaluatedProperties": {"type": "string"}}}`, 1, []string{`{"a": 1}`}, []string{`{"a": "x"}`}},
	} {
		p := schema31(t, test.schema)
		if whole := p.program.Whole(); len(whole) != test.whole {
			t.Errorf("%s: %q are judged whole, want %d", test.schema, whole, test.whole)
		}
		for _, text := range test.valid {
			if v := p.agree(t, []byte(text), test.schema); v != onepass.Valid {
				t.Errorf("%s of %s: %v", text, test.schema, v)
			}
		}
		for _, text := range test.invalid {
			if v := p.agree(t, []byte(text), test.schema); v != onepass.Invalid {
				t.Errorf("%s of %s: %v", text, test.schema, v)
			}
		}
	}
}

// A $dynamicRef that means another schema where it is reached another way leaves a schema without a program.
func TestDynamicReferences(t *testing.T) {
	moving := schema31(t, `{"$dynamicAnchor": "node", "properties": {"a": {"$dynamicRef": "#node"}}}`)
	if v := moving.program.Judge([]byte(`{}`)); v != onepass.Unknown || len(moving.program.Whole()) != 1 {
		t.Errorf("%v, whole %q", v, moving.program.Whole())
	}
	fixed := schema31(t, `{"type": "object", "properties": {"a": {"$dynamicRef": "#/components/schemas/A"}}}`)
	if v := fixed.program.Judge([]byte(`{"a": {"a": {}}}`)); v != onepass.Valid {
		t.Error(v)
	}
	if v := fixed.program.Judge([]byte(`{"a": {"a": 1}}`)); v != onepass.Invalid {
		t.Error(v)
	}
}

const pets = `{
	"A": {"oneOf": [{"$ref": "#/components/schemas/Cat"}, {"$ref": "#/components/schemas/Dog"}],
		"discriminator": {"propertyName": "kind", "mapping": {"1": "Cat", "true": "Dog", "null": "Cat"}}},
	"Pet": {"type": "object", "required": ["name"], "properties": {"name": {"type": "string"}, "kind": {}}},
	"Cat": {"allOf": [{"$ref": "#/components/schemas/Pet"}, {"type": "object", "properties": {"lives": {"maximum": 9}}}]},
	"Dog": {"allOf": [{"$ref": "#/components/schemas/Pet"}, {"type": "object", "properties": {"lives": {"maximum": 1}}}]}}`

func TestDiscriminator(t *testing.T) {
	p := compile(t, schema.OpenAPI30, pets, schema.Settings{}, schema.Request)
	for text, want := range map[string]onepass.Verdict{
		`{"kind": "Cat", "name": "x", "lives": 9}`:                 onepass.Valid,
		`{"name": "x", "lives": 9, "kind": "Cat"}`:                 onepass.Valid,
		`{"name": "x", "lives": 9, "kin\u0064": "C\u0061t"}`:       onepass.Valid,
		`{"name": "x", "lives": 2, "kind": "Dog"}`:                 onepass.Invalid,
		`{"lives": 9, "kind": 1, "name": "x"}`:                     onepass.Valid,
		`{"lives": 1, "kind": true, "name": "x"}`:                  onepass.Valid,
		`{"lives": 1, "kind": 1.0, "name": "x"}`:                   onepass.Invalid,
		`{"lives": 1, "kind": null, "name": "x"}`:                  onepass.Invalid,
		`{"lives": 1, "kind": {"a": "}"}, "name": "x"}`:            onepass.Invalid,
		`{"x": {"kind": "Cat"}, "name": "x"}`:                      onepass.Invalid,
		`{"x": [{"kind": "]"}, 1, "}"], "name": "", "kind":"Dog"}`: onepass.Valid,
		`{}`:                         onepass.Invalid,
		`[]`:                         onepass.Invalid,
		`{"kind": "Cat"}`:            onepass.Invalid,
		`{"kind": "Cat", "name": ""`: onepass.Invalid,
		`{"kind": "Cat" "name": ""}`: onepass.Invalid,
		`{"kind": Cat, "name": ""}`:  onepass.Invalid,
		`{"kind": "Cat", "kind": "Dog", "name": ""}`: onepass.Invalid,
	} {
		if v := p.agree(t, []byte(text), pets); v != want {
			t.Errorf("%s: %v, want %v", text, v, want)
		}
	}
}

// readOnly and writeOnly have been settled by package schema for the direction of a program.
func TestDirections(t *testing.T) {
	const schemas = `{"A": {"type": "object", "required": ["id", "secret"], "properties": {
		"id": {"type": "string", "readOnly": true}, "secret": {"type": "string", "writeOnly": true}}}}`
	for _, test := range []struct {
		d      schema.Direction
		refuse bool
		text   string
		want   onepass.Verdict
	}{
		{schema.Request, false, `{"secret": ""}`, onepass.Valid},
		{schema.Request, false, `{"secret": "", "id": ""}`, onepass.Valid},
		{schema.Request, true, `{"secret": "", "id": ""}`, onepass.Invalid},
		{schema.Request, false, `{"id": ""}`, onepass.Invalid},
		{schema.Response, false, `{"id": ""}`, onepass.Valid},
		{schema.Response, false, `{"id": "", "secret": ""}`, onepass.Invalid},
	} {
		p := compile(t, schema.OpenAPI30, schemas, schema.Settings{RefuseReadOnly: test.refuse}, test.d)
		if v := p.agree(t, []byte(test.text), schemas); v != test.want {
			t.Errorf("%v %s: %v, want %v", test.d, test.text, v, test.want)
		}
	}
}
