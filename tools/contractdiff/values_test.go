package contractdiff

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
)

// generator makes values that keep a schema, as far as that can be seen from the schema at one glance: whoever wants
// to know whether a value really keeps it asks the judges.
type generator struct {
	random   *rand.Rand
	response bool    // readOnly properties are there, and writeOnly ones are not
	rich     float64 // how likely an optional property is there
}

// maxValueDepth is where only required properties are made, and arrays are empty if they may be.
const maxValueDepth = 5

func (g *generator) value(ref *openapi3.SchemaRef, depth int) any {
	if ref == nil || ref.Value == nil {
		return "anything"
	}
	s := ref.Value
	switch {
	case s.Const != nil:
		return s.Const
	case len(s.Enum) > 0:
		return s.Enum[g.random.IntN(len(s.Enum))]
	case s.Nullable && g.random.IntN(20) == 0:
		return nil
	case len(s.AllOf) > 0:
		return g.together(s, depth)
	case len(s.OneOf) > 0:
		return g.branch(s, s.OneOf, depth)
	case len(s.AnyOf) > 0:
		return g.branch(s, s.AnyOf, depth)
	}
	return g.plain(s, depth)
}

// together makes a value of all parts of an allOf.
func (g *generator) together(s *openapi3.Schema, depth int) any {
	whole, isObject := map[string]any{}, false
	var other any
	for _, part := range s.AllOf {
		if isNote(part.Value) {
			continue
		}
		value := g.value(part, depth)
		if members, ok := value.(map[string]any); ok {
			maps.Copy(whole, members)
			isObject = true
		} else if other == nil {
			other = value
		}
	}
	if len(s.Properties) > 0 || isObject || other == nil {
		g.properties(s, whole, depth)
		return whole
	}
	return other
}

// isNote tells whether a schema only describes.
func isNote(s *openapi3.Schema) bool {
	return s.Type == nil && len(s.Properties)+len(s.Enum)+len(s.AllOf)+len(s.OneOf)+len(s.AnyOf)+len(s.Required) == 0
}

// branch makes a value of one of several schemas, with the discriminator's property set.
func (g *generator) branch(s *openapi3.Schema, branches openapi3.SchemaRefs, depth int) any {
	chosen := branches[g.random.IntN(len(branches))]
	value := g.value(chosen, depth)
	members, ok := value.(map[string]any)
	if !ok {
		return value
	}
	g.properties(s, members, depth)
	if s.Discriminator != nil && chosen.Ref != "" {
		name := chosen.Ref[strings.LastIndexByte(chosen.Ref, '/')+1:]
		for _, mapped := range slices.Sorted(maps.Keys(s.Discriminator.Mapping)) {
			if s.Discriminator.Mapping[mapped].Ref == chosen.Ref {
				name = mapped
			}
		}
		members[s.Discriminator.PropertyName] = name
	}
	return members
}

func (g *generator) plain(s *openapi3.Schema, depth int) any {
	kind := "string"
	if types := s.Type.Slice(); len(types) > 0 {
		kind = types[g.random.IntN(len(types))]
	} else if len(s.Properties) > 0 || s.AdditionalProperties.Schema != nil {
		kind = "object"
	}
	if s.Example != nil && kind != "object" && kind != "array" && g.random.IntN(3) == 0 {
		return s.Example
	}
	switch kind {
	case "null":
		return nil
	case "boolean":
		return g.random.IntN(2) == 0
	case "integer", "number":
		return g.number(s, kind == "integer")
	case "array":
		return g.array(s, depth)
	case "object":
		object := map[string]any{}
		g.properties(s, object, depth)
		if extra := s.AdditionalProperties.Schema; extra != nil && depth < maxValueDepth {
			for i := range g.random.IntN(3) {
				object[fmt.Sprintf("key%d", i)] = g.value(extra, depth+1)
			}
		}
		return object
	}
	return g.text(s)
}

