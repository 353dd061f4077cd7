package onepass_test

import (
	"math/rand/v2"
	"testing"

	"github.com/weirproxy/weir/governance/contract/onepass"
)

// Items that are equal are found whatever they are and however they are spelled.
func TestSoakEqualItems(t *testing.T) {
	p := schema31(t, `{"uniqueItems": true}`)
	g := &generator{Rand: rand.New(rand.NewPCG(5, 6))}
	verdicts := make(map[onepass.Verdict]int)
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
		verdicts[p.agree(t, text, "uniqueItems")]++
	}
	for _, v := range []onepass.Verdict{onepass.Valid, onepass.Invalid} {
		if verdicts[v] < soak(2_000, 100_000)/10 {
			t.Errorf("%v: %d times", v, verdicts[v])
		}
	}
}
