package schema

import (
	"strings"
	"testing"
)

const pets = `"Cat": {"type": "object", "required": ["kind", "lives"], "properties": {"kind": {"type": "string"}, "lives": {"type": "integer"}}},
	"Dog": {"type": "object", "required": ["kind"], "properties": {"kind": {"type": "string"}, "barks": {"type": "boolean"}}}`

func TestDiscriminator(t *testing.T) {
	const branches = `[{"$ref": "#/components/schemas/Cat"}, {"$ref": "#/components/schemas/Dog"}]`
	tests := []keywordCase{
		{"implicit names", `{"oneOf": ` + branches + `, "discriminator": {"propertyName": "kind"}}, ` + pets,
			[]string{`{"kind": "Cat", "lives": 9}`, `{"kind": "Dog"}`},
			[]refusal{
				no(`{"kind": "Cat"}`, "/lives required"),
				no(`{"kind": "Dog", "barks": 1}`, "/barks type"),
				no(`{"kind": "cat", "lives": 9}`, "/kind discriminator"),
				no(`{"kind": 1}`, "/kind discriminator"),
				no(`{"lives": 9}`, "/kind required"),
				no(`"Cat"`, " type"),
			}},
		{"mapping", `{"oneOf": ` + branches + `, "discriminator": {"propertyName": "kind",
			"mapping": {"c": "#/components/schemas/Cat", "d": "Dog", "hund": "Dog", "bird": "#/components/schemas/Bird"}}}, "Bird": {}, ` + pets,
			[]string{`{"kind": "c", "lives": 9}`, `{"kind": "d"}`, `{"kind": "hund"}`, `{"kind": "Dog"}`},
			[]refusal{no(`{"kind": "c"}`, "/lives required"), no(`{"kind": "bird"}`, "/kind discriminator")}},
		{"mapping takes a name over", `{"oneOf": ` + branches + `, "discriminator": {"propertyName": "kind", "mapping": {"Dog": "Cat"}}}, ` + pets,
			[]string{`{"kind": "Dog", "lives": 9}`}, []refusal{no(`{"kind": "Dog"}`, "/lives required")}},
		{"anyOf", `{"anyOf": ` + branches + `, "discriminator": {"propertyName": "kind"}}, ` + pets,
			[]string{`{"kind": "Dog"}`}, []refusal{no(`{"kind": "Cat"}`, "/lives required")}},
		{"alias", `{"oneOf": [{"$ref": "#/components/schemas/Tom"}], "discriminator": {"propertyName": "kind",
			"mapping": {"cat": "Cat"}}}, "Tom": {"$ref": "#/components/schemas/Cat"}, ` + pets,
			[]string{`{"kind": "cat", "lives": 9}`, `{"kind": "Tom", "lives": 9}`}, []refusal{no(`{"kind": "Cat"}`, "/kind discriminator")}},
		{"nested", `{"oneOf": [{"$ref": "#/components/schemas/Pet"}, {"$ref": "#/components/schemas/Car"}],
			"discriminator": {"propertyName": "class"}}, "Car": {"required": ["wheels"]},
			"Pet": {"oneOf": ` + branches + `, "discriminator": {"propertyName": "kind"}}, ` + pets,
			[]string{`{"class": "Pet", "kind": "Dog"}`, `{"class": "Car", "wheels": 4}`},
			[]refusal{no(`{"class": "Pet", "kind": "Cat"}`, "/lives required"), no(`{"class": "Pet"}`, "/kind required")}},
		{"recursive", `{"oneOf": [{"$ref": "#/components/schemas/Leaf"}, {"$ref": "#/components/schemas/Node"}],
			"discriminator": {"propertyName": "kind"}}, "Leaf": {"properties": {"value": {"type": "integer"}}},
			"Node": {"properties": {"kids": {"type": "array", "items": {"$ref": "#/components/schemas/A"}}}}`,
			[]string{`{"kind": "Node", "kids": [{"kind": "Leaf", "value": 1}, {"kind": "Node"}]}`},
			[]refusal{no(`{"kind": "Node", "kids": [{"kind": "Leaf", "value": "x"}, {"kind": "Loaf"}]}`, "/kids/0/value type", "/kids/1/kind discriminator")}},
		{"branches that extend the whole", `{"type": "object", "required": ["kind", "name"], "properties": {"kind": {"type": "string"}},
			"oneOf": [{"$ref": "#/components/schemas/Cow"}, {"$ref": "#/components/schemas/Pig"}], "discriminator": {"propertyName": "kind"}},
			"Cow": {"allOf": [{"$ref": "#/components/schemas/A"}, {"required": ["milk"]}]},
			"Pig": {"allOf": [{"$ref": "#/components/schemas/A"}, {"type": "object"}]}`,
			[]string{`{"kind": "Cow", "name": "x", "milk": 1}`, `{"kind": "Pig", "name": "x"}`},
			[]refusal{no(`{"kind": "Cow", "name": "x"}`, "/milk required"), no(`{"name": "x"}`, "/kind required", "/kind required")}},
		{"an inline branch cannot be named", `{"oneOf": [{"$ref": "#/components/schemas/Cat"}, {"type": "object", "required": ["fins"]}],
			"discriminator": {"propertyName": "kind"}}, ` + pets,
			[]string{`{"fins": 2}`, `{"kind": "x", "lives": 9}`}, []refusal{no(`{"fins": 2, "kind": "x", "lives": 9}`, " one_of")}},
		{"inheritance without branches", `{"type": "object", "required": ["kind"], "discriminator": {"propertyName": "kind"}}`,
			[]string{`{"kind": "anything"}`}, []refusal{no(`{}`, "/kind required")}},
	}
	for _, dialect := range []Dialect{OpenAPI30, OpenAPI31} {
		for _, test := range tests {
			test.run(t, dialect)
		}
	}
	keywordCase{"nullable", `{"nullable": true, "oneOf": ` + branches + `, "discriminator": {"propertyName": "kind"}}, ` + pets,
		[]string{`null`, `{"kind": "Dog"}`}, []refusal{no(`{}`, "/kind required")}}.run(t, OpenAPI30)
	keywordCase{"null beside the branches", `{"oneOf": [{"$ref": "#/components/schemas/Cat"}, {"type": "null"}],
		"discriminator": {"propertyName": "kind"}}, ` + pets,
		[]string{`null`, `{"kind": "Cat", "lives": 9}`}, []refusal{no(`{}`, "/kind required"), no(`1`, " type")}}.run(t, OpenAPI31)
	keywordCase{"unevaluatedProperties", `{"oneOf": ` + branches + `, "discriminator": {"propertyName": "kind"}, "unevaluatedProperties": false}, ` + pets,
		[]string{`{"kind": "Dog", "barks": true}`}, []refusal{no(`{"kind": "Dog", "lives": 9}`, "/lives unevaluated")}}.run(t, OpenAPI31)
}

func TestDiscriminatorSaysWhatIsAllowed(t *testing.T) {
	v := compile(t, compilerFor(t, OpenAPI30, `{"A": {"oneOf": [{"$ref": "#/components/schemas/Cat"}, {"$ref": "#/components/schemas/Dog"}],
		"discriminator": {"propertyName": "kind"}}, `+pets+`}`, Settings{}), atA, Request)
	for _, text := range []string{`{}`, `{"kind": "secret"}`} {
		var report Report
		v.JSON([]byte(text), &report)
		if len(report.Violations) != 1 || !strings.Contains(report.Violations[0].Detail, `one of "Cat", "Dog"`) ||
			strings.Contains(report.Violations[0].Detail, "secret") {
			t.Errorf("%s: violations are %+v", text, report.Violations)
		}
	}
}
