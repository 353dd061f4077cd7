package schema

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// costBudget is the budget of a validation with the default limits.
const costBudget = visitsPerNode * 100_000

// costSchema compiles a JSON Schema of 2020-12 as the library does by itself.
func costSchema(t testing.TB, text string) *jsonschema.Schema {
	t.Helper()
	compiler := jsonschema.NewCompiler()
	compiler.AssertFormat()
	if err := compiler.AddResource("test:///schema.json", costValue(t, text)); err != nil {
		t.Fatal(err)
	}
	schema, err := compiler.Compile("test:///schema.json")
	if err != nil {
		t.Fatal(err)
	}
	return schema
}

func costValue(t testing.TB, text string) (value any) {
	t.Helper()
	decoder := json.NewDecoder(strings.NewReader(text))
	decoder.UseNumber()
	if err := decoder.Decode(&value); err != nil {
		t.Fatalf("%v in %.200s", err, text)
	}
	return value
}

// costList joins n texts with commas.
func costList(n int, text func(i int) string) string {
	parts := make([]string, n)
	for i := range parts {
		parts[i] = text(i)
	}
	return strings.Join(parts, ",")
}

// costNumbered joins n texts with commas, each with its number in it.
func costNumbered(n int, format string) string {
	return costList(n, func(i int) string { return fmt.Sprintf(format, i) })
}

// costAlike is an array of n items that are the same.
func costAlike(n int, item string) string {
	return "[" + costList(n, func(int) string { return item }) + "]"
}

// costNested puts item into depth objects with one member.
func costNested(depth int, name, item string) string {
	return strings.Repeat(fmt.Sprintf(`{%q:`, name), depth) + item + strings.Repeat("}", depth)
}

// costSplits are n arrays of strings, all different, that have the same parts one after the other; n is a power of 2.
func costSplits(n int) string {
	return "[" + costList(n, func(i int) string {
		var b strings.Builder
		b.WriteString(`["a`)
		for bit := 1; bit < n; bit <<= 1 {
			if i&bit != 0 {
				b.WriteString(`","a`)
			} else {
				b.WriteString(`\u0004a`)
			}
		}
		return b.String() + `"]`
	}) + "]"
}

// visited is how often the library visited a schema that is an object, with a value of the right type.
type visited struct{ n int }

func (v *visited) Validate(*jsonschema.ValidatorContext, any) { v.n++ }
