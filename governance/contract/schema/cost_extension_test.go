package schema

import (
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// TestCostCountsExtensions: what extensions hand on is counted as if the engine did it.
func TestCostCountsExtensions(t *testing.T) {
	const heavy = `{"anyOf":[{"const":"a"},{"const":"b"},{"const":"c"},{"const":"d"},{"const":"e"}]}`
	value := costValue(t, `{"kind":"x","q":1,"r":2}`)
	plain := newCost(costSchema(t, `{"minProperties":1}`)).count(value, costBudget)
	for name, extension := range map[string]jsonschema.SchemaExt{
		"propertyNames": &propertyNames{costSchema(t, heavy)},
		"discriminator": &dispatch{property: "kind", branches: map[string]*jsonschema.Schema{"x": costSchema(t, heavy)}},
	} {
		schema := costSchema(t, `{"minProperties":1}`)
		schema.Extensions = append(schema.Extensions, extension)
		c := newCost(schema)
		nodes, text := measure(value)
		if got := c.count(value, costBudget); got < plain+6 || got > c.factor.bound(nodes, text) {
			t.Errorf("%s: %.2f visits, %.2f without it, at most %.2f", name, got, plain, c.factor.bound(nodes, text))
		}
	}
}
