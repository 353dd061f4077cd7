package onepass_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"

	"github.com/weirproxy/weir/governance/contract/schema"
)

// This file generates schemas: small ones, of all keywords, whose parts have to do with each other.

// generator makes schemas of one dialect and values that have to do with them. Schemas refer to definitions: for the same
// value only to later ones, so that there is no loop, for members to any.
type generator struct {
	*rand.Rand
	dialect     schema.Dialect
	definitions []any          // d0, d1, ...
	referred    map[string]any // schemas by $ref
}

const definitionCount = 5

var memberNames = []string{"a", "b", "c", "ab", "kind", "name with spaces", "größe", "x-1", ""}

// oneOf picks one.
func oneOf[T any](g *generator, choices ...T) T { return choices[g.IntN(len(choices))] }

// chance is true in one of n cases.
func (g *generator) chance(n int) bool { return g.IntN(n) == 0 }

func (g *generator) name() string {
	if g.chance(3) {
		return oneOf(g, memberNames...)
	}
	return oneOf(g, memberNames[:5]...)
}

// newGenerator makes a generator with definitions.
func newGenerator(seed1, seed2 uint64, dialect schema.Dialect) *generator {
	g := &generator{Rand: rand.New(rand.NewPCG(seed1, seed2)), dialect: dialect, referred: make(map[string]any)}
	g.definitions = make([]any, definitionCount)
	for i := range g.definitions {
		if i >= definitionCount-2 {
			g.definitions[i] = g.tagged(i)
		} else {
			g.definitions[i] = g.schema(3, i+1)
		}
		g.referred[reference(i)["$ref"].(string)] = g.definitions[i]
	}
	return g
}

// schemas is the text of a document's schemas: the definitions, and A.
func (g *generator) schemas() (text string, a any) {
	a = g.schema(4, 0)
	all := map[string]any{"A": a}
	for i, definition := range g.definitions {
		all[fmt.Sprint("d", i)] = definition
	}
	encoded, _ := json.Marshal(all)
	return string(encoded), a
}

func reference(i int) map[string]any {
	return map[string]any{"$ref": fmt.Sprint("#/components/schemas/d", i)}
}

// tagged is an object that a discriminator may select.
func (g *generator) tagged(i int) any {
	s := map[string]any{"type": "object", "properties": map[string]any{
		"kind": map[string]any{"type": "string"}, "a": g.schema(1, definitionCount), "b": g.schema(1, definitionCount)}}
	if g.chance(2) {
		s["required"] = []any{"kind"}
	}
	if g.chance(3) {
		s["additionalProperties"] = false
	}
	if g.chance(3) {
		s["properties"].(map[string]any)["kind"] = map[string]any{"enum": []any{fmt.Sprint("d", i), "other"}}
	}
	return s
}

// schema is one that may refer to definitions from the given one on for the same value.
func (g *generator) schema(depth, from int) any { return g.schemaOf("", depth, from) }

// schemaOf is one for a type, or for any.
func (g *generator) schemaOf(kind string, depth, from int) any {
	s := make(map[string]any)
	if g.dialect == schema.OpenAPI31 && g.chance(25) {
		return g.chance(4)
	}
	if from < definitionCount && g.chance(6) {
		s = reference(from + g.IntN(definitionCount-from))
		if g.chance(2) || g.dialect == schema.OpenAPI30 {
			return s
		}
	}
	if kind == "" {
		kind = oneOf(g, "string", "number", "integer", "object", "object", "array", "boolean", "any")
	}
	if kind != "any" && !g.chance(5) {
		g.typed(s, kind)
	}
	for range 1 + g.IntN(3) {
		switch {
		case depth > 0 && g.chance(4):
			g.combination(s, kind, depth-1, from)
		case kind == "object" && depth > 0 || kind == "any" && depth > 0 && g.chance(2):
			g.objectKeyword(s, depth-1)
		case kind == "array" && depth > 0:
			g.arrayKeyword(s, depth-1)
		case kind == "string" || kind == "any" && g.chance(2):
			g.textKeyword(s)
		default:
			g.numberKeyword(s)
		}
	}
	if g.chance(12) {
		g.constants(s)
	}
	if g.chance(12) {
		s[oneOf(g, "readOnly", "writeOnly")] = true
	}
	return s
}

