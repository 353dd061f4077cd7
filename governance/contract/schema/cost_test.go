package schema

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/weirproxy/weir/internal/cputime"
)

// costExpression is a syntax tree of ten alternatives, most of which have members of their own.
const costExpression = `{"$ref":"#/$defs/e","$defs":{"e":{"anyOf":[
	{"type":"number"}, {"type":"string"}, {"type":"boolean"},
	{"type":"object","required":["op","left","right"],"additionalProperties":false,
	 "properties":{"op":{"enum":["+","-","*"]},"left":{"$ref":"#/$defs/e"},"right":{"$ref":"#/$defs/e"}}},
	{"type":"object","required":["not"],"additionalProperties":false,
	 "properties":{"not":{"$ref":"#/$defs/e"}}},
	{"type":"object","required":["if"],"additionalProperties":false,
	 "properties":{"if":{"$ref":"#/$defs/e"},"then":{"$ref":"#/$defs/e"},"else":{"$ref":"#/$defs/e"}}},
	{"type":"object","required":["call"],"additionalProperties":false,
	 "properties":{"call":{"type":"string"},"with":{"type":"array","items":{"$ref":"#/$defs/e"}}}},
	{"type":"object","required":["object"],"additionalProperties":false,
	 "properties":{"object":{"$ref":"#/$defs/e"},"member":{"type":"string"}}},
	{"type":"object","required":["list"],"additionalProperties":false,
	 "properties":{"list":{"type":"array","items":{"$ref":"#/$defs/e"}}}},
	{"type":"object","required":["let"],"additionalProperties":false,
	 "properties":{"let":{"type":"string"},"be":{"$ref":"#/$defs/e"},"in":{"$ref":"#/$defs/e"}}}
]}}}`

// costComment is a comment with replies, which are comments.
const costComment = `{"type":"object","required":["author","text"],"unevaluatedProperties":false,
	"properties":{"author":{"type":"string","maxLength":50},"text":{"type":"string"},
		"at":{"type":"string","format":"date-time"},
	"likes":{"type":"integer","minimum":0},"replies":{"type":"array","items":{"$ref":"#"}}}}`

func costTree(depth int) string {
	if depth == 0 {
		return "1"
	}
	return fmt.Sprintf(`{"op":"+","left":%s,"right":{"not":%s}}`, costTree(depth-1), costTree(depth-1))
}

func costComments(n *int, width int) string {
	*n--
	var replies []string
	for i := 0; i < width && *n > 0; i++ {
		replies = append(replies, costComments(n, width-1))
	}
	return `{"author":"a","text":"hello","at":"2026-03-14T09:26:53Z","likes":3,"replies":[` +
		strings.Join(replies, ",") + `]}`
}

