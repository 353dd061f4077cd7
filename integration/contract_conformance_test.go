package integration

// contract_conformance_test.go sends values to a running gateway and compares what its contract says of
// them with a table: one operation for each row and direction, all in one document.

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
)

// keyword is a row: a schema, the JSON texts that it accepts, and those that it refuses.
type keyword struct {
	name    string
	schema  string
	accepts []string
	// refuses are texts after "code@pointer ", which is one of the violations: `minimum@/a {"a":0}`.
	refuses []string
	// only is the direction, "requests" or "responses", if the other one judges otherwise.
	only string
}

// texts makes a row's columns shorter.
func texts(texts ...string) []string { return texts }

// dialect is a version of OpenAPI with its table.
type dialect struct {
	version    string
	components string // schemas, as members of an object
	keywords   []keyword
}

// document is one that has an operation for each row and direction.
func (d *dialect) document() string {
	var paths []string
	for i, k := range d.keywords {
		for _, direction := range []string{"requests", "responses"} {
			request, response := k.schema, "{}"
			if direction == "responses" {
				request, response = "{}", k.schema
			}
			paths = append(paths, fmt.Sprintf(`"/%s/%d": {"post": {"operationId": %q,
				"requestBody": {"required": true, "content": {"application/json": {"schema": %s}}},
				"responses": {"200": {"description": "the same", "content": {"application/json": {"schema": %s}}}}}}`,
				direction, i, fmt.Sprint(direction, " of ", k.name), request, response))
		}
	}
	return fmt.Sprintf(`{"openapi": %q, "info": {"title": "conformance", "version": "1"},
		"paths": {%s}, "components": {"schemas": {%s}}}`,
		d.version, strings.Join(paths, ",\n"), d.components)
}

func TestContractConformance(t *testing.T) {
	t.Parallel()
	for _, d := range []*dialect{&openapi30, &openapi31} {
		t.Run(d.version, func(t *testing.T) {
			t.Parallel()
			g := startContract(t, map[string]string{"conformance.json": d.document()}, "responses enforce")
			for i, k := range d.keywords {
				t.Run(k.name, func(t *testing.T) {
					if k.only != "responses" {
						g.checkRequests(t, i, &k)
					}
					if k.only != "requests" {
						g.checkResponses(t, i, &k)
					}
				})
			}
		})
	}
}

// References from file to file, in YAML and JSON, nested and back again.
func TestContractReferencesAcrossFiles(t *testing.T) {
	t.Parallel()
	g := startContract(t, map[string]string{
		"api.yaml": `
openapi: 3.1.0
info: {title: files, version: '1'}
paths:
  /pets: {$ref: 'paths/pets.yaml'}
components:
  schemas:
    Name: {type: string, maxLength: 5}
`,
		"paths/pets.yaml": `
post:
  operationId: postPet
  requestBody: {$ref: 'bodies.yaml#/pet'}
  responses:
    '200': {description: ok}
`,
		"paths/bodies.yaml": `
pet:
  required: true
  content:
    application/json:
      schema: {$ref: '../schemas/pet.json#/$defs/Pet'}
`,
		"schemas/pet.json": `{"$defs": {"Pet": {"type": "object", "required": ["name"], "properties": {
			"name": {"$ref": "../api.yaml#/components/schemas/Name"},
			"parents": {"type": "array", "items": {"$ref": "#/$defs/Pet"}},
			"tag": {"$ref": "more/tag.yaml"}}}}}`,
		"schemas/more/tag.yaml": "anyOf:\n  - type: integer\n  - $ref: '../pet.json#/$defs/Pet'\n",
	})
	for _, text := range texts(
		`{"name": "Rex", "parents": [{"name": "Max", "tag": 7}], "tag": {"name": "Tag"}}`, `{"name": "Rex"}`,
	) {
		if a := g.post(t, "/pets", text); a.Status != http.StatusOK {
			t.Errorf("%s: %d %s", text, a.Status, a.Body)
		}
	}
	for _, refused := range texts(
		`max_length@/name {"name": "too long"}`, `required@/parents/0/name {"name": "Rex", "parents": [{}]}`,
		`max_length@/parents/0/parents/0/name {"name": "Rex", "parents": [{"name": "Max", "parents": [{"name": "too long"}]}]}`,
		`any_of@/tag {"name": "Rex", "tag": "x"}`,
	) {
		want, text, _ := strings.Cut(refused, " ")
		violations := g.violations(t, g.post(t, "/pets", text), http.StatusUnprocessableEntity)
		if !slices.Contains(violations, want) {
			t.Errorf("%s: violations %q, want %q", text, violations, want)
		}
	}
}

func (g *contractGateway) checkRequests(t *testing.T, row int, k *keyword) {
	path := fmt.Sprintf("/requests/%d", row)
	for _, text := range k.accepts {
		if a := g.post(t, path, text); a.Status != http.StatusOK || a.Body != text {
			t.Errorf("%s is not accepted and passed on as it is: %d %s", text, a.Status, a.Body)
		}
	}
	for _, refused := range k.refuses {
		want, text, _ := strings.Cut(refused, " ")
		a := g.post(t, path, text)
		if violations := g.violations(t, a, http.StatusUnprocessableEntity); !slices.Contains(violations, want) {
			t.Errorf("%s: violations %q, want %q", text, violations, want)
		}
	}
}

func (g *contractGateway) checkResponses(t *testing.T, row int, k *keyword) {
	path := fmt.Sprintf("/responses/%d", row)
	for _, text := range k.accepts {
		if a := g.post(t, path, text); a.Status != http.StatusOK || a.Body != text {
			t.Errorf("the answer %s is not accepted and passed on as it is: %d %s", text, a.Status, a.Body)
		}
	}
	for _, refused := range k.refuses {
		_, text, _ := strings.Cut(refused, " ")
		if violations := g.violations(t, g.post(t, path, text), http.StatusBadGateway); len(violations) > 0 {
			t.Errorf("the answer %s: clients are told %q", text, violations)
		}
	}
}
