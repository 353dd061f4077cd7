package document_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/weirproxy/weir/governance/contract/document"
	"github.com/weirproxy/weir/governance/contract/schema"
)

// files are the files of a document by path; the first that is loaded is /api/main.yaml or /api/main.json.
type files map[string]string

func (f files) read(_ context.Context, location *url.URL) ([]byte, error) {
	if text, ok := f[location.Path]; ok {
		return []byte(text), nil
	}
	return nil, os.ErrNotExist
}

func (f files) load(t *testing.T) (*document.Document, error) {
	t.Helper()
	for _, name := range []string{"/api/main.yaml", "/api/main.json"} {
		if text, ok := f[name]; ok {
			return document.Load(t.Context(), document.Source{
				Location: "file://" + name, Data: []byte(text), Read: f.read,
			})
		}
	}
	t.Fatal("no main file")
	return nil, nil
}

func (f files) mustLoad(t *testing.T) *document.Document {
	t.Helper()
	doc, err := f.load(t)
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

const head30 = "openapi: 3.0.3\ninfo: {title: t, version: '1'}\n"
const head31 = "openapi: 3.1.0\ninfo: {title: t, version: '1'}\n"

func TestLoadsWhatItIsGiven(t *testing.T) {
	doc := files{"/api/main.yaml": head30 + `
paths:
  /pets/{id}:
    get:
      parameters:
        - {name: id, in: path, required: true, schema: {type: integer, maximum: 9007199254740993}}
      responses:
        200: {description: ok}
        default: {description: other}
x-numbers: [1.10, 1e2, 0x10, 0o17, .5, +3, 1_000, 123456789012345678901234567890, 2001-01-02, "007", yes, ~]
`}.mustLoad(t)
	if doc.Version() != "3.0.3" || doc.Dialect() != schema.OpenAPI30 {
		t.Errorf("version %q, dialect %v", doc.Version(), doc.Dialect())
	}
	if got := doc.Root().Get("paths").Get("/pets/{id}").Get("get").Get("responses").Keys(); !slices.Equal(got, []string{"200", "default"}) {
		t.Errorf("responses %q", got)
	}
	max := doc.Root().Get("paths").Get("/pets/{id}").Get("get").Get("parameters").Item(0).Get("schema").Get("maximum")
	if max.Value() != json.Number("9007199254740993") {
		t.Errorf("maximum %#v", max.Value())
	}
	if want := "file:///api/main.yaml#/paths/~1pets~1{id}/get/parameters/0/schema/maximum"; max.Location() != want {
		t.Errorf("location %q, want %q", max.Location(), want)
	}
	want := []any{json.Number("1.10"), json.Number("1e2"), json.Number("16"), json.Number("15"), json.Number("0.5"),
		json.Number("3"), json.Number("1000"), json.Number("123456789012345678901234567890"), "2001-01-02", "007", "yes", nil}
	if got := doc.Root().Get("x-numbers").Value(); !slices.Equal(got.([]any), want) {
		t.Errorf("numbers %#v, want %#v", got, want)
	}
	if got := doc.Files()["file:///api/main.yaml"]; got == nil {
		t.Error("the raw tree is missing")
	}
}

func TestSameTreeFromYAMLAndJSON(t *testing.T) {
	yaml := files{"/api/main.yaml": head31 + `
paths: {}
components:
  schemas:
    A: &a {type: object, properties: {n: {type: number, multipleOf: 0.10}}}
    B: *a
    C: {<<: *a, type: [object, "null"]}
`}.mustLoad(t)
	js := files{"/api/main.json": `{"openapi": "3.1.0", "info": {"title": "t", "version": "1"}, "paths": {}, "components": {"schemas": {
		"A": {"type": "object", "properties": {"n": {"type": "number", "multipleOf": 0.10}}},
		"B": {"type": "object", "properties": {"n": {"type": "number", "multipleOf": 0.10}}},
		"C": {"type": ["object", "null"], "properties": {"n": {"type": "number", "multipleOf": 0.10}}}}}}`}.mustLoad(t)
	// json.Number is written as it is spelled
	a, _ := json.Marshal(yaml.Root().Value())
	b, _ := json.Marshal(js.Root().Value())
	if string(a) != string(b) {
		t.Errorf("\n%s\n%s", a, b)
	}
}

func TestFollowsReferencesThroughFiles(t *testing.T) {
	f := files{
		"/api/main.yaml": head30 + `
paths:
  /a: {$ref: 'paths/a.yaml#/item', parameters: [{$ref: '#/components/parameters/P'}]}
components:
  parameters:
    P: {$ref: './params.yaml#/Q~1%7B'}
  schemas:
    S: {$ref: schemas.json}
    T: {$ref: '#/x-mine/T'}
x-mine: {T: {type: string}}
`,
		"/api/paths/a.yaml": `
item: {$ref: '#/real'}
real:
  summary: here
  get:
    operationId: getA
    responses:
      '200': {$ref: '../responses.yaml#/ok'}
`,
		"/api/params.yaml":    "'Q/{': {name: q, in: query, schema: {$ref: 'schemas.json#/properties/n'}}\n",
		"/api/schemas.json":   `{"type": "object", "properties": {"n": {"type": "integer"}, "self": {"$ref": "#"}}}`,
		"/api/responses.yaml": "ok: {description: fine, content: {application/json: {schema: {$ref: 'schemas.json'}}}}\n",
	}
	doc := f.mustLoad(t)
	item := doc.Root().Get("paths").Get("/a")
	if got := item.Keys(); !slices.Equal(got, []string{"get", "parameters", "summary"}) {
		t.Errorf("keys %q", got)
	}
	places := map[string]document.Node{
		"file:///api/main.yaml#/paths/~1a/parameters":              item.Get("parameters"),
		"file:///api/params.yaml#/Q~1{":                            item.Get("parameters").Item(0).Follow(),
		"file:///api/params.yaml#/Q~1{/name":                       item.Get("parameters").Item(0).Get("name"),
		"file:///api/schemas.json#/properties/n":                   item.Get("parameters").Item(0).Get("schema").Follow(),
		"file:///api/paths/a.yaml#/real/get/operationId":           item.Get("get").Get("operationId"),
		"file:///api/responses.yaml#/ok/content/application~1json": item.Get("get").Get("responses").Get("200").Get("content").Get("application/json"),
		"file:///api/schemas.json#/type":                           doc.Root().Get("components").Get("schemas").Get("S").Get("type"),
		"file:///api/main.yaml#/x-mine/T":                          doc.Root().Get("components").Get("schemas").Get("T").Follow(),
	}
	for want, node := range places {
		if node.Location() != want || !node.Exists() {
			t.Errorf("at %q, want %q", node.Location(), want)
		}
	}
	want := []string{"file:///api/main.yaml", "file:///api/params.yaml", "file:///api/paths/a.yaml",
		"file:///api/responses.yaml", "file:///api/schemas.json"}
	if got := doc.Locations(); !slices.Equal(got, want) {
		t.Errorf("locations %q", got)
	}
	before := doc.Hash()
	f["/api/schemas.json"] += " "
	if after := f.mustLoad(t).Hash(); after == before {
		t.Error("the hash does not change with another file")
	}
}

func TestIdentifiersOf31(t *testing.T) {
	doc := files{"/api/main.yaml": head31 + `
components:
  schemas:
    A: {$ref: '#here'}
    B: {$defs: {x: {$anchor: here, type: string}}}
    C: {$ref: 'https://example.com/e/../d#/properties/n', minLength: 1}
    E: {$id: '#', $ref: '#/components/schemas/B/$defs/x'}
    D:
      $id: https://example.com/d
      properties: {n: {$ref: '#/$defs/n'}, more: {$ref: '#inner'}, tree: {$dynamicRef: '#inner'}}
      $defs: {n: {type: integer}, m: {$dynamicAnchor: inner, unknownKeyword: {}}}
`}.mustLoad(t)
	schemas := doc.Root().Get("components").Get("schemas")
	for name, want := range map[string]string{
		"A": "file:///api/main.yaml#/components/schemas/B/$defs/x",
		"C": "file:///api/main.yaml#/components/schemas/D/$defs/n",
		"E": "file:///api/main.yaml#/components/schemas/B/$defs/x",
	} {
		if got := schemas.Get(name).Follow().Location(); got != want {
			t.Errorf("%s leads to %q, want %q", name, got, want)
		}
	}
	if got := schemas.Get("D").Get("properties").Get("more").Follow().Location(); got != "file:///api/main.yaml#/components/schemas/D/$defs/m" {
		t.Errorf("more leads to %q", got)
	}
}

// Anchors of a file are found before anything refers to the schemas that have them.
func TestAnchorsOfAnotherFile(t *testing.T) {
	doc := files{
		"/api/main.yaml":  head31 + "components: {schemas: {A: {$ref: 'types.yaml#n'}, B: {$ref: 'types.yaml#/$defs/b'}}}\n",
		"/api/types.yaml": "$defs: {b: {items: {$dynamicRef: '#d'}}, c: {$anchor: n, $ref: '#/$defs/e'}, d: {$dynamicAnchor: d}, e: {type: string}}\n",
	}.mustLoad(t)
	schemas := doc.Root().Get("components").Get("schemas")
	if got := schemas.Get("A").Follow().Location(); got != "file:///api/types.yaml#/$defs/e" {
		t.Errorf("A leads to %q", got)
	}
	_, err := files{"/api/main.yaml": head31 + "components: {schemas: {A: {$ref: 'types.yaml#n'}}}\n", "/api/types.yaml": "[n]"}.load(t)
	if err == nil || !strings.Contains(err.Error(), `no $anchor "n"`) {
		t.Errorf("an anchor in what is no schema: %v", err)
	}
}

func TestZeroNode(t *testing.T) {
	var n document.Node
	if n.Get("a").Item(3).Follow().Exists() || n.Len() != 0 || len(n.Keys()) != 0 || n.String() != "" || n.Bool() || n.Location() != "" {
		t.Error("the zero node is something")
	}
}

// What real documents have, though it is not quite right, must not keep them from loading.
func TestTolerates(t *testing.T) {
	for name, text := range map[string]string{
		"an array without items in 3.0":      head30 + "paths: {}\ncomponents: {schemas: {A: {type: array}}}\n",
		"keywords of 2020-12 in 3.0":         head30 + "paths: {}\ncomponents: {schemas: {A: {const: 1, if: {}, $comment: x, patternProperties: {a: 1}}}}\n",
		"unknown keywords in 3.1":            head31 + "components: {schemas: {A: {what: 1, definitions: 3}}}\n",
		"siblings of $ref in 3.0":            head30 + "paths: {}\ncomponents: {schemas: {A: {$ref: '#/components/schemas/B', type: 7}, B: {}}}\n",
		"empty fields":                       head30 + "tags:\nservers:\ncomponents:\n  schemas:\n  parameters:\npaths:\n  /a:\n",
		"a wrong example and default":        head30 + "paths: {}\ncomponents: {schemas: {A: {type: integer, default: x, example: {$ref: no}}}}\n",
		"a pattern that RE2 does not have":   head30 + "paths: {}\ncomponents: {schemas: {A: {type: string, pattern: '(?=a)'}}}\n",
		"$schema for editors":                "$schema: https://example.com/x\n" + head31 + "paths: {}\n",
		"a big number":                       head30 + "paths: {}\ncomponents: {schemas: {A: {type: number, maximum: 1e300, maxLength: 1.0}}}\n",
		"a byte order mark":                  "\ufeff" + head30 + "paths: {}\n",
		"JSON by content":                    `{"openapi": "3.0.0", "info": {"title": "a", "version": "1"}, "paths": {}}`,
		"YAML that looks like JSON":          `{openapi: 3.0.0, info: {title: a, version: "1"}, paths: {}}`,
		"boolean schemas in 3.1":             head31 + "components: {schemas: {A: true, B: {items: false, additionalProperties: false}}}\n",
		"a component that nobody refers to":  head31 + "components: {pathItems: {A: {get: {responses: {'200': {description: a}}}}}}\n",
		"a schema with every field":          head31 + "components: {schemas: {A: {xml: {name: a}, externalDocs: {url: b}, dependentRequired: {a: [b]}, examples: [1], enum: [1, a]}}}\n",
		"links, callbacks, security, server": head30 + everything,
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := (files{"/api/main.yaml": text}).load(t); err != nil {
				t.Error(err)
			}
		})
	}
}

