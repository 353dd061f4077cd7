package param

// style.go splits texts into items and members, as the styles have it.

import (
	"fmt"
	"slices"
	"strings"

	"github.com/weirproxy/weir/governance/contract/schema"
)

// reading is one way to read a text.
type reading uint8

const (
	primitive reading = iota
	array
	object
)

const scalars = schema.Boolean | schema.Integer | schema.Number | schema.String

// setStyle chooses style, explode and the readings that the schema allows.
func (d *Decoder) setStyle(allowed []string) error {
	if d.spec.Style == "" {
		d.spec.Style = allowed[0]
	}
	if !slices.Contains(allowed, d.spec.Style) {
		return d.errorf("style %q is not for %s: use %s", d.spec.Style, d.spec.In, strings.Join(allowed, ", "))
	}
	d.explode = d.spec.Style == form
	if d.spec.Explode != nil {
		d.explode = *d.spec.Explode
	}
	shape := d.spec.Shape
	known := len(shape.Properties) > 0
	if shape.Types == 0 || shape.Types&scalars != 0 || shape.Types == schema.Null {
		d.readings = append(d.readings, primitive)
	}
	if shape.May(schema.Array) {
		d.readings = append(d.readings, array)
	}
	if shape.Types&schema.Object != 0 || shape.Types == 0 && (known || d.spec.Style == deepObject) {
		d.readings = append(d.readings, object)
	}
	more := shape.Additional
	d.commas = d.spec.In != inHeader && (d.reads(array) || d.reads(object)) &&
		(d.spec.Style == simple || !d.explode && slices.Contains([]string{form, label, matrix}, d.spec.Style))
	d.rest = d.loose() && d.spec.Style == form && d.reads(object) && more != nil && (more.Types != 0 || !known)
	return d.checkStyle()
}

// checkStyle drops the readings that the style has no form for, and fails if none is left.
func (d *Decoder) checkStyle() error {
	style := d.spec.Style
	drop := func(unwanted ...reading) {
		d.readings = slices.DeleteFunc(d.readings, func(r reading) bool { return slices.Contains(unwanted, r) })
	}
	switch {
	case style == deepObject:
		if drop(primitive, array); len(d.readings) == 0 {
			return d.errorf("style deepObject is for objects: use form")
		}
	case (style == spaceDelimited || style == pipeDelimited) && d.explode:
		if drop(primitive, object); len(d.readings) == 0 {
			return d.errorf("style %s with explode is for arrays: use form, or explode: false for an object", style)
		}
	case style == spaceDelimited || style == pipeDelimited:
		if drop(primitive); len(d.readings) == 0 {
			return d.errorf("style %s is for arrays and objects: use form", style)
		}
	}
	if items := d.spec.Shape.Items; items != nil && items.Types != 0 && items.Types&scalars == 0 {
		if drop(array); len(d.readings) == 0 {
			return d.errorf("style %s cannot express arrays of arrays or objects: "+
				"describe the parameter with content: application/json in place of schema", style)
		}
	}
	return nil
}

func (d *Decoder) reads(r reading) bool { return slices.Contains(d.readings, r) }

// loose tells whether the members of an object are parameters of their own.
func (d *Decoder) loose() bool {
	return d.content == noContent && d.reads(object) &&
		(d.spec.Style == deepObject || d.spec.Style == form && d.explode)
}

// text is the text of a parameter that must come once, without what the style puts before it.
func (a *attempt) text(s sent) (string, bool) {
	if len(s.texts) != 1 {
		return "", a.fail("repeated", "must not be sent more than once")
	}
	text, ok := s.texts[0], true
	switch a.spec.Style {
	case label:
		if text, ok = strings.CutPrefix(text, "."); !ok {
			return "", a.fail("syntax", "must begin with a dot (style label)")
		}
	case matrix:
		if text, ok = strings.CutPrefix(text, ";"); ok {
			text, ok = a.named(text)
		}
		if !ok || strings.Contains(text, ";") {
			return "", a.fail("syntax", "must be a semicolon, the parameter's name, = and the value (style matrix)")
		}
	}
	return text, true
}

