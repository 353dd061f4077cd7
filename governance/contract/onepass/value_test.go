package onepass_test

import (
	"encoding/json"
	"testing"

	"github.com/weirproxy/weir/governance/contract/onepass"
	"github.com/weirproxy/weir/governance/contract/schema"
)

// What Value says of a decoded value is what package schema says, on schemas of all keywords.
func TestValuesAgreeWithTheEngine(t *testing.T) {
	told, pairs, decides := 0, 0, 0
	for seed := range uint64(soak(300, 20_000)) {
		g := newGenerator(7, seed, schema.Dialect(seed%2))
		text, a := g.schemas()
		p, ok := g.pair(t, text)
		if !ok {
			continue
		}
		if p.program.DecidesValues() {
			decides++
		}
		for range 20 {
			value := oneOf(g, g.value(a, 3), any(oneOf(g, texts...)), any(oneOf(g, numbers...)), "\xff", nil, true)
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
				if _, ok := value.(string); ok && p.program.DecidesValues() {
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

func TestNumbersThatAreNone(t *testing.T) {
	p := schema31(t, `{"type": "number"}`)
	for _, text := range []json.Number{"", "-", "01", "1.", "0x1", "NaN", "1 ", " 1", "1e"} {
		if v := p.program.Value(text); v != onepass.Unknown {
			t.Errorf("%q: %v", text, v)
		}
	}
}
