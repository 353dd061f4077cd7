package onepass

import (
	"maps"
	"slices"
)

// coverage is what there is in a program that one pass cannot decide.
type coverage struct {
	seen    map[*node]bool
	whole   map[string]bool // locations
	choices int
	leaves  bool // to others what Value does not judge
}

// cover sets what the methods of a program tell about it.
func (p *Program) cover() {
	c := coverage{seen: make(map[*node]bool), whole: make(map[string]bool)}
	c.node(p.root)
	p.whole, p.choices, p.decides = slices.Sorted(maps.Keys(c.whole)), c.choices, !c.leaves
}

func (c *coverage) node(n *node) {
	if n == nil || c.seen[n] {
		return
	}
	c.seen[n] = true
	if n.number != nil {
		c.rest(n.number.rest)
	}
	if n.text != nil {
		c.rest(n.text.rest)
	}
	if a := n.array; a != nil {
		for _, item := range a.prefix {
			c.node(item)
		}
		c.node(a.items)
		for _, contains := range a.contains {
			c.node(contains.item)
			c.choices++
		}
		c.leaves = c.leaves || a.unique != nil || len(a.contains) > 0
		c.rest(a.rest)
	}
	c.object(n.object)
}

func (c *coverage) object(o *objectNode) {
	if o == nil {
		return
	}
	for _, property := range o.properties {
		c.node(property.node)
	}
	for _, other := range o.others {
		c.node(other)
	}
	for _, name := range o.names {
		c.node(name)
	}
	c.rest(o.rest)
	if o.selector != nil {
		for _, branch := range o.selector.branches {
			c.object(branch)
		}
	}
}

func (c *coverage) rest(r *rest) {
	if r == nil {
		return
	}
	c.leaves = true
	c.choices += len(r.choices)
	for _, choice := range r.choices {
		for _, branch := range choice.branches {
			c.node(branch)
		}
	}
	for _, whole := range r.wholes {
		c.whole[whole.location] = true
	}
}
