package onepass_test

import (
	"os"
	"testing"

	"github.com/weirproxy/weir/governance/contract/onepass"
	"github.com/weirproxy/weir/governance/contract/schema"
	"github.com/weirproxy/weir/governance/contract/strictjson"
)

// tally counts verdicts.
type tally struct {
	pairs, valid, told, unknown int
}

func (c *tally) add(p pair, v onepass.Verdict, text []byte) {
	c.pairs++
	if v == onepass.Unknown {
		c.unknown++
	}
	if v == onepass.Valid {
		c.valid++
		c.told++
	} else if v == onepass.Unknown && p.engine(text) == onepass.Valid {
		c.valid++
	}
}

func (c *tally) log(t *testing.T, what string) {
	t.Helper()
	t.Logf("%s: %d pairs, %d valid, of which the program told %.2f %%; it could not tell %.2f %% of all", what, c.pairs, c.valid,
		100*float64(c.told)/float64(max(c.valid, 1)), 100*float64(c.unknown)/float64(max(c.pairs, 1)))
}

// soak returns how much is done: the second with WEIR_SOAK=1.
func soak(short, long int) int {
	if os.Getenv("WEIR_SOAK") == "1" {
		return long
	}
	return short
}

// TestSoakProgramsAgreeWithTheEngine: on schemas of all keywords, and on values that nearly fit them, no program says
// anything else than package schema.
func TestSoakProgramsAgreeWithTheEngine(t *testing.T) {
	const values = 20
	for name, dialect := range map[string]schema.Dialect{"3.0": schema.OpenAPI30, "3.1": schema.OpenAPI31} {
		t.Run(name, func(t *testing.T) {
			var all, strict tally
			broken := 0
			for seed := range uint64(soak(500, 25_000)) {
				g := newGenerator(uint64(dialect)+1, seed, dialect)
				text, a := g.schemas()
				p, ok := g.pair(t, text)
				if !ok {
					broken++
					continue
				}
				for i := range values {
					value := g.write(nil, g.value(a, 5))
					if i%5 == 4 {
						value = g.spoil(value)
					}
					v := p.agree(t, value, text)
					all.add(p, v, value)
					if p.program.Whole() == nil {
						strict.add(p, v, value)
					}
				}
			}
			all.log(t, "all")
			strict.log(t, "schemas judged in one pass")
			if broken > soak(500, 25_000)/5 || all.valid < all.pairs/10 || all.told < all.valid*8/10 {
				t.Errorf("%d schemas are none, %d of %d values are valid, %d of them by the program: little was tested",
					broken, all.valid, all.pairs, all.told)
			}
		})
	}
}

// pair compiles schemas; they may be none, as where two keywords of the generator do not go together.
func (g *generator) pair(t testing.TB, schemas string) (pair, bool) {
	version := "3.0.3"
	if g.dialect == schema.OpenAPI31 {
		version = "3.1.0"
	}
	files := schema.Files{docURL: tree(t, `{"openapi": "`+version+`", "components": {"schemas": `+schemas+`}}`)}
	settings := schema.Settings{RefuseReadOnly: g.chance(2)}
	if g.chance(3) {
		settings.JSON.Limits = strictjson.Limits{
			Depth: 1 + g.IntN(4), Nodes: 1 + g.IntN(30), Properties: 1 + g.IntN(5), Digits: 1 + g.IntN(25)}
	}
	limited := settings.JSON.Limits != strictjson.Limits{}
	p, err := newCompilers(files, g.dialect, settings).compile(atA, oneOf(g, schema.Request, schema.Response))
	p.limited = limited
	return p, err == nil
}
