package schema

import (
	"errors"
	"regexp/syntax"
	"strings"
	"testing"
)

// Expressions as ECMA-262 means them.
func TestPatterns(t *testing.T) {
	tests := []struct {
		expression       string
		matches, differs []string
	}{
		{`^[1-9]\d*$`, []string{"10"}, []string{"01", "1a", "١"}},
		{`^\w+$`, []string{"aZ_9"}, []string{"ä", ""}},
		{`^a.b$`, []string{"axb", "aäb", "a\u0085b"}, []string{"a\nb", "a\rb", "a\u2028b"}},
		{`^\s$`, []string{" ", "\t", "\v", "\u00a0", "\ufeff", "\u3000", "\u2028"}, []string{"a", "\u200b"}},
		{`^\S$`, []string{"a", "\u200b"}, []string{" ", "\v", "\u00a0"}},
		{`^[\s\S]$`, []string{"\n", "a", "\u00a0", "😀"}, nil},
		{`^[\S]$`, []string{"a", "é", "😀"}, []string{" ", "\u00a0", "\u2003", "\u202f", "\ufeff"}},
		{`^[^\s]$`, []string{"a"}, []string{"\u3000"}},
		{`^[^]$`, []string{"\n", "a"}, []string{""}},
		{`[]`, nil, []string{"", "a"}},
		{`^\/\-\.\_$`, []string{"/-._"}, nil},
		{`^[\w-.]+$`, []string{"a-.b"}, []string{"a,b"}},
		{`^[a-\d]+$`, []string{"a-1"}, []string{"b"}},
		{`^[-a]+[a-]+[+--]$`, []string{"-a-a,"}, []string{"-aa."}},
		{`^[a-c-z]+$`, []string{"b-z"}, []string{"d"}},
		{`^[[:alpha:]]$`, []string{"a]", ":]", "[]"}, []string{"b]"}},
		{`^[\[-\]]+$`, []string{`[\]`}, []string{"a"}},
		{`^[\b]$`, []string{"\b"}, []string{"b"}},
		{`\bfoo\b`, []string{"a foo b"}, []string{"afoo"}},
		{`^a\Bb$`, []string{"ab"}, []string{"a b"}},
		{`^\cA\cj$`, []string{"\x01\n"}, []string{"cA"}},
		{`^\0\x41\u0042\u{43}\u{1F600}$`, []string{"\x00ABC😀"}, []string{"0ABC😀"}},
		{`^\uD83D\uDE00$`, []string{"😀"}, nil},
		{`^[\u00e4-\u00f6]+$`, []string{"äö"}, []string{"ü"}},
		{`^\u002F[\u002D\u005D]$`, []string{"/-", "/]"}, []string{"/a"}},
		{`^\u002B+$`, []string{"++"}, []string{"B"}},
		{`^(?<year>\d{4})-(?:\d\d)$`, []string{"2024-01"}, []string{"24-01"}},
		{`^(?i:abc)d$`, []string{"ABCd"}, []string{"ABCD"}},
		{`(?i)^abc$`, []string{"ABC"}, nil},
		{`^\p{L}\p{Lu}\p{Script=Greek}\p{gc=Nd}\P{L}$`, []string{"äBγ1!"}, []string{"äbγ1!", "äBγ1a"}},
		{`^[\p{L}\p{Nd}-]+$`, []string{"ä-1"}, []string{"!"}},
		{`^\{a\}{b}$`, []string{"{a}{b}"}, nil},
		{`^x{,2}$`, []string{"x{,2}"}, []string{"xx"}},
		{`.^`, nil, []string{"", "a", "a\nb"}},
		{`^[\s\S]{2,5000}$`, []string{"äö", strings.Repeat("\n", 5000)}, []string{"a", strings.Repeat("a", 5001)}},
		{`^.{0,3000}$`, []string{"", strings.Repeat("ä", 3000)}, []string{"a\nb", strings.Repeat("a", 3001)}},
		{`^[a-z]{2000}$`, []string{strings.Repeat("a", 2000)}, []string{strings.Repeat("a", 1999), strings.Repeat("a", 2001), strings.Repeat("A", 2000)}},
		{`^\d{3,}$`, []string{"123", "1234"}, []string{"12", "12a"}},
		{`^a{3}$`, []string{"aaa"}, []string{"aa", "aaaa"}},
		{`^\.{2}$`, []string{".."}, []string{"aa"}},
	}
	for _, test := range tests {
		pattern, err := newPattern(test.expression)
		if err != nil {
			t.Errorf("%s: %v", test.expression, err)
			continue
		}
		if !isExpression(test.expression) {
			t.Errorf("%s is not of format regex", test.expression)
		}
		if pattern.String() != test.expression {
			t.Errorf("%s prints as %s", test.expression, pattern)
		}
		for _, text := range test.matches {
			if !pattern.MatchString(text) {
				t.Errorf("%s does not match %.20q", test.expression, text)
			}
		}
		for _, text := range test.differs {
			if pattern.MatchString(text) {
				t.Errorf("%s matches %.20q", test.expression, text)
			}
		}
	}
}

