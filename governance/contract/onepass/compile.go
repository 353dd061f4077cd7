package onepass

import (
	"slices"
	"strconv"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// This file holds how compiled schemas become nodes: one node for each set of schemas that judge the same value.

// Compiler makes programs of compiled schemas, which must not change any more. Programs share what they have in common.
// It may not be used concurrently.
type Compiler struct {
	options Options
	ids     map[*jsonschema.Schema]int
	nodes   map[string]*node // by the ids of the set
	queue   []queued         // nodes that are not made yet
	wholes  map[*jsonschema.Schema]whole
	weights map[jsonschema.Regexp]float64
	judged  map[judged]judgement
	fixed   map[*jsonschema.Schema][3]bool
	movable movable
	depth   int // of schemas that judge the same value
	objects int // made by selectors
}

type queued struct {
	node *node
	set  []*jsonschema.Schema
}

// maxNodes bounds the nodes of one Compiler: schemas that overlap in many ways can have as many sets as there are subsets.
// Beyond it, values are judged whole.
const maxNodes = 1 << 14

// NewCompiler makes a compiler.
func NewCompiler(o Options) *Compiler {
	o.Limits = o.Limits.WithDefaults()
	o.Limits.Nodes = min(o.Limits.Nodes, maxText) // each has a byte
	return &Compiler{options: o,
		ids: make(map[*jsonschema.Schema]int), nodes: make(map[string]*node),
		wholes: make(map[*jsonschema.Schema]whole), weights: make(map[jsonschema.Regexp]float64),
		judged: make(map[judged]judgement), fixed: make(map[*jsonschema.Schema][3]bool),
		movable: newMovable(),
	}
}

// Compile makes the program of a schema.
func (c *Compiler) Compile(schema *jsonschema.Schema) *Program {
	if c.movable.reachedFrom(schema) {
		return &Program{whole: []string{schema.Location}}
	}
	p := &Program{root: c.node(schema), limits: c.options.Limits, heavy: c.options.Heavy}
	for i := 0; i < len(c.queue); i++ { // it grows; what is deepest comes last
		c.fill(c.queue[i].node, c.queue[i].set)
	}
	c.queue = nil
	p.cover()
	return p
}

// node returns the node for a value that all schemas of a set judge. It may be filled later.
func (c *Compiler) node(set ...*jsonschema.Schema) *node {
	set, key := c.canonical(set)
	if len(set) == 0 {
		return anything
	}
	n, ok := c.nodes[key]
	if !ok {
		n = new(node)
		c.nodes[key] = n
		c.queue = append(c.queue, queued{n, set})
	}
	return n
}

func (c *Compiler) fill(n *node, set []*jsonschema.Schema) {
	n.null, n.no, n.yes = c.constants(set)
	if len(c.nodes) > maxNodes {
		r := c.rest(&spec{whole: set})
		n.number, n.text = &numberNode{rest: r}, &textNode{max: -1, rest: r}
		n.array = &arrayNode{max: -1, items: anything, rest: r}
		n.object = &objectNode{max: -1, others: []*node{anything}, rest: r}
		return
	}
	n.number = c.number(c.resolve(set, aNumber))
	n.text = c.text(c.resolve(set, aText))
	n.array = c.array(c.resolve(set, anArray))
	n.object = c.object(c.resolve(set, anObject))
}

// canonical returns a set without what is in it twice and without true, in an order of its own, and its key.
func (c *Compiler) canonical(set []*jsonschema.Schema) ([]*jsonschema.Schema, string) {
	set = slices.DeleteFunc(slices.Clone(set), func(s *jsonschema.Schema) bool { return s.Bool != nil && *s.Bool })
	for _, s := range set {
		if _, ok := c.ids[s]; !ok {
			c.ids[s] = len(c.ids)
		}
	}
	slices.SortFunc(set, func(a, b *jsonschema.Schema) int { return c.ids[a] - c.ids[b] })
	set = slices.Compact(set)
	var key []byte
	for _, s := range set {
		key = append(strconv.AppendInt(key, int64(c.ids[s]), 36), ' ')
	}
	return set, string(key)
}

// constants tells whether null, false and true are allowed, as the engine has it.
func (c *Compiler) constants(set []*jsonschema.Schema) (null, no, yes bool) {
	null, no, yes = true, true, true
	for _, s := range set {
		allowed, ok := c.fixed[s]
		if !ok {
			allowed = [3]bool{s.Validate(nil) == nil, s.Validate(false) == nil, s.Validate(true) == nil}
			c.fixed[s] = allowed
		}
		null, no, yes = null && allowed[0], no && allowed[1], yes && allowed[2]
	}
	return null, no, yes
}

// whole returns what judges a schema in one piece.
func (c *Compiler) whole(s *jsonschema.Schema) whole {
	w, ok := c.wholes[s]
	if !ok {
		w = whole{c.options.Whole(s), s.Location}
		c.wholes[s] = w
	}
	return w
}

// matcher returns what matches with a regular expression.
func (c *Compiler) matcher(expression jsonschema.Regexp) matcher {
	weight, ok := c.weights[expression]
	if !ok {
		weight = c.options.Weight(expression)
		c.weights[expression] = weight
	}
	return matcher{expression, weight}
}

// rest returns what a pass cannot decide of a spec.
func (c *Compiler) rest(s *spec) *rest {
	if len(s.choices) == 0 && len(s.whole) == 0 {
		return nil
	}
	r := &rest{choices: s.choices}
	for _, schema := range s.whole {
		r.wholes = append(r.wholes, c.whole(schema))
	}
	return r
}
