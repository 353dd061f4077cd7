package onepass_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/weirproxy/weir/governance/contract/onepass"
	"github.com/weirproxy/weir/governance/contract/schema"
	"github.com/weirproxy/weir/governance/contract/strictjson"
)

// list joins n texts with commas.
func list(n int, format string) string {
	parts := make([]string, n)
	for i := range parts {
		parts[i] = fmt.Sprintf(format, i)
	}
	return strings.Join(parts, ",")
}

func TestLimits(t *testing.T) {
	settings := schema.Settings{JSON: strictjson.Settings{Limits: strictjson.Limits{Depth: 3, Nodes: 40, Properties: 30, Digits: 10}}}
	p := compile(t, schema.OpenAPI31, `{"A": {"properties": {"n0": {"type": "integer"}}}}`, settings, schema.Request)
	for text, want := range map[string]onepass.Verdict{
		`[[[]]]`:                         onepass.Valid,
		`[[{}]]`:                         onepass.Valid,
		`[[[[]]]]`:                       onepass.Invalid,
		`{"a":{"a":{"a":{}}}}`:           onepass.Invalid,
		"[" + list(39, "%d") + "]":       onepass.Valid,
		"[" + list(40, "%d") + "]":       onepass.Invalid,
		"{" + list(30, `"n%d":1`) + "}":  onepass.Valid,
		"{" + list(31, `"n%d":1`) + "}":  onepass.Invalid,
		`1234567890`:                     onepass.Valid,
		`-12345.67890`:                   onepass.Valid,
		`12345678901`:                    onepass.Invalid,
		`1e9`:                            onepass.Valid,
		`1e-10`:                          onepass.Invalid,
		`1e99999999999999999999999999`:   onepass.Invalid,
		`1e-99999999999999999999999999`:  onepass.Invalid,
		`1.00000e000000000000000000004`:  onepass.Valid,
		strings.Repeat(" ", 100) + `1  `: onepass.Valid,
	} {
		if v := p.agree(t, []byte(text), "the limits"); v != want {
			t.Errorf("%.60s: %v, want %v", text, v, want)
		}
	}
}

// Values that several branches judge count once.
func TestBranchesCountOnce(t *testing.T) {
	settings := schema.Settings{JSON: strictjson.Settings{Limits: strictjson.Limits{Depth: 3, Nodes: 10}}}
	const choice = `{"oneOf": [{"items": {"type": "string"}}, {"items": {"type": "integer", "anyOf": [{"minimum": 3}, {"maximum": 30}]}}, {"maxItems": 1}]}`
	p := compile(t, schema.OpenAPI31, `{"A": {"properties": {"a": `+choice+`, "b": {}}}}`, settings, schema.Request)
	for text, want := range map[string]onepass.Verdict{
		`{"a": [1,2,3,4,5], "b": [1]}`:           onepass.Valid,
		`{"a": [1,2,3,4,5], "b": [1,2]}`:         onepass.Valid,
		`{"a": [1,2,3,4,5], "b": [1,2,3]}`:       onepass.Invalid,
		`{"a": [1,2,3,4,5], "b": [[]]}`:          onepass.Valid,
		`{"a": [1,2], "b": [[[]]]}`:              onepass.Invalid,
		`{"a": ["a","b","c"], "b": [[]]}`:        onepass.Valid,
		`{"a": ["a","b"], "b": [[1,"2"],[3,4]]}`: onepass.Invalid,
	} {
		if v := p.agree(t, []byte(text), choice); v != want {
			t.Errorf("%s: %v, want %v", text, v, want)
		}
	}
}

// Names that no schema mentions are told apart whether they are few or many.
func TestNamesTwice(t *testing.T) {
	p := schema31(t, `{"properties": {`+list(100, `"known%d": {"type": "integer"}`)+`}}`)
	for _, n := range []int{2, 20, 30, 1000} {
		names := list(n, `"name%d":1`)
		for text, want := range map[string]onepass.Verdict{
			"{" + names + "}":                         onepass.Valid,
			"{" + names + `,"name1":2}`:               onepass.Invalid,
			`{"name0":0,` + names + `}`:               onepass.Invalid,
			"{" + names + `,"known70":{"name1":1}}`:   onepass.Invalid,
			"{" + names + `,"known70":1,"known3":1}`:  onepass.Valid,
			"{" + names + `,"known70":1,"known70":1}`: onepass.Invalid,
			"{" + names + `,"\u0061":1}`:              onepass.Unknown,
		} {
			if v := p.agree(t, []byte(text), "names"); v != want {
				t.Errorf("%d names, %.30s ... %s: %v, want %v", n, text, text[len(text)-20:], v, want)
			}
		}
	}
}

