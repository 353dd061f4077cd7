package document_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/weirproxy/weir/governance/contract/document"
)

// Each error is told with its place, and with what to do.
func TestErrors(t *testing.T) {
	bomb := "a: &a [x, x, x, x, x, x, x, x, x]\n"
	for c := 'b'; c < 'k'; c++ {
		bomb += fmt.Sprintf("%c: &%c [*%c, *%[3]c, *%[3]c, *%[3]c, *%[3]c, *%[3]c, *%[3]c, *%[3]c, *%[3]c]\n", c, c, c-1)
	}
	maps := "a: &a {x: 1}\n"
	for c := 'b'; c < 'z'; c++ {
		maps += fmt.Sprintf("%c: &%c [{p: {<<: *%c}, q: {<<: *%[3]c}}, {<<: *%[3]c}]\n", c, c, c-1)
	}
	rows := []struct {
		name  string
		text  string // of main.yaml, or of main.json if it begins with {
		place string
		says  []string
	}{
		{"empty", "", "/api/main.yaml:1:1", []string{"empty"}},
		{"blank", " \n\t\n", "/api/main.yaml:1:1", []string{"empty"}},
		{"comments only", "# nothing\n", "/api/main.yaml:1:1", []string{"empty"}},
		{"binary", "\x7fELF\x01\x00\xff\xfe", "/api/main.yaml:1:5", []string{"UTF-8"}},
		{"not UTF-8", "openapi: 3.0.0\ninfo: {title: caf\xe9}\n", "/api/main.yaml:2:18", []string{"UTF-8"}},
		{"a page", "<html>sign in</html>\n", "/api/main.yaml:1:1", []string{"no OpenAPI document", "not a string"}},
		{"a list", "- a\n", "/api/main.yaml:1:1", []string{"no OpenAPI document"}},
		{"yaml syntax", "openapi: 3.0.0\ninfo:\n  title: a: b\n", "/api/main.yaml:3:3", []string{"not correct YAML", "mapping values"}},
		{"yaml tab", "openapi: 3.0.0\ninfo:\n\ttitle: a\n", "/api/main.yaml:3:2", []string{"not correct YAML", "cannot start any token"}},
		{"yaml duplicate", head30 + "paths: {}\nx-a: {b: 1,\n  b: 2}\n", "/api/main.yaml:5:3", []string{`"b" is written twice`}},
		{"yaml duplicate by type", head30 + "x-a: {200: 1, '200': 2}\n", "/api/main.yaml:3:15", []string{`"200" is written twice`}},
		{"yaml key", head30 + "x-a: {[b]: 1}\n", "/api/main.yaml:3:7", []string{"must be a string"}},
		{"yaml null key", head30 + "x-a: {~: 1}\n", "/api/main.yaml:3:7", []string{"must be a string"}},
		{"yaml nan", head30 + "x-a: .nan\n", "/api/main.yaml:3:6", []string{"no such number"}},
		{"yaml number bomb", head30 + "x-a: 1e-999999999\n", "/api/main.yaml:3:6", []string{"400 digits"}},
		{"yaml binary", head30 + "x-a: !!binary aGFsbG8=\n", "/api/main.yaml:3:6", []string{"base64"}},
		{"yaml second", head30 + "paths: {}\n---\nopenapi: 3.0.0\n", "/api/main.yaml:4:1", []string{"second YAML document"}},
		{"yaml unknown alias", head30 + "x-a: *b\n", "/api/main.yaml:3:6", []string{"no anchor &b"}},
		{"yaml recursive alias", head30 + "x-a: &a [*a]\n", "/api/main.yaml:3:10", []string{"alias *a", "$ref"}},
		{"alias bomb", bomb, "/api/main.yaml:6:12", []string{"aliases", "200000 values"}},
		{"merge bomb", maps, "/api/main.yaml:", []string{"aliases", "200000 values"}},
		{"yaml depth", head30 + "x-a: " + strings.Repeat("[", 600) + strings.Repeat("]", 600), "/api/main.yaml:3:", []string{"500 deep"}},
		{"merge of a scalar", head30 + "x-a: {<<: 1}\n", "/api/main.yaml:3:11", []string{"merge key"}},
		{"json syntax", "{\n  \"openapi\": \"3.0.0\",\n  \"info\": {\"title\" \"a\"}\n}", "/api/main.json:3:20", []string{"not correct JSON"}},
		{"json cut", `{"openapi": "3.0.0"`, "/api/main.json:1:20", []string{"the JSON text ends"}},
		{"json trailing", `{"openapi": "3.0.0"} x`, "/api/main.json:1:22", []string{"ends before this"}},
		{"json duplicate", "{\"openapi\": \"3.0.0\",\n\"openapi\": \"3.0.1\"}", "/api/main.json:2:", []string{"twice"}},
		{"json surrogate", `{"openapi": "\ud800"}`, "/api/main.json:1:", []string{"surrogate"}},
		{"json number bomb", `{"openapi": "3.0.0", "x-a": 1e999999}`, "/api/main.json:1:", []string{"400 digits"}},
		{"json depth", strings.Repeat(`{"a":`, 600) + "1" + strings.Repeat("}", 600), "/api/main.json:1:", []string{"500"}},

		{"swagger", "info: {}\nswagger: '2.0'\n", "/api/main.yaml:2:1", []string{"Swagger 2.0", "convert"}},
		{"no openapi", "info: {title: a}\n", "/api/main.yaml:1:1", []string{`lacks the field openapi`}},
		{"number as version", "openapi: 3.1\n", "/api/main.yaml:1:1", []string{`write "3.1", in quotes`}},
		{"openapi 3.2", "info: {}\nopenapi: 3.2.0\n", "/api/main.yaml:2:1", []string{`"3.2.0" is not supported`, "3.0 and 3.1"}},
		{"openapi 4", "openapi: four\n", "/api/main.yaml:1:1", []string{`"four" is not supported`}},

		{"wrong type", head30 + "paths:\n  /a:\n    get: []\n", "/api/main.yaml:5:5", []string{"get must be an Operation Object, not an array"}},
		{"text wanted", head30 + "paths: {}\nservers: [{url: /, variables: {a: {default: 8443}}}]\n", "/api/main.yaml:4:36", []string{`write "8443", in quotes`}},
		{"list wanted", head30 + "paths: {}\ntags: {}\n", "/api/main.yaml:4:1", []string{"tags must be an array"}},
		{"required of Swagger", head30 + "paths: {}\ncomponents: {schemas: {A: {required: true}}}\n", "/api/main.yaml:4:28", []string{"an array of strings"}},
		{"negative length", head30 + "paths: {}\ncomponents: {schemas: {A: {maxLength: -1}}}\n", "/api/main.yaml:4:28", []string{"not negative"}},
		{"boolean schema in 3.0", head30 + "paths: {}\ncomponents: {schemas: {A: true}}\n", "/api/main.yaml:4:24", []string{"Schema Object"}},
		{"empty schema", head30 + "paths: {}\ncomponents:\n  schemas:\n    A:\n      properties:\n        b:\n", "/api/main.yaml:8:9", []string{"null", "fill it in"}},
		{"misspelt field", head30 + "paths: {}\ncomponents: {schemas: {A: {minLenght: 1}}}\n", "/api/main.yaml:4:28", []string{`no field "minLenght"`, `do you mean "minLength"?`}},
		{"misspelt in JSON", "{\"openapi\": \"3.0.0\",\n \"info\": {\"title\": \"\\u00e9\", \"ver\\u0073ion\": 1}}", "/api/main.json:2:30", []string{"must be a string"}},
		{"$ref where none may be", head30 + "paths: {$ref: a.yaml}\n", "/api/main.yaml:3:9", []string{"a Paths Object cannot be a $ref"}},
		{"$ref of a number", head30 + "paths: {/a: {$ref: 7}}\n", "/api/main.yaml:3:14", []string{"must be a string"}},

		{"unresolved", head30 + "paths: {}\ncomponents: {schemas: {Pet: {}, A: {$ref: '#/components/schemas/Pets'}}}\n", "/api/main.yaml:4:37", []string{`$ref "#/components/schemas/Pets" leads nowhere`, `#/components/schemas has no member "Pets"`, `do you mean "Pet"?`}},
		{"through a $ref", head30 + "paths: {}\ncomponents: {schemas: {B: {}, P: {$ref: '#/components/schemas/B'}, A: {$ref: '#/components/schemas/P/properties/x'}}}\n", "/api/main.yaml:4:", []string{"is itself a $ref"}},
		{"unresolved in 3.1", head31 + "components: {schemas: {A: {$ref: '#nowhere'}}}\n", "/api/main.yaml:3:28", []string{`no $anchor "nowhere"`}},
		{"unresolved mapping", head30 + "paths: {}\ncomponents: {schemas: {A: {discriminator: {propertyName: t, mapping: {d: '#/components/schemas/D'}}}}}\n", "/api/main.yaml:4:71", []string{"leads nowhere"}},
		{"not a URL", head30 + "paths: {/a: {$ref: '%zz'}}\n", "/api/main.yaml:3:14", []string{"is not a URL"}},
		{"no such file", head30 + "paths: {/a: {$ref: 'no.yaml'}}\n", "/api/main.yaml:3:14", []string{`$ref "no.yaml"`, "not exist"}},
		{"relative to an $id", head31 + "components: {schemas: {A: {$id: 'https://example.com/x/', properties: {b: {$ref: b.json}}}}}\n", "/api/main.yaml:3:76", []string{`relative to the $id "https://example.com/x/"`}},
		{"$id with a fragment", head31 + "components: {schemas: {A: {$id: '#a'}}}\n", "/api/main.yaml:3:28", []string{"must not have a fragment", "$anchor"}},
		{"$id of the file", head31 + "components: {schemas: {A: {$id: main.yaml, $ref: '#/components/schemas/B'}, B: {}}}\n", "/api/main.yaml:3:28", []string{"must not be the URL of a file"}},
		{"error in another file", head30 + "paths: {/a: {$ref: 'bad.yaml'}}\n", "/api/bad.yaml:3:1", []string{"not correct YAML"}},
		{"wrong type in another file", head30 + "paths: {/a: {$ref: 'wrong.yaml#/item'}}\n", "/api/wrong.yaml:2:3", []string{"get must be an Operation Object"}},
		{"circle of parameters", head30 + "paths: {}\ncomponents:\n  parameters:\n    A: {$ref: '#/components/parameters/B'}\n    B: {$ref: '#/components/parameters/A'}\n", "/api/main.yaml:6:5", []string{"leads back to itself"}},
		{"circle of path items", head30 + "paths:\n  /a: {$ref: '#/paths/~1b'}\n  /b: {$ref: '#/paths/~1a'}\n", "/api/main.yaml:4:3", []string{"leads back to itself"}},
		{"circle through a callback", head30 + "paths:\n  /a:\n    post:\n      responses: {'200': {description: ok}}\n      callbacks: {c: {x: {$ref: '#/paths/~1a'}}}\n", "/api/main.yaml:4:3", []string{"Path Item Object leads back to itself"}},
		{"circle through headers", head30 + "paths: {}\ncomponents:\n  headers:\n    H: {content: {a/b: {encoding: {p: {headers: {X: {$ref: '#/components/headers/H'}}}}}}}\n", "/api/main.yaml:6:5", []string{"Header Object leads back"}},
		{"circle of schemas", head30 + "paths: {}\ncomponents:\n  schemas:\n    C: {$ref: '#/components/schemas/A'}\n    A: {$ref: '#/components/schemas/A'}\n", "/api/main.yaml:7:9", []string{"leads back to itself"}},
		{"circle of schemas with siblings", head31 + "components:\n  schemas:\n    A: {$ref: '#/components/schemas/B', minLength: 1}\n    B: {$ref: '#/components/schemas/A'}\n", "/api/main.yaml:", []string{"leads back to itself"}},

		{"kin: no info", "openapi: 3.0.0\npaths: {}\n", "/api/main.yaml:1:1", []string{"info"}},
		{"kin: no paths in 3.0", head30, "/api/main.yaml:1:1", []string{"paths"}},
		{"kin: unknown type", head30 + "paths: {}\ncomponents:\n  schemas:\n    A:\n      allOf:\n        - {}\n        - type: strang\n", "/api/main.yaml:9:11", []string{"strang"}},
		{"kin: unknown type in JSON", "{\"openapi\": \"3.0.0\", \"info\": {\"title\": \"a\", \"version\": \"1\"}, \"paths\": {},\n\"components\": {\"schemas\": {\n  \"A\": {\"properties\": {\n    \"b/c\": {\"type\": \"strang\"}}}}}}", "/api/main.json:4:5", []string{"strang", "#/components/schemas/A/properties/b~1c"}},
		{"kin: in another file", head30 + "paths: {/a: {$ref: 'wrong.yaml#/kin'}}\n", "/api/wrong.yaml:8:9", []string{"strang"}},
		{"kin: parameter of a path", head30 + "paths:\n  /a/{id}:\n    get:\n      responses: {'200': {description: ok}}\n", "/api/main.yaml:4:3", []string{"id"}},
		{"kin: two paths that are one", head30 + "paths:\n  /a/{id}: {}\n  /a/{name}: {}\n", "/api/main.yaml:5:3", []string{"conflicting"}},
		{"kin: path without slash", head30 + "paths:\n  a: {}\n", "/api/main.yaml:4:3", []string{"/"}},
		{"kin: in of a parameter", head30 + "paths:\n  /a:\n    get:\n      parameters:\n        - {name: a, in: query, schema: {}}\n        - {name: a, in: body, schema: {}}\n      responses: {'200': {description: ok}}\n", "/api/main.yaml:8:11", []string{"body"}},
		{"kin: an inlined parameter", head30 + "paths:\n  /a:\n    get:\n      parameters:\n        - {$ref: 'wrong.yaml#/param'}\n      responses: {'200': {description: ok}}\n", "/api/wrong.yaml:10:1", []string{"nowhere"}},
		{"kin: response without description", head30 + "paths:\n  /a:\n    get:\n      responses:\n        '200': {}\n", "/api/main.yaml:7:9", []string{"description"}},
		{"kin: operationId twice", head30 + "paths:\n  /a: {get: {operationId: x, responses: {'200': {description: ok}}}}\n  /b: {get: {operationId: x, responses: {'200': {description: ok}}}}\n", "/api/main.yaml:5:8", []string{`"x"`}},
		{"kin: 3.1 in 3.0", head30 + "paths: {}\nwebhooks: {}\n", "/api/main.yaml:4:1", []string{"webhooks"}},
		{"kin: unknown security scheme", head30 + "paths: {}\nsecurity: [{nobody: []}]\n", "/api/main.yaml:4:1", []string{"nobody"}},
		{"kin: no scheme", head30 + "paths: {}\ncomponents:\n  securitySchemes:\n    s: {type: magic}\n", "/api/main.yaml:6:5", []string{"magic"}},
		{"kin: exclusive bound of 3.1", head30 + "paths: {}\ncomponents:\n  schemas:\n    A: {exclusiveMinimum: 3}\n", "/api/main.yaml:6:9", []string{"3.1"}},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			f := files{
				"/api/bad.yaml":   "a:\n- b\nc: d: e\n",
				"/api/wrong.yaml": "item:\n  get: 3\nkin:\n  get:\n    parameters:\n      - in: query\n        name: q\n        schema: {type: strang}\n    responses: {'200': {description: ok}}\nparam: {in: nowhere, name: b, schema: {}}\n",
			}
			name := "/api/main.yaml"
			if strings.HasPrefix(row.text, "{") {
				name = "/api/main.json"
			}
			f[name] = row.text
			_, err := f.load(t)
			fault, ok := errors.AsType[*document.Error](err)
			if !ok {
				t.Fatalf("%v is no *document.Error", err)
			}
			told := err.Error()
			if !strings.Contains(told, row.place) {
				t.Errorf("%s\nis not at %s", told, row.place)
			}
			for _, part := range row.says {
				if !strings.Contains(told, part) {
					t.Errorf("%s\ndoes not say %q", told, part)
				}
			}
			if fault.Line < 1 || fault.Column < 1 || fault.File == "" {
				t.Errorf("no place: %+v", fault)
			}
		})
	}
}
