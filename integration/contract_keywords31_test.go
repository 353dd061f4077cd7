package integration

// contract_keywords31_test.go is the table of OpenAPI 3.1, whose schemas are JSON Schema 2020-12
// (https://json-schema.org/draft/2020-12/json-schema-core and -validation).

var openapi31 = dialect{"3.1.0", components31, slicesOf(
	strictJSON, types31, values31, strings31, formats31, arrays31, objects31,
	applicators31, references31, unevaluated31, directions31,
)}

// slicesOf puts the parts of a table together.
func slicesOf(parts ...[]keyword) (all []keyword) {
	for _, part := range parts {
		all = append(all, part...)
	}
	return all
}

// components31 are what the rows refer to.
const components31 = `
"Id": {"type": "integer", "minimum": 1},
"Alias1": {"$ref": "#/components/schemas/Alias2"},
"Alias2": {"$ref": "#/components/schemas/Alias3"},
"Alias3": {"allOf": [{"$ref": "#/components/schemas/Alias4"}]},
"Alias4": {"$ref": "#/components/schemas/Id"},
"Named": {"type": "object", "required": ["name"], "properties": {"name": {"type": "string", "minLength": 1}}},
"Wrapper": {"type": "object", "properties": {"a/b~c %d": {"type": "integer"}}, "$defs": {"short": {"maxLength": 3}}},
"Tree": {"type": "object", "required": ["value"], "additionalProperties": false,
	"properties": {"value": {"type": "integer"}, "children": {"type": "array", "items": {"$ref": "#/components/schemas/Tree"}}}},
"Even": {"type": "object", "properties": {
	"odd": {"$ref": "#/components/schemas/Odd"}, "n": {"multipleOf": 2}}, "required": ["n"]},
"Odd": {"type": "object", "properties": {
	"even": {"$ref": "#/components/schemas/Even"}, "n": {"not": {"multipleOf": 2}}}, "required": ["n"]},
"OpenTree": {"$id": "https://example.com/tree", "$dynamicAnchor": "node", "type": "object", "properties": {
	"data": true, "children": {"type": "array", "items": {"$dynamicRef": "#node"}}}},
"StrictTree": {"$id": "https://example.com/strict-tree", "$dynamicAnchor": "node",
	"$ref": "tree", "unevaluatedProperties": false},
"Local": {"$id": "https://example.com/local", "$ref": "#/$defs/inner", "$defs": {"inner": {"type": "boolean"}}},
"Anchored": {"$id": "https://example.com/anchored", "$ref": "#here", "$defs": {"x": {"$anchor": "here", "type": "boolean"}}},
"Cat": {"type": "object", "required": ["kind"], "properties": {
	"kind": {"type": "string"}, "lives": {"type": "integer", "maximum": 9}}},
"Dog": {"type": "object", "required": ["kind", "tail"], "properties": {"kind": {"type": "string"}, "tail": {"type": "boolean"}}}`

// strictJSON is about the texts themselves, in both dialects.
var strictJSON = []keyword{
	{"strict JSON", `{"type": "object"}`,
		texts(` {"a":1e2,"b":"\u00e9\ud83d\ude00"}` + "\n"),
		texts(
			`trailing_data@ {} {}`, `trailing_data@ {}x`, `duplicate_key@/a {"a":1,"a":2}`,
			`duplicate_key@/in/a {"in":{"a":1,"\u0061":2}}`, "invalid_utf8@/a {\"a\":\"\xff\"}",
			`invalid_utf8@/a {"a":"\ud800"}`, "syntax@ \ufeff{}", `syntax@ {`, `syntax@ {'a':1}`,
			`syntax@ {"a":0x1F}`, `syntax@ {"a":01}`, `syntax@/a {"a":+1}`, `syntax@/a {"a":1.}`,
			`syntax@/a {"a":NaN}`, `syntax@ {"a":1,}`, "syntax@/a {\"a\":\"\t\"}", `syntax@ /* none */{}`,
		), ""},
}

