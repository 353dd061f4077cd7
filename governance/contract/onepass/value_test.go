package onepass_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/weirproxy/weir/governance/contract/onepass"
	"github.com/weirproxy/weir/governance/contract/schema"
)

// TestSoakValuesAgreeWithTheEngine: what Value says of a decoded value is what package schema says, on schemas of all keywords.
func TestSoakValuesAgreeWithTheEngine(t *testing.T) {
	told, pairs, decides := 0, 0, 0
	for seed := range uint64(soak(300, 20_000)) {
		g := newGenerator(7, seed, schema.Dialect(seed%2))
		text, a := g.schemas()
		p, ok := g.pair(t, text)
		if !ok {
			continue
		}
		all := p.program.DecidesValues(true)
		if all {
			decides++
		}
		for range 20 {
			value := oneOf(g, g.value(a, 3), g.value(a, 4), any(oneOf(g, texts...)), any(oneOf(g, numbers...)), "\xff", nil, true)
			if g.chance(10) {
				value = []any{value, "a"}
			}
			report := schema.Report{Max: 1}
			p.validator.Value(value, &report)
			pairs++
			switch p.program.Value(value) {
			case onepass.Valid:
				if told++; report.Total > 0 {
					t.Fatalf("%#v is valid by the program, but %v: %s", value, report.Violations, text)
				}
			case onepass.Invalid:
				if told++; report.Total == 0 {
					t.Fatalf("%#v is valid, but not by the program: %s", value, text)
				}
			default:
				_, ok := value.(string)
				if (all || ok && p.program.DecidesValues(false)) && !p.limited { // few values may take few visits
					t.Fatalf("the program said it would decide: %#v by %s", value, text)
				}
			}
		}
	}
	t.Logf("the program told %d of %d, %d programs decide", told, pairs, decides)
	if told < pairs/2 || decides == 0 {
		t.Errorf("the program told only %d of %d", told, pairs)
	}
}

// Objects that were decoded are judged by all that is said of them.
func TestDecodedObjects(t *testing.T) {
	const s = `{"type": "object", "required": ["a"], "maxProperties": 3, "propertyNames": {"maxLength": 2},
		"properties": {"a": {"type": "string"}, "b": {"$ref": "#/components/schemas/A"}, "c": {"items": {"type": "integer"}}},
		"patternProperties": {"^x": {"type": "null"}}, "additionalProperties": {"type": "boolean"}, "dependentRequired": {"c": ["b"]}}`
	p := schema31(t, s)
	type object = map[string]any
	nested := func(depth int) any {
		value := object{"a": ""}
		for range depth {
			value = object{"a": "", "b": value}
		}
		return value
	}
	for _, test := range []struct {
		value any
		want  onepass.Verdict
	}{
		{object{"a": ""}, onepass.Valid}, {object{}, onepass.Invalid}, {"a", onepass.Invalid}, {[]any{}, onepass.Invalid},
		{object{"a": "", "b": object{"a": ""}}, onepass.Valid}, {object{"a": "", "b": object{"a": 1}}, onepass.Unknown},
		{object{"a": "", "b": object{"a": nil}}, onepass.Invalid}, {object{"a": "", "b": nil}, onepass.Invalid},
		{object{"a": "", "x": nil, "x1": nil}, onepass.Valid}, {object{"a": "", "x": true}, onepass.Invalid},
		{object{"a": "", "y": true}, onepass.Valid}, {object{"a": "", "y": nil}, onepass.Invalid},
		{object{"a": "", "y": true, "z": true, "w": true}, onepass.Invalid}, {object{"a": "", "yyy": true}, onepass.Invalid},
		{object{"a": "", "c": []any{}}, onepass.Invalid}, {object{"a": "", "b": object{"a": ""}, "c": []any{json.Number("1.0")}}, onepass.Valid},
		{object{"a": "", "b": object{"a": ""}, "c": []any{json.Number("1.5")}}, onepass.Invalid},
		{nested(63), onepass.Valid}, {nested(64), onepass.Unknown},
	} {
		if v := p.program.Value(test.value); v != test.want {
			t.Errorf("%v: %v, want %v", test.value, v, test.want)
		}
	}
	chosen := compile(t, schema.OpenAPI30, pets, schema.Settings{}, schema.Request)
	for _, test := range []struct {
		kind any
		want onepass.Verdict
	}{{"Cat", onepass.Valid}, {"Dog", onepass.Invalid}, {json.Number("1"), onepass.Valid}, {true, onepass.Invalid}, {false, onepass.Invalid}, {nil, onepass.Invalid}} {
		if v := chosen.program.Value(object{"kind": test.kind, "name": "", "lives": json.Number("9")}); v != test.want {
			t.Errorf("%v: %v, want %v", test.kind, v, test.want)
		}
	}
	if v := chosen.program.Value(object{"name": ""}); v != onepass.Invalid || !chosen.program.DecidesValues(true) {
		t.Errorf("without a kind: %v", v)
	}
}

// Zeros before an exponent are no digits of a number, however it came: the engine would accept what the program does.
func TestZerosOfExponents(t *testing.T) {
	p := schema31(t, `{"type": "number"}`)
	number := json.Number("1e" + strings.Repeat("0", 500) + "9")
	var report schema.Report
	if p.validator.Value(number, &report); p.program.Value(number) != onepass.Valid || report.Total != 0 {
		t.Errorf("%v, the engine alone: %v", p.program.Value(number), report.Violations)
	}
}

func TestNumbersThatAreNone(t *testing.T) {
	p := schema31(t, `{"type": "number"}`)
	for _, text := range []json.Number{"", "-", "01", "1.", "0x1", "NaN", "1 ", " 1", "1e"} {
		if v := p.program.Value(text); v != onepass.Unknown {
			t.Errorf("%q: %v", text, v)
		}
	}
}
