package schema

import (
	"strings"
	"testing"
)

// compilerOf makes a compiler for several files.
func compilerOf(t testing.TB, dialect Dialect, texts map[string]string) *Compiler {
	t.Helper()
	files := make(Files)
	for location, text := range texts {
		files[location] = tree(t, text)
	}
	return NewCompiler(files, dialect, Settings{})
}

const otherURL = "file:///etc/weir/common/types.json"

func TestReferences(t *testing.T) {
	tests := []struct {
		name    string
		dialect Dialect
		files   map[string]string
		at      string
		accepts []string
		refuses []refusal
	}{
		{"a path with escapes", OpenAPI30, map[string]string{
			docURL: `{"paths": {"/a b/{x}": {"get": {"schema": {"type": "string"}}}}, "components": {"schemas": {"A": {"$ref": "#/paths/~1a%20b~1%7Bx%7D/get/schema"}}}}`,
		}, docURL + "#/paths/~1a b~1{x}/get/schema", []string{`"x"`}, []refusal{no(`1`, " type")}},
		{"a reference with escapes", OpenAPI30, map[string]string{
			docURL: `{"paths": {"/a b/{x}": {"get": {"schema": {"type": "string"}}}}, "components": {"schemas": {"A": {"$ref": "#/paths/~1a%20b~1%7Bx%7D/get/schema"}}}}`,
		}, atA, []string{`"x"`}, []refusal{no(`1`, " type")}},
		{"another file and back", OpenAPI30, map[string]string{
			docURL:   `{"components": {"schemas": {"A": {"$ref": "common/types.json#/Pet%20~1"}, "N": {"type": "integer"}}}}`,
			otherURL: `{"Pet /": {"properties": {"tag": {"$ref": "#/Tag"}, "n": {"$ref": "../petstore.json#/components/schemas/N"}}}, "Tag": {"type": "string"}}`,
		}, atA, []string{`{"tag": "x", "n": 1}`}, []refusal{no(`{"tag": 1, "n": "x"}`, "/n type", "/tag type")}},
		{"a whole file", OpenAPI31, map[string]string{
			docURL:   `{"components": {"schemas": {"A": {"items": {"$ref": "common/types.json"}}}}}`,
			otherURL: `{"type": "object", "properties": {"kids": {"items": {"$ref": "#"}}, "n": {"$ref": "#/$defs/n"}}, "$defs": {"n": {"type": "integer"}}}`,
		}, atA, []string{`[{"kids": [{"n": 1}]}]`}, []refusal{no(`[{"kids": [{"n": "x"}]}, 1]`, "/0/kids/0/n type", "/1 type")}},
		{"into a schema", OpenAPI30, map[string]string{
			docURL: `{"components": {"schemas": {"A": {"$ref": "#/components/schemas/B/properties/c/items"},
				"B": {"properties": {"c": {"nullable": true, "oneOf": [{}], "items": {"type": "string"}}}}}}}`,
		}, atA, []string{`"x"`}, []refusal{no(`1`, " type")}},
		{"into a schema in 3.1", OpenAPI31, map[string]string{
			docURL: `{"components": {"schemas": {"A": {"$ref": "#/components/schemas/B/allOf/0/items"}, "B": {"allOf": [{"items": {"type": "string"}}]}}}}`,
		}, atA, []string{`"x"`}, []refusal{no(`1`, " type")}},
		{"into an extension", OpenAPI31, map[string]string{
			docURL: `{"components": {"schemas": {"A": {"$ref": "#/components/schemas/B/x-parts/0"}, "B": {"x-parts": [{"type": "string"}]}}}}`,
		}, atA, []string{`"x"`}, []refusal{no(`1`, " type")}},
		{"$id", OpenAPI31, map[string]string{
			docURL: `{"components": {"schemas": {"A": {"$ref": "https://example.org/pets/dogs/../cat"},
				"B": {"$id": "https://example.org/pets/cat", "properties": {"a": {"$ref": "#/$defs/n"}, "b": {"$ref": "dog#named"}}, "$defs": {"n": {"type": "integer"}}},
				"C": {"$id": "https://example.org/pets/dog", "$defs": {"x": {"$anchor": "named", "type": "string"}}}}}}`,
		}, atA, []string{`{"a": 1, "b": "x"}`}, []refusal{no(`{"a": "x", "b": 1}`, "/a type", "/b type")}},
		{"$id inside of a schema", OpenAPI31, map[string]string{
			docURL: `{"components": {"schemas": {"A": {"properties": {"a": {"$id": "inner", "items": {"$ref": "#/$defs/n"}, "$defs": {"n": {"type": "integer"}}},
				"b": {"$ref": "inner"}}}}}}`,
		}, atA, []string{`{"a": [1], "b": [1]}`}, []refusal{no(`{"a": ["x"], "b": ["x"]}`, "/a/0 type", "/b/0 type")}},
		{"$anchor", OpenAPI31, map[string]string{
			docURL: `{"components": {"schemas": {"A": {"$ref": "#n"}, "B": {"$anchor": "n", "type": "integer"}}}}`,
		}, atA, []string{`1`}, []refusal{no(`"x"`, " type")}},
		{"$anchor of the own schema", OpenAPI31, map[string]string{
			docURL: `{"components": {"schemas": {"A": {"items": {"$ref": "#n"}, "$defs": {"n": {"$anchor": "n", "type": "integer"}}},
				"B": {"$defs": {"n": {"$anchor": "n", "type": "string"}}}}}}`,
		}, atA, []string{`[1]`}, []refusal{no(`["x"]`, "/0 type")}},
		{"$anchor in a default response", OpenAPI31, map[string]string{
			docURL: `{"paths": {"/": {"get": {"responses": {"default": {"content": {"a/b": {"schema": {"$anchor": "n", "type": "integer"}}}}}}}},
				"components": {"schemas": {"A": {"$ref": "#n"}}}}`,
		}, atA, []string{`1`}, []refusal{no(`"x"`, " type")}},
		{"$anchor of what is called as a keyword for values", OpenAPI31, map[string]string{
			docURL: `{"components": {"schemas": {"A": {"properties": {"a": {"$ref": "#e"}, "b": {"$ref": "#x"}}}, "example": {"$anchor": "e", "type": "integer"},
				"B": {"properties": {"examples": {"$anchor": "x", "type": "string"}}}}}}`,
		}, atA, []string{`{"a": 1, "b": "x"}`}, []refusal{no(`{"a": "x", "b": 1}`, "/a type", "/b type")}},
		{"$id in a parameter called schema", OpenAPI31, map[string]string{
			docURL: `{"components": {"parameters": {"schema": {"schema": {"$id": "https://example.org/n", "type": "integer"}}},
				"schemas": {"A": {"$ref": "https://example.org/n"}}}}`,
		}, atA, []string{`1`}, []refusal{no(`"x"`, " type")}},
		{"the same $id twice, each by itself", OpenAPI31, map[string]string{
			docURL: `{"components": {"schemas": {"A": {"$id": "https://example.org/n", "items": {"$ref": "#/$defs/n"}, "$defs": {"n": {"type": "integer"}}},
				"B": {"$id": "https://example.org/n", "items": {"$ref": "#/$defs/n"}, "$defs": {"n": {"type": "string"}}}}}}`,
		}, atA, []string{`[1]`}, []refusal{no(`["x"]`, "/0 type")}},
		{"$dynamicRef: a list of something", OpenAPI31, map[string]string{
			docURL: `{"components": {"schemas": {
				"List": {"$id": "list", "type": "array", "items": {"$dynamicRef": "#item"}, "$defs": {"item": {"$dynamicAnchor": "item", "not": {}}}},
				"A": {"$id": "strings", "$ref": "list", "$defs": {"item": {"$dynamicAnchor": "item", "type": "string"}}},
				"N": {"$id": "numbers", "$ref": "list", "$defs": {"item": {"$dynamicAnchor": "item", "type": "number"}}}}}}`,
		}, atA, []string{`["x"]`}, []refusal{no(`[1]`, "/0 type")}},
		{"$dynamicRef without $id", OpenAPI31, map[string]string{
			docURL: `{"components": {"schemas": {
				"List": {"type": "array", "items": {"$dynamicRef": "#item"}, "$defs": {"item": {"$dynamicAnchor": "item", "not": {}}}},
				"A": {"$ref": "#/components/schemas/List", "$defs": {"item": {"$dynamicAnchor": "item", "type": "string"}}}}}}`,
		}, atA, []string{`["x"]`}, []refusal{no(`[1]`, "/0 type")}},
		{"$dynamicRef: a tree that is extended", OpenAPI31, map[string]string{
			docURL: `{"components": {"schemas": {
				"Tree": {"$id": "tree", "$dynamicAnchor": "node", "type": "object", "properties": {"kids": {"type": "array", "items": {"$dynamicRef": "#node"}}}},
				"A": {"$id": "strict", "$dynamicAnchor": "node", "$ref": "tree", "unevaluatedProperties": false}}}}`,
		}, atA, []string{`{"kids": [{"kids": []}]}`}, []refusal{no(`{"kids": [{"x": 1, "y": 2}]}`, "/kids/0/x unevaluated", "/kids/0/y unevaluated")}},
		{"definitions", OpenAPI31, map[string]string{
			docURL: `{"components": {"schemas": {"A": {"$ref": "#/components/schemas/A/definitions/n", "definitions": {"n": {"type": "integer"}}}}}}`,
		}, atA, []string{`1`}, []refusal{no(`"x"`, " type")}},
		{"a parameter called schema", OpenAPI31, map[string]string{
			docURL: `{"components": {"parameters": {"schema": {"schema": {"items": {"type": "integer"}}}},
				"schemas": {"A": {"$ref": "#/components/parameters/schema/schema/items"}}}}`,
		}, atA, []string{`1`}, []refusal{no(`"x"`, " type")}},
		{"recursion", OpenAPI30, map[string]string{
			docURL: `{"components": {"schemas": {"A": {"type": "object", "properties": {"left": {"$ref": "#/components/schemas/A"},
				"right": {"allOf": [{"$ref": "#/components/schemas/B"}]}}}, "B": {"properties": {"a": {"$ref": "#/components/schemas/A"}, "n": {"type": "integer"}}}}}}`,
		}, atA, []string{`{"left": {"right": {"a": {}, "n": 1}}}`}, []refusal{no(`{"left": {"right": {"a": {"left": 1}, "n": "x"}}}`, "/left/right/a/left type", "/left/right/n type")}},
		{"a pushed document", OpenAPI30, map[string]string{
			"weir:pushed/petstore": `{"components": {"schemas": {"A": {"items": {"$ref": "#/components/schemas/B"}}, "B": {"type": "string"}}}}`,
		}, "weir:pushed/petstore#/components/schemas/A", []string{`["x"]`}, []refusal{no(`[1]`, "/0 type")}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			v := compile(t, compilerOf(t, test.dialect, test.files), test.at, Request)
			for _, value := range test.accepts {
				expect(t, v, value)
			}
			for _, refusal := range test.refuses {
				expect(t, v, refusal.value, refusal.want...)
			}
		})
	}
}