var types31 = []keyword{
	{"type null", `{"type": "null"}`, texts(`null`), texts(`type@ 0`, `type@ ""`, `type@ false`, `type@ []`), ""},
	{"type boolean", `{"type": "boolean"}`,
		texts(`true`, `false`), texts(`type@ 0`, `type@ "true"`, `type@ null`), ""},
	{"type integer", `{"type": "integer"}`,
		texts(`0`, `-1`, `1.0`, `1e2`, `-0.0`, `9007199254740993`, `123456789012345678901234567890`),
		texts(`type@ 1.5`, `type@ 1e-1`, `type@ 9007199254740992.5`, `type@ "1"`, `type@ null`), ""},
	{"type number", `{"type": "number"}`,
		texts(`1`, `1.5`, `-0`, `1e300`, `1E-300`), texts(`type@ "1"`, `type@ true`, `type@ null`), ""},
	{"type string", `{"type": "string"}`,
		texts(`""`, `"\u0000"`, `"Käse 🧀"`), texts(`type@ 1`, `type@ null`, `type@ ["a"]`), ""},
	{"type array", `{"type": "array"}`, texts(`[]`, `[1, [2]]`), texts(`type@ {}`, `type@ "[]"`), ""},
	{"type object", `{"type": "object"}`,
		texts(`{}`, `{"a": {}}`), texts(`type@ []`, `type@ "{}"`, `type@ null`), ""},
	{"several types", `{"type": ["string", "null"]}`, texts(`"a"`, `null`), texts(`type@ 1`, `type@ {}`), ""},
	{"nullable has no meaning", `{"type": "string", "nullable": true}`, texts(`"a"`), texts(`type@ null`), ""},
	{"a boolean schema", `{"type": "object", "properties": {"a": false, "b": true}}`,
		texts(`{}`, `{"b": 1}`), texts(`false_schema@/a {"a": 1}`), ""},
	{"false", `false`, nil, texts(`false_schema@ 1`, `false_schema@ null`), ""},
}

var values31 = []keyword{
	{"enum", `{"enum": [1, "a", null, {"a": [1]}, [1], false]}`,
		texts(`1`, `1.0`, `"a"`, `null`, `{"a": [1.0]}`, `[1]`, `false`),
		texts(
			`enum@ 2`, `enum@ "A"`, `enum@ {"a": [2]}`, `enum@ {"a": [1], "b": 1}`, `enum@ true`, `enum@ 0`,
			`enum@ []`,
		), ""},
	{"enum with a type", `{"type": "string", "enum": ["a", "b"]}`, texts(`"b"`), texts(`enum@ "c"`), ""},
	{"const", `{"const": {"a": 1, "b": [null]}}`,
		texts(`{"b": [null], "a": 1.0}`), texts(`const@ {"a": 1}`, `const@ {"a": 1, "b": []}`), ""},
	{"const null", `{"const": null}`, texts(`null`), texts(`const@ 0`, `const@ {}`), ""},
	{"const beyond 2^53", `{"const": 9007199254740993}`,
		texts(`9007199254740993`), texts(`const@ 9007199254740992`), ""},
	{"multipleOf an integer", `{"multipleOf": 3}`,
		texts(`9`, `0`, `-3`, `9007199254740993`, `"any"`),
		texts(`multiple_of@ 1`, `multiple_of@ 9007199254740992`), ""},
	{"multipleOf a decimal", `{"multipleOf": 0.01}`,
		texts(`19.99`, `0.07`, `4.35`, `1e2`, `1.10`), texts(`multiple_of@ 0.001`, `multiple_of@ 19.995`), ""},
	{"minimum", `{"minimum": 1.1}`,
		texts(`1.1`, `1.10`, `2`, `"0"`), texts(`minimum@ 1.0999999999999999999999`, `minimum@ -5`), ""},
	{"maximum", `{"maximum": 9007199254740992}`,
		texts(`9007199254740992`, `-1e300`), texts(`maximum@ 9007199254740993`, `maximum@ 1e300`), ""},
	{"exclusiveMinimum", `{"exclusiveMinimum": 0}`,
		texts(`1e-300`, `1`), texts(`exclusive_minimum@ 0`, `exclusive_minimum@ -0.0`), ""},
	{"exclusiveMaximum", `{"exclusiveMaximum": 10}`,
		texts(`9.99`), texts(`exclusive_maximum@ 10`, `exclusive_maximum@ 10.0`, `exclusive_maximum@ 1e1`), ""},
	{"annotations", `{"type": "string", "title": "T", "description": "D", "default": "x", "examples": ["y"],
		"deprecated": true,
		"contentEncoding": "base64", "contentMediaType": "application/json", "contentSchema": {"type": "integer"},
		"x-any": 1, "unknown": {"type": 7}}`,
		texts(`"not base64"`, `""`), texts(`type@ 1`), ""},
	{"default is not injected", `{"type": "object", "properties": {"a": {"type": "integer", "default": 7}}}`,
		texts(`{}`, `{ "b" : 1 }`), texts(`type@/a {"a": "7"}`), ""},
}

