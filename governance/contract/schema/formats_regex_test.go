package schema

import (
	"strings"
	"testing"
	"time"

	"github.com/weirproxy/weir/governance/contract/onepass"
)

// slowExpressions take RE2 long for their length.
func slowExpressions(size int) map[string]string {
	repeated := func(text string) string { return strings.Repeat(text, size/len(text)) }
	return map[string]string{
		"literals":     repeated("a"),
		"any":          repeated("."),
		"spaces":       repeated(`\S`),
		"groups":       strings.Repeat("(a", 900) + strings.Repeat(")", 900) + repeated("(a)"),
		"repetitions":  repeated(`\w{99}`),
		"alternatives": repeated("ab|ac|"),
		"properties":   "[" + repeated(`\p{L}\P{L}`) + "]",
		"names":        repeated(`\p{Greek}\p{Lu}\p{N}\p{Script=Han}`),
		"folded":       "(?i)[" + repeated("B-\U0001e942") + "]",
		"multiplied":   "(?:" + strings.Repeat(`\u00e9`, min(size/6, 1500)) + "){1000}",
	}
}

// A text of format regex takes no longer than what is paid for it. As programs of RE2, the last of these take seconds and
// hundreds of megabytes.
func TestExpressionsAreOnlyParsed(t *testing.T) {
	for name, text := range slowExpressions(20_000) {
		start := time.Now()
		if !isExpression(text) {
			t.Errorf("%s: no expression", name)
		}
		if took := time.Since(start); took > 2*time.Second {
			t.Errorf("%s: %v", name, took)
		}
	}
}

// Long expressions are paid from the budget of both engines, and refused beyond it.
func TestExpressionsArePaid(t *testing.T) {
	const schemas = `{"A": {"items": {"format": "regex"}}}`
	program := compile(t, compilerFor(t, OpenAPI31, schemas, Settings{}), atA, Request)
	engine := compile(t, compilerFor(t, OpenAPI31, schemas, Settings{EngineOnly: true}), atA, Request)
	for _, test := range []struct {
		text    string
		verdict onepass.Verdict
		want    string
	}{
		{costAlike(2000, `"^[a-z]+(foo|bar)\\d{2,4}$"`), onepass.Valid, ""},
		{costAlike(1, `"`+strings.Repeat("(a)", 50_000)+`"`), onepass.Valid, ""},
		{costAlike(1, `"`+strings.Repeat("(a)", 150_000)+`"`), onepass.Unknown, " nodes"},
		{costAlike(3, `"`+strings.Repeat("(a)", 50_000)+`"`), onepass.Unknown, " nodes"},
		{costAlike(2, `"`+strings.Repeat("(a)", 10_000)+`("`), onepass.Invalid, "/0 format,/1 format"},
	} {
		if got := ProgramOf(program).Judge([]byte(test.text)); got != test.verdict {
			t.Errorf("%.30s of %d bytes: the program says %v, want %v", test.text, len(test.text), got, test.verdict)
		}
		for name, v := range map[string]Validator{"program": program, "engine": engine} {
			if got := strings.Join(judge(v, test.text), ","); got != test.want {
				t.Errorf("%s: %.30s of %d bytes: %q, want %q", name, test.text, len(test.text), got, test.want)
			}
		}
	}
}
