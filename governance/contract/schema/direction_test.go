package schema

import "testing"

func TestDirection(t *testing.T) {
	const id = `"id": {"type": "integer", "readOnly": true}`
	const password = `"password": {"type": "string", "writeOnly": true}`
	tests := []struct {
		name, schema string
		settings     Settings
		direction    Direction
		accepts      []string
		refuses      []refusal
	}{
		{"readOnly is not required in a request", `{"required": ["id", "name"], "properties": {` + id + `}}`, Settings{}, Request,
			[]string{`{"name": 1}`, `{"name": 1, "id": 1}`}, []refusal{no(`{"id": "a"}`, "/id type", "/name required")}},
		{"readOnly is required in a response", `{"required": ["id"], "properties": {` + id + `}}`, Settings{}, Response,
			[]string{`{"id": 1}`}, []refusal{no(`{}`, "/id required")}},
		{"readOnly may be refused", `{"required": ["id"], "properties": {` + id + `}}`, Settings{RefuseReadOnly: true}, Request,
			[]string{`{}`}, []refusal{no(`{"id": 1}`, "/id read_only")}},
		{"refusing concerns requests", `{"required": ["id"], "properties": {` + id + `}}`, Settings{RefuseReadOnly: true}, Response,
			[]string{`{"id": 1}`}, nil},
		{"writeOnly must not be in a response", `{"required": ["password"], "properties": {` + password + `}}`, Settings{}, Response,
			[]string{`{}`}, []refusal{no(`{"password": "x"}`, "/password write_only")}},
		{"writeOnly is required in a request", `{"required": ["password"], "properties": {` + password + `}}`, Settings{}, Request,
			[]string{`{"password": "x"}`}, []refusal{no(`{}`, "/password required")}},
		{"behind $ref", `{"required": ["id"], "properties": {"id": {"$ref": "#/components/schemas/B"}}}, "B": {"readOnly": true}`,
			Settings{RefuseReadOnly: true}, Request, []string{`{}`}, []refusal{no(`{"id": 1}`, "/id read_only")}},
		{"behind allOf and $ref", `{"required": ["id"], "properties": {"id": {"allOf": [{"$ref": "#/components/schemas/B"}]}}},
			"B": {"$ref": "#/components/schemas/C"}, "C": {"readOnly": true}`, Settings{}, Request, []string{`{}`}, nil},
		{"required in allOf beside the declaration", `{"allOf": [{"required": ["id", "a"]}, {"properties": {` + id + `}}]}`, Settings{}, Request,
			[]string{`{"a": 1}`}, []refusal{no(`{}`, "/a required")}},
		{"required outside of allOf", `{"required": ["id"], "allOf": [{"$ref": "#/components/schemas/B"}]}, "B": {"properties": {` + id + `}}`,
			Settings{}, Request, []string{`{}`}, nil},
		{"required in a schema that others use", `{"required": ["x"], "properties": {"x": {"allOf": [{"$ref": "#/components/schemas/B"}, {"properties": {` + id + `}}]},
			"y": {"$ref": "#/components/schemas/B"}}}, "B": {"required": ["id"]}`, Settings{}, Request,
			[]string{`{"x": {}}`}, []refusal{no(`{"x": {}, "y": {}}`, "/y/id required")}},
		{"required in a branch", `{"properties": {` + id + `}, "oneOf": [{"required": ["id", "a"]}, {"required": ["b"]}]}`, Settings{}, Request,
			[]string{`{"a": 1}`, `{"b": 1}`}, []refusal{no(`{"a": 1, "b": 1}`, " one_of")}},
		{"required in a branch that has others", `{"properties": {` + id + `}, "oneOf": [{"required": ["id", "k", "a"], "properties": {"k": {"readOnly": true}}}]}`,
			Settings{}, Request, []string{`{"a": 1}`}, []refusal{no(`{}`, " one_of", "/a required")}},
		{"required in a branch that is used elsewhere", `{"properties": {` + id + `, "x": {"$ref": "#/components/schemas/B"}}, "anyOf": [{"$ref": "#/components/schemas/B"}]},
			"B": {"required": ["id", "k"], "properties": {"k": {"readOnly": true}, "back": {"$ref": "#/components/schemas/A"}}}`, Settings{}, Request,
			[]string{`{"back": {}}`}, []refusal{no(`{"x": {}}`, "/x/id required")}},
		{"branches that extend the whole", `{"required": ["kind", "id"], "properties": {` + id + `}, "discriminator": {"propertyName": "kind"},
			"oneOf": [{"$ref": "#/components/schemas/Cow"}, {"$ref": "#/components/schemas/Pig"}]},
			"Cow": {"allOf": [{"$ref": "#/components/schemas/A"}, {"required": ["milk", "id", "k"], "properties": {"k": {"readOnly": true}}}]},
			"Pig": {"allOf": [{"$ref": "#/components/schemas/A"}]}`, Settings{}, Request,
			[]string{`{"kind": "Cow", "milk": 1}`, `{"kind": "Pig"}`}, []refusal{no(`{"kind": "Cow"}`, "/milk required")}},
		{"declared by all alternatives", `{"required": ["id", "a"], "anyOf": [{"$ref": "#/components/schemas/B"}, {"properties": {` + id + `}}, {"required": ["b"]}]},
			"B": {"properties": {` + id + `}, "required": ["id", "b"]}`, Settings{}, Request,
			[]string{`{"a": 1}`}, []refusal{no(`{"id": 1}`, "/a required")}},
		{"declared by one alternative, and for both directions by another", `{"required": ["id"], "anyOf": [{"properties": {` + id + `}}, {"properties": {"id": {}}}]}`,
			Settings{}, Request, []string{`{"id": 1}`}, []refusal{no(`{}`, "/id required")}},
		{"declared by what a discriminator selects", `{"required": ["id", "kind"], "discriminator": {"propertyName": "kind"},
			"oneOf": [{"$ref": "#/components/schemas/B"}, {"$ref": "#/components/schemas/C"}]}, "B": {"properties": {` + id + `}}, "C": {"properties": {` + id + `}}`,
			Settings{}, Request, []string{`{"kind": "B"}`}, []refusal{no(`{"kind": "B", "id": "x"}`, "/id type")}},
		{"nested and recursive", `{"required": ["id"], "properties": {` + id + `, "kids": {"type": "array", "items": {"$ref": "#/components/schemas/A"}}}}`,
			Settings{}, Request, []string{`{"kids": [{"kids": [{}]}]}`}, []refusal{no(`{"kids": [{"id": "x"}]}`, "/kids/0/id type")}},
		{"nested and recursive in a response", `{"required": ["id"], "properties": {` + id + `, "kids": {"type": "array", "items": {"$ref": "#/components/schemas/A"}}}}`,
			Settings{}, Response, []string{`{"id": 1}`}, []refusal{no(`{"id": 1, "kids": [{}]}`, "/kids/0/id required")}},
	}
	for _, dialect := range []Dialect{OpenAPI30, OpenAPI31} {
		for _, test := range tests {
			t.Run(test.name, func(t *testing.T) {
				v := compile(t, compilerFor(t, dialect, `{"A": `+test.schema+`}`, test.settings), atA, test.direction)
				for _, value := range test.accepts {
					expect(t, v, value)
				}
				for _, refusal := range test.refuses {
					expect(t, v, refusal.value, refusal.want...)
				}
			})
		}
	}
}