// named cuts the name of the parameter and = from a text. For an empty value, both may be the name alone.
func (a *attempt) named(text string) (value string, ok bool) {
	rawName, value, _ := strings.Cut(text, "=")
	name, ok := unescape(rawName, false)
	return value, ok && name == a.spec.Name
}

// items splits an array into its items.
func (a *attempt) items(s sent) ([]string, bool) {
	switch {
	case a.spec.In == inHeader:
		return a.listed(s.texts)
	case a.explode && (a.spec.In == inQuery || a.spec.In == inCookie):
		return s.texts, a.countable(len(s.texts))
	case a.explode && a.spec.Style == matrix:
		pieces, ok := a.split(s)
		for i := 0; ok && i < len(pieces); i++ {
			if pieces[i], ok = a.named(pieces[i]); !ok {
				return nil, a.fail("syntax", "must have the parameter's name before each item (style matrix with explode)")
			}
		}
		return pieces, ok
	}
	return a.split(s)
}

// split splits a text at the style's delimiters.
func (a *attempt) split(s sent) ([]string, bool) {
	if a.spec.In == inHeader {
		return a.listed(s.texts)
	}
	if a.spec.Style == matrix && a.explode {
		rest, ok := strings.CutPrefix(s.texts[0], ";")
		if !ok {
			return nil, a.fail("syntax", "must begin with a semicolon (style matrix)")
		}
		return a.cut(rest, ";")
	}
	text, ok := a.text(s)
	if !ok {
		return nil, false
	}
	switch {
	case a.spec.Style == label && a.explode:
		return a.cut(text, ".")
	case a.spec.Style == spaceDelimited:
		return a.cut(strings.ReplaceAll(text, "%20", "+"), "+")
	case a.spec.Style == pipeDelimited:
		return a.cut(pipes.Replace(text), "|")
	}
	return a.cut(text, ",")
}

// pipes decodes the delimiter, which must be encoded in a URL and often is not.
var pipes = strings.NewReplacer("%7C", "|", "%7c", "|")

func (a *attempt) cut(text, delimiter string) ([]string, bool) {
	if !a.countable(strings.Count(text, delimiter) + 1) {
		return nil, false
	}
	return strings.Split(text, delimiter), true
}

// listed splits the lines of a header, in which empty items and blanks around items do not count (RFC 9110, section
// 5.6.1).
func (a *attempt) listed(lines []string) ([]string, bool) {
	count := 0
	for _, line := range lines {
		count += strings.Count(line, ",") + 1
	}
	if !a.countable(count) {
		return nil, false
	}
	items := make([]string, 0, count)
	for _, line := range lines {
		for item := range strings.SplitSeq(line, ",") {
			if item = strings.Trim(item, " \t"); item != "" {
				items = append(items, item)
			}
		}
	}
	return items, true
}

// countable refuses what has too many pieces before room is made for them.
func (a *attempt) countable(count int) bool {
	if limit := a.spec.MaxProperties; count > 2*limit || count > limit && !a.reads(object) {
		return a.fail("nodes", fmt.Sprintf("must not have more than %d items", limit))
	}
	return true
}

// members takes the pieces of an object for its members.
func (a *attempt) members(pieces []string) ([]pair, bool) {
	members := make([]pair, 0, len(pieces))
	if !a.explode && len(pieces)%2 != 0 {
		return nil, a.fail("syntax", "must be names and values in turn")
	}
	for i := 0; i < len(pieces); i++ {
		name, value, ok := pieces[i], "", true
		if a.explode {
			name, value, ok = strings.Cut(name, "=")
		} else {
			i++
			value = pieces[i]
		}
		if !ok {
			return nil, a.fail("syntax", "must be members of the form name=value")
		}
		if name, ok = a.decode(name); !ok {
			return nil, false
		}
		members = append(members, pair{name: name, value: value})
	}
	return members, true
}
