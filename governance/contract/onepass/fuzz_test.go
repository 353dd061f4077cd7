package onepass_test

import (
	"testing"

	"github.com/weirproxy/weir/governance/contract/schema"
)

// FuzzAgainstSchema holds programs against package schema: the schema is generated from a seed, the text is any.
func FuzzAgainstSchema(f *testing.F) {
	for seed, text := range []string{
		product, `{"a":1,"a":2}`, `{"a":1,"\u0061":2}`, `["\ud800"]`, `["\ud83d\ude00"]`, "\"\xff\"", `[1e400]`, `[1e401]`, `{} {}`, ` `, `01`,
		`{"kind":"d3","a":[{"b":null}]}`, "\ufeff{}", `[-]`, `{"":""}`, `{"a`, `[0.10E-05]`, `"\u0000"`, `{"a":1,}`, `[tru]`,
		`{"ab":1,"b":[1,1.0],"c":{"a":"x"}}`, `-0`, `9007199254740993`, "{\"\xff\":1}", `[[[[[[]]]]]]`,
	} {
		f.Add(uint64(seed), []byte(text))
		f.Add(uint64(seed+1000), []byte(text))
	}
	pairs := make(map[uint64]pair) // a run goes on with the same seeds
	f.Fuzz(func(t *testing.T, seed uint64, text []byte) {
		seed %= 1 << 12
		dialect := schema.Dialect(seed % 2)
		g := newGenerator(3, seed, dialect)
		schemas, a := g.schemas()
		p, ok := pairs[seed]
		if !ok {
			if p, ok = g.pair(t, schemas); !ok {
				return
			}
			pairs[seed] = p
		}
		p.agree(t, text, schemas)
		p.agree(t, g.write(nil, g.value(a, 4)), schemas)
	})
}

// FuzzTokens holds the reading alone against package strictjson.
func FuzzTokens(f *testing.F) {
	for _, text := range []string{product, `"\u0000\n\/\ud83d\ude00"`, "\"\xed\xa0\x80\"", `"\ud800\u0041"`, `"\`, `"\u12`, "\"12345678\x1f\"",
		`"12345678\"12345678"`, "\"1234567\xc3\xa9\"", `[-0.0e-0,1E+10,0]`, `1.e1`, `.1`, `+1`, `1e`, `[1e99999999999999999999]`, "[1]\x00", "\x00"} {
		f.Add([]byte(text))
	}
	p := schema31(f, `{"$comment": "anything"}`)
	f.Fuzz(func(t *testing.T, text []byte) { p.agree(t, text, "anything") })
}