func TestOrdinaryDocumentsPass(t *testing.T) {
	n := 1000
	comments := costComments(&n, 12)
	product := `{"id":1,"name":"chair","tags":["a","b","c"],"price":12.5,"sizes":[{"w":1,"h":2},{"w":2,"h":2}]}`
	card := `{"kind":"card",` + costNumbered(19, `"f%d":12`) + `}`
	payment := func(kind string) string {
		return `{"type":"object","required":["kind"],"properties":{"kind":{"const":"` + kind + `"},` +
			costNumbered(19, `"f%d":{"type":"integer","minimum":0}`) + `}}`
	}
	ring := costAlike(16, "[8.5417,47.3769]")
	geometry := func(kind, coordinates string) string {
		return `{"type":"object","required":["type","coordinates"],"properties":{"type":{"const":"` + kind + `"},"coordinates":` +
			coordinates + `}}`
	}
	arrays := func(depth int) string {
		return strings.Repeat(`{"type":"array","items":`, depth) + `{"type":"number"}` + strings.Repeat("}", depth)
	}
	tests := []struct{ name, schema, value string }{
		{"4,500 payments of two kinds", `{"items":{"oneOf":[` + payment("card") + "," + payment("cash") + `]}}`, costAlike(4_500, card)},
		{"500 polygons among three geometries", `{"items":{"oneOf":[` + geometry("Point", arrays(1)) + "," +
			geometry("LineString", arrays(2)) + "," + geometry("Polygon", arrays(3)) + `]}}`,
			costAlike(500, `{"type":"Polygon","coordinates":[`+ring+`,`+ring+`]}`)},
		{"syntax tree of depth 6", costExpression, costTree(6)},
		{"1,000 comments", costComment, comments},
		{"50,000 numbers", `{"items":{"type":"integer","minimum":0}}`, costAlike(50_000, "12")},
		{"99,000 strings", `{"items":{"type":"string"}}`, costAlike(99_000, `"abc"`)},
		{"3,000 products", `{"items":{"allOf":[{"$ref":"#/$defs/p"},{"required":["id","name"]}]},"$defs":{"p":{
			"type":"object","properties":{"id":{"type":"integer"},"name":{"type":"string"},
			"tags":{"type":"array","uniqueItems":true,"items":{"type":"string"}},"price":{"type":"number"},
			"sizes":{"type":"array","uniqueItems":true,"items":{"type":"object"}}}}}}`, costAlike(3_000, product)},
		{"10,000 different records", `{"uniqueItems":true,"items":{"type":"object","required":["id"]}}`,
			"[" + costNumbered(10_000, `{"id":%[1]d,"name":"n%[1]d"}`) + "]"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			c := newCost(costSchema(t, test.schema))
			value := costValue(t, test.value)
			nodes, _ := measure(value)
			if c.exceeds(value, nodes, len(test.value), costBudget) {
				t.Errorf("%d nodes exceed the budget: %.0f visits", nodes, c.count(value, costBudget))
			}
			t.Logf("%d nodes: %.0f visits, at most %.0f", nodes, c.count(value, 1<<40), c.factor.bound(nodes, len(test.value)))
		})
	}
}

