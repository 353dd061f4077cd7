package schema

import (
	"fmt"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/weirproxy/weir/internal/cputime"
)

// costSchemas compiles the members of $defs of one resource.
func costSchemas(t testing.TB, definitions map[string]string) map[string]*jsonschema.Schema {
	t.Helper()
	var members []string
	for name, text := range definitions {
		members = append(members, strconv.Quote(name)+":"+text)
	}
	compiler := jsonschema.NewCompiler()
	if err := compiler.AddResource("test:///s.json", costValue(t, `{"$defs":{`+strings.Join(members, ",")+"}}")); err != nil {
		t.Fatal(err)
	}
	schemas := make(map[string]*jsonschema.Schema)
	for name := range definitions {
		schema, err := compiler.Compile("test:///s.json#/$defs/" + name)
		if err != nil {
			t.Fatal(err)
		}
		schemas[name] = schema
	}
	return schemas
}

var sharing = map[string]string{
	"text":   `{"type":"string","maxLength":9}`,
	"pair":   `{"prefixItems":[{"$ref":"#/$defs/text"},{"$ref":"#/$defs/text"}]}`,
	"long":   `{"allOf":[{"allOf":[{"allOf":[{"$ref":"#/$defs/pair"}]}]},{"items":{"$ref":"#/$defs/text"}}]}`,
	"tracks": `{"properties":{"a":{"$ref":"#/$defs/long"}},"unevaluatedProperties":false}`,
	"tree":   `{"properties":{"l":{"$ref":"#/$defs/tree"},"r":{"$ref":"#/$defs/pair"}}}`,
	"forest": `{"anyOf":[{"$ref":"#/$defs/tree"},{"properties":{"l":{"$ref":"#/$defs/forest"}}},{"properties":{"l":{"$ref":"#/$defs/forest"}}}]}`,
	"above":  `{"items":{"$ref":"#/$defs/forest"}}`,
}

// Whatever has been looked at before, the cost of a schema is no less than by itself, and walks are the same.
func TestCostsThatAreShared(t *testing.T) {
	schemas := costSchemas(t, sharing)
	value := costValue(t, costNested(6, "l", `{"r":["a","b"],"a":["c"]}`))
	orders := []string{"text pair long tracks tree forest above", "above forest tree tracks long pair text", "pair above long text tracks tree forest"}
	for _, order := range orders {
		shared := newCosts()
		for _, name := range strings.Fields(order) {
			c, alone := shared.of(schemas[name]), newCost(schemas[name])
			for i := range c.factor {
				if c.factor[i] < alone.factor[i] {
					t.Errorf("%s in %s: factor %v, alone %v", name, order, c.factor, alone.factor)
				}
			}
			if c.loop() != "" || c.count(value, costBudget) != alone.count(value, costBudget) {
				t.Errorf("%s in %s: %v visits, alone %v", name, order, c.count(value, costBudget), alone.count(value, costBudget))
			}
		}
		if shared.of(schemas["pair"]).factor[perNode] > 20 {
			t.Errorf("%s: what is recursive makes all infinite", order)
		}
	}
}

func TestCostsWithDynamicReferencesAreNotShared(t *testing.T) {
	shared := newCosts()
	for name, schema := range costSchemas(t, map[string]string{
		"a": `{"$id":"a","$ref":"list","$defs":{"x":{"$dynamicAnchor":"item","type":"string","maxLength":3}}}`,
		"b": `{"$id":"b","$ref":"list","$defs":{"x":{"$dynamicAnchor":"item","enum":[1,2,3]}}}`,
		"c": `{"$id":"list","items":{"$dynamicRef":"#item"},"$defs":{"x":{"$dynamicAnchor":"item"}}}`,
	}) {
		value := costValue(t, costAlike(50, "12"))
		c, alone := shared.of(schema), newCost(schema)
		if c.factor != alone.factor || c.count(value, costBudget) != alone.count(value, costBudget) {
			t.Errorf("%s: %v, alone %v", name, c.factor, alone.factor)
		}
	}
}

func TestCostsAfterALoop(t *testing.T) {
	schemas := costSchemas(t, map[string]string{
		"loop": `{"$ref":"#/$defs/back"}`, "back": `{"anyOf":[{"$ref":"#/$defs/loop"}]}`,
		"over": `{"items":{"$ref":"#/$defs/loop"}}`, "good": `{"type":"string"}`,
	})
	shared := newCosts()
	for _, name := range []string{"good", "loop", "over", "good"} {
		if c := shared.of(schemas[name]); (c.loop() == "") != (name == "good") {
			t.Errorf("%s: loop %q", name, c.loop())
		}
	}
}

func TestWalksAtTheSameTime(t *testing.T) {
	schemas := costSchemas(t, sharing)
	value := costValue(t, costNested(6, "l", `{"r":["a","b"]}`))
	shared := newCosts()
	var done sync.WaitGroup
	for name, schema := range schemas {
		c, want := shared.of(schema), newCost(schema).count(value, costBudget)
		for range 2 {
			done.Go(func() {
				if got := c.count(value, costBudget); got != want {
					t.Errorf("%s: %v visits, want %v", name, got, want)
				}
			})
		}
	}
	done.Wait()
}

// Operations of large documents lead to nearly all schemas, one after the other; so it must not be the product of both.
func TestCostsOfManyRoots(t *testing.T) {
	const n = 1500
	definitions := make(map[string]string, 2*n)
	for i := range n {
		definitions[fmt.Sprint("s", i)] = fmt.Sprintf(`{"type":"object","properties":{"a":{"$ref":"#/$defs/s%d"}}}`, (i+1)%n)
		definitions[fmt.Sprint("r", i)] = fmt.Sprintf(`{"items":{"$ref":"#/$defs/s%d"}}`, i)
	}
	schemas, shared := costSchemas(t, definitions), newCosts()
	cputime.Within(t, 2*time.Second, func() {
		for _, schema := range schemas {
			shared.of(schema)
		}
	})
}
