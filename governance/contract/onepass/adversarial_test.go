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
	"github.com/weirproxy/weir/internal/cputime"
)

// Texts that parsers are known to read differently: both engines must say the same of them.
func TestTextsMadeToBeReadDifferently(t *testing.T) {
	const (
		anything = `true`
		closed   = `{"properties": {"a": {"type": "integer"}}, "patternProperties": {"^x": true}, "additionalProperties": false}`
		named    = `{"propertyNames": {"pattern": "^[a-z]$"}, "properties": {"a": true}}`
	)
	for _, test := range []struct {
		schema string
		texts  []string
	}{
		{anything, []string{"", " ", "\ufeff1", "\ufeff", "1\x00", "\x00", "1 ,", "[]]", "{}{}", "nulll", "truefalse", "-", "--1", "+1", "01", "-01", "1.",
			".5", "1e", "1e+", "1E+2", "0e0", "-0", "-0.0e-0", "1e400", "1e401", "1e-400", "0e99999999999999999999", "1.5.5", "1e5e5", "0x1",
			"\"\x7f\"", "\"\x1f\"", "\"\t\"", `"\x41"`, `"\u12"`, `"\u`, `"\`, `"`, `"\"`, `"\u00zz"`, "\v1", "\f1", "\u00a01", "[1\u20282]",
			`"\ud800"`, `"\udc00"`, `"\udc00\ud800"`, `"\ud800\u0041"`, `"\uD83D\uDE00"`, `"\ud800x\udc00"`, "\"\xed\xa0\x80\"", "\"\xc0\x80\"",
			"\"\xf4\x90\x80\x80\"", "\"\xf0\x9f\x98\"", "\"\xff\"", "\"\\\xc3\xa9\"", "\"\ufffd\"", "\"12345678\xff\"", "\"1234567\x1f\"",
			`{"a":1,"a":2}`, `{"a":1,"\u0061":2}`, `{"\u0061":1,"a":2}`, `{"\u0061":1,"\u0061":2}`, `{"":1,"":2}`, `{"\u0000":1,"\u0000":2}`,
			`{"a\/b":1,"a/b":2}`, `{"é":1,"\u00e9":2}`, `{"é":1,"e\u0301":2}`, `{"\ud800":1}`, `[{"a":1},{"a":1}]`, `{"a":{"a":{"a":1,"a":1}}}`,
			"[\n\r\t 1\n]", "[1,]", "[,]", `{"a":1,}`, `{,"a":1}`, `{"a":1 "b":2}`, `{"a"::1}`, `{1:1}`, `[1}`, `{"a":1]`, `[`, `{`, `[1`, `{"a"`,
			strings.Repeat("[", 64) + strings.Repeat("]", 64), strings.Repeat("[", 65) + strings.Repeat("]", 65), strings.Repeat("[", 1<<20),
			strings.Repeat(`{"a":`, 1<<18), strings.Repeat(`[{"a":`, 32) + "1" + strings.Repeat("}]", 32)}},
		{closed, []string{`{"a":1}`, `{"\u0061":1}`, `{"\u0061":"1"}`, `{"b":1}`, `{"\u0062":1}`, `{"\u0078":1}`, `{"x":1,"\u0078":1}`, `{"x":1,"xx":2}`}},
		{`{"required": ["b"], "properties": {"a": true}, "patternProperties": {"^b": {"type": "null"}}, "additionalProperties": false}`,
			[]string{`{"b":null}`, `{"b":1}`, `{"\u0062":null}`, `{"\u0062":1}`, `{"a":1}`, `{"b":null,"c":1}`}},
		{named, []string{`{"a":1}`, `{"\u0061":1}`, `{"ab":1}`, `{"\u0061\u0062":1}`, `{"z":1}`, `{"\u007a":1}`, `{"A":1}`}},
		{`{"uniqueItems": true}`, []string{`[1,1.0]`, `[1,10e-1]`, `[0,-0]`, `[0,-0.0]`, `[1e2,100]`, `["a","\u0061"]`, `[true,1]`, `[false,0]`,
			`[null,"null"]`, `["1",1]`, `[[1],[1.0]]`, `[{"a":1,"b":2},{"b":2.0,"a":1}]`, `[9007199254740993,9007199254740992]`,
			"[" + list(65, "%d") + "]", "[" + list(65, "%d") + ",0]", "[" + list(65, "%d") + ",0.0]", "[" + list(64, "%d") + ",1e1]"}},
		{`{"enum": [1, 0, "a", 1e2000000, [1], {"a": 1}]}`, []string{`1`, `1.0`, `10e-1`, `-0`, `1e399`, `2`, `"a"`, `"\u0061"`, `[1.0]`, `{"a":1.0}`, `{"\u0061":1}`, `[1,1]`}},
		{`{"not": {"const": 1e2000000}}`, []string{`1`, `1e400`, `"a"`}},
		{`{"multipleOf": 7}`, []string{`1e399`, `7e399`, `0e399`, `49e-1`, `1e-399`, `-14`, `14.00000000000000000000000`}},
		{`{"multipleOf": 9223372036854775808}`, []string{`1e63`, `1e64`, `1e62`, `1e399`, `2e62`, `9223372036854775808`, `5e62`}},
		{`{"multipleOf": 1e-399}`, []string{`1e-399`, `1e-400`, `1`, `1e400`, `3.5e-398`}},
		{`{"multipleOf": 11920928955078125}`, []string{`1e22`, `1e23`, `1e24`, `1e300`, `3e23`}},
		{`{"minimum": 1e399, "maximum": 18446744073709551616e380}`, []string{`1e399`, `99e397`, `18446744073709551616e380`, `184467440737095516161e379`}},
		{`{"type": "integer"}`, []string{`1e-0`, `10e-1`, `1e399`, `100e-3`, `0e-399`, `0.0`, `18446744073709551616.0`, `18446744073709551616.5`, `1e-399`}},
		{`{"minLength": 2, "maxLength": 2}`, []string{`"é"`, `"éé"`, `"e\u0301"`, `"😀"`, `"😀😀"`, `"\ud83d\ude00\u0041"`, `"\ud83d\ude00"`, `"\\\\"`, `"\"\""`, `"1234567é"`}},
		{`{"pattern": "^\\p{Lu}\\s?.$"}`, []string{`"ÄX"`, `"Ä\u2028"`, `"Ä x"`, `"Ä\u00a0x"`, `"ÄxX"`, `"\u00c4x"`, `"ax"`, "\"A\\n\""}},
		{`{"format": "date-time"}`, []string{`"2026-02-29T00:00:00Z"`, `"2024-02-29T00:00:00\u005a"`, `"2026-01-01T23:59:60Z"`, `"2026-01-01t00:00:00z"`, `"2026-01-01 00:00:00Z"`}},
		{`{"$ref": "#/components/schemas/A/$defs/S", "maxLength": 2, "$defs": {"S": {"type": "string", "minLength": 2}}}`, []string{`"a"`, `"ab"`, `"abc"`, `1`}},
		{`{"type": ["object", "null"], "not": {"required": ["a"], "properties": {"a": {"not": {"$ref": "#/components/schemas/A"}}}}}`,
			[]string{`{"a":{"a":null}}`, `{"a":1}`, `{"a":{"a":1}}`, `{"a":{"a":{"a":1}}}`, `{}`, `null`}},
		{`{"if": {"propertyNames": {"maxLength": 1}}, "then": {"maxProperties": 1}, "else": {"dependentSchemas": {"ab": {"required": ["c"]}}}}`,
			[]string{`{"a":1}`, `{"a":1,"b":1}`, `{"ab":1}`, `{"ab":1,"c":1}`, `{"\u0061b":1,"c":1}`, `{"abc":1}`}},
		{`{"oneOf": [{"contains": {"type": "integer"}, "maxContains": 1}, {"contains": {"multipleOf": 0.5}, "minContains": 2}]}`,
			[]string{`[1]`, `[1,2]`, `[1,0.5]`, `[0.5,0.5]`, `[]`, `[1.0,"a"]`}},
		{`{"contains": false, "minContains": 0}`, []string{`[]`, `[1]`}},
		{`{"maxContains": 0}`, []string{`[]`, `[1]`}},
	} {
		p := schema31(t, test.schema)
		for _, text := range test.texts {
			p.agree(t, []byte(text), test.schema)
		}
	}
}

