package schema

import (
	"encoding/json"
	"sync"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// The schema library visits every branch of allOf, anyOf and oneOf to the end, so a recursive schema with two
// branches that look at the same member makes it visit a value of depth d about 2^d times, and nothing can stop it
// once it runs. The bound is therefore found before: how many visits may a value take, at most?
//
//   - For a schema as such: so many visits per node of any value (cost_factor.go). For most requests one look at
//     the size of the value decides: it is far below the budget.
//   - For one value, where that is too coarse: by walking through it as the library will, without judging anything
//     (cost_walk.go). The walk stops as soon as the budget is used up, and a visit takes it about a tenth of the
//     library's time.
//
// Both see the schema as plans (cost_plan.go).

// visitsPerNode times Limits.Nodes is the budget of one validation. With the weights of cost_walk.go a visit takes
// the library 0.06 to 0.45 us (BenchmarkCostWeights), mostly about 0.25, so that at the default of 100,000 nodes a
// validation ends after about 0.3 s at the worst. On the other side, ordinary documents of 1 MB need 3 to 10 visits per
// node where objects have two or three alternatives (TestOrdinaryDocumentsPass).
const visitsPerNode = 12

// cost bounds the work that the schema library does for a value.
type cost struct {
	schema *jsonschema.Schema
	factor factor
	looped string

	walks *walks
	once  sync.Once
	plan  *graph // made for the first walk
}

// selector is implemented by an extension of a compiled schema (jsonschema.SchemaExt) that hands the value
// on to other schemas (as for discriminator), so that their work is counted.
type selector interface {
	// schemas returns all schemas that the extension may apply, to the same value.
	schemas() []*jsonschema.Schema
	// selected returns those of them that it applies to this value.
	selected(value any) []*jsonschema.Schema
}

// namer is implemented by an extension that applies a schema to each member name (as for propertyNames).
type namer interface {
	nameSchema() *jsonschema.Schema
}

// newCost examines a compiled schema by itself. The result may be used concurrently.
func newCost(root *jsonschema.Schema) *cost { return newCosts().of(root) }

// graph returns the plans for a walk.
func (c *cost) graph() *graph {
	c.once.Do(func() { c.plan = c.walks.graph(c.schema) })
	return c.plan
}

// exceeds tells whether the library may need more than budget visits to judge the value. A visit is one
// schema applied to one value; work that grows with a string or an array counts as several. nodes is the
// number of values in value and text the number of bytes of its strings and names, or more (the length of
// the JSON text, say); measure counts both.
func (c *cost) exceeds(value any, nodes, text, budget int) bool {
	if c.factor.bound(nodes, text) <= float64(budget) { // not for the NaN of an infinite factor and no text
		return false
	}
	return c.count(value, budget) > float64(budget)
}

// visits returns how many visits the library may need to judge the value, or a number above the budget. It walks
// through the value only where the schema as such says nothing near what a value of its size may take.
func (c *cost) visits(value any, nodes, text, budget int) float64 {
	if bound := c.factor.bound(nodes, text); bound <= float64(min(budget, visitsPerNode*nodes)) {
		return bound
	}
	return c.count(value, budget)
}

// count returns the visits that the value may take, or a number above the budget once it is used up.
func (c *cost) count(value any, budget int) float64 {
	w := walk{graph: c.graph(), budget: float64(budget)}
	w.visit(w.root, value, state{})
	return w.spent
}

// loop returns the location of a schema that applies itself to the same value again, "" if there is none.
// Such a schema is meaningless (JSON Schema core, section 9.4.1), and the library answers with an error when it
// meets the loop.
func (c *cost) loop() string { return c.looped }

// measure counts the values in value and the bytes of its strings and member names. A number counts for as many
// bytes as it has digits when written without an exponent.
func measure(value any) (nodes, text int) {
	switch value := value.(type) {
	case string:
		return 1, len(value)
	case json.Number:
		return 1, digits(string(value))
	case []any:
		for _, item := range value {
			n, t := measure(item)
			nodes, text = nodes+n, text+t
		}
	case map[string]any:
		for name, member := range value {
			n, t := measure(member)
			nodes, text = nodes+n, text+t+len(name)
		}
	}
	return nodes + 1, text
}

// digits is what a number costs who calculates with it exactly.
func digits(number string) int {
	const enough = 1 << 30
	for i := range len(number) {
		if number[i]|0x20 != 'e' {
			continue
		}
		exponent := 0
		for _, c := range number[i+1:] {
			if c >= '0' && c <= '9' && exponent < enough {
				exponent = exponent*10 + int(c-'0')
			}
		}
		return i + min(exponent, enough)
	}
	return len(number)
}
