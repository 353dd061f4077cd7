package schema

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"
)

// This file holds the translation of regular expressions from ECMA-262 to RE2.

// What \s matches in ECMA-262, and what it does not; what . matches.
const (
	spaces    = `\t\n\v\f\r \x{a0}\x{1680}\x{2000}-\x{200a}\x{2028}\x{2029}\x{202f}\x{205f}\x{3000}\x{feff}`
	notSpaces = `\x{0}-\x{8}\x{e}-\x{1f}\x{21}-\x{9f}\x{a1}-\x{167f}\x{1681}-\x{1fff}\x{200b}-\x{2027}\x{202a}-\x{202e}` +
		`\x{2030}-\x{205e}\x{2060}-\x{2fff}\x{3001}-\x{fefe}\x{ff00}-\x{10ffff}`
	notLineEnds = `[^\n\r\x{2028}\x{2029}]`
)

// translator reads an expression once, from left to right.
type translator struct {
	rest string
	out  strings.Builder

	*form // nil where the translation is used
}

func translate(expression string) (string, error) { return (&translator{rest: expression}).translate() }

func (t *translator) translate() (string, error) {
	for t.rest != "" {
		var err error
		t.parsePart()
		switch t.rest[0] {
		case '\\':
			err = t.escape(false)
		case '[':
			err = t.class()
		case '(':
			err = t.group()
		case '.':
			t.set(notLineEnds, 1)
		case ')', '|':
			t.bound()
		default:
			t.copyRune()
		}
		if err != nil {
			return "", err
		}
	}
	return t.out.String(), nil
}

// put writes text in place of the next n bytes.
func (t *translator) put(text string, n int) {
	t.out.WriteString(text)
	t.rest = t.rest[n:]
}

func (t *translator) copyRune() {
	_, size := utf8.DecodeRuneInString(t.rest)
	t.put(t.rest[:size], size)
}

// group translates the beginning of a group.
func (t *translator) group() error {
	rest, begin, size := t.rest, "(?:", 1
	switch {
	case strings.HasPrefix(rest, "(?=") || strings.HasPrefix(rest, "(?!"):
		return fmt.Errorf("%w lookahead %s...)", errNotRE2, rest[:3])
	case strings.HasPrefix(rest, "(?<=") || strings.HasPrefix(rest, "(?<!"):
		return fmt.Errorf("%w lookbehind %s...)", errNotRE2, rest[:4])
	case strings.HasPrefix(rest, "(?<") || strings.HasPrefix(rest, "(?P<"):
		end := strings.IndexByte(rest, '>')
		if end < 0 {
			return errors.New("the name of a group does not end; it lacks a >")
		}
		size = end + 1
	case strings.HasPrefix(rest, "(?:"):
		size = len(begin)
	case strings.HasPrefix(rest, "(?i:"):
		begin = "(?i:"
		size = len(begin)
	case strings.HasPrefix(rest, "(?i)"): // not ECMA-262, but clear
		t.flag()
		return nil
	case strings.HasPrefix(rest, "(?"):
		return fmt.Errorf("%s is no group of ECMA-262", rest[:min(len(rest), 3)])
	}
	t.begin(begin, size)
	return nil
}

// class translates a character class.
func (t *translator) class() error {
	switch {
	case strings.HasPrefix(t.rest, "[]"):
		t.put(`[^\x{0}-\x{10FFFF}]`, 2)
		return nil
	case strings.HasPrefix(t.rest, "[^]"):
		t.put(`[\x{0}-\x{10FFFF}]`, 3)
		return nil
	case strings.HasPrefix(t.rest, "[^"):
		t.put("[^", 2)
	default:
		t.put("[", 1)
	}
	for previous := begins; t.rest != ""; {
		switch t.rest[0] {
		case ']':
			t.put("]", 1)
			return nil
		case '-':
			t.hyphen(previous)
			previous = single
			continue
		case '[': // RE2 would read [: as the beginning of a named class
			t.put(`\[`, 1)
		case '\\':
			if previous = single; isSet(t.rest) {
				previous = set
			}
			if err := t.escape(true); err != nil {
				return err
			}
			continue
		default:
			t.copyRune()
		}
		previous = single
	}
	return errors.New("a character class does not end; it lacks a ]")
}

// What stands before a hyphen in a class.
const (
	begins = iota
	single // a character
	set    // \w and the like
)

// isSet tells whether text begins with an escape that stands for several characters.
func isSet(text string) bool {
	return len(text) > 1 && text[0] == '\\' && strings.IndexByte("dDwWsSpP", text[1]) >= 0
}

// hyphen copies a hyphen of a class. It stands for itself at both ends and beside a set.
func (t *translator) hyphen(previous int) {
	if previous == single && len(t.rest) > 1 && t.rest[1] != ']' && !isSet(t.rest[1:]) {
		t.put("-", 1)
		return
	}
	t.put(`\-`, 1)
}
