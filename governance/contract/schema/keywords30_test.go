package schema

import (
	"slices"
	"testing"
)

// keywordCases30 has every keyword of the Schema Object of OpenAPI 3.0.
var keywordCases30 = []keywordCase{
	{"empty", `{}`, []string{`1`, `null`}, nil},
	{"type string", `{"type": "string"}`, []string{`"a"`}, []refusal{no(`1`, " type"), no(`null`, " type")}},
	{"type integer", `{"type": "integer"}`, []string{`1`, `1.0`}, []refusal{no(`1.5`, " type")}},
	{"type number", `{"type": "number"}`, []string{`1`, `1.5`}, []refusal{no(`"1"`, " type")}},
	{"type boolean", `{"type": "boolean"}`, []string{`false`}, []refusal{no(`"true"`, " type")}},
	{"type array", `{"type": "array"}`, []string{`[1, "a"]`}, []refusal{no(`{}`, " type")}},
	{"type object", `{"type": "object"}`, []string{`{}`}, []refusal{no(`[]`, " type")}},
	{"enum", `{"type": "string", "enum": ["a", "b"]}`, []string{`"a"`}, []refusal{no(`"c"`, " enum")}},
	{"multipleOf", `{"multipleOf": 0.1}`, []string{`0.3`}, []refusal{no(`0.35`, " multiple_of")}},
	{"maximum", `{"maximum": 3}`, []string{`3`}, []refusal{no(`4`, " maximum")}},
	{"exclusiveMaximum", `{"maximum": 3, "exclusiveMaximum": true}`, []string{`2.99`}, []refusal{no(`3`, " exclusive_maximum")}},
	{"exclusiveMaximum false", `{"maximum": 3, "exclusiveMaximum": false}`, []string{`3`}, []refusal{no(`4`, " maximum")}},
	{"exclusiveMaximum alone", `{"exclusiveMaximum": true}`, []string{`3`}, nil},
	{"minimum", `{"minimum": 3}`, []string{`3`}, []refusal{no(`2`, " minimum")}},
	{"exclusiveMinimum", `{"minimum": 3, "exclusiveMinimum": true}`, []string{`3.01`}, []refusal{no(`3`, " exclusive_minimum")}},
	{"maxLength", `{"maxLength": 2}`, []string{`"ab"`}, []refusal{no(`"abc"`, " max_length")}},
	{"minLength", `{"minLength": 2}`, []string{`"ab"`}, []refusal{no(`"a"`, " min_length")}},
	{"pattern", `{"pattern": "^a$"}`, []string{`"a"`}, []refusal{no(`"b"`, " pattern")}},
	{"format", `{"type": "string", "format": "date-time"}`, []string{`"2024-01-01T00:00:00Z"`}, []refusal{no(`"2024-01-01"`, " format")}},
	{"maxItems", `{"maxItems": 1}`, []string{`[1]`}, []refusal{no(`[1, 2]`, " max_items")}},
	{"minItems", `{"minItems": 1}`, []string{`[1]`}, []refusal{no(`[]`, " min_items")}},
	{"uniqueItems", `{"uniqueItems": true}`, []string{`[1, 2]`}, []refusal{no(`[1, 1]`, " unique_items")}},
	{"items", `{"type": "array", "items": {"type": "string"}}`, []string{`["a"]`}, []refusal{no(`[1]`, "/0 type")}},
	{"maxProperties", `{"maxProperties": 1}`, []string{`{"a": 1}`}, []refusal{no(`{"a": 1, "b": 1}`, " max_properties")}},
	{"minProperties", `{"minProperties": 1}`, []string{`{"a": 1}`}, []refusal{no(`{}`, " min_properties")}},
	{"required", `{"required": ["a"]}`, []string{`{"a": 1}`}, []refusal{no(`{}`, "/a required")}},
	{"properties", `{"properties": {"a": {"type": "string"}, "type": {"type": "string"}, "$ref": {"type": "string"}}}`,
		[]string{`{"a": "b", "c": 1}`}, []refusal{no(`{"a": 1, "type": 1, "$ref": 1}`, "/$ref type", "/a type", "/type type")}},
	{"additionalProperties false", `{"properties": {"a": {}}, "additionalProperties": false}`, []string{`{"a": 1}`},
		[]refusal{no(`{"b": 1}`, "/b additional_properties")}},
	{"additionalProperties true", `{"additionalProperties": true}`, []string{`{"b": 1}`}, nil},
	{"additionalProperties schema", `{"additionalProperties": {"type": "string"}}`, []string{`{"b": "c"}`}, []refusal{no(`{"b": 1}`, "/b type")}},
	{"allOf", `{"allOf": [{"required": ["a"]}, {"required": ["b"]}]}`, []string{`{"a": 1, "b": 1}`}, []refusal{no(`{}`, "/a required", "/b required")}},
	{"anyOf", `{"anyOf": [{"type": "string"}, {"type": "integer"}]}`, []string{`"a"`, `1`}, []refusal{no(`true`, " any_of")}},
	{"oneOf", `{"oneOf": [{"required": ["a"]}, {"required": ["b"]}]}`, []string{`{"a": 1}`}, []refusal{no(`{"a": 1, "b": 1}`, " one_of")}},
	{"not", `{"not": {"type": "string"}}`, []string{`1`}, []refusal{no(`"a"`, " not")}},
	{"$ref without siblings", `{"$ref": "#/components/schemas/B", "maxLength": 1, "nullable": true}, "B": {"type": "string"}`,
		[]string{`"ab"`}, []refusal{no(`1`, " type"), no(`null`, " type")}},
	{"what 3.0 does not have", `{"const": 1, "if": {}, "then": false, "prefixItems": [false], "patternProperties": {"(?=a)": false},
		"propertyNames": false, "contains": false, "dependentRequired": {"a": ["b"]}, "unevaluatedProperties": false,
		"$defs": 1, "$id": "x", "$anchor": 1, "examples": 1, "dependentSchemas": {"a": false}}`,
		[]string{`2`, `[1]`, `{"a": 1}`}, nil},

	{"nullable", `{"type": "string", "nullable": true, "minLength": 1}`, []string{`null`, `"a"`}, []refusal{no(`""`, " min_length"), no(`1`, " type")}},
	{"nullable false", `{"type": "string", "nullable": false}`, []string{`"a"`}, []refusal{no(`null`, " type")}},
	{"nullable enum without null", `{"type": "string", "nullable": true, "enum": ["a"]}`, []string{`null`, `"a"`}, []refusal{no(`"b"`, " enum")}},
	{"nullable enum with null", `{"type": "string", "nullable": true, "enum": ["a", null]}`, []string{`null`, `"a"`}, []refusal{no(`"b"`, " enum")}},
	{"nullable enum without type", `{"nullable": true, "enum": ["a"]}`, []string{`null`, `"a"`}, []refusal{no(`1`, " enum")}},
	{"nullable allOf", `{"nullable": true, "allOf": [{"$ref": "#/components/schemas/B"}]}, "B": {"type": "object", "required": ["a"]}`,
		[]string{`null`, `{"a": 1}`}, []refusal{no(`{}`, "/a required"), no(`1`, " type")}},
	{"nullable oneOf", `{"nullable": true, "oneOf": [{"type": "string"}, {"type": "integer"}]}`, []string{`null`, `1`}, []refusal{no(`true`, " one_of")}},
	{"nullable anyOf", `{"nullable": true, "type": "string", "anyOf": [{"minLength": 2}]}`, []string{`null`, `"ab"`}, []refusal{no(`1`, " type")}},
	{"nullable not", `{"nullable": true, "not": {"enum": [null]}}`, []string{`null`, `1`}, nil},
	{"nullable object", `{"type": "object", "nullable": true, "required": ["a"], "additionalProperties": false, "properties": {"a": {}}}`,
		[]string{`null`, `{"a": 1}`}, []refusal{no(`{"b": 1}`, "/a required", "/b additional_properties")}},
	{"nullable without type", `{"nullable": true, "minLength": 1}`, []string{`null`, `1`}, []refusal{no(`""`, " min_length")}},
	{"nullable behind $ref", `{"type": "object", "properties": {"b": {"$ref": "#/components/schemas/B"}}}, "B": {"type": "string", "nullable": true}`,
		[]string{`{"b": null}`}, []refusal{no(`{"b": 1}`, "/b type")}},
	{"nullable items", `{"type": "array", "items": {"type": "integer", "nullable": true}}`, []string{`[1, null]`}, []refusal{no(`["a"]`, "/0 type")}},
}

func TestKeywords30(t *testing.T) {
	tested := make(map[string]bool)
	for _, test := range keywordCases30 {
		test.run(t, OpenAPI30)
		value := tree(t, `{"A": `+test.schema+`}`).(map[string]any)
		for keyword := range value["A"].(map[string]any) {
			tested[keyword] = true
		}
	}
	for keyword := range keywords30 {
		if !tested[keyword] && !slices.Contains([]string{"readOnly", "writeOnly"}, keyword) {
			t.Errorf("the table lacks %s", keyword)
		}
	}
}