// Both directions come from the same compiler and do not disturb each other.
func TestDirectionsAreIndependent(t *testing.T) {
	c := compilerFor(t, OpenAPI30, `{"A": {"required": ["id", "secret"], "properties": {"id": {"readOnly": true}, "secret": {"writeOnly": true}}}}`, Settings{})
	request, response := compile(t, c, atA, Request), compile(t, c, atA, Response)
	expect(t, request, `{}`, "/secret required")
	expect(t, response, `{}`, "/id required")
	if again := compile(t, c, atA, Request); again != request {
		t.Error("the same schema and direction give another validator")
	}
}

func TestReadOnlyWithNullable(t *testing.T) {
	for _, schemas := range []string{
		`{"A": {"required": ["b"], "properties": {"b": {"readOnly": true, "nullable": true, "allOf": [{"type": "string"}]}}}}`,
		`{"A": {"required": ["b"], "properties": {"b": {"nullable": true, "allOf": [{"$ref": "#/components/schemas/B"}]}}},
			"B": {"type": "string", "readOnly": true}}`,
		`{"A": {"allOf": [{"required": ["b"]}, {"$ref": "#/components/schemas/B"}]},
			"B": {"nullable": true, "allOf": [{"properties": {"b": {"type": "string", "nullable": true, "readOnly": true}}}]}}`,
	} {
		v := compile(t, compilerFor(t, OpenAPI30, schemas, Settings{}), atA, Request)
		expect(t, v, `{}`)
		expect(t, v, `{"b": null}`)
		expect(t, v, `{"b": 1}`, "/b type")
	}
}

// Keywords that only OpenAPI 3.1 has require properties, too.
func TestDirectionAndDependents(t *testing.T) {
	for _, keyword := range []string{
		`"dependentRequired": {"a": ["id", "b"], "b": ["a"]}`,
		`"dependentSchemas": {"a": {"required": ["id", "b"]}}`,
		`"if": {"required": ["a"]}, "then": {"required": ["id", "b"]}`,
	} {
		for _, schema := range []string{
			`{"properties": {"id": {"readOnly": true}}, ` + keyword + `}`,
			`{"properties": {"id": {"readOnly": true}}, "allOf": [{` + keyword + `}]}`,
		} {
			c := compilerFor(t, OpenAPI31, `{"A": `+schema+`}`, Settings{})
			if got := judge(compile(t, c, atA, Request), `{"a": 1, "b": 1}`); got != nil {
				t.Errorf("%s: violations are %q", schema, got)
			}
			if got := judge(compile(t, c, atA, Request), `{"a": 1}`); len(got) != 1 {
				t.Errorf("%s without b: violations are %q", schema, got)
			}
			if got := judge(compile(t, c, atA, Response), `{"a": 1, "b": 1}`); len(got) != 1 {
				t.Errorf("%s in a response: violations are %q", schema, got)
			}
		}
	}
}
