package schema

import (
	"strings"
	"testing"
)

// BenchmarkCostWeights shows what a counted visit takes the library: the figures behind the weights and visitsPerNode.
// For each, ns/visit should stay below about 400.
func BenchmarkCostWeights(b *testing.B) {
	numbers := "[" + costNumbered(2000, "%d") + "]"
	texts := "[" + costNumbered(2000, `"text %d"`) + "]"
	members := "{" + costNumbered(2000, `"p%d":0`) + "}"
	alternatives := func(schema string) string { return "[" + costList(20, func(int) string { return schema }) + "]" }
	for _, bench := range []struct{ name, schema, value string }{
		{"strings", `{"items":{"type":"string"}}`, texts},
		{"wrong type", `{"items":{"type":"number"}}`, texts},
		{"wrong type at depth 60", `{"properties":{"a":{"$ref":"#"}},"items":{"type":"object"}}`, costNested(60, "a", texts)},
		{"too short", `{"items":{"minLength":99}}`, texts},
		{"references", `{"items":{"$ref":"#/$defs/a"},
			"$defs":{"a":{"$ref":"#/$defs/b"},"b":{"$ref":"#/$defs/c"},"c":{}}}`, texts},
		{"anyOf that fails", `{"items":{"anyOf":` + alternatives(`{"type":"number"}`) + `}}`, texts},
		{"integers", `{"items":{"type":"integer"}}`, numbers},
		{"integers too small", `{"items":{"type":"integer","minimum":100000}}`, numbers},
		{"multipleOf", `{"items":{"multipleOf":0.01}}`, numbers},
		{"numbers with exponents", `{"items":{"multipleOf":0.01}}`, costAlike(500, "1e-399")},
		{"enum of numbers", `{"items":{"enum":[1,2,3,4,5,6,7,8,9,10]}}`, costAlike(500, "10")},
		{"enum of texts", `{"items":{"enum":[` + costNumbered(16, `"%d"`) + `]}}`, costAlike(500, `"15"`)},
		{"unique numbers", `{"uniqueItems":true}`, numbers},
		{"unique short arrays", `{"items":{"uniqueItems":true}}`, costAlike(50, "["+costNumbered(20, "%d")+"]")},
		{"unique items that hash alike", `{"uniqueItems":true}`, costSplits(1 << 10)},
		{"members without schema", `{"allOf":` + alternatives(`{"properties":{"q":{}}}`) + `}`, members},
		{"members refused", `{"allOf":` + alternatives(`{"additionalProperties":false}`) + `}`, members},
		{"patternProperties", `{"patternProperties":{"^x":true,"^y":true,"^z":true}}`, members},
		{"propertyNames", `{"propertyNames":{"maxLength":1}}`, members},
		{"unevaluatedProperties",
			`{"unevaluatedProperties":true,"allOf":` + alternatives(`{"properties":{"q":{}}}`) + `}`, members},
		{"unevaluatedItems",
			`{"unevaluatedItems":true,"allOf":` + alternatives(`{"contains":{"type":"number"}}`) + `}`, numbers},
		{"$dynamicRef at depth 60", `{"$id":"http://x/y","$dynamicAnchor":"n","properties":{"a":{"$dynamicRef":"#n"}},
			"items":{"$dynamicRef":"#n"}}`, costNested(60, "a", texts)},
		{"pattern", `{"items":{"pattern":"^[a-z0-9 ]+$"}}`, texts},
		{"slow pattern", `{"pattern":"^([a-z]{1,100}\\.?)+$"}`, `"` + strings.Repeat("a", 500) + `!"`},
		{"chain of allOf", strings.Repeat(`{"allOf":[`, 200) + "{}" + strings.Repeat("]}", 200), `1`},
	} {
		b.Run(bench.name, func(b *testing.B) {
			schema, value := costSchema(b, bench.schema), costValue(b, bench.value)
			visits := newCost(schema).count(value, 1<<40)
			for b.Loop() {
				_ = schema.Validate(value)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/visits, "ns/visit")
		})
	}
}

// BenchmarkRegexWeight shows the same of texts of format regex.
func BenchmarkRegexWeight(b *testing.B) {
	for name, text := range slowExpressions(100_000) {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				isExpression(text)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/(regexWeight*float64(len(text))), "ns/visit")
		})
	}
}

// BenchmarkExceeds is what the bound adds to most requests, by the factor alone.
func BenchmarkExceeds(b *testing.B) {
	schema := costSchema(b, `{"properties":{"a":{"type":"string"},"b":{"items":{"type":"integer"}}}}`)
	c, value := newCost(schema), costValue(b, `{"a":"x","b":[1,2,3]}`)
	nodes, text := measure(value)
	b.ReportAllocs()
	for b.Loop() {
		if c.exceeds(value, nodes, text, costBudget) {
			b.Fatal("exceeds")
		}
	}
}

// BenchmarkWalk is what it adds where the value has to be walked through.
func BenchmarkWalk(b *testing.B) {
	n := 1000
	for name, bench := range map[string][2]string{
		"1,000 comments": {costComment, costComments(&n, 12)},
		"syntax tree":    {costExpression, costTree(6)},
	} {
		b.Run(name, func(b *testing.B) {
			schema, value := costSchema(b, bench[0]), costValue(b, bench[1])
			c := newCost(schema)
			var visits float64
			b.ReportAllocs()
			for b.Loop() {
				visits = c.count(value, costBudget)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/visits, "ns/visit")
		})
	}
}
