package onepass

import (
	"encoding/json"
	"slices"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// This file holds which keywords say something of which type of value, and which of them need the whole value.

// maxPatterns is how many regular expressions the names of members are matched with: a node has a table of all subsets.
const maxPatterns = 6

// needsWhole tells whether a schema can only be judged whole for values of a kind.
func needsWhole(s *jsonschema.Schema, k kind) bool {
	if slices.ContainsFunc(s.Extensions, isUnknown) || s.RecursiveRef != nil {
		return true
	}
	switch k {
	case aText:
		return s.ContentEncoding != nil || s.ContentMediaType != nil || s.ContentSchema != nil
	case anArray:
		return s.UnevaluatedItems != nil || s.Enum != nil || s.Const != nil || s.Items != nil || s.AdditionalItems != nil
	case anObject:
		return s.UnevaluatedProperties != nil || s.Enum != nil || s.Const != nil || s.Dependencies != nil ||
			len(s.PatternProperties) > maxPatterns
	}
	return false
}

// excludes tells whether enum or const allow no value of a kind.
func excludes(s *jsonschema.Schema, k kind) bool {
	for _, allowed := range enums(s) {
		if !slices.ContainsFunc(allowed, func(value any) bool { return isOf(value, k) }) {
			return true
		}
	}
	return false
}

func isOf(value any, k kind) (ok bool) {
	switch k {
	case aNumber:
		_, ok = value.(json.Number)
	case aText:
		_, ok = value.(string)
	case anArray:
		_, ok = value.([]any)
	case anObject:
		_, ok = value.(map[string]any)
	}
	return ok
}

// says tells whether a schema itself, without what it leads to at the same value, says anything of values of a kind
// besides that it allows them.
func says(s *jsonschema.Schema, k kind) bool {
	if s.Enum != nil || s.Const != nil || s.Format != nil {
		return true
	}
	switch k {
	case aNumber:
		return onlyIntegers(s) || s.Minimum != nil || s.Maximum != nil || s.ExclusiveMinimum != nil ||
			s.ExclusiveMaximum != nil || s.MultipleOf != nil
	case aText:
		return s.MinLength != nil || s.MaxLength != nil || s.Pattern != nil
	case anArray:
		return s.MinItems != nil || s.MaxItems != nil || s.UniqueItems || s.Contains != nil || len(s.PrefixItems) > 0 ||
			s.Items2020 != nil
	}
	return s.MinProperties != nil || s.MaxProperties != nil || len(s.Required) > 0 || s.PropertyNames != nil ||
		len(s.Properties) > 0 || len(s.PatternProperties) > 0 || s.AdditionalProperties != nil ||
		len(s.DependentRequired) > 0 || len(s.DependentSchemas) > 0 || len(s.Extensions) > 0
}

// onlyIntegers tells whether of all numbers a schema allows the integers only.
func onlyIntegers(s *jsonschema.Schema) bool {
	return s.Types != nil && !s.Types.IsEmpty() && *s.Types&onlyNumber == 0
}

// below are the schemas that a compiled schema leads to.
func below(s *jsonschema.Schema) []*jsonschema.Schema {
	all := slices.Concat(s.AllOf, s.AnyOf, s.OneOf, s.PrefixItems)
	all = append(all, s.Ref, s.Not, s.If, s.Then, s.Else, s.PropertyNames, s.UnevaluatedProperties, s.Contains,
		s.Items2020, s.UnevaluatedItems)
	if s.DynamicRef != nil {
		all = append(all, s.DynamicRef.Ref)
	}
	if additional, ok := s.AdditionalProperties.(*jsonschema.Schema); ok {
		all = append(all, additional)
	}
	for _, schema := range s.Properties {
		all = append(all, schema)
	}
	for _, schema := range s.PatternProperties {
		all = append(all, schema)
	}
	for _, schema := range s.DependentSchemas {
		all = append(all, schema)
	}
	for _, extension := range s.Extensions {
		switch extension := extension.(type) {
		case Discriminator:
			_, branches, others := extension.Selects()
			all = append(all, others...)
			for _, branch := range branches {
				all = append(all, branch)
			}
		case NameJudge:
			all = append(all, extension.NameSchema())
		}
	}
	return all
}

// movable finds $dynamicRefs that mean another schema where they are reached another way.
type movable struct {
	seen  map[*jsonschema.Schema]bool
	found bool
}

func newMovable() movable { return movable{seen: make(map[*jsonschema.Schema]bool)} }

// reachedFrom tells whether a schema leads to one. Most documents have none, so that each schema is looked at once.
func (m *movable) reachedFrom(root *jsonschema.Schema) bool {
	if m.found {
		alone := newMovable()
		alone.search(root)
		return alone.found
	}
	m.search(root)
	return m.found
}

func (m *movable) search(s *jsonschema.Schema) {
	if s == nil || m.seen[s] {
		return
	}
	m.seen[s] = true
	if d := s.DynamicRef; d != nil && d.Anchor != "" && d.Ref != nil && d.Ref.DynamicAnchor == d.Anchor {
		m.found = true
	}
	for _, next := range below(s) {
		m.search(next)
	}
}
