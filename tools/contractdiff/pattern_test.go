package contractdiff

import (
	"math/rand/v2"
	"regexp"
	"regexp/syntax"
	"strings"
)

// matching makes a text that matches a regular expression and has at least so many characters; ok is false where that
// does not come about.
func matching(random *rand.Rand, pattern string, least int) (text string, ok bool) {
	expression, err := regexp.Compile(pattern)
	if err != nil {
		return "", false
	}
	tree, err := syntax.Parse(pattern, syntax.Perl)
	if err != nil {
		return "", false
	}
	for range 20 {
		var b strings.Builder
		writeMatch(random, &b, tree.Simplify())
		if text := b.String(); len(text) >= least && expression.MatchString(text) {
			return text, true
		}
	}
	return "", false
}

func writeMatch(random *rand.Rand, b *strings.Builder, tree *syntax.Regexp) {
	repeat := func(low, high int) {
		for range low + random.IntN(high-low+1) {
			writeMatch(random, b, tree.Sub[0])
		}
	}
	switch tree.Op {
	case syntax.OpLiteral:
		b.WriteString(string(tree.Rune))
	case syntax.OpCharClass:
		i := random.IntN(len(tree.Rune)/2) * 2
		low, high := tree.Rune[i], min(tree.Rune[i+1], tree.Rune[i]+25)
		b.WriteRune(low + rune(random.IntN(int(high-low)+1)))
	case syntax.OpAnyChar, syntax.OpAnyCharNotNL:
		b.WriteByte('x')
	case syntax.OpStar:
		repeat(0, 3)
	case syntax.OpPlus:
		repeat(1, 3)
	case syntax.OpQuest:
		repeat(0, 1)
	case syntax.OpRepeat:
		repeat(tree.Min, max(tree.Min, min(tree.Max, tree.Min+3)))
	case syntax.OpAlternate:
		writeMatch(random, b, tree.Sub[random.IntN(len(tree.Sub))])
	case syntax.OpConcat, syntax.OpCapture:
		for _, part := range tree.Sub {
			writeMatch(random, b, part)
		}
	}
}