// TestWorkIsBounded: whatever passes the bound, the library judges in a time that is short even for a slow machine;
// and the bound itself takes no longer.
func TestWorkIsBounded(t *testing.T) {
	oneOf := `{"$ref":"#/$defs/d0","$defs":{` + costList(20, func(i int) string {
		next := fmt.Sprintf(`{"$ref":"#/$defs/d%d"}`, i+1)
		return fmt.Sprintf(`"d%d":{"oneOf":[%s,%s]}`, i, next, next)
	}) + `,"d20":{"type":"string"}}}`
	chain := `{"$ref":"#/$defs/a0","$defs":{` + costList(18, func(i int) string {
		return fmt.Sprintf(`"a%d":{"allOf":[{"$ref":"#/$defs/a%d"},{"$ref":"#/$defs/a%d"}]}`, i, i+1, i+1)
	}) + `,"a18":true}}`
	twice := `{"anyOf":[{"properties":{"a":{"$ref":"#"}},"required":["x"]},
		{"properties":{"a":{"$ref":"#"}},"required":["y"]}]}`
	long := `"` + strings.Repeat("a", 1<<20) + `!"`
	members := "{" + costNumbered(10_000, `"x%d":0`) + "}"
	tests := []struct {
		name, schema, value string
		exceeds             bool
	}{
		{"oneOf twenty deep", oneOf, `1`, true},
		{"oneOf twenty deep, in an array", oneOf, `["a",["a"]]`, true},
		{"recursive anyOf, depth 8", twice, costNested(8, "a", "1"), false},
		{"recursive anyOf, depth 60", twice, costNested(60, "a", "1"), true},
		{"allOf that doubles 18 times", chain, `{}`, true},
		{"100,000 items", `{"items":{"type":"integer","multipleOf":0.01}}`, costAlike(100_000, "1"), false},
		{"100,000 items of the wrong type", `{"items":{"type":"object"}}`, costAlike(100_000, "1"), false},
		{"100,000 items, contains", `{"contains":{"const":2},"items":{"minimum":3}}`, costAlike(100_000, "1"), false},
		{"many small objects of many properties", `{"items":{"properties":{` + costNumbered(3_000, `"p%d":{}`) + `}}}`,
			costAlike(40_000, `{"x":0}`), false},
		{"items that hash alike", `{"uniqueItems":true}`, costSplits(1 << 13), true},
		{"a few items that hash alike", `{"uniqueItems":true}`, costSplits(1 << 9), false},
		{"many short arrays", `{"items":{"uniqueItems":true}}`,
			costAlike(4_000, "["+costNumbered(20, "%d")+"]"), true},
		{"numbers with exponents", `{"items":{"multipleOf":0.01}}`, costAlike(50_000, "1e-399"), true},
		{"a number with a huge exponent", `{"type":"integer"}`, `1e999999999`, true},
		{"numbers in a long enum", `{"items":{"enum":[` + costNumbered(500, "%d") + `]}}`,
			costAlike(1_000, "-1"), true},
		{"a pattern that RE2 is slow with", `{"pattern":"^([a-z]{1,100}\\.?)+$"}`, long, true},
		{"a pattern without beginning", `{"pattern":"[a-z]{1,255}$"}`, long, true},
		{"an ordinary pattern on a long text", `{"pattern":"^[a-z]+!$"}`, long, false},
		{"patternProperties", `{"patternProperties":{` + costNumbered(200, `"^%d":true`) + `}}`,
			members, true},
		{"propertyNames", `{"propertyNames":{"anyOf":[` + costNumbered(100, `{"const":"%d"}`) + `]}}`,
			members, true},
		{"many branches pass many members", `{"allOf":[` + costNumbered(1_500, `{"required":["x%d"]}`) + `]}`,
			members, true},
		{"unevaluatedProperties over branches", `{"unevaluatedProperties":false,"anyOf":[` +
			costNumbered(300, `{"properties":{"x%d":true}}`) + `]}`,
			members, true},
		{"unevaluatedItems that recur", `{"unevaluatedItems":{"$ref":"#"},
			"anyOf":[{"contains":{"$ref":"#"}},{"contains":{"$ref":"#"}}]}`,
			strings.Repeat("[", 40) + strings.Repeat("]", 40), true},
		{"$dynamicRef", `{"$id":"http://x/tree","$dynamicAnchor":"n",
			"properties":{"a":{"allOf":[{"$dynamicRef":"#n"},{"$dynamicRef":"#n"}]}}}`,
			costNested(40, "a", "1"), true},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			schema, value := costSchema(t, test.schema), costValue(t, test.value)
			c := newCost(schema)
			nodes, text := measure(value)
			var exceeds bool
			counted := cputime.Within(t, 2*time.Second, func() { exceeds = c.exceeds(value, nodes, text, costBudget) })
			if exceeds != test.exceeds {
				t.Errorf("exceeds = %v at %.0f visits", exceeds, c.count(value, costBudget))
			}
			if exceeds {
				t.Logf("refused after %v", counted)
				return
			}
			judged := cputime.Within(t, 2*time.Second, func() { _ = schema.Validate(value) })
			t.Logf("%.0f visits counted in %v, judged in %v", c.count(value, costBudget), counted, judged)
		})
	}
}