func (g *generator) typed(s map[string]any, kind string) {
	s["type"] = kind
	switch {
	case g.dialect == schema.OpenAPI30:
		if g.chance(5) {
			s["nullable"] = true
		}
	case g.chance(5):
		s["type"] = []any{kind, oneOf(g, "null", "string", "integer", "object")}
		if s["type"].([]any)[0] == s["type"].([]any)[1] {
			s["type"] = kind
		}
	}
}

var numbers = []json.Number{"0", "1", "-1", "2", "3", "10", "0.5", "1.5", "-0", "1.0", "1e2", "100", "0.1", "0.3", "0.01", "19.99",
	"9007199254740993", "9007199254740992", "-9223372036854775808", "9223372036854775808", "2147483648", "1e30", "1e-30",
	"123456789012345678901234567890", "0.123456789012345678901234567890", "5e-324", "1.7976931348623157e309", "1E+2", "12e-1"}

var texts = []string{"", "a", "b", "ab", "abc", "d3", "d4", "other", "größe", "日本語", "😀", "a\nb", `"\/`, "true", "1",
	"2026-03-14", "2026-03-14T09:26:53Z", "7f9c24e8-3b1a-4d5e-9f60-1a2b3c4d5e6f", "a@b.example", "127.0.0.1", "::1",
	"https://a.example/b?c", "/a/b", "YWJj", "P1D", "a.example", "ABC-12", "a much longer text that has more than sixteen bytes"}

func (g *generator) numberKeyword(s map[string]any) {
	switch g.IntN(7) {
	case 0:
		s["multipleOf"] = oneOf[json.Number](g, "2", "0.5", "0.01", "0.1", "3", "1e2", "1e-30", "0.3", "7e20")
	case 1, 2:
		s["minimum"] = oneOf(g, numbers...)
	case 3:
		s["maximum"] = oneOf(g, numbers...)
	case 4, 5:
		bound := oneOf(g, "Minimum", "Maximum")
		if g.dialect == schema.OpenAPI30 {
			s["exclusive"+bound] = g.chance(2)
		} else {
			s["exclusive"+bound] = oneOf(g, numbers...)
		}
	default:
		s["format"] = oneOf(g, "int32", "int64", "float", "double")
	}
}

func (g *generator) textKeyword(s map[string]any) {
	switch g.IntN(6) {
	case 0:
		s["minLength"] = g.IntN(4)
	case 1, 2:
		s["maxLength"] = g.IntN(12)
	case 3:
		s["pattern"] = oneOf(g, "^a", "b$", "^[a-z]*$", "^.$", "[0-9]", "^[A-Z]{2,3}-", "^[^a]{0,2000}$", "")
	default:
		s["format"] = oneOf(g, "date", "date-time", "uuid", "email", "ipv4", "ipv6", "uri", "uri-reference", "json-pointer",
			"byte", "duration", "hostname", "regex", "time", "password", "binary")
	}
}

// constants adds enum or const.
func (g *generator) constants(s map[string]any) {
	var values []any
	for range 1 + g.IntN(4) {
		values = append(values, g.constant())
	}
	if g.dialect == schema.OpenAPI31 && g.chance(3) {
		s["const"] = values[0]
		return
	}
	s["enum"] = values
}

func (g *generator) constant() any {
	switch g.IntN(8) {
	case 0, 1, 2:
		return oneOf(g, texts...)
	case 3, 4:
		return oneOf(g, numbers...)
	case 5:
		return oneOf[any](g, nil, true, false)
	case 6:
		return map[string]any{g.name(): oneOf(g, numbers...)}
	}
	return []any{oneOf(g, texts...)}
}