const everything = `
servers: [{url: 'https://{h}/v1', variables: {h: {default: a, enum: [a, b]}}}]
security: [{key: []}, {}]
paths:
  /a:
    post:
      operationId: a
      security: [{oauth: [read]}]
      requestBody: {content: {multipart/form-data: {schema: {type: object}, encoding: {f: {contentType: image/png, headers: {X: {schema: {}}}}}}}}
      responses: {'200': {description: ok, headers: {H: {$ref: '#/components/headers/H'}}, links: {l: {operationId: a, parameters: {x: 1}}}}}
      callbacks: {done: {'{$request.body#/url}': {post: {responses: {'200': {description: ok}}}}}}
components:
  headers: {H: {schema: {type: string}}}
  examples: {E: {value: {$ref: nowhere}}}
  securitySchemes:
    key: {type: apiKey, in: header, name: k}
    oauth: {type: oauth2, flows: {clientCredentials: {tokenUrl: 'https://a', scopes: {read: r}}}}
`

func TestHashOfOneFileIsItsSHA256(t *testing.T) {
	doc := files{"/api/main.yaml": head30 + "paths: {}\n"}.mustLoad(t)
	if want := "4b060847c46d1a48814d5b729c9929516ed77b6c28acf8548a0c4b9e95494e75"; doc.Hash() != want {
		t.Errorf("hash %s, want %s", doc.Hash(), want)
	}
}

func TestReadErrorsCanBeFound(t *testing.T) {
	_, err := files{"/api/main.yaml": head30 + "paths: {/a: {$ref: 'gone.yaml'}}\n"}.load(t)
	if !errors.Is(err, os.ErrNotExist) || !strings.Contains(fmt.Sprint(err), `$ref "gone.yaml"`) {
		t.Error(err)
	}
}

// checkout is the directory that holds go.mod.
func checkout(t testing.TB) string {
	dir, err := os.Getwd()
	for ; err == nil; dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir
		}
		if dir == filepath.Dir(dir) {
			break
		}
	}
	t.Fatal("no directory above this one holds go.mod")
	return ""
}
