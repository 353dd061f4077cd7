package schema

import (
	"errors"
	"fmt"
	"regexp"
	"regexp/syntax"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// This file holds how regular expressions of ECMA-262, which OpenAPI has, become such of RE2, which run in linear
// time. What RE2 cannot express is an error: lookaround, backreferences, and more than 1,000 repetitions. What the
// two write or mean differently is translated: . and \s (line ends and spaces of Unicode), \uXXXX, \cX, \0, [] and
// [^], \/, and groups, none of which needs to capture.

// pattern is a compiled regular expression. It prints as its author wrote it.
type pattern struct {
	*regexp.Regexp
	written string
}

func (p *pattern) String() string { return p.written }

// errNotRE2 is the beginning of what is said of an expression that is right, but beyond RE2.
var errNotRE2 = errors.New("RE2 has no")

func newPattern(expression string) (jsonschema.Regexp, error) {
	translated, err := translate(expression)
	if err != nil {
		return nil, err
	}
	if counted := newCounted(translated, expression); counted != nil {
		return counted, nil
	}
	compiled, err := regexp.Compile(translated)
	if err != nil {
		return nil, explain(err)
	}
	return &pattern{compiled, expression}, nil
}

// explain says what RE2 does not accept without naming the translation.
func explain(err error) error {
	var cause *syntax.Error
	if !errors.As(err, &cause) {
		return err
	}
	var least, most int
	if n, _ := fmt.Sscanf(cause.Expr, "{%d,%d}", &least, &most); n == 2 && most < least {
		return fmt.Errorf("%s repeats at least %d and at most %d times", cause.Expr, least, most)
	}
	switch cause.Code {
	case syntax.ErrInvalidRepeatSize, syntax.ErrLarge:
		return fmt.Errorf("%w more than 1000 repetitions of the same; limit the length with maxLength instead", errNotRE2)
	case syntax.ErrNestingDepth:
		return fmt.Errorf("%w more than 1000 groups and repetitions inside each other", errNotRE2)
	case syntax.ErrInvalidCharRange:
		return fmt.Errorf("%s: %q", cause.Code, strings.ReplaceAll(cause.Expr, `\-`, "-"))
	}
	return errors.New(cause.Code.String())
}

// counted is an expression like ^[a-z]{1,5000}$: as many characters of one kind. RE2 repeats it at most 1,000 times,
// and a program for more would be slow.
type counted struct {
	all      *regexp.Regexp // the same without limits
	min, max int            // max < 0 is none
	written  string
}

// repeated matches one character, class or escape with its repetition, anchored on both sides.
var repeated = regexp.MustCompile(`^\^(\[(?:[^\]\\]|\\.)*\]|\\[dDwW]|\\x\{[0-9A-F]+\}|[^\\\[({.*+?|^$)])\{(\d{1,9})(?:(,)(\d{0,9}))?\}\$$`)

func newCounted(translated, written string) jsonschema.Regexp {
	parts := repeated.FindStringSubmatch(translated)
	if parts == nil {
		return nil
	}
	all, err := regexp.Compile("^" + parts[1] + "*$")
	if err != nil {
		return nil
	}
	c := &counted{all: all, max: -1, written: written}
	c.min, _ = strconv.Atoi(parts[2])
	if parts[3] == "" {
		c.max = c.min
	} else if parts[4] != "" {
		c.max, _ = strconv.Atoi(parts[4])
	}
	if c.max >= 0 && c.max < c.min {
		return nil // RE2 says what is wrong
	}
	return c
}

func (c *counted) String() string { return c.written }

func (c *counted) MatchString(s string) bool {
	n := utf8.RuneCountInString(s)
	return n >= c.min && (c.max < 0 || n <= c.max) && c.all.MatchString(s)
}
