package onepass

import (
	"github.com/santhosh-tekuri/jsonschema/v6"
)

// This file holds how a set of schemas is resolved for values of one type: into parts that a value must all fit, and
// what is to be decided when a value is there.

// kind is a type of values that have parts of their own in a node.
type kind uint8

const (
	aNumber kind = iota
	aText
	anArray
	anObject
)

// types are the bits of jsonschema.Types.
var types = func() (bits [4]jsonschema.Types) {
	for k, name := range [...]string{"number", "string", "array", "object"} {
		bits[k].Add(name)
	}
	bits[aNumber].Add("integer")
	return bits
}()

var onlyNumber = func() (bits jsonschema.Types) { bits.Add("number"); return bits }()

// spec is what a value of one type must fit.
type spec struct {
	kind    kind
	never   bool                 // no value fits
	parts   []*jsonschema.Schema // of which only the keywords count that say something of the value itself
	choices []choice
	whole   []*jsonschema.Schema
	selects []selecting
	seen    map[*jsonschema.Schema]bool
}

// selecting is a schema that has a discriminator.
type selecting struct {
	schema *jsonschema.Schema
	by     Discriminator
}

// resolve makes the spec of a set.
func (c *Compiler) resolve(set []*jsonschema.Schema, k kind) *spec {
	s := &spec{kind: k, seen: make(map[*jsonschema.Schema]bool)}
	for _, schema := range set {
		c.add(s, schema)
	}
	return s
}

// maxChain bounds how many schemas lead to each other at the same value. Package schema refuses loops; what is longer
// is judged whole.
const maxChain = 200

// add adds a schema to a spec.
func (c *Compiler) add(s *spec, schema *jsonschema.Schema) {
	if schema == nil || s.never || s.seen[schema] {
		return
	}
	s.seen[schema] = true
	switch {
	case schema.Bool != nil:
		s.never = !*schema.Bool
		return
	case schema.Types != nil && !schema.Types.IsEmpty() && *schema.Types&types[s.kind] == 0:
		s.never = true
		return
	case excludes(schema, s.kind):
		s.never = true
		return
	case c.depth > maxChain || needsWhole(schema, s.kind):
		s.whole = append(s.whole, schema)
		return
	}
	c.depth++
	defer func() { c.depth-- }()
	s.parts = append(s.parts, schema)
	c.add(s, schema.Ref)
	if schema.DynamicRef != nil { // one that moves has no program
		c.add(s, schema.DynamicRef.Ref)
	}
	for _, part := range schema.AllOf {
		c.add(s, part)
	}
	c.alternatives(s, schema.AnyOf, atLeastOne)
	c.alternatives(s, schema.OneOf, exactlyOne)
	c.negation(s, schema.Not)
	c.condition(s, schema)
	for _, extension := range schema.Extensions {
		if d, ok := extension.(Discriminator); ok {
			c.discriminator(s, schema, d)
		}
	}
}

// judgement is what a schema says of values of one type, as far as it can be said without a value.
type judgement uint8

const (
	depends judgement = iota
	always
	never
)

// judged is what a judgement is about.
type judged struct {
	schema *jsonschema.Schema
	kind   kind
}

func (c *Compiler) judgement(schema *jsonschema.Schema, k kind) judgement {
	j, ok := c.judged[judged{schema, k}]
	if !ok {
		c.depth++
		j = c.judge(schema, k)
		c.depth--
		c.judged[judged{schema, k}] = j
	}
	return j
}

func (c *Compiler) judge(schema *jsonschema.Schema, k kind) judgement {
	s := c.resolve([]*jsonschema.Schema{schema}, k)
	if s.never {
		return never
	}
	if len(s.choices) > 0 || len(s.whole) > 0 || len(s.selects) > 0 {
		return depends
	}
	for _, part := range s.parts {
		if says(part, k) {
			return depends
		}
	}
	return always
}

// alternatives adds an anyOf or oneOf, or the one schema of it that is left.
func (c *Compiler) alternatives(s *spec, schemas []*jsonschema.Schema, r rule) {
	if len(schemas) == 0 || s.never {
		return
	}
	var left []*jsonschema.Schema
	for _, schema := range schemas {
		switch c.judgement(schema, s.kind) {
		case always:
			if r == atLeastOne {
				return
			}
			left = append(left, schema)
		case depends:
			left = append(left, schema)
		}
	}
	switch len(left) {
	case 0:
		s.never = true
	case 1:
		c.add(s, left[0])
	default:
		choice := choice{rule: r}
		for _, schema := range left {
			choice.branches = append(choice.branches, c.node(schema))
		}
		s.choices = append(s.choices, choice)
	}
}

func (c *Compiler) negation(s *spec, schema *jsonschema.Schema) {
	if schema == nil || s.never {
		return
	}
	switch c.judgement(schema, s.kind) {
	case always:
		s.never = true
	case depends:
		s.choices = append(s.choices, choice{rule: notThis, branches: []*node{c.node(schema)}})
	}
}

func (c *Compiler) condition(s *spec, schema *jsonschema.Schema) {
	if schema.If == nil || schema.Then == nil && schema.Else == nil || s.never {
		return
	}
	switch c.judgement(schema.If, s.kind) {
	case always:
		c.add(s, schema.Then)
	case never:
		c.add(s, schema.Else)
	default:
		one := func(schema *jsonschema.Schema) *node {
			if schema == nil {
				return nil
			}
			return c.node(schema)
		}
		branches := []*node{one(schema.If), one(schema.Then), one(schema.Else)}
		s.choices = append(s.choices, choice{rule: conditional, branches: branches})
	}
}

// discriminator adds one: for objects, a selector will look for the property.
func (c *Compiler) discriminator(s *spec, schema *jsonschema.Schema, d Discriminator) {
	if s.kind == anObject {
		s.selects = append(s.selects, selecting{schema, d})
		return
	}
	_, _, others := d.Selects()
	if len(others) == 0 {
		s.never = true
	}
	c.alternatives(s, others, atLeastOne)
}
