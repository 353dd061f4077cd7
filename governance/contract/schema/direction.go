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
	own, all  map[*jsonschema.Schema][]string // what hiddenIn and gather have returned
}

func newAdapter(c *Compiler, d Direction) adapter {
	return adapter{
		compiler: c, direction: d,
		done: make(map[*jsonschema.Schema]bool), relaxed: make(map[*jsonschema.Schema]bool),
		own: make(map[*jsonschema.Schema][]string), all: make(map[*jsonschema.Schema][]string),
	}
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
	for _, schema := range a.heirsFirst(fresh) {
		dispatchOf(schema).cut(schema)
	}
	for _, schema := range fresh {
		a.relax(schema)
	}
}

// heirsFirst returns the schemas that have a discriminator, each before those that it extends: what the discriminator
// of a base selects is to be cut where the heirs in between have been cut already.
func (a *adapter) heirsFirst(schemas []*jsonschema.Schema) []*jsonschema.Schema {
	extended := make(map[*jsonschema.Schema]int)
	var count func(heir, schema *jsonschema.Schema, seen map[*jsonschema.Schema]bool)
	count = func(heir, schema *jsonschema.Schema, seen map[*jsonschema.Schema]bool) {
		if schema == nil || seen[schema] {
			return
		}
		seen[schema] = true
		if dispatchOf(schema) != nil {
			extended[heir]++
		}
		for _, part := range a.conjuncts(schema) {
			count(heir, part, seen)
		}
	}
	var heirs []*jsonschema.Schema
	for _, schema := range schemas {
		if dispatchOf(schema) != nil {
			heirs = append(heirs, schema)
			count(schema, schema, make(map[*jsonschema.Schema]bool))
		}
	}
	slices.SortStableFunc(heirs, func(x, y *jsonschema.Schema) int { return extended[y] - extended[x] })
	return heirs
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
	parts := 0
	replaced(schema, func(part *jsonschema.Schema) *jsonschema.Schema {
		if part != nil {
			a.relax(part)
			parts++
		}
		return part
	})
	names := a.gather(schema)
	if len(names) == 0 || parts == 1 && !demands(schema, names) && len(a.hiddenIn(schema)) == 0 {
		return // the part has been relaxed for all of them
	}
	change := func(s *jsonschema.Schema) *jsonschema.Schema {
		if !demands(s, names) {
			return s
		}
		relaxed := *s
		demandLess(&relaxed, names)
		return &relaxed
	}
	demandLess(schema, names)
	done := map[*jsonschema.Schema]*jsonschema.Schema{schema: schema}
	replaced(schema, func(s *jsonschema.Schema) *jsonschema.Schema { return rebuild(s, change, done) })
}

// demands tells whether a schema requires one of the names.
func demands(s *jsonschema.Schema, names []string) bool {
	isNamed := func(name string) bool { return slices.Contains(names, name) }
	for _, required := range s.DependentRequired {
		if slices.ContainsFunc(required, isNamed) {
			return true
		}
	}
	return slices.ContainsFunc(s.Required, isNamed)
}

// demandLess takes names out of what a schema requires.
func demandLess(s *jsonschema.Schema, names []string) {
	without := func(required []string) []string {
		return slices.DeleteFunc(slices.Clone(required), func(name string) bool { return slices.Contains(names, name) })
	}
	s.Required = without(s.Required)
	s.DependentRequired = maps.Clone(s.DependentRequired)
	for name, required := range s.DependentRequired {
		s.DependentRequired[name] = without(required)
	}
}

// gather returns the properties that are not for this direction: those of a schema, of what it refers to and of its
// allOf, and those of its alternatives, unless another alternative has them for both directions.
func (a *adapter) gather(schema *jsonschema.Schema) []string {
	if schema == nil {
		return nil
	}
	if names, ok := a.all[schema]; ok {
		return names
	}
	a.all[schema] = nil // ends a loop
	names := slices.Clone(a.hiddenIn(schema))
	for _, part := range a.conjuncts(schema) {
		names = append(names, a.gather(part)...)
	}
	var hidden []string
	for _, branch := range alternatives(schema) {
		hidden = append(hidden, a.gather(branch)...)
	}
	if len(hidden) > 0 {
		open, seen := make(map[string]bool), make(map[*jsonschema.Schema]bool)
		for _, branch := range alternatives(schema) {
			a.open(branch, open, seen)
		}
		names = append(names, slices.DeleteFunc(hidden, func(name string) bool { return open[name] })...)
	}
	slices.Sort(names)
	a.all[schema] = slices.Compact(names)
	return a.all[schema]
}

// open adds the properties to names that are for both directions in a schema or in what judges the same value.
func (a *adapter) open(schema *jsonschema.Schema, names map[string]bool, seen map[*jsonschema.Schema]bool) {
	if schema == nil || seen[schema] {
		return
	}
	seen[schema] = true
	hidden := a.hiddenIn(schema)
	for name := range schema.Properties {
		if !slices.Contains(hidden, name) {
			names[name] = true
		}
	}
	for _, part := range slices.Concat(a.conjuncts(schema), alternatives(schema)) {
		a.open(part, names, seen)
	}
}

// alternatives are the schemas that a value may have to fit, besides those that it must fit.
func alternatives(schema *jsonschema.Schema) []*jsonschema.Schema {
	all := slices.Concat(schema.AnyOf, schema.OneOf, []*jsonschema.Schema{schema.Then, schema.Else})
	all = slices.AppendSeq(all, maps.Values(schema.DependentSchemas))
	if d := dispatchOf(schema); d != nil {
		all = slices.AppendSeq(all, maps.Values(d.branches))
	}
	return all
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
func (a *adapter) hiddenIn(schema *jsonschema.Schema) []string {
	if names, ok := a.own[schema]; ok {
		return names
	}
	var names []string
	for name, property := range schema.Properties {
		if a.isHidden(property, make(map[*jsonschema.Schema]bool)) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	a.own[schema] = names
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
