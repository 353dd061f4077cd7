package schema

import (
	"maps"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// This file holds how a compiled schema is changed for one of those that refer to it, while it stays as it is for
// the others.

// change replaces a schema, or returns it as it is.
type change func(*jsonschema.Schema) *jsonschema.Schema

// rebuilt returns schema with everything replaced that judges the same value whenever schema does: what it
// refers to, allOf, anyOf, oneOf, then, else, dependentSchemas and what a discriminator selects. Schemas on the way to
// a change are copied; if nothing changes the result is schema itself.
func rebuilt(schema *jsonschema.Schema, with change) *jsonschema.Schema {
	return rebuild(schema, with, make(map[*jsonschema.Schema]*jsonschema.Schema))
}

func rebuild(schema *jsonschema.Schema, with change, done map[*jsonschema.Schema]*jsonschema.Schema) *jsonschema.Schema {
	if schema == nil {
		return nil
	}
	if result, ok := done[schema]; ok {
		return result // itself while it is being rebuilt: a loop
	}
	done[schema] = schema
	next := func(s *jsonschema.Schema) *jsonschema.Schema { return rebuild(s, with, done) }
	result := with(schema)
	if result == schema {
		if copy := *schema; replaced(&copy, next) {
			result = &copy
		}
	} else {
		replaced(result, next)
	}
	done[schema] = result
	return result
}

// replaced replaces the schemas that judge the same value as s does, and tells whether any has changed.
func replaced(s *jsonschema.Schema, next change) bool {
	changed := false
	for _, field := range []**jsonschema.Schema{&s.Ref, &s.Then, &s.Else} {
		if schema := next(*field); schema != *field {
			*field, changed = schema, true
		}
	}
	for _, field := range []*[]*jsonschema.Schema{&s.AllOf, &s.AnyOf, &s.OneOf} {
		if schemas, ok := replacedEach(*field, next); ok {
			*field, changed = schemas, true
		}
	}
	for name, dependent := range s.DependentSchemas {
		if schema := next(dependent); schema != dependent {
			s.DependentSchemas, changed = maps.Clone(s.DependentSchemas), true
			s.DependentSchemas[name] = schema
		}
	}
	for i, extension := range s.Extensions {
		d, ok := extension.(*dispatch)
		if !ok {
			continue
		}
		if d, ok = d.replaced(next); ok {
			s.Extensions, changed = append([]jsonschema.SchemaExt(nil), s.Extensions...), true
			s.Extensions[i] = d
		}
	}
	return changed
}

func replacedEach(schemas []*jsonschema.Schema, next change) ([]*jsonschema.Schema, bool) {
	changed := false
	result := make([]*jsonschema.Schema, len(schemas))
	for i, schema := range schemas {
		result[i] = next(schema)
		changed = changed || result[i] != schema
	}
	return result, changed
}

func (d *dispatch) replaced(next change) (*dispatch, bool) {
	changed := false
	result := *d
	result.branches = make(map[string]*jsonschema.Schema, len(d.branches))
	for value, branch := range d.branches {
		result.branches[value] = next(branch)
		changed = changed || result.branches[value] != branch
	}
	others, ok := replacedEach(d.others, next)
	result.others = others
	return &result, changed || ok
}
