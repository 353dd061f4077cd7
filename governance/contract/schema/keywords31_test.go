package schema

import (
	"slices"
	"testing"
)

// refusal is a value that is refused, and how.
type refusal struct {
	value string
	want  []string // "pointer code"
}

func no(value string, want ...string) refusal { return refusal{value, want} }

// keywordCase is a schema with values for it.
type keywordCase struct {
	keyword string
	schema  string // of A; more schemas of components may follow it: `{...}, "B": {...}`
	accepts []string
	refuses []refusal
}

func (k keywordCase) run(t *testing.T, d Dialect) {
	t.Run(k.keyword, func(t *testing.T) {
		v := compile(t, compilerFor(t, d, `{"A": `+k.schema+`}`, Settings{}), atA, Request)
		for _, value := range k.accepts {
			expect(t, v, value)
		}
		for _, refusal := range k.refuses {
			expect(t, v, refusal.value, refusal.want...)
		}
	})
}

// keywordCases31 has every keyword of JSON Schema 2020-12.
var keywordCases31 = []keywordCase{
	{"true", `true`, []string{`1`, `null`, `{}`}, nil},
	{"false", `false`, nil, []refusal{no(`1`, " false_schema")}},
	{"empty", `{}`, []string{`1`, `null`}, nil},
	{"type", `{"type": "string"}`, []string{`"a"`}, []refusal{no(`1`, " type"), no(`null`, " type")}},
	{"type integer", `{"type": "integer"}`, []string{`1`, `1.0`, `1e3`, `-0`, `9007199254740993`}, []refusal{no(`1.5`, " type"), no(`"1"`, " type")}},
	{"type number", `{"type": "number"}`, []string{`1`, `1.5`}, []refusal{no(`true`, " type")}},
	{"type boolean", `{"type": "boolean"}`, []string{`true`}, []refusal{no(`0`, " type")}},
	{"type null", `{"type": "null"}`, []string{`null`}, []refusal{no(`""`, " type")}},
	{"type array", `{"type": "array"}`, []string{`[]`}, []refusal{no(`{}`, " type")}},
	{"type object", `{"type": "object"}`, []string{`{}`}, []refusal{no(`[]`, " type")}},
	{"types", `{"type": ["string", "null"]}`, []string{`"a"`, `null`}, []refusal{no(`1`, " type")}},
	{"enum", `{"enum": ["a", 1, null, {"x": [1]}]}`, []string{`"a"`, `1.0`, `null`, `{"x": [1.0]}`},
		[]refusal{no(`"b"`, " enum"), no(`2`, " enum"), no(`{"x": [2]}`, " enum")}},
	{"const", `{"const": {"a": 1}}`, []string{`{"a": 1}`, `{"a": 1.0}`}, []refusal{no(`{"a": 2}`, " const")}},
	{"const null", `{"const": null}`, []string{`null`}, []refusal{no(`0`, " const")}},
	{"const false", `{"const": false}`, []string{`false`}, []refusal{no(`0`, " const")}},
	{"multipleOf", `{"multipleOf": 0.01}`, []string{`0.07`, `1299.95`, `"a"`}, []refusal{no(`0.075`, " multiple_of")}},
	{"maximum", `{"maximum": 3.0}`, []string{`3`, `3.0`, `"a"`}, []refusal{no(`3.0000000000000001`, " maximum")}},
	{"exclusiveMaximum", `{"exclusiveMaximum": 3}`, []string{`2.9`}, []refusal{no(`3`, " exclusive_maximum")}},
	{"minimum", `{"minimum": 9007199254740993}`, []string{`9007199254740993`}, []refusal{no(`9007199254740992`, " minimum")}},
	{"exclusiveMinimum", `{"exclusiveMinimum": 3}`, []string{`3.1`}, []refusal{no(`3`, " exclusive_minimum")}},
	{"maxLength", `{"maxLength": 2}`, []string{`"äö"`, `"😀😀"`, `123`}, []refusal{no(`"abc"`, " max_length")}},
	{"minLength", `{"minLength": 2}`, []string{`"äö"`, `1`}, []refusal{no(`"😀"`, " min_length")}},
	{"pattern", `{"pattern": "^a+$"}`, []string{`"aa"`, `1`}, []refusal{no(`"ab"`, " pattern")}},
	{"pattern unanchored", `{"pattern": "b"}`, []string{`"abc"`}, []refusal{no(`"ac"`, " pattern")}},
	{"format", `{"format": "date"}`, []string{`"2024-02-29"`, `1`}, []refusal{no(`"2023-02-29"`, " format")}},
	{"maxItems", `{"maxItems": 1}`, []string{`[1]`, `{}`}, []refusal{no(`[1, 2]`, " max_items")}},
	{"minItems", `{"minItems": 1}`, []string{`[1]`}, []refusal{no(`[]`, " min_items")}},
	{"uniqueItems", `{"uniqueItems": true}`, []string{`[1, "1", true, [1]]`}, []refusal{no(`[1, 2, 1.0]`, " unique_items"),
		no(`[{"a": 1, "b": 2}, {"b": 2, "a": 1}]`, " unique_items")}},
	{"items", `{"items": {"type": "integer"}}`, []string{`[]`, `[1, 2]`, `"a"`}, []refusal{no(`[1, "a", 2, null]`, "/1 type", "/3 type")}},
	{"items false", `{"prefixItems": [{}], "items": false}`, []string{`[1]`}, []refusal{no(`[1, 2]`, "/1 false_schema")}},
	{"prefixItems", `{"prefixItems": [{"type": "integer"}, {"type": "string"}], "items": {"type": "boolean"}}`,
		[]string{`[1]`, `[1, "a", true]`}, []refusal{no(`["a", 1, 1]`, "/0 type", "/1 type", "/2 type")}},
	{"contains", `{"contains": {"const": 1}}`, []string{`[2, 1]`}, []refusal{no(`[2]`, " contains"), no(`[]`, " contains")}},
	{"minContains", `{"contains": {"const": 1}, "minContains": 2}`, []string{`[1, 1]`}, []refusal{no(`[1]`, " min_contains")}},
	{"minContains 0", `{"contains": {"const": 1}, "minContains": 0}`, []string{`[]`}, nil},
	{"maxContains", `{"contains": {"const": 1}, "maxContains": 1}`, []string{`[1, 2]`}, []refusal{no(`[1, 1]`, " max_contains")}},
	{"unevaluatedItems", `{"prefixItems": [{"type": "integer"}], "unevaluatedItems": false}`, []string{`[1]`},
		[]refusal{no(`[1, 2]`, "/1 unevaluated")}},
	{"unevaluatedItems across allOf and contains",
		`{"allOf": [{"prefixItems": [true]}], "contains": {"type": "string"}, "unevaluatedItems": {"type": "null"}}`,
		[]string{`[1, "a", null]`}, []refusal{no(`[1, "a", 2]`, "/2 type")}},
	{"maxProperties", `{"maxProperties": 1}`, []string{`{"a": 1}`, `[]`}, []refusal{no(`{"a": 1, "b": 2}`, " max_properties")}},
	{"minProperties", `{"minProperties": 1}`, []string{`{"a": 1}`}, []refusal{no(`{}`, " min_properties")}},
	{"required", `{"required": ["a", "b/c"]}`, []string{`{"a": 1, "b/c": null}`, `[]`}, []refusal{no(`{}`, "/a required", "/b~1c required")}},
	{"required twice", `{"required": ["a", "a"]}`, []string{`{"a": 1}`}, []refusal{no(`{}`, "/a required")}},
	{"dependentRequired", `{"dependentRequired": {"a": ["b"]}}`, []string{`{}`, `{"a": 1, "b": 2}`},
		[]refusal{no(`{"a": 1}`, "/b dependent_required")}},
	{"properties", `{"properties": {"a": {"type": "string"}, "b": false}}`, []string{`{"a": "x", "c": 1}`},
		[]refusal{no(`{"a": 1, "b": 1}`, "/a type", "/b false_schema")}},
	{"patternProperties", `{"patternProperties": {"^x-": {"type": "string"}}}`, []string{`{"x-a": "b", "a": 1}`},
		[]refusal{no(`{"x-a": 1}`, "/x-a type")}},
	{"additionalProperties false", `{"properties": {"a": {}}, "patternProperties": {"^x": {}}, "additionalProperties": false}`,
		[]string{`{"a": 1, "x": 2}`}, []refusal{no(`{"b": 1, "c": 2}`, "/b additional_properties", "/c additional_properties")}},
	{"additionalProperties schema", `{"properties": {"a": {}}, "additionalProperties": {"type": "string"}}`,
		[]string{`{"a": 1, "b": "c"}`}, []refusal{no(`{"b": 1}`, "/b type")}},
	{"propertyNames", `{"propertyNames": {"pattern": "^[a-z]+$"}}`, []string{`{"a": 1}`, `[]`}, []refusal{no(`{"A": 1}`, "/A property_names")}},
	{"propertyNames of a nested object", `{"properties": {"in": {"propertyNames": {"maxLength": 2}}, "z": {"type": "string"}}}`,
		[]string{`{"in": {"ab": 1}}`}, []refusal{no(`{"in": {"abc": 1}, "z": 1}`, "/in/abc property_names", "/z type")}},
	{"dependentSchemas", `{"dependentSchemas": {"a": {"required": ["b"]}}}`, []string{`{"b": 1}`}, []refusal{no(`{"a": 1}`, "/b required")}},
	{"unevaluatedProperties", `{"properties": {"a": {}}, "unevaluatedProperties": false}`, []string{`{"a": 1}`},
		[]refusal{no(`{"b": 1}`, "/b unevaluated")}},
	{"unevaluatedProperties across allOf, $ref, if and dependentSchemas", `{
		"allOf": [{"$ref": "#/components/schemas/B"}, {"properties": {"c": {}}}],
		"if": {"properties": {"kind": {"const": 1}}, "required": ["kind"]}, "then": {"properties": {"d": {}}},
		"dependentSchemas": {"c": {"properties": {"e": {}}}}, "unevaluatedProperties": false},
		"B": {"properties": {"b": {"type": "integer"}}}`,
		[]string{`{"b": 1, "c": 2, "e": 3}`, `{"kind": 1, "d": 2}`},
		[]refusal{no(`{"b": "x", "e": 3}`, "/b type"), no(`{"b": 1, "e": 3}`, "/e unevaluated"), no(`{"d": 2}`, "/d unevaluated")}},
	{"unevaluatedProperties schema", `{"allOf": [{"properties": {"a": {}}}], "unevaluatedProperties": {"type": "string"}}`,
		[]string{`{"a": 1, "b": "x"}`}, []refusal{no(`{"b": 1}`, "/b type")}},
	{"unevaluatedProperties as a name", `{"properties": {"unevaluatedProperties": false}}`, []string{`{}`},
		[]refusal{no(`{"unevaluatedProperties": 1}`, "/unevaluatedProperties false_schema")}},
	{"allOf", `{"allOf": [{"minimum": 2}, {"maximum": 1}]}`, []string{`"a"`}, []refusal{no(`3`, " maximum"), no(`1`, " minimum")}},
	{"allOf with the same demand", `{"allOf": [{"required": ["a"]}, {"required": ["a"]}]}`, []string{`{"a": 1}`}, []refusal{no(`{}`, "/a required")}},
	{"anyOf", `{"anyOf": [{"type": "string"}, {"type": "object", "required": ["a", "b", "c", "d", "e"]}]}`,
		[]string{`"a"`, `{"a": 1, "b": 1, "c": 1, "d": 1, "e": 1}`},
		[]refusal{no(`1`, " any_of"), no(`{"a": 1}`, " any_of", "/b required", "/c required", "/d required")}},
	{"anyOf of two objects", `{"anyOf": [
		{"properties": {"kind": {"const": "a"}, "size": {"type": "integer"}}, "required": ["kind"]},
		{"properties": {"kind": {"const": "b"}, "size": {"type": "string"}}, "required": ["kind", "x", "y"]}]}`,
		[]string{`{"kind": "a", "size": 1}`}, []refusal{no(`{"kind": "b", "size": 1}`, " any_of", "/size type", "/x required", "/y required")}},
	{"oneOf", `{"oneOf": [{"multipleOf": 2}, {"multipleOf": 3}]}`, []string{`2`, `3`},
		[]refusal{no(`6`, " one_of"), no(`5`, " one_of", " multiple_of")}},
	{"not", `{"not": {"type": "string"}}`, []string{`1`}, []refusal{no(`"a"`, " not")}},
	{"if then else", `{"if": {"type": "string"}, "then": {"minLength": 2}, "else": {"minimum": 2}}`, []string{`"ab"`, `2`},
		[]refusal{no(`"a"`, " min_length"), no(`1`, " minimum")}},
	{"then without if", `{"then": false}`, []string{`1`}, nil},
	{"$ref with siblings", `{"$ref": "#/components/schemas/B", "maxLength": 2}, "B": {"type": "string", "minLength": 1}`,
		[]string{`"ab"`}, []refusal{no(`"abc"`, " max_length"), no(`""`, " min_length"), no(`1`, " type")}},
	{"$defs", `{"$ref": "#/components/schemas/A/$defs/b~1c", "$defs": {"b/c": {"type": "string"}}}`, []string{`"a"`}, []refusal{no(`1`, " type")}},
	{"annotations", `{"title": "t", "description": "d", "default": 1, "examples": [1], "deprecated": true, "$comment": "3",
		"contentEncoding": "base64", "contentMediaType": "application/json", "contentSchema": false, "x-foo": {"type": 3}, "nullable": true}`,
		[]string{`1`, `"%"`, `null`}, nil},
	{"nullable is no keyword", `{"type": "string", "nullable": true}`, []string{`"a"`}, []refusal{no(`null`, " type")}},
}

func TestKeywords31(t *testing.T) {
	tested := make(map[string]bool)
	for _, test := range keywordCases31 {
		test.run(t, OpenAPI31)
		for keyword := range keywords31 {
			value := tree(t, `{"A": `+test.schema+`}`).(map[string]any)
			schema, _ := value["A"].(map[string]any)
			if _, ok := schema[keyword]; ok {
				tested[keyword] = true
			}
		}
	}
	elsewhere := []string{"$anchor", "$dynamicAnchor", "definitions", "readOnly", "writeOnly"}
	for keyword := range keywords31 {
		if !tested[keyword] && !slices.Contains(elsewhere, keyword) {
			t.Errorf("the table lacks %s", keyword)
		}
	}
}