func TestPatternsThatCannotBeUsed(t *testing.T) {
	for expression, want := range map[string]string{
		`(?=a)b`:          "RE2 has no lookahead (?=...)",
		`a(?!b)`:          "RE2 has no lookahead (?!...)",
		`(?<=a)b`:         "RE2 has no lookbehind (?<=...)",
		`(?<!a)b`:         "RE2 has no lookbehind (?<!...)",
		`(a)\1`:           `RE2 has no backreferences: \1`,
		`(?<x>a)\k<x>`:    `RE2 has no backreferences: \k`,
		`^(ab){1001}$`:    "RE2 has no more than 1000 repetitions of the same; limit the length with maxLength instead",
		`(a{100}){100}`:   "RE2 has no more than 1000 repetitions of the same; limit the length with maxLength instead",
		`\p{Emoji=Yes}`:   "RE2 has no property Emoji",
		`\p{Nonsense}`:    `invalid character class range: "\\p{Nonsense}"`,
		`\pL`:             `\p must be followed by the name of a property in braces`,
		`\A\d+\z`:         `\A is no escape of ECMA-262; write ^ or $`,
		`\a`:              `\a is no escape of ECMA-262`,
		`\08`:             `\08 is an octal escape; write \x and two hexadecimal digits`,
		`\x4`:             `\x must be followed by hexadecimal digits: \xHH, \uHHHH or \u{H...}`,
		`\u{110000}`:      `\u must be followed by hexadecimal digits: \xHH, \uHHHH or \u{H...}`,
		`[\uD800-\uDBFF]`: `RE2 has no half characters: \uD800; write \u{H...}`,
		`\c1`:             `\c must be followed by a letter`,
		`[\B]`:            `\B means nothing in a character class`,
		`a\`:              "it ends with a backslash",
		`[a`:              "a character class does not end; it lacks a ]",
		`[a\]`:            "a character class does not end; it lacks a ]",
		`(?<n`:            "the name of a group does not end; it lacks a >",
		`(?#x)`:           "(?# is no group of ECMA-262",
		`(a`:              "missing closing )",
		`a)`:              "unexpected )",
		`[z-a]`:           `invalid character class range: "z-a"`,
		`a**`:             "invalid nested repetition operator",
		`^a{3,2}$`:        "{3,2} repeats at least 3 and at most 2 times",
	} {
		_, err := newPattern(expression)
		if err == nil || err.Error() != want {
			t.Errorf("%s: error is %v, want %s", expression, err, want)
		}
		if beyond := strings.HasPrefix(want, "RE2"); isExpression(expression) != beyond {
			t.Errorf("%s is of format regex: %v", expression, !beyond)
		}
	}
}

// Whatever the translation makes is understood or refused, and never panics.
func FuzzPatterns(f *testing.F) {
	for _, seed := range []string{`^[\w-.]+$`, `\uD83D\uDE00[^\S]\p{L}`, `(?<a>x{2,3000})[a-\d]\cA`, `[[:x:]-]`, `\`, `(?i)[]`,
		`a*(?i)*`, `\p{X}(?=a)`, `[\p{L}-\P{Nd}](?i:\p{^Lu}{3})`, `(?i){2}`, `a)(b`, `(a|b)|*`, `((|)*)+?(`, `(a{99}|(.{99})){9}`, `a{1001})`, `a)(?=b)`, `?`, `(a|?i:b)`, `a){2}{1001}`, `())(`, strings.Repeat(`(a|[b-\s]`, 99) + `*`} {
		f.Add(seed, "a")
	}
	f.Fuzz(func(t *testing.T, expression, text string) {
		pattern, err := newPattern(expression)
		if is := isExpression(expression); is != (err == nil || errors.Is(err, errNotRE2)) {
			t.Errorf("%q is of format regex: %v, but %v", expression, is, err)
		}
		if err == nil {
			pattern.MatchString(text)
			return
		}
		if translated, err := translate(expression); err == nil {
			if _, err := syntax.Parse(translated, syntax.Perl); err == nil && newCounted(translated, expression) != nil {
				t.Errorf("%q becomes %q, which is right, and is refused", expression, translated)
			}
		}
	})
}
