package schema

import (
	"cmp"
	"encoding/json"
	"slices"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// weigh notes what the library does with the value itself.
func (p *plan) weigh(s *jsonschema.Schema) {
	if s.Types != nil {
		names := s.Types.ToStrings()
		for _, name := range names {
			p.types |= kindsByName[name]
		}
		if slices.Contains(names, "integer") && !slices.Contains(names, "number") {
			p.exact++
		}
	}
	bounded := cmp.Or(s.Minimum, s.Maximum, s.ExclusiveMinimum, s.ExclusiveMaximum, s.MultipleOf) != nil
	if bounded {
		p.exact++
	}
	if s.MultipleOf != nil {
		p.exact++ // its division
	}
	p.lookups = len(s.Required) + len(s.DependentSchemas) + len(s.DependentRequired)
	for _, names := range s.DependentRequired {
		p.lookups += len(names)
	}
	if s.Enum != nil {
		p.compared(s.Enum.Values)
	}
	if s.Const != nil {
		p.compared([]any{*s.Const})
	}
	if s.Format != nil {
		p.perByte += formatWeightOf(s.Format.Name)
	}
	if s.Pattern != nil {
		p.perByte += patternWeight(s.Pattern)
	}
	if s.MinLength != nil || s.MaxLength != nil || s.ContentEncoding != nil || s.ContentMediaType != nil {
		p.perByte += lengthWeight
	}
	p.unique = s.UniqueItems
	p.asserts = bounded || p.lookups > 0 || p.perByte > 0 || s.AdditionalProperties == false || p.unique ||
		cmp.Or(s.MinItems, s.MaxItems, s.MinProperties, s.MaxProperties) != nil || s.Not != nil || s.Contains != nil ||
		len(s.AnyOf) > 0 || len(s.OneOf) > 0 || len(s.Extensions) > 0
}

// compared notes values that a value is compared with.
func (p *plan) compared(values []any) {
	for _, value := range values {
		nodes, _ := measure(value)
		p.lookups += nodes
		p.numerals += numerals(value)
	}
}

func numerals(value any) (n int) {
	switch value := value.(type) {
	case json.Number:
		return 1
	case []any:
		for _, item := range value {
			n += numerals(item)
		}
	case map[string]any:
		for _, member := range value {
			n += numerals(member)
		}
	}
	return n
}

// formatWeightOf is how many visits a byte of a text takes that is judged by a format.
func formatWeightOf(name string) float64 {
	switch name {
	case "byte":
		return lengthWeight // the one that long values have, and the cheapest
	case regexName:
		return regexWeight
	}
	return formatWeight
}