func (g *generator) properties(s *openapi3.Schema, object map[string]any, depth int) {
	for _, name := range slices.Sorted(maps.Keys(s.Properties)) {
		property := s.Properties[name]
		if _, there := object[name]; there || property.Value == nil {
			continue
		}
		hidden := property.Value.ReadOnly && !g.response || property.Value.WriteOnly && g.response
		if !hidden && (slices.Contains(s.Required, name) || depth < maxValueDepth && g.random.Float64() < g.rich) {
			object[name] = g.value(property, depth+1)
		}
	}
	for _, name := range s.Required { // without a schema of its own
		if _, there := object[name]; !there && s.Properties[name] == nil {
			object[name] = "required"
		}
	}
}

func (g *generator) array(s *openapi3.Schema, depth int) any {
	least := int(s.MinItems)
	most := least + 3
	if s.MaxItems != nil {
		most = min(most, int(*s.MaxItems))
	}
	if depth >= maxValueDepth {
		most = least
	}
	items := []any{}
	for range least + g.random.IntN(most-least+1) {
		items = append(items, g.value(s.Items, depth+1))
	}
	return items
}

func (g *generator) number(s *openapi3.Schema, integer bool) any {
	low, high := -1000.0, 1000.0
	switch {
	case s.Min != nil && s.Max != nil:
		low, high = *s.Min, *s.Max
	case s.Min != nil:
		low, high = *s.Min, *s.Min+1000
	case s.Max != nil:
		low, high = *s.Max-1000, *s.Max
	}
	if s.ExclusiveMin.Value != nil {
		low = *s.ExclusiveMin.Value + 1
		high = max(high, low+1)
	}
	number := low + math.Floor(g.random.Float64()*(high-low))
	if g.random.IntN(4) == 0 {
		number = []float64{low, high}[g.random.IntN(2)] // the bounds themselves
	}
	if s.MultipleOf != nil {
		number = math.Ceil(low/(*s.MultipleOf)) * *s.MultipleOf
	}
	if !integer && s.MultipleOf == nil && number+0.25 <= high {
		number += 0.25
	}
	return json.Number(fmt.Sprint(int64(number)) + map[bool]string{true: ".25"}[number != math.Trunc(number) && number > 0])
}

// formatTexts are texts of formats; the first that fits in length is taken.
var formatTexts = map[string][]string{
	"date":      {"2024-02-29", "1999-12-31"},
	"date-time": {"2024-02-29T23:59:59Z", "2012-12-12T10:53:43.123-08:00"},
	"uuid":      {"7f9c24e8-3b1a-4d5e-9f60-1a2b3c4d5e6f"},
	"email":     {"ada@example.com"},
	"url":       {"https://example.com/a?b=c"},
	"uri":       {"https://example.com/a?b=c"},
	"ipv4":      {"192.0.2.1"},
	"ipv6":      {"2001:db8::1"},
	"urn":       {"urn:example:1"},
	"time":      {"10:20:30Z"},
	"timezone":  {"Europe/Berlin"},
}

func (g *generator) text(s *openapi3.Schema) any {
	least, most := int(s.MinLength), 40
	if s.MaxLength != nil {
		most = int(min(*s.MaxLength, 5000))
	}
	if s.Format == "byte" {
		return base64.StdEncoding.EncodeToString([]byte("some bytes"))
	}
	if texts := formatTexts[s.Format]; len(texts) > 0 {
		return texts[g.random.IntN(len(texts))]
	}
	if s.Pattern != "" {
		if text, ok := matching(g.random, s.Pattern, least); ok {
			return text
		}
	}
	const letters = "abc XYZ019äß-_.é漢😀"
	runes := []rune(letters)
	length := least
	if most > least {
		length += g.random.IntN(min(most-least, 12)) + 1
	}
	if g.random.IntN(10) == 0 {
		length = min(most, 300) // the longest that is allowed
	}
	var text strings.Builder
	for range length {
		text.WriteRune(runes[g.random.IntN(len(runes))])
	}
	return text.String()
}