var strings31 = []keyword{
	{"minLength", `{"minLength": 2}`,
		texts(`"ab"`, `"éé"`, `"😀😀"`, `1`), texts(`min_length@ "a"`, `min_length@ "😀"`, `min_length@ ""`), ""},
	{"maxLength", `{"maxLength": 2}`, texts(`"😀😀"`, `"\u00e9\u00e9"`, `""`), texts(`max_length@ "abc"`), ""},
	{"pattern", `{"pattern": "^a+$"}`, texts(`"aaa"`, `7`), texts(`pattern@ "ba"`, `pattern@ ""`), ""},
	{"pattern anywhere", `{"pattern": "b"}`, texts(`"abc"`), texts(`pattern@ "ac"`), ""},
	{"pattern of ECMA-262", `{"pattern": "^\\/v[0-9]+(\\u0041|\\cJ)(?<named>\\d)\\p{L}$"}`,
		texts(`"/v12A3ä"`, `"/v1\n3z"`), texts(`pattern@ "/v12a3z"`), ""},
}

var formats31 = []keyword{
	{"date", `{"format": "date"}`,
		texts(`"2024-02-29"`, `7`), texts(`format@ "2023-02-29"`, `format@ "2024-2-9"`, `format@ ""`), ""},
	{"date-time", `{"format": "date-time"}`,
		texts(`"2024-02-29T23:59:60Z"`, `"2024-01-01t00:00:00.123+05:30"`),
		texts(`format@ "2024-01-01"`, `format@ "2024-01-01T25:00:00Z"`, `format@ "2024-01-01 00:00:00Z"`), ""},
	{"time", `{"format": "time"}`, texts(`"23:59:59Z"`), texts(`format@ "24:00:00Z"`, `format@ "12:00"`), ""},
	{"duration", `{"format": "duration"}`, texts(`"P1DT2H"`, `"P3W"`), texts(`format@ "P"`, `format@ "1D"`), ""},
	{"uuid", `{"format": "uuid"}`,
		texts(`"2EB8AA08-AA98-11EA-B4AA-73B441D16380"`), texts(`format@ "2eb8aa08aa9811eab4aa73b441d16380"`), ""},
	{"email", `{"format": "email"}`, texts(`"jane@example.com"`), texts(`format@ "jane"`, `format@ "jane@"`), ""},
	{"hostname", `{"format": "hostname"}`,
		texts(`"www.example.com"`), texts(`format@ "-bad-.example"`, `format@ "a b"`), ""},
	{"ipv4", `{"format": "ipv4"}`, texts(`"192.168.0.1"`), texts(`format@ "192.168.0.256"`, `format@ "1.2.3"`), ""},
	{"ipv6", `{"format": "ipv6"}`,
		texts(`"::1"`, `"2001:db8::ff00:42:8329"`), texts(`format@ "12345::"`, `format@ "1.2.3.4"`), ""},
	{"uri", `{"format": "uri"}`,
		texts(`"https://example.com/?q=1#f"`, `"urn:isbn:1"`),
		texts(`format@ "/relative"`, `format@ "http://exa mple"`), ""},
	{"uri-reference", `{"format": "uri-reference"}`, texts(`"/relative"`, `"#f"`), texts(`format@ "\\\\bad"`), ""},
	{"byte", `{"format": "byte"}`, texts(`"aGVsbG8="`, `""`), texts(`format@ "a"`, `format@ "***="`), ""},
	{"int32", `{"type": "integer", "format": "int32"}`,
		texts(`2147483647`, `-2147483648`), texts(`format@ 2147483648`), ""},
	{"int64", `{"type": "integer", "format": "int64"}`,
		texts(`9223372036854775807`), texts(`format@ 9223372036854775808`), ""},
	{"regex", `{"format": "regex"}`, texts(`"^a(b|c)$"`), texts(`format@ "a(b"`), ""},
	{"json-pointer", `{"format": "json-pointer"}`,
		texts(`"/a~1b/0"`, `""`), texts(`format@ "a/b"`, `format@ "/a~2"`), ""},
	{"a format nobody knows", `{"type": "string", "format": "colour"}`, texts(`"blue"`), texts(`type@ 1`), ""},
}

