package schema

import (
	"maps"
	"slices"
	"strconv"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// This file holds readOnly and writeOnly, on compiled schemas: each direction has its own. In the direction that a
// property is not for, it is not required, also where a sibling in allOf requires it, and perhaps refused.

// adapter changes compiled schemas for one direction.
type adapter struct {
	compiler  *Compiler
	direction Direction
	done      map[*jsonschema.Schema]bool
	relaxed   map[*jsonschema.Schema]bool
}

func newAdapter(c *Compiler, d Direction) adapter {
	return adapter{c, d, make(map[*jsonschema.Schema]bool), make(map[*jsonschema.Schema]bool)}
}

// adapt changes compiled schemas and all that they lead to, each of them once.
func (a *adapter) adapt(roots []*jsonschema.Schema) {
	var fresh []*jsonschema.Schema
	for _, root := range roots {
		fresh = a.collect(root, fresh)
	}
	for _, schema := range fresh {
		a.extend(schema)
	}
	for _, schema := range fresh {
		for _, extension := range schema.Extensions {
			if d, ok := extension.(*dispatch); ok {
				d.cut(schema)
			}
		}
	}
	for _, schema := range fresh {
		a.relax(schema)
	}
}

// extend gives a schema the extensions that it needs.
func (a *adapter) extend(schema *jsonschema.Schema) {
	refuse := a.direction == Response || a.compiler.settings.RefuseReadOnly
	if names := a.hiddenIn(schema); len(names) > 0 && refuse {
		schema.Extensions = append(schema.Extensions, &refused{names, a.direction})
	}
	if schema.PropertyNames != nil {
		schema.Extensions = append(schema.Extensions, &propertyNames{schema.PropertyNames})
		schema.PropertyNames = nil
	}
	if i, err := strconv.Atoi(schema.Comment); err == nil {
		schema.Extensions = append(schema.Extensions, newDispatch(schema, a.compiler.discriminators[i]))
		schema.Comment = ""
	}
}

// relax takes the properties that are not for this direction out of required, in a schema and in what judges the
// same value. Schemas that have parts come after their parts, of which they may get copies.
func (a *adapter) relax(schema *jsonschema.Schema) {
	if a.relaxed[schema] {
		return
	}
	a.relaxed[schema] = true
	replaced(schema, func(part *jsonschema.Schema) *jsonschema.Schema {
		if part != nil {
			a.relax(part)
		}
		return part
	})
	names := a.gather(schema, nil, make(map[*jsonschema.Schema]bool))
	if len(names) == 0 {
		return
	}
	isNamed := func(name string) bool { return slices.Contains(names, name) }
	change := func(s *jsonschema.Schema) *jsonschema.Schema {
		if !slices.ContainsFunc(s.Required, isNamed) {
			return s
		}
		relaxed := *s
		relaxed.Required = slices.DeleteFunc(slices.Clone(s.Required), isNamed)
		return &relaxed
	}
	schema.Required = slices.DeleteFunc(slices.Clone(schema.Required), isNamed)
	done := map[*jsonschema.Schema]*jsonschema.Schema{schema: schema}
	replaced(schema, func(s *jsonschema.Schema) *jsonschema.Schema { return rebuild(s, change, done) })
}

// gather adds the properties that are not for this direction to names: those of a schema, of what it refers to and
// of its allOf.
func (a *adapter) gather(schema *jsonschema.Schema, names []string, seen map[*jsonschema.Schema]bool) []string {
	if schema == nil || seen[schema] {
		return names
	}
	seen[schema] = true
	names = append(names, a.hiddenIn(schema)...)
	for _, part := range a.conjuncts(schema) {
		names = a.gather(part, names, seen)
	}
	return names
}

// conjuncts are the schemas that a value must fit to fit schema.
func (a *adapter) conjuncts(schema *jsonschema.Schema) []*jsonschema.Schema {
	parts := append([]*jsonschema.Schema{schema.Ref}, schema.AllOf...)
	if a.compiler.dialect == OpenAPI30 {
		parts = append(parts, schema.Else) // only nullable makes it, see orNull
	}
	return parts
}

// hiddenIn returns the properties of one schema that are not for this direction, sorted.
func (a *adapter) hiddenIn(schema *jsonschema.Schema) (names []string) {
	for name, property := range schema.Properties {
		if a.isHidden(property, make(map[*jsonschema.Schema]bool)) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

func (a *adapter) isHidden(property *jsonschema.Schema, seen map[*jsonschema.Schema]bool) bool {
	if property == nil || seen[property] {
		return false
	}
	seen[property] = true
	if a.direction == Request && property.ReadOnly || a.direction == Response && property.WriteOnly {
		return true
	}
	return slices.ContainsFunc(a.conjuncts(property), func(part *jsonschema.Schema) bool { return a.isHidden(part, seen) })
}

// refused is the extension of a schema with properties that must not be there.
type refused struct {
	names     []string
	direction Direction
}

// Validate implements jsonschema.SchemaExt.
func (r *refused) Validate(context *jsonschema.ValidatorContext, value any) {
	object, ok := value.(map[string]any)
	if !ok {
		return
	}
	for _, name := range r.names {
		if _, ok := object[name]; ok {
			context.AddError(&hidden{name: name, direction: r.direction})
		}
	}
}

// collect appends what has not been adapted yet.
func (a *adapter) collect(schema *jsonschema.Schema, fresh []*jsonschema.Schema) []*jsonschema.Schema {
	if schema == nil || a.done[schema] {
		return fresh
	}
	a.done[schema] = true
	fresh = append(fresh, schema)
	for _, part := range parts(schema) {
		fresh = a.collect(part, fresh)
	}
	return fresh
}

// parts are the schemas that a compiled schema leads to, as long as it has no extensions.
func parts(s *jsonschema.Schema) []*jsonschema.Schema {
	all := slices.Concat(s.AllOf, s.AnyOf, s.OneOf, s.PrefixItems)
	all = append(all, s.Ref, s.Not, s.If, s.Then, s.Else, s.PropertyNames, s.UnevaluatedProperties,
		s.Contains, s.Items2020, s.UnevaluatedItems)
	if s.DynamicRef != nil {
		all = append(all, s.DynamicRef.Ref)
	}
	if additional, ok := s.AdditionalProperties.(*jsonschema.Schema); ok {
		all = append(all, additional)
	}
	all = slices.AppendSeq(all, maps.Values(s.Properties))
	all = slices.AppendSeq(all, maps.Values(s.PatternProperties))
	return slices.AppendSeq(all, maps.Values(s.DependentSchemas))
}
