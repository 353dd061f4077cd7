package param

// read.go turns what was sent into a value and has it judged.

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/weirproxy/weir/governance/contract/schema"
)

// sent is what a request has of a parameter, as it was sent.
type sent struct {
	texts   []string
	members []pair // of an object whose members are parameters of their own
}

// sent is what there is of a parameter among pairs; texts is room for it. broken tells that some of it has a broken
// escape, which Parse has reported.
func (d *Decoder) sent(p *pairs, texts []string) (s sent, broken bool) {
	if !d.loose() || len(d.readings) > 1 { // else only the members of the object have names
		s.texts, broken = p.take(d.spec.Name, texts)
	}
	if d.loose() {
		members, brokenMember := d.gather(p)
		s.members, broken = members, broken || brokenMember
	}
	return s, broken
}

// has tells whether there is something to read in one way. Where the schema speaks of no type, one text is no array: any
// schema that refuses the text would allow an array of it.
func (d *Decoder) has(r reading, s sent) bool {
	switch {
	case r == object && d.loose():
		return len(s.members) > 0
	case r == array && d.spec.Shape.Types == 0 && d.reads(primitive):
		return len(s.texts) > 1
	}
	return len(s.texts) > 0
}

func (d *Decoder) judge(s sent, report *schema.Report) {
	report.At(d.spec.In, d.spec.Name)
	switch {
	case len(s.texts) == 0 && len(s.members) == 0:
		if d.spec.Required {
			report.Add("", "required", "is required")
		}
	case d.spec.AllowEmpty && d.spec.In == inQuery && len(s.texts) == 1 && s.texts[0] == "":
	case d.content != noContent:
		d.judgeContent(s, report)
	case d.encodedCommas(s):
		d.judgeAny(report, s, withCommas(s))
	case len(d.readings) == 1:
		d.try(d.readings[0], s, report)
	default:
		d.judgeAny(report, s)
	}
}

// judgeAny tries all readings that the schema allows. If none is valid, it reports the one with the fewest violations.
func (d *Decoder) judgeAny(report *schema.Report, spellings ...sent) {
	var best schema.Report
	for _, s := range spellings {
		for _, r := range d.readings {
			if !d.has(r, s) {
				continue
			}
			tried := d.scratch(report)
			if d.try(r, s, tried); tried.Total == 0 {
				return
			}
			if best.Total == 0 || tried.Total < best.Total {
				best = *tried
			}
		}
	}
	merge(report, &best)
}

// encodedCommas tells whether a text that is split at commas has some that are encoded.
func (d *Decoder) encodedCommas(s sent) bool {
	return d.commas && slices.ContainsFunc(s.texts, func(text string) bool {
		return strings.Contains(text, "%2C") || strings.Contains(text, "%2c")
	})
}

func withCommas(s sent) sent {
	texts := make([]string, len(s.texts))
	for i, text := range s.texts {
		texts[i] = encodedComma.Replace(text)
	}
	return sent{texts: texts, members: s.members}
}

var encodedComma = strings.NewReplacer("%2C", ",", "%2c", ",")

// scratch is a report for what may come to nothing.
func (d *Decoder) scratch(report *schema.Report) *schema.Report {
	return &schema.Report{Max: report.Max, Values: report.Values, In: d.spec.In, Name: d.spec.Name}
}

// merge adds the violations of a scratch report.
func merge(report, scratch *schema.Report) {
	for _, v := range scratch.Violations {
		report.Add(v.Pointer, v.Code, v.Detail)
	}
	report.Total += scratch.Total - len(scratch.Violations)
}

func (d *Decoder) try(r reading, s sent, report *schema.Report) {
	a := attempt{Decoder: d, report: report}
	value, ok := a.read(r, s)
	if ok && d.spec.Validator != nil {
		d.spec.Validator.Value(value, report)
	}
}

// judgeContent reads a parameter that has a media type.
func (d *Decoder) judgeContent(s sent, report *schema.Report) {
	a := attempt{Decoder: d, report: report}
	text, ok := a.text(s)
	if !ok || d.content == contentOther {
		return
	}
	if d.content == contentText {
		if value, ok := a.leaf(text, d.spec.Shape); ok && d.spec.Validator != nil {
			d.spec.Validator.Value(value, report)
		}
		return
	}
	if text, ok = a.unescape(text); ok && d.spec.Validator != nil {
		d.spec.Validator.JSON([]byte(text), report)
	}
}

