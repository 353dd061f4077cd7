package onepass_test

import (
	"encoding/json"
	"maps"
	"slices"
	"strconv"
)

// This file generates values: mostly such that nearly fit a schema.

// value returns one that may fit a schema as it stands in a document.
func (g *generator) value(s any, depth int) any {
	object, _ := s.(map[string]any)
	if len(object) == 0 || depth <= 0 || g.chance(15) {
		return g.anything(depth)
	}
	if text, ok := object["$ref"].(string); ok && (len(object) == 1 || g.chance(2)) {
		return g.value(g.referred[text], depth)
	}
	if value, ok := object["const"]; ok {
		return value
	}
	if values, ok := object["enum"].([]any); ok && !g.chance(8) {
		return oneOf(g, values...)
	}
	for _, keyword := range []string{"allOf", "anyOf", "oneOf"} {
		if schemas, ok := object[keyword].([]any); ok && g.chance(2) {
			merged := maps.Clone(object)
			delete(merged, keyword)
			if branch, ok := oneOf(g, schemas...).(map[string]any); ok {
				for name, value := range branch {
					if own, ok := merged[name].(map[string]any); ok && name == "properties" {
						own = maps.Clone(own)
						maps.Copy(own, value.(map[string]any))
						value = own
					}
					merged[name] = value
				}
			}
			return g.value(merged, depth)
		}
	}
	kind := object["type"]
	if several, ok := kind.([]any); ok {
		kind = oneOf(g, several...)
	}
	return g.ofType(kind, object, depth)
}

func (g *generator) ofType(kind any, s map[string]any, depth int) any {
	switch kind {
	case "null":
		return nil
	case "boolean":
		return g.chance(2)
	case "integer":
		return oneOf[any](g, json.Number(strconv.Itoa(g.IntN(120))), json.Number(strconv.Itoa(g.IntN(3))), oneOf(g, numbers...))
	case "number":
		return oneOf(g, numbers...)
	case "string":
		return oneOf(g, texts...)
	case "array":
		return g.array(s, depth)
	case "object":
		return g.object(s, depth)
	}
	for _, keyword := range []string{"properties", "required", "additionalProperties", "discriminator", "patternProperties"} {
		if _, ok := s[keyword]; ok && !g.chance(6) {
			return g.object(s, depth)
		}
	}
	for _, keyword := range []string{"items", "prefixItems", "contains", "uniqueItems"} {
		if _, ok := s[keyword]; ok && !g.chance(6) {
			return g.array(s, depth)
		}
	}
	return g.anything(depth)
}

func (g *generator) array(s map[string]any, depth int) any {
	prefix, _ := s["prefixItems"].([]any)
	count := oneOf(g, 0, 1, 2, 3, 4)
	if g.chance(40) {
		count = 80
	}
	array := []any{}
	for i := range count {
		switch {
		case i < len(prefix):
			array = append(array, g.value(prefix[i], depth-1))
		case s["contains"] != nil && g.chance(2):
			array = append(array, g.value(s["contains"], depth-1))
		case s["uniqueItems"] == true && g.chance(2):
			array = append(array, json.Number(strconv.Itoa(i)))
		default:
			array = append(array, g.value(s["items"], depth-1))
		}
	}
	return array
}

func (g *generator) object(s map[string]any, depth int) any {
	object := make(map[string]any)
	properties, _ := s["properties"].(map[string]any)
	for _, name := range slices.Sorted(maps.Keys(properties)) {
		if !g.chance(3) {
			object[name] = g.value(properties[name], depth-1)
		}
	}
	required, _ := s["required"].([]any)
	for _, name := range required {
		if _, ok := object[name.(string)]; !ok && !g.chance(10) {
			object[name.(string)] = g.value(properties[name.(string)], depth-1)
		}
	}
	if d, ok := s["discriminator"].(map[string]any); ok && !g.chance(10) {
		object[d["propertyName"].(string)] = oneOf[any](g, "d3", "d4", "d3", "d4", "other", json.Number("1"), nil)
	}
	for range oneOf(g, 0, 0, 0, 1, 2) {
		object[g.name()] = g.value(s["additionalProperties"], depth-1)
	}
	if g.chance(60) {
		for i := range 30 {
			object["more"+strconv.Itoa(i)] = g.value(s["additionalProperties"], depth-1)
		}
	}
	return object
}

func (g *generator) anything(depth int) any {
	switch kind := g.IntN(9); {
	case kind == 0:
		return oneOf[any](g, nil, true, false)
	case kind < 4:
		return oneOf(g, texts...)
	case kind < 6 || depth <= 0:
		return oneOf(g, numbers...)
	case kind == 6:
		return g.array(nil, depth-1)
	}
	return g.object(nil, depth-1)
}
