package body

// form.go reads application/x-www-form-urlencoded.

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/weirproxy/weir/governance/contract/param"
	"github.com/weirproxy/weir/governance/contract/schema"
	"github.com/weirproxy/weir/governance/contract/strictjson"
)

// Form judges bodies of application/x-www-form-urlencoded. They have the syntax of a query, and their fields are read
// as query parameters are. As the Encoding Object of OpenAPI 3.0.4 and 3.1.1 has it, a field is a text, an array is
// fields of the same name, and an object is JSON unless a style is declared for it.
type Form struct {
	spec   Spec
	fields []field        // those that are not read in the usual way
	rest   *param.Decoder // all others, as the members of an object
}

// field is a property that has a style or is JSON.
type field struct {
	name    string
	decoder *param.Decoder
	json    bool
}

// NewForm compiles the check of forms. It is an [ErrNotJudged] if the schema is not of an object, or a field of it
// can be written in no style.
func NewForm(s Spec) (*Form, error) {
	if !s.Shape.May(schema.Object) {
		return nil, fmt.Errorf("%w: the schema of a form must allow an object", ErrNotJudged)
	}
	f := &Form{spec: s}
	// Members that the schema forbids are read too, so that it says so.
	usual := schema.Shape{Types: schema.Object, Properties: maps.Clone(s.Shape.Properties), Additional: s.Shape.Additional}
	if usual.Additional == nil || usual.Additional.Types == 0 {
		usual.Additional = &schema.Shape{Types: schema.String}
	}
	for _, name := range slices.Sorted(maps.Keys(s.Shape.Properties)) {
		spec, json, special := s.field(name, s.Shape.Properties[name])
		if !special {
			continue
		}
		decoder, err := param.New(spec)
		if err != nil {
			return nil, fmt.Errorf("%w: field %s: %w", ErrNotJudged, name, err)
		}
		f.fields = append(f.fields, field{name, decoder, json})
		delete(usual.Properties, name)
	}
	explode := true
	rest, err := param.New(param.Spec{
		In: "query", Name: formName, Explode: &explode, Shape: &usual,
		MaxProperties: s.Settings.JSON.Properties, MaxDigits: s.Settings.JSON.Digits,
	})
	f.rest = rest
	return f, err
}

// formName is what param calls the form as a whole in a report.
const formName = "(form)"

var text = &schema.Shape{Types: schema.String}

// field tells how a property is read, if not in the usual way.
func (s *Spec) field(name string, shape *schema.Shape) (p param.Spec, json, special bool) {
	e := s.Encodings[name]
	p = param.Spec{
		In: "query", Name: name, Style: e.Style, Explode: e.Explode, Shape: shape,
		MaxIndex: s.MaxIndex, MaxProperties: s.Settings.JSON.Properties, MaxDigits: s.Settings.JSON.Digits,
	}
	items := shape.Items
	contentType, _, _ := strings.Cut(e.ContentType, ",")
	switch {
	case e.Style != "" || e.Explode != nil:
		return p, false, true
	case contentType != "" && IsJSON(mediaType(contentType)), shape.Types == schema.Object:
		p.Shape = text
		return p, true, true
	case shape.Types == schema.Array && items != nil && items.Types == schema.Object:
		p.Shape = &schema.Shape{Types: schema.Array, Items: text}
		return p, true, true
	}
	return p, false, false
}

// Check judges a form.
func (f *Form) Check(body []byte, rep *schema.Report) {
	// What is read as a query is reported as one: here its parameters are members of the body.
	fields := schema.Report{Max: rep.Max, Values: rep.Values}
	value := f.decode(string(body), &fields)
	rep.At("body", "")
	for _, v := range fields.Violations {
		at := v.Pointer
		if v.Name != "" && v.Name != formName {
			at = pointer(v.Name) + at
		}
		rep.Add(at, v.Code, v.Detail)
	}
	if fields.Total == 0 {
		f.spec.Validator.Value(value, rep)
	}
}

func (f *Form) decode(body string, rep *schema.Report) map[string]any {
	var q param.Query
	q.Parse(body, rep)
	q.Semicolons(rep)
	value := make(map[string]any)
	for _, field := range f.fields {
		sent, ok := field.decoder.Value(&q, rep)
		if ok && field.json {
			rep.At("query", field.name)
			sent, ok = f.json(sent, "", rep)
		}
		if ok {
			value[field.name] = sent
		}
	}
	rest, _ := f.rest.Value(&q, rep)
	members, _ := rest.(map[string]any)
	for name, sent := range members {
		if value[name] = sent; !utf8.ValidString(name) {
			rep.At("query", "")
			rep.Add("", "invalid_utf8", "must have fields whose names are UTF-8")
		}
		if f.spec.lookalike(name) {
			rep.At("query", "")
			rep.Add(pointer(name), "undeclared", lookalikeDetail)
		}
	}
	return value
}

// json decodes the JSON text, or the texts of an array, that a field was sent as.
func (f *Form) json(sent any, at string, rep *schema.Report) (any, bool) {
	switch sent := sent.(type) {
	case string:
		value, _, err := strictjson.Decode([]byte(sent), &f.spec.Settings.JSON)
		if err != nil {
			rep.Add(at+err.Pointer, err.Code, err.Detail)
			return nil, false
		}
		return value, true
	case []any:
		for i, item := range sent {
			value, ok := f.json(item, at+"/"+strconv.Itoa(i), rep)
			if !ok {
				return nil, false
			}
			sent[i] = value
		}
	}
	return sent, true
}
