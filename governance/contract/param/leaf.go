package param

// leaf.go reads texts as numbers, booleans and strings.

import (
	"encoding/json"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/weirproxy/weir/governance/contract/schema"
)

// leaf reads a text as what its schema allows. A nil shape is that of a value which the schema forbids: its validator
// will say so.
func (a *attempt) leaf(raw string, shape *schema.Shape) (any, bool) {
	text, ok := a.decode(raw)
	if !ok {
		return nil, false
	}
	types := schema.Types(0)
	if shape != nil {
		types = shape.Types
	}
	if types == schema.String || types == 0 && (shape == nil || shape.Validator() == nil) {
		return text, true
	}
	if types == 0 {
		types = scalars
	}
	var candidates [3]any
	found := a.candidates(text, types, candidates[:0])
	if len(found) == 0 {
		return nil, a.failType(types, text)
	}
	for _, value := range found[:len(found)-1] {
		if shape.Validator() == nil || accepts(shape.Validator(), value) {
			return a.bounded(value)
		}
	}
	return a.bounded(found[len(found)-1])
}

// candidates are the values that a text can be, the most special first.
func (a *attempt) candidates(text string, types schema.Types, found []any) []any {
	if types&schema.Boolean != 0 && (text == "true" || text == "false") {
		found = append(found, text == "true")
	}
	if types&(schema.Integer|schema.Number) != 0 {
		n, ok := parseNumber(text)
		if ok && (n.integer || types&schema.Number != 0) && (n.digits <= a.spec.MaxDigits || types&schema.String == 0) {
			found = append(found, json.Number(text))
		}
	}
	if types&schema.String != 0 {
		found = append(found, text)
	}
	return found
}

func accepts(v schema.Validator, value any) bool {
	report := schema.Report{Max: 1}
	v.Value(value, &report)
	return report.Total == 0
}

// bounded refuses numbers that are too large to compute with.
func (a *attempt) bounded(value any) (any, bool) {
	if text, ok := value.(json.Number); ok && (len(text) > a.spec.MaxDigits || strings.ContainsAny(string(text), "eE")) {
		if n, _ := parseNumber(string(text)); n.digits > a.spec.MaxDigits {
			return nil, a.fail("digits", fmt.Sprintf("must not have more than %d digits, exponent included", a.spec.MaxDigits))
		}
	}
	return value, true
}

// failType says what a text must be.
func (a *attempt) failType(types schema.Types, text string) bool {
	var wanted []string
	if types&schema.Boolean != 0 {
		wanted = append(wanted, "true or false")
	}
	switch {
	case types&schema.Number != 0:
		wanted = append(wanted, "a decimal number as in JSON, such as 4.5")
	case types&schema.Integer != 0:
		wanted = append(wanted, "an integer in decimal digits, such as 42")
	}
	if types&scalars == 0 {
		wanted = append(wanted, "of a type that this style cannot express")
	}
	detail := "must be " + strings.Join(wanted, " or ")
	if a.report.Values {
		detail += fmt.Sprintf(", not %q", cut(text))
	}
	return a.fail("type", detail)
}

// decode is what a text means: percent-decoded, but not in headers, and in UTF-8, as JSON is.
func (a *attempt) decode(raw string) (string, bool) {
	text, ok := a.unescape(raw)
	if ok && !utf8.ValidString(text) {
		return "", a.fail("invalid_utf8", "must be UTF-8")
	}
	return text, ok
}

func (a *attempt) unescape(raw string) (string, bool) {
	switch a.spec.In {
	case "": // a text that is no parameter
		return raw, true
	case inHeader:
		return strings.Trim(raw, " \t"), true
	}
	text, ok := unescape(raw, a.spec.In == inQuery)
	if !ok {
		return "", a.fail("syntax", "has a broken escape: "+brokenEscape)
	}
	return text, true
}
