package schema

import (
	"regexp/syntax"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// patternWeight bounds the visits that matching a byte with a regular expression takes. RE2's time is the length of
// the text times the states that may be alive at once. These are few for an expression that begins with ^ and
// repeats nothing that is itself repeated a number of times; in others (^([a-z]{1,100}\.?)+$) they may be all.
func patternWeight(expression jsonschema.Regexp) float64 {
	const perState = 1.0 / 32
	states := 64 // of what is not written as Go reads it
	if parsed, err := syntax.Parse(compiledText(expression), syntax.Perl); err == nil {
		states = 4
		if simple := parsed.Simplify(); !anchored(simple) || nested(parsed, false) {
			if program, err := syntax.Compile(simple); err == nil {
				states = max(states, len(program.Inst))
			}
		}
	}
	return perState * float64(states)
}

// compiledText is what RE2 runs, which is not what an author of ECMA-262 has written.
func compiledText(expression jsonschema.Regexp) string {
	switch expression := expression.(type) {
	case *pattern:
		return expression.Regexp.String()
	case *counted:
		return expression.all.String()
	}
	return expression.String()
}

// anchored tells whether a match can only begin at the beginning of the text.
func anchored(re *syntax.Regexp) bool {
	switch re.Op {
	case syntax.OpBeginText:
		return true
	case syntax.OpConcat, syntax.OpCapture:
		return len(re.Sub) > 0 && anchored(re.Sub[0])
	case syntax.OpAlternate:
		for _, sub := range re.Sub {
			if !anchored(sub) {
				return false
			}
		}
		return true
	}
	return false
}

// nested tells whether a counted repetition stands inside another repetition.
func nested(re *syntax.Regexp, inside bool) bool {
	switch re.Op {
	case syntax.OpRepeat:
		if inside {
			return true
		}
		inside = true
	case syntax.OpStar, syntax.OpPlus:
		inside = true
	}
	for _, sub := range re.Sub {
		if nested(sub, inside) {
			return true
		}
	}
	return false
}
