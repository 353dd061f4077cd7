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
		{"numbers", `{"oneOf": [{"$ref": "#/components/schemas/One"}, {"$ref": "#/components/schemas/Two"}], "discriminator":
			{"propertyName": "v", "mapping": {"1": "One", "2": "Two"}}}, "One": {"properties": {"v": {"type": "integer"}}}, "Two": {"required": ["x"]}`,
			[]string{`{"v": 1}`, `{"v": 2, "x": 0}`}, []refusal{no(`{"v": "1"}`, "/v type"), no(`{"v": 2}`, "/x required"), no(`{"v": 3}`, "/v discriminator")}},
		{"booleans", `{"oneOf": [{"$ref": "#/components/schemas/Yes"}, {"$ref": "#/components/schemas/No"}], "discriminator":
			{"propertyName": "v", "mapping": {"true": "Yes", "false": "No"}}}, "Yes": {"required": ["x"]}, "No": {}`,
			[]string{`{"v": false}`, `{"v": true, "x": 0}`}, []refusal{no(`{"v": true}`, "/x required"), no(`{"v": null}`, "/v discriminator")}},
		{"a branch of another type", `{"oneOf": [{"$ref": "#/components/schemas/Dog"}, {"$ref": "#/components/schemas/Name"}],
			"discriminator": {"propertyName": "kind"}}, "Name": {"type": "string", "maxLength": 3}, ` + pets,
			[]string{`"Rex"`, `{"kind": "Dog"}`}, []refusal{no(`"Caesar"`, " type"), no(`null`, " type"), no(`{"kind": "Name"}`, " type")}},
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
	keywordCase{"a branch that is nullable", `{"oneOf": [{"$ref": "#/components/schemas/Cow"}, {"$ref": "#/components/schemas/Pig"}], "discriminator":
		{"propertyName": "kind"}}, "Cow": {"type": "object", "nullable": true, "allOf": [{"$ref": "#/components/schemas/A"}, {"required": ["milk"]}]},
		"Pig": {"type": "object"}`, []string{`null`, `{"kind": "Cow", "milk": 1}`},
		[]refusal{no(`{"kind": "Cow"}`, "/milk required"), no(`1`, " type")}}.run(t, OpenAPI30)
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

// An heir may have heirs of its own; each of them is judged wherever the judging begins.
func TestHeirsOfHeirs(t *testing.T) {
	const (
		lion, cat, pet, felis = `{"k": "lion", "mane": 1, "claws": 1, "age": 1}`, `{"k": "lion", "mane": 1, "age": 1}`,
			`{"k": "lion", "mane": 1, "claws": 1}`, `{"k": "lion", "claws": 1, "age": 1}`
		heirs = `"Pet": {"type": "object", "required": ["k", "age"], "properties": {"self": {"$ref": "#/components/schemas/Pet"}},
				"oneOf": [{"$ref": "#/components/schemas/Cat"}, {"$ref": "#/components/schemas/Dog"}],
				"discriminator": {"propertyName": "k", "mapping": {"lion": "Cat", "lynx": "Cat"}}},
			"Cat": {"allOf": [{"$ref": "#/components/schemas/Pet"}, {"required": ["claws"]}],
				"oneOf": [{"$ref": "#/components/schemas/Big"}], "discriminator": {"propertyName": "k", "mapping": {"lion": "Big", "lynx": "Big"}}},
			"Big": {"allOf": [{"$ref": "#/components/schemas/Cat"}],
				"oneOf": [{"$ref": "#/components/schemas/Lion"}, {"$ref": "#/components/schemas/Lynx"}],
				"discriminator": {"propertyName": "k", "mapping": {"lion": "Lion", "lynx": "Lynx"}}},
			"Lion": {"allOf": [{"$ref": "#/components/schemas/Big"}, {"required": ["mane"]}]},
			"Lynx": {"allOf": [{"$ref": "#/components/schemas/Big"}, {"required": ["ears"]}]},
			"Dog": {"allOf": [{"$ref": "#/components/schemas/Pet"}, {"required": ["bark"]}]}`
	)
	for _, dialect := range []Dialect{OpenAPI30, OpenAPI31} {
		for _, begin := range []string{"Pet", "Cat", "Big", "Lion"} {
			for range 5 { // the order of Go's maps must not matter
				v := compile(t, compilerFor(t, dialect, `{"A": {"$ref": "#/components/schemas/`+begin+`"}, `+heirs+`}`, Settings{}), atA, Request)
				expect(t, v, lion)
				expect(t, v, cat, "/claws required")
				expect(t, v, pet, "/age required")
				expect(t, v, felis, "/mane required")
				expect(t, v, `{"k": "lynx", "mane": 1, "claws": 1, "age": 1}`, "/ears required")
			}
		}
	}
}

// A file that holds nothing but a schema may name the schemas of the document, or lead to files.
func TestMappingBetweenFiles(t *testing.T) {
	for _, mapping := range []string{`{"c": "Cat", "d": "Dog"}`, `{"c": "cat.json", "d": "./dog.json"}`,
		`{"c": "../main.json#/components/schemas/Cat", "d": "file:///etc/weir/schemas/dog.json"}`} {
		c := NewCompiler(Files{
			"file:///etc/weir/main.json": tree(t, `{"openapi": "3.0.3", "components": {"schemas": {"A": {"$ref": "schemas/pet.json"},
				"Cat": {"$ref": "schemas/cat.json"}, "Dog": {"$ref": "schemas/dog.json"}}}}`),
			"file:///etc/weir/schemas/pet.json": tree(t, `{"oneOf": [{"$ref": "cat.json"}, {"$ref": "dog.json"}],
				"discriminator": {"propertyName": "kind", "mapping": `+mapping+`}}`),
			"file:///etc/weir/schemas/cat.json": tree(t, `{"type": "object", "required": ["lives"]}`),
			"file:///etc/weir/schemas/dog.json": tree(t, `{"type": "object"}`),
		}, OpenAPI30, Settings{})
		v := compile(t, c, "file:///etc/weir/main.json#/components/schemas/A", Request)
		expect(t, v, `{"kind": "d"}`)
		expect(t, v, `{"kind": "c", "lives": 9}`)
		expect(t, v, `{"kind": "c"}`, "/lives required")
	}
}
