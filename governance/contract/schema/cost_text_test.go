package schema

import (
	"strings"
	"testing"
)

// Long texts are files, mostly: what is asked of them is cheap.
func TestLongTextsPass(t *testing.T) {
	for schema, value := range map[string]string{
		`{"type": "string", "format": "byte"}`:                                strings.Repeat("QUJD", 2_000_000),
		`{"type": "string", "pattern": "^[A-Za-z0-9+/]{4,4000000}$"}`:         strings.Repeat("QUJD", 250_000),
		`{"type": "string", "pattern": "^[\\u4e00-\\u9fa5]+$"}`:               strings.Repeat("中", 200_000),
		`{"type": "string", "pattern": "^(?<first>[a-z])[a-z]*$"}`:            strings.Repeat("a", 1_000_000),
		`{"type": "array", "items": {"type": "string", "maxLength": 100000}}`: strings.Repeat("a", 50_000),
	} {
		text := `"` + value + `"`
		if strings.Contains(schema, "items") {
			text = `[` + strings.Repeat(text+`,`, 19) + text + `]`
		}
		v := compile(t, compilerFor(t, OpenAPI31, `{"A": `+schema+`}`, Settings{}), atA, Request)
		if got := judge(v, text); got != nil {
			t.Errorf("%s: violations are %q", schema, got)
		}
	}
}
