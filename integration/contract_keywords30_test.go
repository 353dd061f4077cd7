package integration

// contract_keywords30_test.go is the table of OpenAPI 3.0, whose schemas are a dialect of their own
// (https://spec.openapis.org/oas/v3.0.4#schema-object).

var openapi30 = dialect{"3.0.3", components30, slicesOf(
	strictJSON, nullable30, values30, ignored30, objects30, composed30, directions31,
)}

// components30 are what the rows refer to.
const components30 = `
"Id": {"type": "integer", "minimum": 1},
"Alias1": {"$ref": "#/components/schemas/Alias2"},
"Alias2": {"allOf": [{"$ref": "#/components/schemas/Id"}]},
"Colour": {"type": "string", "enum": ["red", "blue"]},
"Named": {"type": "object", "required": ["name"], "properties": {"name": {"type": "string", "minLength": 1}}},
"Tree": {"type": "object", "required": ["value"], "additionalProperties": false, "properties": {"value": {"type": "integer"},
	"parent": {"nullable": true, "allOf": [{"$ref": "#/components/schemas/Tree"}]},
	"children": {"type": "array", "items": {"$ref": "#/components/schemas/Tree"}}}},
"Pet": {"type": "object", "required": ["kind"], "properties": {"kind": {"type": "string"}}},
"Cat": {"allOf": [{"$ref": "#/components/schemas/Pet"}, {"properties": {"lives": {"type": "integer", "maximum": 9}}}]},
"Dog": {"allOf": [{"$ref": "#/components/schemas/Pet"}, {"required": ["tail"], "properties": {"tail": {"type": "boolean"}}}]},
"Server": {"type": "object", "required": ["id"], "properties": {
	"id": {"allOf": [{"$ref": "#/components/schemas/Assigned"}]}, "name": {"type": "string"}}},
"Assigned": {"type": "integer", "readOnly": true}`

var nullable30 = []keyword{
	{"nullable", `{"type": "string", "nullable": true}`, texts(`"a"`, `null`), texts(`type@ 1`), ""},
	{"nullable false", `{"type": "string", "nullable": false}`, texts(`"a"`), texts(`type@ null`), ""},
	{"nullable and bounds", `{"type": "integer", "minimum": 1, "nullable": true}`,
		texts(`1`, `null`), texts(`minimum@ 0`), ""},
	{"nullable and enum", `{"type": "string", "enum": ["a"], "nullable": true}`,
		texts(`"a"`, `null`), texts(`enum@ "b"`), ""},
	{"nullable and enum with null", `{"type": "string", "enum": ["a", null], "nullable": true}`,
		texts(`"a"`, `null`), texts(`enum@ "b"`), ""},
	{"nullable and allOf", `{"nullable": true, "allOf": [{"$ref": "#/components/schemas/Named"}]}`,
		texts(`null`, `{"name": "a"}`), texts(`required@/name {}`), ""},
	{"nullable and an enumeration elsewhere", `{"nullable": true,
		"allOf": [{"$ref": "#/components/schemas/Colour"}]}`,
		texts(`null`, `"red"`), texts(`enum@ "green"`), ""},
	{"nullable and oneOf", `{"nullable": true, "oneOf": [{"$ref": "#/components/schemas/Id"},
		{"$ref": "#/components/schemas/Colour"}]}`,
		texts(`null`, `"red"`, `1`), texts(`one_of@ "green"`), ""},
	{"nullable in a branch", `{"anyOf": [{"type": "string", "nullable": true}, {"type": "integer"}]}`,
		texts(`null`, `1`), texts(`any_of@ true`), ""},
	{"not nullable", `{"type": "object", "properties": {"a": {"$ref": "#/components/schemas/Id"}}}`,
		texts(`{"a": 1}`), texts(`type@/a {"a": null}`), ""},
	{"no type", `{"minimum": 5}`, texts(`5`, `"a"`, `{}`, `null`), texts(`minimum@ 4`), ""},
}