// attempt is the reading of one parameter of one request in one way.
type attempt struct {
	*Decoder
	report *schema.Report
	base   string // a pointer to the value
	at     []step // where in the value the attempt is
}

// step leads to a member by name, or to an item where there is none.
type step struct {
	member bool
	name   string
	index  int
}

func (a *attempt) enter(s step) { a.at = append(a.at, s) }
func (a *attempt) leave()       { a.at = a.at[:len(a.at)-1] }

// fail adds a violation at the place reached, and returns false for its caller to do so.
func (a *attempt) fail(code, detail string) bool {
	pointer := a.base
	for _, s := range a.at {
		if pointer += "/"; s.member {
			pointer += pointerEscapes.Replace(s.name)
		} else {
			pointer += strconv.Itoa(s.index)
		}
	}
	a.report.Add(pointer, code, detail)
	return false
}

// pointerEscapes are those of a JSON pointer (RFC 6901, section 3).
var pointerEscapes = strings.NewReplacer("~", "~0", "/", "~1")

func (a *attempt) read(r reading, s sent) (value any, ok bool) {
	switch r {
	case primitive:
		text, ok := a.text(s)
		if !ok {
			return nil, false
		}
		return a.leaf(text, a.spec.Shape)
	case array:
		items, ok := a.items(s)
		if !ok {
			return nil, false
		}
		return a.array(items, a.spec.Shape)
	}
	for _, m := range s.members {
		if !utf8.ValidString(m.name) {
			return nil, a.fail("invalid_utf8", "must have members whose names are UTF-8")
		}
	}
	if a.spec.Style == deepObject {
		return a.deep(s.members)
	}
	members, ok := s.members, true
	if !a.loose() {
		var pieces []string
		if pieces, ok = a.split(s); ok {
			members, ok = a.members(pieces)
		}
	}
	if !ok {
		return nil, false
	}
	return a.object(members)
}

// array reads all items, so that all that are wrong are reported.
func (a *attempt) array(items []string, shape *schema.Shape) (any, bool) {
	values, allOK := make([]any, len(items)), true
	for i, item := range items {
		a.enter(step{index: i})
		value, ok := a.leaf(item, itemShape(shape, i))
		a.leave()
		if values[i] = value; !ok {
			if allOK = false; a.report.Full() {
				break
			}
		}
	}
	return values, allOK
}

func itemShape(shape *schema.Shape, index int) *schema.Shape {
	if index < len(shape.Prefix) {
		return shape.Prefix[index]
	}
	return shape.Items
}

func memberShape(shape *schema.Shape, name string) *schema.Shape {
	if member := shape.Properties[name]; member != nil {
		return member
	}
	return shape.Additional
}

// object reads the members of an object. One that comes several times is an array.
func (a *attempt) object(members []pair) (any, bool) {
	texts := make(map[string][]string, len(members))
	var order []string
	for _, m := range members {
		if texts[m.name] == nil {
			order = append(order, m.name)
		}
		texts[m.name] = append(texts[m.name], m.value)
	}
	if len(order) > a.spec.MaxProperties {
		return nil, a.fail("properties", fmt.Sprintf("must not have more than %d members", a.spec.MaxProperties))
	}
	value, allOK := make(map[string]any, len(order)), true
	for _, name := range order {
		a.enter(step{member: true, name: name})
		member, ok := a.member(texts[name], memberShape(a.spec.Shape, name))
		a.leave()
		if value[name] = member; !ok {
			if allOK = false; a.report.Full() {
				break
			}
		}
	}
	return value, allOK
}

// member reads what was sent under one name inside an object.
func (a *attempt) member(texts []string, shape *schema.Shape) (any, bool) {
	mayRepeat := a.loose() && shape != nil && shape.May(schema.Array)
	switch {
	case mayRepeat && (len(texts) > 1 || shape.Types == schema.Array):
		return a.array(texts, shape)
	case len(texts) > 1:
		return nil, a.fail("repeated", "must not be sent more than once")
	}
	return a.leaf(texts[0], shape)
}
