package schema

import (
	"errors"
	"regexp/syntax"
	"strings"
)

// This file holds how it is checked whether a text is a regular expression, in a time and with memory in proportion to its
// length: RE2 would have a program of a thousand instructions for a few bytes, and its parser goes through all of a group
// again in the group around it, and through hundreds of ranges for a \p{...}.

// form translates what it makes quick to parse and no more right or wrong than the expression: without groups inside
// each other, alternatives, (?i) and sets of characters.
type form struct {
	known map[string]bool // \p{...} that have been there, of which the names are checked
	open  int             // groups around here
	wrong error           // of what has been parsed
}

// checkPattern tells whether an expression is one: its error is that of newPattern, but that it may be beyond RE2 where
// newPattern has a counted, or none where newPattern says that it is too large.
func checkPattern(expression string) error {
	t := &translator{rest: expression, form: &form{known: make(map[string]bool)}}
	if _, err := t.translate(); err != nil {
		return err
	}
	if t.parse(); t.wrong == nil && t.open > 0 {
		return errors.New("missing closing )")
	}
	return explain(t.wrong)
}

const (
	anySet        = `\d`   // stands for any set of characters
	nothingBefore = ")(?:" // nothing is here that could be repeated
	longPart      = 512    // bytes, which RE2 parses without measuring how deep they are nested
)

// parsePart parses what has been translated, if that is long and ends here: nothing repeats its end.
func (t *translator) parsePart() {
	if t.form == nil || t.out.Len() < longPart || strings.IndexByte("*+?{", t.rest[0]) >= 0 || strings.HasPrefix(t.rest, "(?i)") {
		return
	}
	t.parse()
}

func (t *translator) parse() {
	if t.wrong == nil {
		_, t.wrong = syntax.Parse("(?:"+t.out.String()+")", syntax.Perl)
	}
	t.out.Reset()
}

// set writes a set of characters in place of the next n bytes.
func (t *translator) set(text string, n int) {
	if t.form != nil {
		text = anySet
	}
	t.put(text, n)
}

// isKnown tells whether RE2 knows a property. Each is asked for once: it is a list of hundreds of ranges.
func (t *translator) isKnown(property string) bool {
	known, ok := t.known[property]
	if !ok {
		_, err := syntax.Parse(property, syntax.Perl)
		known = err == nil
		t.known[property] = known
	}
	return known
}

// flag writes (?i).
func (t *translator) flag() {
	text := "(?i)"
	if t.form != nil {
		text = "(?-i)"
	}
	t.put(text, len("(?i)"))
}

// begin writes the beginning of a group in place of the next n bytes.
func (t *translator) begin(text string, n int) {
	if t.form != nil {
		text = nothingBefore
		t.open++
	}
	t.put(text, n)
}

// bound translates the end of a group or of an alternative.
func (t *translator) bound() {
	switch {
	case t.form == nil:
		t.put(t.rest[:1], 1)
	case t.rest[0] == '|':
		t.put(nothingBefore, 1)
	case t.open > 0:
		t.open--
		t.put("()", 1) // which may be repeated
	default:
		t.put("))", 1) // which is one too many here, too
	}
}
