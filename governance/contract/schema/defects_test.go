package schema

import (
	"strings"
	"testing"
)

// Defects of validators in use (gateway reference F1): this one must not have them.

// A schema is compiled once, and references inside of it count, whatever they lead to.
func TestNestedReferencesIn31(t *testing.T) {
	c := compilerFor(t, OpenAPI31, `{
		"A": {"type": "object", "properties": {"pet": {"$ref": "#/components/schemas/Pet"}}},
		"Pet": {"prefixItems": [{"type": "string"}, {"$ref": "#/components/schemas/Tag"}], "items": false},
		"Tag": {"patternProperties": {"^x-": {"type": "integer"}}, "propertyNames": {"pattern": "^x-"}, "unevaluatedProperties": false}}`, Settings{})
	v := compile(t, c, atA, Request)
	expect(t, v, `{"pet": ["a", {"x-a": 1}]}`)
	expect(t, v, `{"pet": [1, {"x-a": "b", "y": 1}, 3]}`,
		"/pet/0 type", "/pet/1/x-a type", "/pet/1/y property_names", "/pet/2 false_schema")
	before := len(c.entries)
	expect(t, v, `{"pet": ["a"]}`)
	if len(c.entries) != before {
		t.Error("a value made the compiler work")
	}
}

// 3.1 documents have readOnly, discriminator, formats and more than one violation, too.
func TestOpenAPIKeywordsIn31(t *testing.T) {
	c := compilerFor(t, OpenAPI31, `{
		"A": {"type": "object", "required": ["id", "at", "pet"], "properties": {
			"id": {"type": "integer", "readOnly": true}, "at": {"type": "string", "format": "date-time"}, "pet": {"$ref": "#/components/schemas/Pet"}}},
		"Pet": {"oneOf": [{"$ref": "#/components/schemas/Cat"}, {"$ref": "#/components/schemas/Dog"}], "discriminator": {"propertyName": "kind"}},
		"Cat": {"required": ["lives"]}, "Dog": {}}`, Settings{})
	v := compile(t, c, atA, Request)
	expect(t, v, `{"at": "2024-01-01T00:00:00Z", "pet": {"kind": "Dog"}}`)
	expect(t, v, `{"at": "yesterday", "pet": {"kind": "Cat"}}`, "/at format", "/pet/lives required")
}

// oneOf nested twenty deep takes no longer than the value is large.
func TestNestedAlternativesAreBounded(t *testing.T) {
	c := compilerFor(t, OpenAPI30, `{"A": {"type": "object", "additionalProperties": false, "properties": {
		"kid": {"oneOf": [{"$ref": "#/components/schemas/A"}, {"allOf": [{"$ref": "#/components/schemas/A"}, {"required": ["x"]}]}]}, "x": {"type": "integer"}}}}`, Settings{})
	v := compile(t, c, atA, Request)
	deep := strings.Repeat(`{"kid": `, 20) + `{}` + strings.Repeat("}", 20)
	expect(t, v, deep, " nodes")
	expect(t, v, `{"kid": {"kid": {"kid": {}}}}`)
}

// An expression that RE2 lacks is found when the document is loaded: no request meets it.
func TestNoExpressionIsLeftUncompiled(t *testing.T) {
	for _, dialect := range []Dialect{OpenAPI30, OpenAPI31} {
		_, err := compilerFor(t, dialect, `{"A": {"properties": {"p": {"anyOf": [{"pattern": "^(?!x).*$"}, {"pattern": "y"}]}}}}`, Settings{}).Compile(atA, Request)
		found := problems(err)
		if len(found) != 1 || found[0].Location != atA+"/properties/p/anyOf/0/pattern" || !strings.Contains(found[0].Reason, "(?!") {
			t.Errorf("error is %v", err)
		}
	}
}

// Numbers are exact: in int64, enum and const, also inside of arrays and objects, and as multiples.
func TestNumbersAreExact(t *testing.T) {
	for _, dialect := range []Dialect{OpenAPI30, OpenAPI31} {
		for _, test := range []keywordCase{
			{"int64", `{"type": "integer", "format": "int64"}`, []string{`9223372036854775807`}, []refusal{no(`9223372036854775808`, " format")}},
			{"enum", `{"enum": [9007199254740993]}`, []string{`9007199254740993`, `9007199254740993.0`, `9007199254740993e0`}, []refusal{no(`9007199254740992`, " enum")}},
			{"enum of arrays", `{"enum": [[1, {"a": 9007199254740993}]]}`, []string{`[1.0, {"a": 9007199254740993}]`}, []refusal{no(`[1, {"a": 9007199254740992}]`, " enum")}},
			{"maximum", `{"maximum": 0.3}`, []string{`0.3`, `0.30000000000000000`}, []refusal{no(`0.30000000000000001`, " maximum")}},
			{"multipleOf", `{"multipleOf": 0.1}`, []string{`1.1`, `4.35e1`, `123456789012345678901234567890.1`}, []refusal{no(`1.11`, " multiple_of")}},
			{"multipleOf large", `{"multipleOf": 3}`, []string{`9007199254740993`}, []refusal{no(`9007199254740992`, " multiple_of")}},
			{"integer", `{"type": "integer"}`, []string{`123456789012345678901234567890`, `1e30`}, []refusal{no(`123456789012345678901234567890.5`, " type")}},
		} {
			test.run(t, dialect)
		}
	}
}