// However high the limit of digits is, numbers that math/big does not read are refused.
func TestDigitsHaveAnEnd(t *testing.T) {
	settings := schema.Settings{JSON: strictjson.Settings{Limits: strictjson.Limits{Digits: 1 << 40}}}
	for _, text := range []string{`{"minimum": 1}`, `{"multipleOf": 7}`, `{"type": "integer"}`, `{"enum": [1]}`} {
		p := compile(t, schema.OpenAPI31, `{"A": `+text+`}`, settings, schema.Request)
		for _, number := range []string{"1e2000000", "1e-2000000", "10e999999"} {
			if v := p.agree(t, []byte(number), text); v != onepass.Invalid {
				t.Errorf("%s by %s: %v", number, text, v)
			}
		}
	}
}

// nullable, siblings of $ref, readOnly and discriminators are read by package schema alone; programs follow.
func TestKeywordsOfOpenAPIAgree(t *testing.T) {
	for _, schemas := range []string{
		`{"A": {"type": "string", "nullable": true, "enum": ["a", "b"]}}`,
		`{"A": {"nullable": true, "enum": ["a", null]}}`,
		`{"A": {"nullable": true, "allOf": [{"$ref": "#/components/schemas/B"}]}, "B": {"type": "string", "enum": ["a"]}}`,
		`{"A": {"$ref": "#/components/schemas/B", "maxLength": 1, "nullable": true}, "B": {"type": "string"}}`,
		`{"A": {"type": "object", "required": ["r", "w", "a"], "additionalProperties": false, "properties": {
			"r": {"type": "string", "readOnly": true}, "w": {"type": "string", "writeOnly": true}, "a": {"$ref": "#/components/schemas/A"}}}}`,
		`{"A": {"not": {"type": "object", "required": ["r"], "properties": {"r": {"type": "string", "readOnly": true}, "w": {"writeOnly": true}}}}}`,
		`{"A": {"not": {"$ref": "#/components/schemas/C"}}, "C": {"oneOf": [{"$ref": "#/components/schemas/D"}, {"$ref": "#/components/schemas/E"}],
			"discriminator": {"propertyName": "k", "mapping": {"": "#/components/schemas/D", "1": "D", "null": "E", "true": "E"}}},
			"D": {"type": "object", "properties": {"k": {}, "a": {"type": "string"}}}, "E": {"type": "object", "required": ["a"]}}`,
	} {
		for _, d := range []schema.Direction{schema.Request, schema.Response} {
			for _, refuse := range []bool{false, true} {
				p := compile(t, schema.OpenAPI30, schemas, schema.Settings{RefuseReadOnly: refuse}, d)
				for _, text := range []string{`null`, `"a"`, `"b"`, `"c"`, `1`, `[]`, `{}`, `{"r":"","a":null}`, `{"w":"","a":{}}`, `{"r":""}`, `{"\u0072":""}`,
					`{"r":1}`, `{"w":"","r":"","a":1}`, `{"k":"D","a":""}`, `{"k":"D","a":1}`, `{"k":""}`, `{"k":null}`, `{"k":{}}`, `{"k":[],"a":1}`, `{"k":1}`,
					`{"k":1.0}`, `{"k":true}`, `{"k":"\u0044"}`, `{"\u006b":"E","a":1}`, `{"a":1,"k":"E"}`, `{"a":"}","k":"E","k":"D"}`, `{"k":"E","\u006b":"D"}`,
					`{"a":"\u0044","k":"D","z":"\u0045"}`} {
					p.agree(t, []byte(text), schemas)
				}
			}
		}
	}
}