var values30 = []keyword{
	{"type integer", `{"type": "integer"}`,
		texts(`1`, `1.0`, `123456789012345678901234567890`), texts(`type@ 1.5`, `type@ "1"`), ""},
	{"type boolean", `{"type": "boolean"}`, texts(`true`), texts(`type@ "true"`, `type@ 1`), ""},
	{"minimum", `{"type": "integer", "minimum": 1}`, texts(`1`), texts(`minimum@ 0`), ""},
	{"exclusiveMinimum true", `{"type": "integer", "minimum": 1, "exclusiveMinimum": true}`,
		texts(`2`), texts(`exclusive_minimum@ 1`), ""},
	{"exclusiveMinimum false", `{"type": "integer", "minimum": 1, "exclusiveMinimum": false}`,
		texts(`1`), texts(`minimum@ 0`), ""},
	{"exclusiveMinimum alone", `{"type": "integer", "exclusiveMinimum": true}`,
		texts(`0`, `-1`), texts(`type@ "0"`), ""},
	{"exclusiveMaximum true", `{"type": "number", "maximum": 10, "exclusiveMaximum": true}`,
		texts(`9.999`), texts(`exclusive_maximum@ 10.0`), ""},
	{"multipleOf", `{"type": "number", "multipleOf": 0.1}`, texts(`0.3`, `1.1`), texts(`multiple_of@ 0.35`), ""},
	{"lengths", `{"type": "string", "minLength": 2, "maxLength": 3}`,
		texts(`"ab"`, `"äöü"`), texts(`min_length@ "a"`, `max_length@ "abcd"`), ""},
	{"pattern", `{"type": "string", "pattern": "^\\d{3}-\\d{4}$"}`,
		texts(`"123-4567"`), texts(`pattern@ "123-456"`), ""},
	{"enum", `{"type": "integer", "enum": [1, 2]}`, texts(`2`, `2.0`), texts(`enum@ 3`), ""},
	{"format date", `{"type": "string", "format": "date"}`, texts(`"2024-02-29"`), texts(`format@ "2023-02-29"`), ""},
	{"format date-time", `{"type": "string", "format": "date-time"}`,
		texts(`"2024-02-29T10:00:00Z"`), texts(`format@ "2024-02-29"`), ""},
	{"format int32", `{"type": "integer", "format": "int32"}`, texts(`2147483647`), texts(`format@ 2147483648`), ""},
	{"format int64", `{"type": "integer", "format": "int64"}`,
		texts(`-9223372036854775808`), texts(`format@ -9223372036854775809`), ""},
	{"format byte", `{"type": "string", "format": "byte"}`, texts(`"aGk="`), texts(`format@ "a"`), ""},
	{"format password", `{"type": "string", "format": "password"}`, texts(`"secret"`), texts(`type@ 1`), ""},
	{"items", `{"type": "array", "items": {"type": "integer"}, "minItems": 1, "maxItems": 2, "uniqueItems": true}`,
		texts(`[1]`, `[1, 2]`),
		texts(`type@/0 ["a"]`, `min_items@ []`, `max_items@ [1, 2, 3]`, `unique_items@ [1, 1]`), ""},
}

// ignored30 are keywords that other dialects have and 3.0 does not.
var ignored30 = []keyword{
	{"siblings of $ref", `{"$ref": "#/components/schemas/Id", "maximum": 10, "nullable": true}`,
		texts(`100`), texts(`minimum@ 0`, `type@ null`), ""},
	{"const", `{"type": "integer", "const": 1}`, texts(`2`), texts(`type@ "1"`), ""},
	{"if", `{"type": "object", "if": {"required": ["a"]}, "then": {"required": ["b"]}}`,
		texts(`{"a": 1}`), texts(`type@ 1`), ""},
	{"prefixItems", `{"type": "array", "items": {"type": "integer"}, "prefixItems": [{"type": "string"}]}`,
		texts(`[1]`), texts(`type@/0 ["a"]`), ""},
	{"contains", `{"type": "array", "items": {}, "contains": {"type": "string"}}`,
		texts(`[1]`), texts(`type@ 1`), ""},
	{"patternProperties", `{"type": "object", "patternProperties": {"^x": {"type": "integer"}},
		"additionalProperties": false}`,
		texts(`{}`), texts(`additional_properties@/x {"x": 1}`), ""},
	{"propertyNames", `{"type": "object", "propertyNames": {"maxLength": 1}}`,
		texts(`{"long": 1}`), texts(`type@ 1`), ""},
	{"dependentRequired", `{"type": "object", "dependentRequired": {"a": ["b"]}}`,
		texts(`{"a": 1}`), texts(`type@ 1`), ""},
	{"unevaluatedProperties", `{"type": "object", "unevaluatedProperties": false}`,
		texts(`{"a": 1}`), texts(`type@ 1`), ""},
}

