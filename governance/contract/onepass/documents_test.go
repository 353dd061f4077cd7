package onepass_test

import (
	"encoding/json"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/weirproxy/weir/governance/contract/document"
	"github.com/weirproxy/weir/governance/contract/schema"
)

// body is what is said of one body of an operation.
type body struct {
	pair
	schema   any
	examples []any
}

// operations returns the bodies of JSON of each operation in a document, by method and path.
func operations(t testing.TB, doc *document.Document) map[string][]body {
	t.Helper()
	c := newCompilers(doc.Files(), doc.Dialect(), schema.Settings{})
	all := make(map[string][]body)
	content := func(operation string, node document.Node, d schema.Direction) {
		for _, mediaType := range node.Keys() {
			declared := node.Get(mediaType).Get("schema")
			if !strings.Contains(mediaType, "json") || !declared.Exists() {
				continue
			}
			p, err := c.compile(declared.Location(), d)
			if err != nil {
				t.Fatal(err)
			}
			all[operation] = append(all[operation], body{p, declared.Value(), examplesOf(node.Get(mediaType))})
		}
	}
	paths := doc.Root().Get("paths")
	for _, path := range paths.Keys() {
		for _, method := range []string{"get", "put", "post", "delete", "options", "head", "patch", "trace"} {
			node := paths.Get(path).Get(method)
			if !node.Exists() {
				continue
			}
			operation := method + " " + path
			all[operation] = nil
			content(operation, node.Get("requestBody").Get("content"), schema.Request)
			for _, status := range node.Get("responses").Keys() {
				content(operation, node.Get("responses").Get(status).Get("content"), schema.Response)
			}
		}
	}
	return all
}

func examplesOf(node document.Node) (all []any) {
	if example := node.Get("example"); example.Exists() {
		all = append(all, example.Value())
	}
	named := node.Get("examples")
	for _, name := range named.Keys() {
		if value := named.Get(name).Get("value"); value.Exists() {
			all = append(all, value.Value())
		}
	}
	return all
}

// documents are those that the tests need, with the share of operations whose bodies are judged in one pass, at least.
var documents = map[string]float64{"petstore-expanded-3.0.yaml": 1, "box-3.0.json": 1, "adyen-checkout-3.1.json": 1}

// TestSoakDocuments: on the examples of real documents, on others made by their schemas, and on these with something
// changed, both engines agree.
func TestSoakDocuments(t *testing.T) {
	for name, least := range documents {
		t.Run(name, func(t *testing.T) {
			doc := shared(t, name)
			all := operations(t, doc)
			g := &generator{Rand: rand.New(rand.NewPCG(1, 2)), referred: make(map[string]any)}
			components := doc.Root().Get("components").Get("schemas")
			for _, name := range components.Keys() {
				g.referred["#/components/schemas/"+name] = components.Get(name).Value()
			}
			var examples, made tally
			whole := make(map[string]bool)
			onepass, chosen := 0, 0
			for _, operation := range slices.Sorted(maps.Keys(all)) {
				judgedWhole, chooses := false, false
				for _, body := range all[operation] {
					for _, location := range body.program.Whole() {
						whole[location], judgedWhole = true, true
					}
					chooses = chooses || body.program.Choices() > 0
					g.examples(t, body, &examples, &made)
				}
				if !judgedWhole {
					onepass++
				}
				if chooses {
					chosen++
				}
			}
			examples.log(t, "examples")
			made.log(t, "made and changed")
			t.Logf("%d of %d operations are judged without the engine, %d have choices", onepass, len(all), chosen)
			for location := range whole {
				t.Logf("judged whole: %s", location)
			}
			if share := float64(onepass) / float64(len(all)); share < least {
				t.Errorf("%.3f of the operations are judged in one pass, want %.3f", share, least)
			}
			if examples.told < examples.valid {
				t.Errorf("the program told only %d of %d valid examples", examples.told, examples.valid)
			}
		})
	}
}

// examples holds the engines against each other on what there is for a body.
func (g *generator) examples(t *testing.T, b body, examples, made *tally) {
	judge := func(value any, c *tally) []byte {
		text, err := json.Marshal(value)
		if err != nil {
			t.Fatal(err)
		}
		c.add(b.pair, b.agree(t, text, costText(b.schema)), text)
		return text
	}
	for _, example := range b.examples {
		text := judge(example, examples)
		for range soak(5, 200) {
			judge(g.changed(example), made)
			spoilt := g.spoil(text)
			made.add(b.pair, b.agree(t, spoilt, costText(b.schema)), spoilt)
		}
	}
	for range soak(1, 50) {
		judge(g.value(b.schema, 7), made)
	}
}

func costText(value any) string {
	text, _ := json.Marshal(value)
	return string(text)
}

// changed returns a copy of a value in which something is changed.
func (g *generator) changed(value any) any {
	switch value := value.(type) {
	case map[string]any:
		copied := maps.Clone(value)
		names := slices.Sorted(maps.Keys(copied))
		if len(names) == 0 || g.chance(8) {
			copied[g.name()] = g.anything(1)
			return copied
		}
		name := oneOf(g, names...)
		if g.chance(8) {
			delete(copied, name)
		} else {
			copied[name] = g.changed(copied[name])
		}
		return copied
	case []any:
		copied := slices.Clone(value)
		if len(copied) == 0 || g.chance(8) {
			return append(copied, g.anything(1))
		}
		i := g.IntN(len(copied))
		if g.chance(8) {
			return slices.Delete(copied, i, i+1)
		}
		copied[i] = g.changed(copied[i])
		return copied
	}
	if g.chance(3) {
		return g.anything(1)
	}
	return value
}
