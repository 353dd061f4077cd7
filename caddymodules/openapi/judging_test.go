package openapi

import (
	"encoding/json"
	"strings"
	"testing"
)

const judgedDocument = `
openapi: 3.1.0
info: {title: Judged, version: "1"}
paths:
  /plain:
    post:
      requestBody: {content: {application/json: {schema: {type: object, properties: {a: {type: integer}}}}}}
      responses: {"200": {description: ok, content: {application/json: {schema: {$ref: "#/components/schemas/closed"}}}}}
  /choices:
    post:
      requestBody: {content: {application/json: {schema: {oneOf: [{type: object, required: [a]}, {type: object, required: [b]}]}}}}
      responses: {"200": {description: ok}}
  /whole:
    post:
      requestBody: {content: {application/json: {schema: {type: array, items: {$ref: "#/components/schemas/closed"}}}}}
      responses: {"200": {description: ok}}
  /skipped:
    post:
      requestBody: {content: {application/json: {schema: {$ref: "#/components/schemas/closed"}}}}
      responses: {"200": {description: ok}}
components:
  schemas:
    closed: {allOf: [{properties: {a: {type: integer}}}], unevaluatedProperties: false}
`

// The admin API tells which engine judges an operation, and of the slow one, where in the document it is needed.
func TestJudging(t *testing.T) {
	path := fileWith(t, judgedDocument)
	closed := `"engine":"whole","judged_whole":["` + path + `#/components/schemas/closed"]`
	for responses, ofPlain := range map[string]string{"off": `"engine":"one pass"`, "report": closed} {
		serve(t, contractOf(path, "skip \"POST /skipped\"\nresponses "+responses)+"respond ok")
		answer, err := json.Marshal(handlerOf(t).Detail())
		if err != nil {
			t.Fatal(err)
		}
		var shown struct {
			Operations []json.RawMessage `json:"operations"`
		}
		if err := json.Unmarshal(answer, &shown); err != nil {
			t.Fatal(err)
		}
		want := map[string]string{"/plain": ofPlain, "/choices": `"engine":"one pass with choices"`, "/whole": closed, "/skipped": ""}
		if len(shown.Operations) != len(want) {
			t.Errorf("responses %s: %d operations", responses, len(shown.Operations))
		}
		for _, operation := range shown.Operations {
			_, after, _ := strings.Cut(string(operation), `"template":"`)
			template, _, _ := strings.Cut(after, `"`)
			_, engine, _ := strings.Cut(string(operation), `"engine":`)
			if engine != "" {
				engine = `"engine":` + strings.TrimSuffix(engine, "}")
			}
			if engine != want[template] {
				t.Errorf("responses %s, %s: %s, want %s", responses, template, engine, want[template])
			}
		}
	}
}

// A document's URL is shown without what it may have of secrets.
func TestShownLocation(t *testing.T) {
	for location, want := range map[string]string{
		"file:///etc/weir/a%20b.yaml#/paths/~1a":        "/etc/weir/a b.yaml#/paths/~1a",
		"https://user:secret@example/api.json?key=s#/a": "https://example/api.json#/a",
	} {
		if got := shownLocation(location); got != want {
			t.Errorf("%s: %s, want %s", location, got, want)
		}
	}
}