// Whatever takes long for a short text, or for one value, is paid from the budget, so that what package schema would
// refuse to begin is not done here instead.
func TestNothingTakesLong(t *testing.T) {
	const alternatives = `{"anyOf": [
		{"type": "object", "properties": {"a": {"$ref": "#/components/schemas/A"}}, "required": ["x"]},
		{"type": "object", "properties": {"a": {"$ref": "#/components/schemas/A"}}, "required": ["y"]}, {"type": "integer"}]}`
	const multiples = `{"items": {"anyOf": [{"multipleOf": 3e-300}, {"multipleOf": 7e-300}, {"multipleOf": 9e-300}, {"multipleOf": 1e-350}]}}`
	nested := func(leaf string) string { return strings.Repeat(`{"a":`, 20) + leaf + strings.Repeat("}", 20) }
	states := strings.Repeat("ab", 500_000)
	for name, test := range map[string]struct{ schema, text string }{
		"long string in branches":  {alternatives, nested(`{"z":"` + strings.Repeat("x", 1<<20) + `"}`)},
		"white space in branches":  {alternatives, nested(`{` + strings.Repeat(" ", 1<<20) + `}`)},
		"long name in branches":    {alternatives, nested(`{"` + strings.Repeat("x", 1<<20) + `":1}`)},
		"pattern":                  {`{"pattern": "(a|b|ab){1,200}c$"}`, `"` + states + `"`},
		"pattern of names":         {`{"patternProperties": {"(a|b|ab){1,200}c$": false}}`, `{"` + states + `":1}`},
		"pattern in propertyNames": {`{"propertyNames": {"pattern": "(a|b|ab){1,200}$"}}`, `{"` + states + `":1}`},
		"numbers":                  {multiples, "[" + strings.Repeat("1.00000000000000000000001e-300,", 90_000) + "1]"},
	} {
		p := schema31(t, test.schema)
		v := onepass.Valid
		took := cputime.Within(t, time.Second, func() { v = p.program.Judge([]byte(test.text)) })
		if v != onepass.Unknown {
			t.Errorf("%s: %v", name, v)
		}
		t.Logf("%s: gave up after %v", name, took)
	}
	p := schema31(t, `{"items": {"pattern": "(a|b|ab){1,200}c$"}}`)
	if v := p.program.Value([]any{"abac", states}); v != onepass.Unknown {
		t.Errorf("a parameter: %v", v)
	}
}

