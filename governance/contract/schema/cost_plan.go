package schema

import (
	"maps"
	"slices"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// plan is what the bound knows of a schema: where the library goes from it, and what it does there.
type plan struct {
	location string
	boolean  bool  // true or false instead of an object
	types    kinds // 0 is any
	asserts  bool  // a value of the right type may still be wrong by itself

	// Applied to the same value.
	self      []*plan
	dependent map[string]*plan // if the object has that member
	selectors []selector
	selected  map[*jsonschema.Schema]*plan // all that selectors may select

	// Applied to what the value contains.
	properties  map[string]*plan
	patterns    []patterned
	additional  *plan
	names       *plan
	prefix      []*plan
	items       *plan
	contains    *plan
	unevaluated [2]*plan // members, items

	dynamic  bool // has a $dynamicRef, for which the library looks through the whole way to the schema
	tracks   bool // has an unevaluated keyword: the library notes what has been evaluated
	onlyOwn  bool // additionalProperties is false
	unique   bool
	lookups  int     // members looked for by name, and values of enum
	numerals int     // numbers that a number is compared with
	exact    float64 // times that a number is parsed for exact arithmetic
	perByte  float64 // visits for a byte of a string

	factors factors
}

// patterned is a member of patternProperties.
type patterned struct {
	match   jsonschema.Regexp
	plan    *plan
	perByte float64
}

// kinds is a set of JSON types.
type kinds uint8

const (
	kindNull kinds = 1 << iota
	kindBoolean
	kindNumber
	kindString
	kindArray
	kindObject
)

var kindsByName = map[string]kinds{
	"null": kindNull, "boolean": kindBoolean, "number": kindNumber, "integer": kindNumber,
	"string": kindString, "array": kindArray, "object": kindObject,
}

func kindOf(value any) kinds {
	switch value.(type) {
	case nil:
		return kindNull
	case bool:
		return kindBoolean
	case string:
		return kindString
	case []any:
		return kindArray
	case map[string]any:
		return kindObject
	}
	return kindNumber
}

// graph is the plans of all schemas that can be reached from one.
type graph struct {
	root  *plan
	plans map[*jsonschema.Schema]*plan
	order []*plan // each after those that it leads to, except where they lead back
	most  int     // plans that may be reached from root, or more
}

// planner makes a graph.
type planner struct {
	graph
	anchors map[string][]*jsonschema.Schema
	scopes  map[uintptr]bool // resources whose anchors are known
	dynamic map[*plan]string // plans with a $dynamicRef to an anchor of that name
}

func newPlanner() *planner {
	return &planner{
		graph:   graph{plans: make(map[*jsonschema.Schema]*plan)},
		anchors: make(map[string][]*jsonschema.Schema),
		scopes:  make(map[uintptr]bool),
		dynamic: make(map[*plan]string),
	}
}

func newGraph(root *jsonschema.Schema) *graph {
	b := newPlanner()
	b.root = b.plan(root)
	b.resolveDynamic()
	b.most = len(b.plans)
	return &b.graph
}

func (b *planner) plan(s *jsonschema.Schema) *plan {
	if s == nil {
		return nil
	}
	if p, ok := b.plans[s]; ok {
		return p
	}
	p := &plan{location: s.Location, boolean: s.Bool != nil}
	b.plans[s] = p
	b.scope(s)
	if !p.boolean {
		p.weigh(s)
		b.applySelf(p, s)
		b.applyInside(p, s)
	}
	b.order = append(b.order, p)
	return p
}

// applySelf notes the schemas that are applied to the same value. The library stops early in some cases; the bound
// does not count on it.
func (b *planner) applySelf(p *plan, s *jsonschema.Schema) {
	single := []*jsonschema.Schema{s.Ref, s.RecursiveRef, s.Not, s.If, s.Then, s.Else}
	for _, list := range [][]*jsonschema.Schema{single, s.AllOf, s.AnyOf, s.OneOf} {
		for _, sub := range list {
			if sub != nil {
				p.self = append(p.self, b.plan(sub))
			}
		}
	}
	if ref := s.DynamicRef; ref != nil {
		p.dynamic = true
		p.self = append(p.self, b.plan(ref.Ref))
		if ref.Anchor != "" && ref.Ref.DynamicAnchor == ref.Anchor {
			b.dynamic[p] = ref.Anchor
		}
	}
	p.dependent = b.named(s.DependentSchemas)
	for name, dependency := range s.Dependencies {
		if sub, ok := dependency.(*jsonschema.Schema); ok {
			p.dependent = put(p.dependent, name, b.plan(sub))
		}
	}
	for _, extension := range s.Extensions {
		switch extension := extension.(type) {
		case selector:
			p.selectors = append(p.selectors, extension)
			if p.selected == nil {
				p.selected = make(map[*jsonschema.Schema]*plan)
			}
			for _, sub := range extension.schemas() {
				p.selected[sub] = b.plan(sub)
			}
		case namer:
			p.names = b.plan(extension.nameSchema())
		}
	}
}

// applyInside notes the schemas that are applied to members, names and items.
func (b *planner) applyInside(p *plan, s *jsonschema.Schema) {
	p.properties = b.named(s.Properties)
	for match, sub := range s.PatternProperties {
		p.patterns = append(p.patterns, patterned{match, b.plan(sub), patternWeight(match)})
	}
	switch additional := s.AdditionalProperties.(type) {
	case bool:
		p.onlyOwn = !additional
	case *jsonschema.Schema:
		p.additional = b.plan(additional)
	}
	if s.PropertyNames != nil {
		p.names = b.plan(s.PropertyNames)
	}
	for _, sub := range s.PrefixItems {
		p.prefix = append(p.prefix, b.plan(sub))
	}
	p.items = b.plan(s.Items2020)
	p.contains = b.plan(s.Contains)
	p.unevaluated = [2]*plan{b.plan(s.UnevaluatedProperties), b.plan(s.UnevaluatedItems)}
	p.tracks = s.UnevaluatedProperties != nil || s.UnevaluatedItems != nil
}

func (b *planner) named(schemas map[string]*jsonschema.Schema) (plans map[string]*plan) {
	for _, name := range slices.Sorted(maps.Keys(schemas)) {
		plans = put(plans, name, b.plan(schemas[name]))
	}
	return plans
}

func put(plans map[string]*plan, name string, p *plan) map[string]*plan {
	if plans == nil {
		plans = make(map[string]*plan)
	}
	plans[name] = p
	return plans
}
