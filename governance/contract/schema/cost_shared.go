package schema

import (
	"sync"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// This file shares plans among the schemas of a document: most operations lead to the same ones, all over again, and
// in a large document each may lead to nearly all. A $dynamicRef means something else from each root, so that roots
// which may lead to one have plans of their own.

// costs makes the costs of schemas that are compiled one after the other. It is only needed while that is done.
type costs struct {
	*planner
	around surroundings // of all so far
	walks  *walks
	broken bool // the plans have a loop
}

func newCosts() *costs { return &costs{planner: newPlanner(), walks: new(walks)} }

// of examines a compiled schema, of which only what is new is looked at.
func (s *costs) of(root *jsonschema.Schema) *cost {
	known := len(s.order)
	top, plans := s.plan(root), s.order[known:]
	around := &s.around
	if len(s.dynamic) > 0 || s.broken {
		g := newGraph(root)
		top, plans, around, known = g.root, g.order, new(surroundings), 0
	}
	c := &cost{schema: root, factor: unbounded, walks: s.walks}
	if loop := firstLoop(plans); loop != nil {
		c.looped, s.broken = loop.location, true
		return c
	}
	if around.include(plans) && known > 0 {
		plans = s.order // what holds for one root may not hold for this one
	}
	computeFactors(plans, *around)
	c.factor = top.factors.factor()
	return c
}

// include notes what holds for more plans. It tells whether that changes what held before.
func (a *surroundings) include(plans []*plan) bool {
	before := *a
	a.chain = max(a.chain, longestChain(plans))
	for _, p := range plans {
		a.track = a.track || p.tracks
	}
	return *a != before
}

// walks makes plans for walks. They take more memory than the schemas, and most schemas never see a walk: they are
// made anew for those that do.
type walks struct {
	mu      sync.Mutex
	planner *planner
}

// graph returns the plans for a root. Those that are shared never change once they are there, so that the lock is not
// needed for walking.
func (w *walks) graph(root *jsonschema.Schema) *graph {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.planner == nil {
		w.planner = newPlanner()
	}
	top := w.planner.plan(root)
	if len(w.planner.dynamic) > 0 {
		return newGraph(root)
	}
	return &graph{root: top, plans: w.planner.plans, most: len(w.planner.plans)}
}
