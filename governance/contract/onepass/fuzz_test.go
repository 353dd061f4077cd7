package onepass_test

import (
	"testing"

	"github.com/weirproxy/weir/governance/contract/schema"
)

// A worker compiles each schema once, and keeps it: with more of them it would do nothing else for long. Texts that are
// longer say nothing new and take longer.
const (
	fuzzedSchemas = 256
	fuzzedLength  = 2048
)

// fuzzed is a generated schema.
type fuzzed struct {
	pair
	schemas string
	fits    [][]byte // texts that have to do with it
}

// newFuzzed generates a schema; nil if it is none.
func newFuzzed(t testing.TB, seed uint64) *fuzzed {
	g := newGenerator(3, seed, schema.Dialect(seed%2))
	schemas, a := g.schemas()
	p, ok := g.pair(t, schemas)
	if !ok {
		return nil
	}
	f := &fuzzed{pair: p, schemas: schemas}
	for range 2 {
		f.fits = append(f.fits, g.write(nil, g.value(a, 4)))
	}
	return f
}

// FuzzAgainstSchema holds programs against package schema: the schema is generated from a seed, the text is any.
func FuzzAgainstSchema(f *testing.F) {
	for seed, text := range []string{
		product, `{"a":1,"a":2}`, `{"a":1,"\u0061":2}`, `["\ud800"]`, `["\ud83d\ude00"]`, "\"\xff\"", `[1e400]`, `[1e401]`, `{} {}`, ` `, `01`,
		`{"kind":"d3","a":[{"b":null}]}`, "\ufeff{}", `[-]`, `{"":""}`, `{"a`, `[0.10E-05]`, `"\u0000"`, `{"a":1,}`, `[tru]`,
		`{"ab":1,"b":[1,1.0],"c":{"a":"x"}}`, `-0`, `9007199254740993`, "{\"\xff\":1}", `[[[[[[]]]]]]`,
	} {
		f.Add(uint64(seed), []byte(text))
		f.Add(uint64(seed+100), []byte(text))
	}
	made := make(map[uint64]*fuzzed)
	of := func(t testing.TB, seed uint64) *fuzzed {
		seed %= fuzzedSchemas
		one, ok := made[seed]
		if !ok {
			one = newFuzzed(t, seed)
			made[seed] = one
		}
		return one
	}
	for seed := range uint64(64) {
		if one := of(f, seed); one != nil {
			for _, text := range one.fits {
				f.Add(seed, text)
			}
		}
	}
	f.Fuzz(func(t *testing.T, seed uint64, text []byte) {
		if one := of(t, seed); one != nil && len(text) <= fuzzedLength {
			one.agree(t, text, one.schemas)
		}
	})
}

// FuzzTokens holds the reading alone against package strictjson.
func FuzzTokens(f *testing.F) {
	for _, text := range []string{product, `"\u0000\n\/\ud83d\ude00"`, "\"\xed\xa0\x80\"", `"\ud800\u0041"`, `"\`, `"\u12`, "\"12345678\x1f\"",
		`"12345678\"12345678"`, "\"1234567\xc3\xa9\"", `[-0.0e-0,1E+10,0]`, `1.e1`, `.1`, `+1`, `1e`, `[1e99999999999999999999]`, "[1]\x00", "\x00"} {
		f.Add([]byte(text))
	}
	p := schema31(f, `{"$comment": "anything"}`)
	f.Fuzz(func(t *testing.T, text []byte) {
		if len(text) <= fuzzedLength {
			p.agree(t, text, "anything")
		}
	})
}
