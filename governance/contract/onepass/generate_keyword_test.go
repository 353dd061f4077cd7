package onepass_test

import (
	"github.com/weirproxy/weir/governance/contract/schema"
)

// This file generates the keywords that hold schemas.

// inside is a schema for a member or item.
func (g *generator) inside(depth int) any { return g.schema(depth, g.IntN(definitionCount+1)) }

func (g *generator) several(schema func() any) (all []any) {
	for range 1 + g.IntN(3) {
		all = append(all, schema())
	}
	return all
}

func (g *generator) named(count int, schema func() any) map[string]any {
	all := make(map[string]any)
	for range count {
		all[g.name()] = schema()
	}
	return all
}

func (g *generator) names() (all []any) {
	seen := make(map[string]bool)
	for range 1 + g.IntN(3) {
		if name := g.name(); !seen[name] {
			seen[name] = true
			all = append(all, name)
		}
	}
	return all
}

func (g *generator) objectKeyword(s map[string]any, depth int) {
	inside := func() any { return g.inside(depth) }
	if g.dialect == schema.OpenAPI31 && g.chance(3) {
		switch g.IntN(6) {
		case 0:
			s["patternProperties"] = map[string]any{oneOf(g, "^a", "b", "^.$", "^x-"): inside(), oneOf(g, "a", "[0-9]"): inside()}
		case 1:
			s["propertyNames"] = oneOf[any](g, map[string]any{"maxLength": g.IntN(9)}, map[string]any{"pattern": "^[a-z]*$"},
				map[string]any{"anyOf": []any{map[string]any{"const": "a"}, map[string]any{"pattern": "b"}}}, g.inside(1))
		case 2:
			s["dependentRequired"] = map[string]any{g.name(): g.names(), g.name(): g.names()}
		case 3:
			s["dependentSchemas"] = g.named(1, func() any { return g.schema(depth, definitionCount) })
		default:
			s["unevaluatedProperties"] = oneOf[any](g, false, inside())
		}
		return
	}
	switch g.IntN(8) {
	case 0, 1, 2:
		s["properties"] = g.named(1+g.IntN(4), inside)
	case 3:
		s["properties"] = g.named(70, func() any { return g.schema(0, definitionCount) })
	case 4:
		s["required"] = g.names()
	case 5:
		s["additionalProperties"] = oneOf[any](g, false, true, inside())
	case 6:
		s["minProperties"] = g.IntN(3)
	default:
		s["maxProperties"] = g.IntN(5)
	}
}

func (g *generator) arrayKeyword(s map[string]any, depth int) {
	inside := func() any { return g.inside(depth) }
	if g.dialect == schema.OpenAPI31 && g.chance(3) {
		switch g.IntN(4) {
		case 0:
			s["prefixItems"] = g.several(inside)
		case 1:
			s["contains"] = inside()
		case 2:
			s["contains"], s["minContains"], s["maxContains"] = inside(), g.IntN(2), 1+g.IntN(3)
		default:
			s["unevaluatedItems"] = oneOf[any](g, false, inside())
		}
		return
	}
	switch g.IntN(5) {
	case 0, 1:
		s["items"] = inside()
	case 2:
		s["minItems"] = g.IntN(3)
	case 3:
		s["maxItems"] = g.IntN(6)
	default:
		s["uniqueItems"] = true
	}
}

// combination adds a keyword whose schemas judge the same value, which are mostly for the same type.
func (g *generator) combination(s map[string]any, kind string, depth, from int) {
	same := func() any {
		if g.chance(3) {
			return g.schema(depth, from)
		}
		return g.schemaOf(kind, depth, from)
	}
	switch g.IntN(9) {
	case 0, 1:
		s["allOf"] = g.several(same)
	case 2:
		s["anyOf"] = g.several(same)
	case 3:
		s["oneOf"] = g.several(same)
	case 4:
		s["not"] = same()
	case 5, 6:
		if from <= definitionCount-2 {
			g.discriminated(s)
		}
	default:
		if g.dialect == schema.OpenAPI31 {
			s["if"], s["then"], s["else"] = same(), same(), same()
			if g.chance(3) {
				delete(s, oneOf(g, "then", "else"))
			}
		}
	}
}

// discriminated adds a oneOf or anyOf of the last definitions with a discriminator.
func (g *generator) discriminated(s map[string]any) {
	branches := []any{reference(definitionCount - 2), reference(definitionCount - 1)}
	if g.chance(4) && g.dialect == schema.OpenAPI31 {
		branches = append(branches, map[string]any{"type": "null"})
	}
	discriminator := map[string]any{"propertyName": oneOf(g, "kind", "kind", "a")}
	if g.chance(2) {
		discriminator["mapping"] = map[string]any{"other": "d3", "1": "#/components/schemas/d4", "": "d3"}
	}
	s[oneOf(g, "oneOf", "anyOf")], s["discriminator"] = branches, discriminator
}
