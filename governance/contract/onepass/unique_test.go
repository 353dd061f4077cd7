package onepass_test

import (
	"math/rand/v2"
	"testing"

	"github.com/weirproxy/weir/governance/contract/onepass"
)

// Items that are equal are found whatever they are and however they are spelled. Others that have the same fingerprint
// are not taken for equal.
func TestSoakEqualItems(t *testing.T) {
	p := schema31(t, `{"uniqueItems": true}`)
	g := &generator{Rand: rand.New(rand.NewPCG(5, 6))}
	verdicts := make(map[onepass.Verdict]int)
	colliding := onepass.WithEqualPrints(p.program)
	for range soak(2_000, 100_000) {
		one, text := g.anything(3), []byte("[")
		for range g.IntN(3) {
			text = append(g.write(text, g.anything(2)), ',')
		}
		text = append(g.write(text, one), ',')
		if g.chance(2) {
			one = g.changed(one)
		}
		text = append(g.write(text, one), ']')
		v := p.agree(t, text, "uniqueItems")
		if got := colliding(text); got != v {
			t.Fatalf("%s: %v, with equal fingerprints %v", text, v, got)
		}
		verdicts[v]++
	}
	for _, v := range []onepass.Verdict{onepass.Valid, onepass.Invalid} {
		if verdicts[v] < soak(2_000, 100_000)/10 {
			t.Errorf("%v: %d times", v, verdicts[v])
		}
	}
}

// Of items that all have the same fingerprint, the engine says whether they are equal. A schema may be one of several
// that want them to be unique, and want something else besides.
func TestEqualFingerprints(t *testing.T) {
	for _, schema := range []string{
		`{"uniqueItems": true}`, `{"items": {"maxLength": 3}, "uniqueItems": true}`,
		`{"uniqueItems": true, "allOf": [{"uniqueItems": true, "maxItems": 5}, {"prefixItems": [{"not": {"const": "no"}}]}]}`,
	} {
		p := schema31(t, schema)
		for text, want := range map[string]onepass.Verdict{
			`[]`: onepass.Valid, `["a"]`: onepass.Valid, `["a", "b"]`: onepass.Valid, `["a", "b", "c", 1, {"a": 1}]`: onepass.Valid,
			`["a", "b", "a"]`: onepass.Invalid, `["a", "b", "\u0061"]`: onepass.Invalid, `[1, 2, 1.0]`: onepass.Invalid,
			`[{"a": 1, "b": 2}, "x", {"b": 2, "a": 1}]`: onepass.Invalid, `[[1, 2], [2, 1]]`: onepass.Valid,
		} {
			if got := onepass.WithEqualPrints(p.program)([]byte(text)); got != want {
				t.Errorf("%s by %s: %v, want %v", text, schema, got, want)
			}
			p.agree(t, []byte(text), schema)
		}
	}
}