// What has an $id where no schema is, by a keyword that nobody knows or in a value, has none. Maps have no order: it would
// be found some of the times.
func TestOnlySchemasHaveNames(t *testing.T) {
	const other = `{"$id": "https://example.org/n", "$anchor": "a", "type": "string"}`
	for range 20 {
		c := compilerFor(t, OpenAPI31, `{"A": {"properties": {"a": {"$ref": "https://example.org/n"}, "b": {"$ref": "https://example.org/n#a"}}},
			"N": {"$id": "https://example.org/n", "$defs": {"n": {"$anchor": "a"}}, "type": "integer"},
			"O": {"not": {"unknown": [`+other+`], "x-old": `+other+`}, "default": `+other+`, "properties": {"o": {"const": `+other+`}}}}`, Settings{})
		expect(t, compile(t, c, atA, Request), `{"a": "x", "b": 1}`, "/a type")
	}
}

// What is wrong with schemas is said with its place, all of it at once.
func TestProblems(t *testing.T) {
	tests := []struct {
		name    string
		dialect Dialect
		schemas string
		want    []string // "pointer below schemas: part of the reason"
	}{
		{"missing $ref", OpenAPI30, `{"A": {"items": {"$ref": "#/components/schemas/B"}}}`, []string{"/A/items/$ref: leads nowhere"}},
		{"missing file", OpenAPI30, `{"A": {"$ref": "b.json"}}`, []string{"/A/$ref: file:///etc/weir/b.json, which is none of the files"}},
		{"broken $ref", OpenAPI31, `{"A": {"$ref": "%zz#/a"}}`, []string{"/A/$ref: is not a URL"}},
		{"broken fragment", OpenAPI31, `{"A": {"$ref": "#/%zz"}}`, []string{"/A/$ref: broken percent-encoding"}},
		{"$ref of a wrong type", OpenAPI31, `{"A": {"$ref": 1}}`, []string{"/A/$ref: must be a string"}},
		{"missing anchor", OpenAPI31, `{"A": {"$ref": "#b"}}`, []string{`/A/$ref: no $anchor or $dynamicAnchor "b"`}},
		{"ambiguous anchor", OpenAPI31, `{"A": {"$ref": "#b"}, "B": {"$anchor": "b"}, "C": {"$anchor": "b"}}`, []string{"/A/$ref: is ambiguous"}},
		{"ambiguous $id", OpenAPI31, `{"A": {"$ref": "https://example.org/n"}, "B": {"$id": "https://example.org/n"}, "C": {"$id": "https://example.org/n"}}`,
			[]string{"/A/$ref: is ambiguous"}},
		{"lookahead", OpenAPI30, `{"A": {"pattern": "^(?=.*[0-9]).{8,}$"}}`, []string{"/A/pattern: RE2 has no lookahead (?=...)"}},
		{"several, also behind references", OpenAPI31, `{"A": {"properties": {"a": {"pattern": "(a)\\1"}, "b": {"$ref": "#/components/schemas/B"}}},
			"B": {"patternProperties": {"(?<!x)y": {}}}}`,
			[]string{"/B/patternProperties/(?<!x)y: no lookbehind", "/A/properties/a/pattern: no backreferences"}},
		{"broken expression", OpenAPI31, `{"A": {"pattern": "a("}}`, []string{"/A/pattern: missing closing )"}},
		{"no schema", OpenAPI30, `{"A": {"items": true}}`, []string{"/A/items: must be an object"}},
		{"no schema in 3.1", OpenAPI31, `{"A": {"items": []}}`, []string{"/A/items: must be an object, true or false"}},
		{"type array in 3.0", OpenAPI30, `{"A": {"type": ["string", "null"]}}`, []string{"/A/type: must be one of boolean"}},
		{"type null in 3.0", OpenAPI30, `{"A": {"type": "null"}}`, []string{"/A/type: must be one of boolean"}},
		{"unknown type", OpenAPI31, `{"A": {"type": ["string", "file"]}}`, []string{"/A/type: must be null, boolean"}},
		{"number for a text", OpenAPI30, `{"A": {"minLength": "1", "maximum": "2", "multipleOf": 0, "required": true, "maxItems": -1}}`,
			[]string{"/A/maxItems: an integer that is not negative", "/A/maximum: a number", "/A/minLength: an integer", "/A/multipleOf: above 0", "/A/required: an array of strings"}},
		{"exclusive bound of the other dialect", OpenAPI30, `{"A": {"exclusiveMinimum": 1}}`, []string{"/A/exclusiveMinimum: true or false"}},
		{"exclusive bound of the other dialect", OpenAPI31, `{"A": {"exclusiveMinimum": true}}`, []string{"/A/exclusiveMinimum: a number"}},
		{"absurd number", OpenAPI31, `{"A": {"maximum": 1e1000000}}`, []string{"/A/maximum: a number"}},
		{"empty allOf", OpenAPI30, `{"A": {"allOf": []}}`, []string{"/A/allOf: at least one schema"}},
		{"properties of a wrong type", OpenAPI30, `{"A": {"properties": []}}`, []string{"/A/properties: an object whose members are schemas"}},
		{"another dialect", OpenAPI31, `{"A": {"$schema": "http://json-schema.org/draft-04/schema#"}}`, []string{"/A/$schema: is not supported"}},
		{"discriminator", OpenAPI30, `{"A": {"discriminator": {}, "oneOf": [{"$ref": "#/components/schemas/A"}]}}`, []string{"/A/discriminator: must have a propertyName"}},
		{"mapping", OpenAPI30, `{"A": {"discriminator": {"propertyName": "a", "mapping": {"x/y": "#/nowhere"}}, "oneOf": [{"$ref": "#/components/schemas/B"}]}, "B": {}}`,
			[]string{"/A/discriminator/mapping/x~1y: leads nowhere"}},
		{"a bad anchor name", OpenAPI31, `{"A": {"items": {"$anchor": "1 a"}}}`, []string{"/A/items/$anchor: not JSON Schema"}},
		{"a loop", OpenAPI30, `{"A": {"$ref": "#/components/schemas/B"}, "B": {"allOf": [{"$ref": "#/components/schemas/A"}]}}`, []string{"/A: applies itself to the same value"}},
		{"a loop of one", OpenAPI31, `{"A": {"anyOf": [{"type": "string"}, {"$ref": "#/components/schemas/A"}]}}`, []string{"/A/anyOf/1: applies itself to the same value"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, err := compilerFor(t, test.dialect, test.schemas, Settings{}).Compile(atA, Request)
			found := problems(err)
			if len(found) != len(test.want) {
				t.Fatalf("problems are %v, want %q", err, test.want)
			}
			for i, want := range test.want {
				pointer, reason, _ := strings.Cut(want, ": ")
				location := docURL + "#/components/schemas" + pointer
				if found[i].Location != location || !strings.Contains(found[i].Reason, reason) {
					t.Errorf("problem is %v, want at %s: %s", found[i], location, reason)
				}
			}
		})
	}
}