// Alternatives that visit the same values again and again end at the budget, in a time that the log shows.
func TestBudget(t *testing.T) {
	p := schema31(t, `{"anyOf": [
		{"type": "object", "properties": {"a": {"$ref": "#/components/schemas/A"}}, "required": ["x"]},
		{"type": "object", "properties": {"a": {"$ref": "#/components/schemas/A"}}, "required": ["y"]},
		{"type": "integer"}]}`)
	if v := p.agree(t, []byte(`{"a":{"a":1,"y":1},"x":1}`), "alternatives"); v != onepass.Valid {
		t.Error(v)
	}
	deep := strings.Repeat(`{"a":`, 60) + "1" + strings.Repeat("}", 60)
	start := time.Now()
	if v := p.program.Judge([]byte(deep)); v != onepass.Unknown {
		t.Errorf("2^60 visits: %v", v)
	}
	t.Logf("gave up after %v", time.Since(start))
}

// Looking ahead for a discriminator, again in each object inside, is paid from the same budget.
func TestLookingAheadHasABudget(t *testing.T) {
	const schemas = `{"A": {"oneOf": [{"$ref": "#/components/schemas/B"}], "discriminator": {"propertyName": "kind"}},
		"B": {"type": "object", "properties": {"a": {"$ref": "#/components/schemas/A"}}}}`
	p := compile(t, schema.OpenAPI30, schemas, schema.Settings{}, schema.Request)
	for size, want := range map[int]onepass.Verdict{10: onepass.Valid, 20_000: onepass.Unknown} {
		member := `{"x":"` + strings.Repeat("x", size) + `","a":`
		text := strings.Repeat(member, 60) + `{"kind":"B"}` + strings.Repeat(`,"kind":"B"}`, 60)
		if v := p.program.Judge([]byte(text)); v != want {
			t.Errorf("%d bytes at each level: %v, want %v", size, v, want)
		}
	}
}

// A program that has given up judges the next text as if nothing had been.
func TestRunsBeginAnew(t *testing.T) {
	p := schema31(t, shopSchema)
	bad := []string{`{"id":[[[[`, `{"zzz":{"a":{"b":1,"b":1}}}`, `[[1,1],`, `{"\u0061":1,"zz":1}`, strings.Repeat("[", 100)}
	var group sync.WaitGroup
	for range 4 {
		group.Go(func() {
			for i := range 500 {
				_ = p.program.Judge([]byte(bad[i%len(bad)]))
				if v := p.program.Judge([]byte(product)); v != onepass.Valid {
					t.Error(v)
					return
				}
			}
		})
	}
	group.Wait()
}

// shopSchema is what is judged of a product, in one schema.
const shopSchema = `{"type": "object", "required": ["id", "name"], "properties": {
	"id": {"type": "string", "format": "uuid"}, "price": {"multipleOf": 0.01, "maximum": 1000},
	"tags": {"uniqueItems": true, "contains": {"const": "oak"}, "items": {"anyOf": [{"maxLength": 5}, {"minLength": 6}]}},
	"supplier": {"if": {"required": ["id"]}, "then": {"properties": {"id": {"type": "integer"}}}}}}`

// The run loop allocates nothing, whatever keywords there are.
func TestNoAllocations(t *testing.T) {
	for name, test := range map[string]struct {
		p    pair
		text string
	}{
		"product":       {compile(t, schema.OpenAPI31, shop, schema.Settings{}, schema.Request), product},
		"choices":       {schema31(t, shopSchema), product},
		"discriminator": {compile(t, schema.OpenAPI30, pets, schema.Settings{}, schema.Request), `{"name": "\u0061", "kind": "Dog", "lives": 1}`},
		"unique":        {schema31(t, `{"uniqueItems": true}`), "[" + list(100, `{"a":[%d,"\u0061"]}`) + `,{},[],null,"a",1.5]`},
		"many names":    {schema31(t, `{}`), "{" + list(1000, `"name%d":1`) + "}"},
	} {
		text := []byte(test.text)
		judge := onepass.InOneRun(test.p.program)
		if n := testing.AllocsPerRun(100, func() {
			if v := judge(text); v != onepass.Valid {
				t.Fatal(v)
			}
		}); n > 0 {
			t.Errorf("%s: %.1f allocations", name, n)
		}
	}
}