// TestFactorIsEnough: values for which a schema needs about as much as its factor says.
func TestFactorIsEnough(t *testing.T) {
	heavy := `{"anyOf":` + costAlike(50, `{"type":"object"}`) + `}`
	items, members := costAlike(1_000, "1"), "{"+costNumbered(1_000, `"x%d":0`)+"}"
	digits := strings.Repeat("7", 500)
	tests := []struct{ name, keywords, value string }{
		{"items and contains", `"items":` + heavy + `,"contains":` + heavy, items},
		{"prefixItems and contains", `"prefixItems":` + costAlike(200, `{"$ref":"#/$defs/heavy"}`) + `,"contains":` + heavy,
			costAlike(200, "1")},
		{"unevaluatedItems and contains", `"unevaluatedItems":` + heavy + `,"contains":` + heavy, items},
		{"patternProperties", `"patternProperties":{"x":` + heavy + `,"^x":` + heavy + `}`, members},
		{"properties and patternProperties", `"properties":{` + costNumbered(100, `"x%d":`+`{"$ref":"#/$defs/heavy"}`) +
			`},"patternProperties":{"x":` + heavy + `},"additionalProperties":false`,
			"{" + costNumbered(100, `"x%d":0`) + "}"},
		{"additionalProperties", `"additionalProperties":` + heavy, members},
		{"unevaluatedProperties", `"unevaluatedProperties":` + heavy, members},
		{"propertyNames", `"propertyNames":` + heavy, members},
		{"uniqueItems", `"uniqueItems":true`, strings.ReplaceAll(costSplits(1<<11), `["a`, `[`+digits+`,"a`)},
		{"long texts", `"items":{"pattern":"x*y"}`, costAlike(10, `"`+strings.Repeat("x", 10_000)+`"`)},
		{"long names", `"patternProperties":{"x*y":true}`, `{"` + strings.Repeat("x", 10_000) + `":0}`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			// At depth 63 errors cost as much as the factor assumes.
			schema := `{"$ref":"#/$defs/deep","$defs":{"heavy":` + heavy + `,
				"deep":{"properties":{"a":{"$ref":"#/$defs/deep"},"b":{` + test.keywords + `}}}}}`
			c, value := newCost(costSchema(t, schema)), costValue(t, costNested(62, "a", `{"b":`+test.value+`}`))
			nodes, text := measure(value)
			count, bound := c.count(value, 1<<40), c.factor.bound(nodes, text)
			if count > bound {
				t.Errorf("%.0f visits, but the factor says at most %.0f", count, bound)
			}
			t.Logf("%d nodes: %.0f visits, at most %.0f", nodes, count, bound)
		})
	}
}

// TestCostKnowsTheLibrary: a $dynamicRef leads to anchors that only the library's own fields tell.
func TestCostKnowsTheLibrary(t *testing.T) {
	schema := costSchema(t, `{"$id":"http://x/strings","$ref":"list",
		"$defs":{
			"item":{"$dynamicAnchor":"item","anyOf":[{"type":"string"},{"type":"null"}]},
			"list":{"$id":"list","items":{"$dynamicRef":"#item"},"$defs":{"default":{"$dynamicAnchor":"item"}}}}}`)
	c := newCost(schema)
	for _, p := range c.graph().plans {
		if strings.HasSuffix(p.location, "/$defs/item/anyOf/0") {
			return
		}
	}
	t.Error("the schema that $dynamicRef leads to is not among the plans; has the library renamed its fields?")
}

func TestLoop(t *testing.T) {
	tests := []struct {
		name, schema string
		loops        bool
	}{
		{"none", costComment, false},
		{"reference to itself", `{"$ref":"#/$defs/a","$defs":{"a":{"allOf":[{"$ref":"#/$defs/a"}]}}}`, true},
		{"base and heir", `{"oneOf":[{"$ref":"#/$defs/heir"},{"type":"null"}],
			"$defs":{"heir":{"allOf":[{"$ref":"#"}]}}}`, true},
		{"through members only", costExpression, false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			c := newCost(costSchema(t, test.schema))
			if got := c.loop(); (got != "") != test.loops {
				t.Errorf("loop = %q", got)
			}
			cputime.Within(t, 2*time.Second, func() { c.count(costValue(t, `{"a":[{}]}`), 1<<40) })
		})
	}
}

func TestMeasure(t *testing.T) {
	nodes, text := measure(costValue(t, `{"ab":[null,true,"xyz",12.5,{}],"c":1e400}`))
	if nodes != 8 || text != 2+3+4+1+401 {
		t.Errorf("measure = %d nodes, %d bytes", nodes, text)
	}
}
