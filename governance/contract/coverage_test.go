package contract

import (
	"slices"
	"testing"

	"github.com/weirproxy/weir/governance/contract/schema"
)

const coveredPaths = `
paths:
  /plain:
    post:
      parameters:
      - {name: n, in: query, schema: {type: integer, enum: [1, 2]}}
      - {name: tags, in: query, schema: {type: array, items: {type: string, maxLength: 3}}}
      requestBody: {content: {application/json: {schema: {type: object, properties: {a: {format: uuid}}}}}}
      responses: {"200": {description: ok}}
  /choices:
    post:
      requestBody: {content: {application/json: {schema: {$ref: '#/components/schemas/either'}}}}
      responses: {"200": {description: ok}}
  /whole:
    post:
      requestBody: {content: {application/json: {schema: {items: {$ref: '#/components/schemas/closed'}}}}}
      responses: {"200": {description: ok}}
  /answers:
    get:
      responses:
        "200": {description: ok, content: {'*/*': {schema: {$ref: '#/components/schemas/closed'}}}}
        4XX: {description: ok, headers: {X-A: {schema: {type: integer}}}, content: {application/json: {schema: {$ref: '#/components/schemas/either'}}}}
        default: {description: ok, content: {application/json: {schema: {$ref: '#/components/schemas/either'}}}}
  /form:
    post:
      requestBody: {content: {application/x-www-form-urlencoded: {schema: {$ref: '#/components/schemas/fields'}}}}
      responses: {"200": {description: ok}}
  /sets:
    post:
      requestBody: {content: {multipart/form-data: {schema: {$ref: '#/components/schemas/sets'}}}}
      responses: {"200": {description: ok}}
  /text:
    post:
      requestBody: {content: {text/plain: {schema: {type: string, maxLength: 10}}}}
      responses: {"200": {description: ok}}
  /deep:
    get:
      parameters:
      - {name: filter, in: query, style: deepObject, schema: {$ref: '#/components/schemas/fields'}}
      responses: {"200": {description: ok}}
  /set:
    get:
      parameters: [{name: set, in: query, schema: {$ref: '#/components/schemas/set'}}]
      responses: {"200": {description: ok}}
  /content:
    get:
      parameters: [{name: q, in: query, content: {application/json: {schema: {$ref: '#/components/schemas/fields'}}}}]
      responses: {"200": {description: ok}}
components:
  schemas:
    either: {oneOf: [{type: object, required: [a]}, {type: object, required: [b]}]}
    closed: {type: object, allOf: [{properties: {a: {type: string}}}], unevaluatedProperties: false}
    fields: {type: object, properties: {a: {type: string}}}
    sets: {type: object, properties: {a: {$ref: '#/components/schemas/set'}}}
    set: {type: array, uniqueItems: true, items: {type: string}}
`

// What an operation's values need is told for each side: only programs, choices, or the engine.
func TestCoverage(t *testing.T) {
	const schemas = "file:///test.yaml#/components/schemas/"
	tests := map[string][2]schema.Coverage{
		"/plain":   {},
		"/choices": {{Choices: 1}},
		"/whole":   {{Whole: []string{schemas + "closed"}}},
		"/answers": {{}, {Whole: []string{schemas + "closed"}, Choices: 2}},
		"/form":    {},
		"/sets":    {{Whole: []string{schemas + "sets"}}},
		"/text":    {},
		"/deep":    {},
		"/set":     {{Whole: []string{schemas + "set"}}},
		"/content": {},
	}
	c := compile(t, head31+coveredPaths, Settings{})
	if len(c.Operations()) != len(tests) {
		t.Errorf("%d operations, %d tests", len(c.Operations()), len(tests))
	}
	for _, op := range c.Operations() {
		for d, want := range tests[op.Template] {
			got := op.Coverage(schema.Direction(d))
			if !slices.Equal(got.Whole, want.Whole) || got.Choices != want.Choices {
				t.Errorf("%s, direction %d: %+v, want %+v", op.Template, d, got, want)
			}
		}
	}
	alone := compile(t, head31+coveredPaths, Settings{Schema: schema.Settings{EngineOnly: true}})
	for _, op := range alone.Operations() {
		if got := op.Coverage(schema.Request); (len(got.Whole) == 0) != (op.Template == "/answers") {
			t.Errorf("%s by the engine alone: %+v", op.Template, got)
		}
	}
}

// Of real documents, all operations are judged without the engine.
func TestCoverageOfDocuments(t *testing.T) {
	for _, name := range []string{"petstore-expanded-3.0.yaml", "box-3.0.json", "adyen-checkout-3.1.json"} {
		c, err := Compile(sharedDocument(t, name), Settings{})
		if err != nil {
			t.Fatal(err)
		}
		var onePass [2]int
		choices := 0
		for _, op := range c.Operations() {
			chooses := false
			for d := range onePass {
				coverage := op.Coverage(schema.Direction(d))
				if len(coverage.Whole) == 0 {
					onePass[d]++
				} else {
					t.Errorf("%s: %s, direction %d: %q", name, op.Name(), d, coverage.Whole)
				}
				chooses = chooses || coverage.Choices > 0
			}
			if chooses {
				choices++
			}
		}
		n := len(c.Operations())
		t.Logf("%s: of %d operations, requests of %d and responses of %d are judged without the engine; %d have choices", name, n, onePass[0], onePass[1], choices)
	}
}
