package schema

import "encoding/json"

// Weights of what the library does besides going from schema to schema, in visits of about 0.3 us, as measured by
// BenchmarkCostWeights with some room: the library parses a number anew each time that it looks at its value, and
// copies the path to a value for each error.
const (
	mismatchWeight = 1.5      // a value of a wrong type, and its error
	failureWeight  = 1.0      // an error that another keyword may report
	depthWeight    = 1.0 / 16 // for an error, per level of the value
	parseWeight    = 1.5      // parse a number for exact arithmetic
	digitWeight    = 1.0 / 32 // the same, per digit
	lookupWeight   = 1.0 / 16 // look for a member, compare with a text
	memberWeight   = 1.0 / 8  // pass a member of an object that no keyword speaks of
	refusedWeight  = 1.0 / 4  // a member that additionalProperties refuses
	trackWeight    = 1.0      // note that a member or item has been evaluated
	matchWeight    = 1.0 / 4  // match a name with a pattern, whatever its length
	lengthWeight   = 1.0 / 256
	formatWeight   = 1.0 / 8
	regexWeight    = 4.0      // per byte of a format: regex, which is parsed
	chainWeight    = 1.0 / 64 // per schema on the way to a schema at the same value, all of which are searched for loops
	scopeWeight    = 1.0 / 32 // per schema on the way from the root, for a $dynamicRef
	loopWeight     = 100.0    // per level: the library writes down the whole way of a loop
)

// walk counts visits until they exceed the budget.
type walk struct {
	*graph
	budget, spent float64
}

// state is where the library is when it visits a value.
type state struct {
	depth int  // of the value
	chain int  // schemas applied to this value on the way here
	scope int  // schemas applied to any value on the way here
	track bool // somebody on the way asks what has been evaluated
}

func (st state) inside() state { return state{depth: st.depth + 1, scope: st.scope + 1} }

// path is what a copy of the path to the value costs.
func (st state) path() float64 { return depthWeight * float64(min(st.depth, assumedDepth)) }

func (w *walk) over() bool { return w.spent > w.budget }

// visit counts what the library does when it applies a schema to a value.
func (w *walk) visit(p *plan, value any, st state) {
	w.spent++
	if p.boolean || w.over() {
		return
	}
	if st.chain > w.most { // one of them is here twice
		w.spent += loopWeight * float64(st.depth+1)
		return
	}
	w.spent += chainWeight * float64(st.chain)
	kind := kindOf(value)
	if p.types != 0 && p.types&kind == 0 {
		w.spent += mismatchWeight + st.path()
		return
	}
	if p.asserts {
		w.spent += failureWeight + st.path() + lookupWeight*float64(p.lookups)
	}
	st.track = st.track || p.tracks
	switch value := value.(type) {
	case string:
		w.spent += p.perByte * float64(len(value))
	case json.Number:
		w.number(p, value)
	case map[string]any:
		w.object(p, value, st)
	case []any:
		w.array(p, value, st)
	}
	w.same(p, value, st)
}

func (w *walk) number(p *plan, value json.Number) {
	if parses := p.exact + 2*float64(p.numerals); parses > 0 {
		w.spent += parses * (parseWeight + digitWeight*float64(digits(string(value))))
	}
}

// same goes on to the schemas for the same value.
func (w *walk) same(p *plan, value any, st state) {
	if p.dynamic {
		w.spent += scopeWeight * float64(st.scope)
	}
	st.chain, st.scope = st.chain+1, st.scope+1
	for _, sub := range p.self {
		w.visit(sub, value, st)
	}
	for _, selector := range p.selectors {
		for _, sub := range selector.selected(value) {
			w.visit(p.selected[sub], value, st)
		}
	}
	if object, ok := value.(map[string]any); ok {
		for name, sub := range p.dependent {
			if _, ok := object[name]; ok {
				w.visit(sub, value, st)
			}
		}
	}
}

// perMember is what passing one member costs an object, besides judging it.
func (p *plan) perMember(track bool) float64 {
	weight := memberWeight + matchWeight*float64(len(p.patterns))
	if p.onlyOwn {
		weight += refusedWeight
	}
	if track {
		weight += trackWeight
	}
	return weight
}

func (w *walk) object(p *plan, object map[string]any, st state) {
	w.spent += p.perMember(st.track) * float64(len(object))
	onlyNamed := len(p.patterns) == 0 && p.additional == nil && p.names == nil && p.unevaluated[0] == nil
	if onlyNamed && len(p.properties) < len(object) {
		for name, sub := range p.properties {
			if member, ok := object[name]; ok && !w.over() {
				w.visit(sub, member, st.inside())
			}
		}
		return
	}
	for name, member := range object {
		if w.over() {
			return
		}
		w.member(p, name, member, st)
		if p.names != nil {
			w.visit(p.names, name, state{})
			w.spent += failureWeight
		}
	}
}

func (w *walk) member(p *plan, name string, member any, st state) {
	evaluated := p.onlyOwn
	if sub, ok := p.properties[name]; ok {
		evaluated = true
		w.visit(sub, member, st.inside())
	}
	for _, pattern := range p.patterns {
		w.spent += pattern.perByte * float64(len(name))
		if w.over() {
			return // before a long name is matched
		}
		if pattern.match.MatchString(name) {
			evaluated = true
			w.visit(pattern.plan, member, st.inside())
		}
	}
	if !evaluated && p.additional != nil {
		evaluated = true
		w.visit(p.additional, member, st.inside())
	}
	if !evaluated && p.unevaluated[0] != nil {
		w.visit(p.unevaluated[0], member, st.inside())
	}
}

func (w *walk) array(p *plan, array []any, st state) {
	if st.track {
		w.spent += trackWeight * float64(len(array))
	}
	if p.unique {
		w.unique(array)
	}
	if len(p.prefix) == 0 && p.items == nil && p.contains == nil && p.unevaluated[1] == nil {
		return
	}
	for i, item := range array {
		if w.over() {
			return
		}
		for _, sub := range []*plan{p.itemPlan(i), p.contains} {
			if sub != nil {
				w.visit(sub, item, st.inside())
			}
		}
		if p.unevaluated[1] != nil && p.itemPlan(i) == nil {
			w.visit(p.unevaluated[1], item, st.inside())
		}
	}
}

func (p *plan) itemPlan(i int) *plan {
	if i < len(p.prefix) {
		return p.prefix[i]
	}
	return p.items
}
