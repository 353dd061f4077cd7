package integration

// contract_hostile_bodies_test.go holds what is meant to wear a contract out.

import (
	"fmt"
	"strconv"
	"strings"
)

// tower is a schema of nested oneOf: each level has two branches that differ at the bottom alone, so deciding one
// takes 2^levels steps.
func tower(levels int) string {
	schema := `{"type": "integer"}`
	for range levels {
		schema = fmt.Sprintf(`{"oneOf": [{"properties": {"x": %s}, "required": ["x"]},
		{"properties": {"x": {"$ref": "#/components/schemas/Number"}}, "required": ["x"]}]}`, schema)
	}
	return schema
}

func hostileDocument() string {
	paths := []string{
		post("postTree", `{"$ref": "#/components/schemas/Tree"}`),
		post("postNumber", `{"type": "number", "multipleOf": 0.01}`),
		post("postItems", `{"type": "array", "uniqueItems": true, "items": {"anyOf": [{"type": "integer"},
		{"type": "string"}, {"type": "object"}]}}`),
		post("postTower", tower(20)),
		post("postAlternatives", `{"$ref": "#/components/schemas/Alternative"}`),
		post("postText", `{"type": "string", "pattern": "^(a+)+$"}`),
		post("postGzip", `{"type": "string"}`),
		post("postObject", `{"type": "object", "propertyNames": {"pattern": "^([a-z0-9]+)*$"}}`),
		post("postSmall", `{"type": "string"}`),
		`"/query": {"get": {"operationId": "query", "parameters": [
			{"name": "filter", "in": "query", "style": "deepObject", "explode": true, "schema": {"type": "object", "properties": {
				"list": {"type": "array", "items": {"type": "integer"}}, "name": {"type": "string"}},
				"additionalProperties": {"type": "object"}}},
			{"name": "ids", "in": "query", "schema": {"type": "array", "uniqueItems": true, "items": {"type": "integer"}}}],
			"responses": {"200": {"description": "ok"}}}}`,
	}
	return `{"openapi": "3.1.0", "info": {"title": "hostile", "version": "1"},
		"paths": {` + strings.Join(paths, ",\n") + `},
		"components": {"schemas": {
			"Number": {"type": "number", "maximum": 0},
			"Tree": {"type": "object", "properties": {
				"children": {"type": "array", "items": {"$ref": "#/components/schemas/Tree"}}, "next": {"$ref": "#/components/schemas/Tree"}}},
			"Alternative": {"anyOf": [
				{"type": "integer"},
				{"type": "object", "properties": {"a": {"$ref": "#/components/schemas/Alternative"}}, "required": ["one"]},
				{"type": "object", "properties": {"a": {"$ref": "#/components/schemas/Alternative"}}, "required": ["two"]},
				{"type": "array", "items": {"$ref": "#/components/schemas/Alternative"},
					"contains": {"$ref": "#/components/schemas/Alternative"}}]}}}}`
}

// post is a path with one operation, whose id is that of its path.
func post(operation, schema string) string {
	return fmt.Sprintf(`"/%s": {"post": {"operationId": %[1]q, "requestBody": {"required": true,
		"content": {"application/json": {"schema": %s}}},
		"responses": {"200": {"description": "ok"}}}}`, operation, schema)
}

// numbers is an array of n numbers, of which the last one is there twice.
func numbers(n int) string {
	var b strings.Builder
	b.WriteString("[")
	for i := range n - 1 {
		b.WriteString(strconv.Itoa(i) + ",")
	}
	return b.String() + strconv.Itoa(n-2) + "]"
}

func nested(depth int, begin, inside, end string) string {
	return strings.Repeat(begin, depth) + inside + strings.Repeat(end, depth)
}

func properties(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, `,"p%d":0`, i)
	}
	return "{" + b.String()[1:] + "}"
}

// hostile is a body and how it is answered: with a violation of one of these codes, or, if there are none, as a body
// that is right.
type hostile struct {
	name, path, body string
	codes            []string
}

func hostileBodies() []hostile {
	const tenMB = 10_000_000
	return []hostile{
		{"depth 65", "/postTree", nested(65, `{"next":`, `{}`, `}`), texts("depth")},
		{"depth 60", "/postTree", nested(60, `{"next":`, `{}`, `}`), nil},
		{"a depth bomb of arrays", "/postTree", strings.Repeat(`[`, tenMB), texts("depth")},
		{"a depth bomb of objects", "/postTree", strings.Repeat(`{"next":`, tenMB/8), texts("depth")},
		{"a number of 10 MB", "/postNumber", strings.Repeat("7", tenMB), texts("digits")},
		{"a fraction of 10 MB", "/postNumber", "0." + strings.Repeat("7", tenMB), texts("digits")},
		{"a small number of 10 MB", "/postNumber", "0." + strings.Repeat("0", tenMB) + "1", texts("digits")},
		{"a number with a huge exponent", "/postNumber", "1e1000000000", texts("digits")},
		{"a number with a huge negative exponent", "/postNumber", "1e-1000000000", texts("digits")},
		{"an exponent of 10 MB", "/postNumber", "1e" + strings.Repeat("9", tenMB), texts("digits")},
		{"an array of 100,000", "/postItems", numbers(100_000), texts("nodes")},
		{"an array of 90,000", "/postItems", numbers(90_000), texts("nodes", "unique_items")},
		{"an array of 10,000", "/postItems", numbers(10_000), texts("nodes", "unique_items")},
		{"an array of 300", "/postItems", numbers(300), texts("unique_items")},
		{"3 million empty objects", "/postTree", `{"children":[` + strings.Repeat(`{},`, 3_000_000) + `{}]}`, texts("nodes")},
		{"oneOf, twenty deep", "/postTower", nested(20, `{"x":`, `0`, `}`), texts("nodes", "one_of")},
		{"oneOf, twenty deep, of no use", "/postTower", nested(20, `{"x":`, `"a"`, `}`), texts("nodes", "one_of")},
		{"recursive anyOf, thirty deep", "/postAlternatives", nested(30, `{"a":`, `"x"`, `}`), texts("nodes", "any_of")},
		{"recursive arrays, thirty deep", "/postAlternatives", nested(30, `[1,`, `"x"`, `]`), texts("nodes", "any_of")},
		{"a pattern that backtracks", "/postText", `"` + strings.Repeat("a", 1_000_000) + `b"`, texts("pattern")},
		{"10,001 properties", "/postObject", properties(10_001), texts("properties")},
		{"a million properties", "/postObject", properties(1_000_000), texts("properties")},
		{"10,000 properties", "/postObject", properties(10_000), nil},
		{"a million times a", "/postObject", "{" + strings.Repeat(`"a":0,`, 1_000_000) + `"a":0}`, texts("duplicate_key")},
		{"a name of 10 MB", "/postObject", `{"` + strings.Repeat("A", tenMB) + `":0}`, texts("nodes", "property_names")},
		{"a text of 10 MB that does not end", "/postText", `"` + strings.Repeat("a", tenMB), texts("syntax")},
		{"10 MB of blanks", "/postText", strings.Repeat(" ", tenMB), texts("syntax")},
		{"10 MB of what is no UTF-8", "/postText", `"` + strings.Repeat("\xff", tenMB) + `"`, texts("invalid_utf8")},
		{"10 MB of escapes", "/postText", `"` + strings.Repeat(`\u0061`, tenMB/6) + `"`, nil},
	}
}