var objects30 = []keyword{
	{"properties", `{"type": "object", "required": ["a"], "properties": {"a": {"type": "integer"}}}`,
		texts(`{"a": 1, "b": null}`), texts(`required@/a {}`, `type@/a {"a": "1"}`, `type@ []`), ""},
	{"additionalProperties false", `{"type": "object", "properties": {"a": {}}, "additionalProperties": false}`,
		texts(`{"a": null}`), texts(`additional_properties@/b {"b": 1}`), ""},
	{"additionalProperties", `{"type": "object", "additionalProperties": {"$ref": "#/components/schemas/Id"}}`,
		texts(`{"x": 1}`), texts(`minimum@/x {"x": 0}`), ""},
	{"minProperties and maxProperties", `{"type": "object", "minProperties": 1, "maxProperties": 2}`,
		texts(`{"a": 1}`), texts(`min_properties@ {}`, `max_properties@ {"a": 1, "b": 2, "c": 3}`), ""},
}

var composed30 = []keyword{
	{"$ref in a chain", `{"type": "array", "items": {"$ref": "#/components/schemas/Alias1"}}`,
		texts(`[1]`), texts(`minimum@/0 [0]`), ""},
	{"a recursive schema", `{"$ref": "#/components/schemas/Tree"}`,
		texts(`{"value": 1, "parent": null, "children": [{"value": 2, "parent": {"value": 1}}]}`),
		texts(
			`type@/children/0/parent/value {"value": 1, "children": [{"value": 2, "parent": {"value": "1"}}]}`,
		), ""},
	{"allOf", `{"allOf": [{"$ref": "#/components/schemas/Named"}, {"type": "object", "required": ["age"]}]}`,
		texts(`{"name": "a", "age": 1}`),
		texts(`required@/age {"name": "a"}`, `min_length@/name {"name": "", "age": 1}`), ""},
	{"anyOf", `{"anyOf": [{"$ref": "#/components/schemas/Id"}, {"$ref": "#/components/schemas/Colour"}]}`,
		texts(`1`, `"red"`), texts(`any_of@ "green"`), ""},
	{"oneOf", `{"oneOf": [{"type": "integer"}, {"type": "number", "minimum": 10}]}`,
		texts(`1`, `10.5`), texts(`one_of@ 10`, `one_of@ 1.5`), ""},
	{"not", `{"not": {"type": "integer"}}`, texts(`"a"`, `1.5`), texts(`not@ 1`), ""},
	{"discriminator", `{"oneOf": [{"$ref": "#/components/schemas/Cat"}, {"$ref": "#/components/schemas/Dog"}],
		"discriminator": {"propertyName": "kind", "mapping": {"cat": "#/components/schemas/Cat"}}}`,
		texts(`{"kind": "cat"}`, `{"kind": "Dog", "tail": true}`),
		texts(
			`maximum@/lives {"kind": "cat", "lives": 10}`, `required@/tail {"kind": "Dog"}`,
			`discriminator@/kind {"kind": "cow"}`,
		), ""},
	{"readOnly behind $ref, in requests", `{"$ref": "#/components/schemas/Server"}`,
		texts(`{"name": "a"}`), texts(`type@/name {"name": 1}`), "requests"},
	{"readOnly behind $ref, in answers", `{"$ref": "#/components/schemas/Server"}`,
		texts(`{"id": 1}`), texts(`required@/id {"name": "a"}`), "responses"},
}