var arrays31 = []keyword{
	{"items", `{"items": {"type": "integer"}}`,
		texts(`[]`, `[1, 2]`, `{"0": "a"}`), texts(`type@/1 [1, "a"]`, `type@/0 [null]`), ""},
	{"prefixItems", `{"prefixItems": [{"type": "integer"}, {"type": "string"}]}`,
		texts(`[]`, `[1]`, `[1, "a", null]`), texts(`type@/1 [1, 2]`), ""},
	{"prefixItems and items", `{"prefixItems": [{"type": "integer"}], "items": {"type": "string"}}`,
		texts(`[1, "a"]`), texts(`type@/1 [1, 2]`, `type@/0 ["a"]`), ""},
	{"items false", `{"prefixItems": [true], "items": false}`,
		texts(`[]`, `[1]`), texts(`false_schema@/1 [1, 2]`), ""},
	{"contains", `{"contains": {"const": 1}}`, texts(`[2, 1]`, `"any"`), texts(`contains@ []`, `contains@ [2]`), ""},
	{"minContains", `{"contains": {"const": 1}, "minContains": 2}`,
		texts(`[1, 2, 1]`), texts(`min_contains@ [1, 2]`), ""},
	{"minContains 0", `{"contains": {"const": 1}, "minContains": 0}`, texts(`[]`, `[2]`), nil, ""},
	{"maxContains", `{"contains": {"const": 1}, "maxContains": 1}`,
		texts(`[1, 2]`), texts(`max_contains@ [1, 1]`, `contains@ []`), ""},
	{"minItems", `{"minItems": 1}`, texts(`[null]`, `{}`), texts(`min_items@ []`), ""},
	{"maxItems", `{"maxItems": 1}`, texts(`[]`, `[1]`), texts(`max_items@ [1, 2]`), ""},
	{"uniqueItems", `{"uniqueItems": true}`,
		texts(
			`[1, 2, "1", true, null, [1], [[1]], {"a": 1}, {"a": 2}]`, `[0, false]`,
			`[9007199254740992, 9007199254740993]`,
		),
		texts(
			`unique_items@ [1, 1.0]`, `unique_items@ [{"a": 1, "b": 2}, {"b": 2, "a": 1}]`,
			`unique_items@ [[1], [1.0]]`,
		), ""},
}

var objects31 = []keyword{
	{"properties", `{"properties": {"a": {"type": "integer"}, "b": {"properties": {"c": {"type": "string"}}}}}`,
		texts(`{}`, `{"a": 1, "z": "any"}`, `[]`), texts(`type@/a {"a": "1"}`, `type@/b/c {"b": {"c": 1}}`), ""},
	{"names with / and ~", `{"properties": {"a/b": {"type": "integer"}, "m~n": {"type": "integer"},
		"": {"type": "integer"}}}`,
		texts(`{"a/b": 1, "m~n": 2, "": 3}`),
		texts(`type@/a~1b {"a/b": "x"}`, `type@/m~0n {"m~n": "x"}`, `type@/ {"": "x"}`), ""},
	{"required", `{"required": ["a", "b"]}`,
		texts(`{"a": null, "b": 0}`, `"any"`), texts(`required@/b {"a": 1}`, `required@/a {}`), ""},
	{"minProperties", `{"minProperties": 1}`, texts(`{"a": 1}`), texts(`min_properties@ {}`), ""},
	{"maxProperties", `{"maxProperties": 1}`, texts(`{}`), texts(`max_properties@ {"a": 1, "b": 2}`), ""},
	{"patternProperties", `{"patternProperties": {"^x-": {"type": "string"}}, "additionalProperties": false}`,
		texts(`{"x-a": "b"}`), texts(`type@/x-a {"x-a": 1}`, `additional_properties@/y {"y": 1}`), ""},
	{"additionalProperties", `{"properties": {"a": true}, "additionalProperties": {"type": "integer"}}`,
		texts(`{"a": "x", "b": 1}`), texts(`type@/b {"b": "1"}`), ""},
	{"propertyNames", `{"propertyNames": {"pattern": "^[a-z]+$", "maxLength": 3}}`,
		texts(`{"abc": 1}`, `{}`), texts(`property_names@/A {"A": 1}`, `property_names@/abcd {"abcd": 1}`), ""},
	{"dependentRequired", `{"dependentRequired": {"card": ["address"]}}`,
		texts(`{"address": 1}`, `{"card": 1, "address": 2}`), texts(`dependent_required@/address {"card": 1}`), ""},
	{"dependentSchemas", `{"dependentSchemas": {"card": {"required": ["address"]}}}`,
		texts(`{}`, `{"card": 1, "address": 2}`), texts(`required@/address {"card": 1}`), ""},
}