// Many discriminators of the same object are as many combinations of branches, of which a program has only so many.
func TestDiscriminatorsBesideEachOther(t *testing.T) {
	var parts, all []string
	for i := range 6 {
		parts = append(parts, fmt.Sprintf(`{"oneOf": [%s], "discriminator": {"propertyName": "k%d"}}`,
			list(12, fmt.Sprintf(`{"$ref": "#/components/schemas/B%dx%%d"}`, i)), i))
		all = append(all, list(12, fmt.Sprintf(`"B%dx%%[1]d": {"type": "object", "properties": {"p%%[1]d": {"type": "integer"}}}`, i)))
	}
	schemas := `{"A": {"allOf": [` + strings.Join(parts, ",") + `]}, ` + strings.Join(all, ",") + `}`
	p := compile(t, schema.OpenAPI30, schemas, schema.Settings{}, schema.Request)
	if len(p.program.Whole()) == 0 {
		t.Error("12^6 objects were made")
	}
	selecting := func(branch int) string {
		names := make([]string, 6)
		for i := range names {
			names[i] = fmt.Sprintf(`"k%d": "B%dx%d"`, i, i, branch)
		}
		return strings.Join(names, ",")
	}
	for text, want := range map[string]onepass.Verdict{
		`{` + selecting(0) + `}`: onepass.Valid, `{` + selecting(11) + `,"p11": 1}`: onepass.Valid, `{` + selecting(11) + `,"p11": ""}`: onepass.Invalid,
		`{` + selecting(12) + `}`: onepass.Invalid, `{}`: onepass.Invalid,
	} {
		if v := p.agree(t, []byte(text), "discriminators"); v != want {
			t.Errorf("%s: %v, want %v", text, v, want)
		}
	}
}

// Programs that are shared keep nothing of one text for the next, whichever order they come in.
func TestSharedPrograms(t *testing.T) {
	settings := schema.Settings{JSON: strictjson.Settings{Limits: strictjson.Limits{Depth: 4, Nodes: 60}}}
	p := compile(t, schema.OpenAPI31, `{"A": {"unevaluatedProperties": {"type": "integer"}, "patternProperties": {"^x": {"pattern": "^(a|b)*$"}},
		"properties": {"a": {"uniqueItems": true, "contains": {"type": "object"}}, "b": {"anyOf": [{"maxLength": 1}, {"pattern": "é$"}]}}}}`,
		settings, schema.Request)
	texts := []string{`{"a":[{},[1],[1.0]]}`, `{"a":[{},"\u0061","b"],"b":"x\u00e9"}`, `{"x":"abab","c":1}`, `{"x":"c"}`, `{"c":"1"}`, `{"a":[[[[1]]]]}`,
		`{"\u0062":"é","b":1}`, `[1,[2,[3,[4`, "[" + list(70, "%d") + "]", `{"a":[{"b":{"b":1,"b":1}}]}`, `"\ud800"`}
	var group sync.WaitGroup
	for i := range 4 {
		group.Go(func() {
			for n := range 40 * len(texts) {
				text := []byte(texts[(n*(i+1)+i)%len(texts)])
				if program, engine := p.program.Judge(text), p.engine(text); program == onepass.Valid && engine != onepass.Valid {
					t.Errorf("%s: the engine says %v", text, engine)
				}
			}
		})
	}
	group.Wait()
}
