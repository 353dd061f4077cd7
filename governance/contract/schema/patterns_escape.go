package schema

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// escape translates what a backslash begins.
func (t *translator) escape(inClass bool) error {
	if len(t.rest) < 2 {
		return errors.New("it ends with a backslash")
	}
	switch c := t.rest[1]; c {
	case 'd', 'D', 'w', 'W', 't', 'n', 'v', 'f', 'r':
		t.put(t.rest[:2], 2)
	case 's', 'S':
		t.space(c == 's', inClass)
	case 'b', 'B':
		return t.boundary(inClass)
	case 'p', 'P':
		return t.property()
	case 'x', 'u':
		return t.hexadecimal()
	case 'c':
		if len(t.rest) < 3 || !isLetter(t.rest[2]) {
			return errors.New(`\c must be followed by a letter`)
		}
		t.put(character(rune(t.rest[2]&0x1f)), 3)
	case '0':
		if len(t.rest) > 2 && isDigit(t.rest[2]) {
			return fmt.Errorf(`%s is an octal escape; write \x and two hexadecimal digits`, t.rest[:3])
		}
		t.put(character(0), 2)
	default:
		return t.identity(c)
	}
	return nil
}

// identity translates an escape that stands for the character itself, which is no letter and no digit.
func (t *translator) identity(c byte) error {
	switch {
	case isDigit(c) || c == 'k':
		return fmt.Errorf(`%w backreferences: \%c`, errNotRE2, c)
	case c == 'A' || c == 'z' || c == 'Z':
		return fmt.Errorf(`\%c is no escape of ECMA-262; write ^ or $`, c)
	case isLetter(c):
		return fmt.Errorf(`\%c is no escape of ECMA-262`, c)
	}
	r, size := utf8.DecodeRuneInString(t.rest[1:])
	t.put(character(r), 1+size)
	return nil
}

// space translates \s and \S.
func (t *translator) space(isSpace, inClass bool) {
	switch {
	case inClass && isSpace:
		t.set(spaces, 2)
	case inClass:
		t.set(notSpaces, 2)
	case isSpace:
		t.set("["+spaces+"]", 2)
	default:
		t.set("[^"+spaces+"]", 2)
	}
}

// boundary translates \b and \B, of which the first is a backspace in a class.
func (t *translator) boundary(inClass bool) error {
	switch {
	case !inClass:
		t.put(t.rest[:2], 2)
	case t.rest[1] == 'b':
		t.put(`\x{8}`, 2)
	default:
		return errors.New(`\B means nothing in a character class`)
	}
	return nil
}

// property translates \p{...}. RE2 knows general categories and scripts.
func (t *translator) property() error {
	end := strings.IndexByte(t.rest, '}')
	if len(t.rest) < 3 || t.rest[2] != '{' || end < 0 {
		return fmt.Errorf(`%s must be followed by the name of a property in braces`, t.rest[:2])
	}
	name := t.rest[3:end]
	if key, value, ok := strings.Cut(name, "="); ok {
		switch key {
		case "Script", "sc", "Script_Extensions", "scx", "General_Category", "gc":
			name = value
		default:
			return fmt.Errorf(`%w property %s`, errNotRE2, key)
		}
	}
	translated := t.rest[:2] + "{" + name + "}"
	if t.form != nil && t.isKnown(translated) {
		translated = anySet
	}
	t.put(translated, end+1)
	return nil
}

// hexadecimal translates \xHH, \uHHHH, a pair of those, and \u{H...}.
func (t *translator) hexadecimal() error {
	r, size := hexadecimal(t.rest)
	if size == 0 {
		return fmt.Errorf(`%s must be followed by hexadecimal digits: \xHH, \uHHHH or \u{H...}`, t.rest[:2])
	}
	if utf16.IsSurrogate(r) {
		low, more := hexadecimal(t.rest[size:])
		if r = utf16.DecodeRune(r, low); r == utf8.RuneError {
			return fmt.Errorf(`%w half characters: %s; write \u{H...}`, errNotRE2, t.rest[:size])
		}
		size += more
	}
	t.put(character(r), size)
	return nil
}

// hexadecimal returns the character of a \x or \u escape and its length, 0 if it is none.
func hexadecimal(text string) (r rune, size int) {
	var digits string
	switch {
	case strings.HasPrefix(text, `\x{`) || strings.HasPrefix(text, `\u{`):
		end := strings.IndexByte(text, '}')
		if end < 0 {
			return 0, 0
		}
		digits, size = text[3:end], end+1
	case strings.HasPrefix(text, `\x`) && len(text) >= 4:
		digits, size = text[2:4], 4
	case strings.HasPrefix(text, `\u`) && len(text) >= 6:
		digits, size = text[2:6], 6
	}
	n, err := strconv.ParseUint(digits, 16, 21)
	if err != nil || n > utf8.MaxRune {
		return 0, 0
	}
	return rune(n), size
}

// character writes one character so that it stands for itself, in a class and outside.
func character(r rune) string { return fmt.Sprintf(`\x{%X}`, r) }

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

func isLetter(c byte) bool { return 'a' <= c|0x20 && c|0x20 <= 'z' }
