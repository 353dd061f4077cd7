package schema

import (
	"errors"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/weirproxy/weir/governance/contract/onepass"
	"github.com/weirproxy/weir/internal/cputime"
)

// slowExpressions take RE2 long for their length.
func slowExpressions(size int) map[string]string {
	repeated := func(text string) string { return strings.Repeat(text, size/len(text)) }
	return map[string]string{
		"literals":     repeated("a"),
		"any":          repeated("."),
		"spaces":       repeated(`\S`),
		"groups":       strings.Repeat("(.", size/3) + strings.Repeat(")", size/3),
		"closed":       strings.Repeat("(", size/3) + "a" + strings.Repeat(".)", size/3),
		"repetitions":  repeated(`\w{99}`),
		"alternatives": repeated("ab|ac|"),
		"longer":       longer(".", size),
		"branches":     strings.Repeat("(a|", size/4) + strings.Repeat(")", size/4),
		"properties":   "[" + repeated(`\p{L}\P{L}`) + "]",
		"names":        repeated(`\p{Greek}\p{Lu}\p{N}\p{Script=Han}`),
		"folded":       "(?i)[" + repeated("B-\U0001e942") + "]",
		"multiplied":   "(?:" + strings.Repeat(`\u00e9`, min(size/6, 1500)) + "){1000}",
	}
}

// longer has alternatives of which each is one longer than the one before.
func longer(one string, size int) string {
	var b strings.Builder
	for n := 1; b.Len() < size; n++ {
		b.WriteString(strings.Repeat(one, n) + "|")
	}
	return b.String()
}

// A text of format regex takes about as long as is paid for it, which is 0.1 s for each of these. As programs of RE2, some
// take seconds and hundreds of megabytes, and groups inside each other half a minute.
func TestExpressionsAreOnlyParsed(t *testing.T) {
	for name, text := range slowExpressions(100_000) {
		took := cputime.Within(t, time.Second, func() {
			if !isExpression(text) {
				t.Errorf("%s: no expression", name)
			}
		})
		t.Logf("%s: %v", name, took)
	}
}

// Of format regex is what a pattern may be, or might be if RE2 could do it. Made of a few parts again and again, half of the
// texts are; some are long enough to be parsed in several parts.
func TestExpressionsAreWhatPatternsMayBe(t *testing.T) {
	parts := []string{"a", "b-", ".", "(", ")", "(?:", "(?i:", "(?i)", "(?<n>", "(?=", "|", "*", "+", "?", "{2}", "{1,}", "{0,3}", "{1001}", "{3,2}", "{", "}",
		"[", "[^", "]", "[a-z]", "[z-a]", "[]", "[^]", `\s`, `\S`, `\w`, `\p{L}`, `\P{X}`, `\u0041`, `\ud83d\ude00`, `\ud83d`, `\b`, `\(`, `\1`, `\0`, "^", "$", "é", "\xff"}
	random, are := rand.New(rand.NewPCG(1, 2)), 0
	const n = 10_000
	for range n {
		some := parts
		if random.IntN(2) == 0 {
			some = make([]string, 2+random.IntN(6))
			for i := range some {
				some[i] = parts[random.IntN(len(parts))]
			}
		}
		length := 1 + random.IntN(12)
		if random.IntN(20) == 0 {
			length *= 100
		}
		var text strings.Builder
		for range length {
			text.WriteString(some[random.IntN(len(some))])
		}
		_, err := newPattern(text.String())
		may := err == nil || errors.Is(err, errNotRE2)
		if isExpression(text.String()) != may {
			t.Fatalf("%q is of format regex: %v, but %v", text.String(), !may, err)
		}
		if may {
			are++
		}
	}
	if are < n/3 || are > n*2/3 {
		t.Errorf("%d of %d are", are, n)
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
