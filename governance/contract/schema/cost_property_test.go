package schema

import (
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
)

// costGenerator makes small schemas and values that have to do with each other. Schemas refer to definitions: for the
// same value only to later ones, so that there is no loop, for members to any.
type costGenerator struct {
	*rand.Rand
	definitions int
}

var costNames = []string{"a", "b", "c", "ab"}

func (g *costGenerator) one(choices ...any) any { return choices[g.IntN(len(choices))] }

func (g *costGenerator) document() map[string]any {
	definitions := make(map[string]any)
	for i := range g.definitions {
		definitions[fmt.Sprint("d", i)] = g.schema(3, i+1)
	}
	root := g.schema(3, 0).(map[string]any)
	root["$defs"] = definitions
	return root
}

// schema is one that may refer to definitions from the given one on for the same value.
func (g *costGenerator) schema(depth, from int) any {
	s := make(map[string]any)
	if depth == 0 || g.IntN(4) == 0 {
		if from < g.definitions && g.IntN(2) == 0 {
			s["$ref"] = fmt.Sprint("#/$defs/d", from+g.IntN(g.definitions-from))
		} else {
			s["type"] = g.one("string", "object", "array", "integer", "number", []any{"object", "array"})
		}
		return s
	}
	for range 1 + g.IntN(3) {
		g.keyword(s, depth-1, from)
	}
	return s
}

func (g *costGenerator) keyword(s map[string]any, depth, from int) {
	same := func() any { return g.schema(depth, from) }
	inside := func() any { return g.schema(depth, g.IntN(g.definitions+1)) }
	several := func(schema func() any) (all []any) {
		for range 1 + g.IntN(3) {
			all = append(all, schema())
		}
		return all
	}
	named := func(schema func() any) any {
		all := make(map[string]any)
		for range 1 + g.IntN(3) {
			all[g.one("a", "b", "c", "ab").(string)] = schema()
		}
		return all
	}
	keywords := []func(){
		func() { s["allOf"] = several(same) },
		func() { s["anyOf"] = several(same) },
		func() { s["oneOf"] = several(same) },
		func() { s["not"] = same() },
		func() { s["if"], s["then"], s["else"] = same(), same(), same() },
		func() { s["dependentSchemas"] = named(same) },
		func() { s["properties"] = named(inside) },
		func() { s["properties"] = named(inside) },
		func() { s["patternProperties"] = map[string]any{"^a": inside(), "b": inside()} },
		func() { s["additionalProperties"] = g.one(false, inside()) },
		func() { s["unevaluatedProperties"] = g.one(false, inside()) },
		func() { s["unevaluatedItems"] = g.one(false, inside()) },
		func() {
			s["propertyNames"] = map[string]any{"anyOf": []any{map[string]any{"const": "a"}, map[string]any{"pattern": "b"}}}
		},
		func() { s["items"] = inside() },
		func() { s["prefixItems"] = several(inside) },
		func() { s["contains"] = inside() },
		func() { s["uniqueItems"] = true },
		func() { s["required"] = []any{"a"} },
		func() { s["enum"] = []any{"a", json.Number("1"), map[string]any{"a": json.Number("1")}} },
		func() { s["minimum"], s["multipleOf"] = json.Number("1"), json.Number("0.5") },
		func() { s["pattern"], s["minLength"] = "^[a-b]*$", json.Number("1") },
		func() { s["type"] = g.one("object", "array", []any{"object", "array", "string"}) },
	}
	keywords[g.IntN(len(keywords))]()
}

func (g *costGenerator) value(depth int) any {
	switch kind := g.IntN(8); {
	case kind < 3 && depth > 0:
		object := make(map[string]any)
		for range g.IntN(4) {
			object[costNames[g.IntN(len(costNames))]] = g.value(depth - 1)
		}
		return object
	case kind < 5 && depth > 0:
		array := []any{}
		for range g.IntN(5) {
			array = append(array, g.value(depth-1))
		}
		return array
	}
	return g.one("a", "ab", json.Number("1"), json.Number("1.5"), json.Number("1e3"), nil, true)
}

// TestCountsBoundTheLibrary: what the library really visits is no more than what the walk counts, and that is no more
// than what the factor of the schema says.
func TestCountsBoundTheLibrary(t *testing.T) {
	var schemas, settled, pairs int
	var real, counted, bounded float64
	for seed := range uint64(400) {
		g := &costGenerator{rand.New(rand.NewPCG(5, seed)), 4}
		document, err := json.Marshal(g.document())
		if err != nil {
			t.Fatal(err)
		}
		schema := costSchema(t, string(document))
		c := newCost(schema)
		counter := new(visited)
		for s, p := range c.graph().plans {
			if !p.boolean {
				s.Extensions = append(s.Extensions, counter)
			}
		}
		schemas++
		if !math.IsInf(c.factor[perNode], 1) {
			settled++
		}
		for range 30 {
			value := g.value(5)
			nodes, text := measure(value)
			counter.n = 0
			_ = schema.Validate(value)
			count, bound := c.count(value, 1<<40), c.factor.bound(nodes, text)
			if float64(counter.n) > count {
				t.Fatalf("%d visits, but only %.2f counted: %s of %s", counter.n, count, costText(value), document)
			}
			if count > bound*(1+1e-9) {
				t.Fatalf("%.2f counted, but the bound is %.2f: %s of %s", count, bound, costText(value), document)
			}
			pairs++
			if !math.IsInf(bound, 1) && !math.IsNaN(bound) {
				real, counted, bounded = real+float64(counter.n), counted+count, bounded+bound
			}
		}
	}
	t.Logf("%d schemas, %d with a factor; %d values; visits %.0f, counted %.0f, bound %.0f",
		schemas, settled, pairs, real, counted, bounded)
	if settled < schemas/4 {
		t.Error("hardly any schema has a factor, so the bound was not tested")
	}
}

func costText(value any) string {
	text, _ := json.Marshal(value)
	return string(text)
}