func TestDialectOfTheDocument(t *testing.T) {
	for dialect, ok := range map[string]bool{
		"https://spec.openapis.org/oas/3.1/dialect/base": true, "https://json-schema.org/draft/2020-12/schema": true,
		"https://json-schema.org/draft/2019-09/schema": false,
	} {
		c := compilerOf(t, OpenAPI31, map[string]string{docURL: `{"jsonSchemaDialect": "` + dialect + `", "components": {"schemas": {"A": {}}}}`})
		_, err := c.Compile(atA, Request)
		if found := problems(err); ok != (err == nil) || !ok && found[0].Location != docURL+"#/jsonSchemaDialect" {
			t.Errorf("%s: %v", dialect, err)
		}
	}
}

func TestMissingSchema(t *testing.T) {
	_, err := compilerFor(t, OpenAPI31, `{}`, Settings{}).Compile(atA, Request)
	if found := problems(err); len(found) != 1 || found[0].Location != atA {
		t.Errorf("error is %v", err)
	}
}

// The trees of a document are shared by all who read it.
func TestFilesAreNotChanged(t *testing.T) {
	for dialect, cases := range map[Dialect][]keywordCase{OpenAPI30: keywordCases30, OpenAPI31: keywordCases31} {
		for _, test := range cases {
			text := `{"components": {"schemas": {"A": ` + test.schema + `}}}`
			c := compilerOf(t, dialect, map[string]string{docURL: text})
			compile(t, c, atA, Request)
			compile(t, c, atA, Response)
			c.Shape(atA)
			if got, want := compact(c.files[docURL]), compact(tree(t, text)); got != want {
				t.Errorf("%s: the document became %s", test.keyword, got)
			}
		}
	}
}
