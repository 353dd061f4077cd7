package onepass

import (
	"maps"
	"slices"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// This file holds how specs of arrays and objects become nodes.

func (c *Compiler) array(s *spec) *arrayNode {
	if s.never {
		return nil
	}
	n := &arrayNode{max: -1}
	longest := 0
	for _, part := range s.parts {
		n.min, n.max = narrowed(n.min, n.max, part.MinItems, part.MaxItems)
		longest = max(longest, len(part.PrefixItems))
		if part.UniqueItems {
			n.unique = append(n.unique, c.whole(part))
		}
		if part.Contains != nil {
			item := contains{item: c.node(part.Contains), min: 1, max: -1}
			if part.MinContains != nil {
				item.min = *part.MinContains
			}
			if part.MaxContains != nil {
				item.max = *part.MaxContains
			}
			n.contains = append(n.contains, item)
		}
	}
	for i := range longest + 1 {
		var set []*jsonschema.Schema
		for _, part := range s.parts {
			if i < len(part.PrefixItems) {
				set = append(set, part.PrefixItems[i])
			} else if part.Items2020 != nil {
				set = append(set, part.Items2020)
			}
		}
		n.prefix = append(n.prefix, c.node(set...))
	}
	n.items, n.prefix = n.prefix[longest], n.prefix[:longest]
	n.rest = c.rest(s)
	return n
}

// refusal is the schema of a member that must not be there.
var refusal = func() *jsonschema.Schema { no := false; return &jsonschema.Schema{Bool: &no} }()

func (c *Compiler) object(s *spec) *objectNode {
	if s.never {
		return nil
	}
	if len(s.selects) > 0 && c.objects <= maxNodes {
		return c.selector(s)
	}
	for _, one := range s.selects { // there are many, inside or beside each other
		s.whole = append(s.whole, one.schema)
	}
	n := &objectNode{max: -1}
	names := c.names(s)
	for _, name := range names {
		n.properties = append(n.properties, property{node: c.member(s, name)})
	}
	n.table = newTable(names)
	for _, part := range s.parts {
		n.min, n.max = narrowed(n.min, n.max, part.MinProperties, part.MaxProperties)
		for _, name := range part.Required {
			n.properties[n.table.find(name)].required = 1
		}
		for _, name := range slices.Sorted(maps.Keys(part.DependentRequired)) {
			implied := implied{by: n.table.find(name)}
			for _, name := range part.DependentRequired[name] {
				implied.required = append(implied.required, n.table.find(name))
			}
			n.implied = append(n.implied, implied)
		}
		for _, name := range slices.Sorted(maps.Keys(part.DependentSchemas)) {
			s.choices = append(s.choices, choice{rule: dependent,
				property: n.table.find(name), branches: []*node{c.node(part.DependentSchemas[name])}})
		}
		for _, judge := range c.nameSchemas(part) {
			n.names = append(n.names, c.node(judge))
		}
	}
	for _, p := range n.properties {
		n.required += p.required
	}
	c.others(n, s)
	n.rest = c.rest(s)
	return n
}

// names are those that parts of a spec mention, sorted.
func (c *Compiler) names(s *spec) []string {
	all := make(map[string]bool)
	add := func(names ...string) {
		for _, name := range names {
			all[name] = true
		}
	}
	for _, part := range s.parts {
		for name := range part.Properties {
			add(name)
		}
		add(part.Required...)
		for name, required := range part.DependentRequired {
			add(name)
			add(required...)
		}
		for name := range part.DependentSchemas {
			add(name)
		}
		for _, extension := range part.Extensions {
			if r, ok := extension.(Refuser); ok {
				add(r.Refuses()...)
			}
		}
	}
	return slices.Sorted(maps.Keys(all))
}

func (c *Compiler) nameSchemas(part *jsonschema.Schema) (all []*jsonschema.Schema) {
	if part.PropertyNames != nil {
		all = append(all, part.PropertyNames)
	}
	for _, extension := range part.Extensions {
		if judge, ok := extension.(NameJudge); ok {
			all = append(all, judge.NameSchema())
		}
	}
	return all
}

// member returns the node for the value of a member that a spec mentions.
func (c *Compiler) member(s *spec, name string) *node {
	var set []*jsonschema.Schema
	for _, part := range s.parts {
		own, ok := part.Properties[name]
		if ok {
			set = append(set, own)
		}
		for expression, schema := range part.PatternProperties {
			if expression.MatchString(name) {
				set, ok = append(set, schema), true
			}
		}
		if !ok {
			set = append(set, additional(part)...)
		}
		for _, extension := range part.Extensions {
			if r, ok := extension.(Refuser); ok && slices.Contains(r.Refuses(), name) {
				set = append(set, refusal)
			}
		}
	}
	return c.node(set...)
}

// additional returns the schema of additionalProperties, if there is one.
func additional(part *jsonschema.Schema) []*jsonschema.Schema {
	switch schema := part.AdditionalProperties.(type) {
	case *jsonschema.Schema:
		return []*jsonschema.Schema{schema}
	case bool:
		if !schema {
			return []*jsonschema.Schema{refusal}
		}
	}
	return nil
}

// others makes the nodes for members that a spec does not mention: one for each set of patterns that a name may match.
func (c *Compiler) others(n *objectNode, s *spec) {
	index := make(map[jsonschema.Regexp]int)
	for _, part := range s.parts {
		for expression := range part.PatternProperties {
			if _, ok := index[expression]; !ok && len(index) < maxPatterns {
				index[expression] = len(index)
				n.patterns = append(n.patterns, c.matcher(expression))
			} else if !ok {
				s.whole = append(s.whole, part)
			}
		}
	}
	for matched := range 1 << len(n.patterns) {
		var set []*jsonschema.Schema
		for _, part := range s.parts {
			evaluated := false
			for expression, schema := range part.PatternProperties {
				i, ok := index[expression]
				if ok && matched&(1<<i) != 0 {
					set, evaluated = append(set, schema), true
				}
				evaluated = evaluated || !ok // the part is judged whole
			}
			if !evaluated {
				set = append(set, additional(part)...)
			}
		}
		n.others = append(n.others, c.node(set...))
	}
}

// selector makes the node of an object with a discriminator: one for each branch, which may have a discriminator, too.
func (c *Compiler) selector(s *spec) *objectNode {
	property, branches, _ := s.selects[0].by.Selects()
	n := &objectNode{selector: &selector{property, make(map[string]*objectNode, len(branches))}}
	for _, value := range slices.Sorted(maps.Keys(branches)) {
		branch := *s
		branch.parts, branch.choices = slices.Clone(s.parts), slices.Clone(s.choices)
		branch.whole, branch.selects = slices.Clone(s.whole), slices.Clone(s.selects[1:])
		branch.seen = maps.Clone(s.seen)
		c.add(&branch, branches[value])
		c.objects++
		n.selector.branches[value] = c.object(&branch)
	}
	return n
}
