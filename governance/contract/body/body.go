// Package body decodes the bodies of HTTP messages that are not JSON (forms, multipart messages, texts and octets) to
// values that a JSON Schema judges, and takes off their Content-Encoding.
//
// It reads strictly, as contract/param does, whose rules for texts hold here too. Violations are in "body", with
// pointers into the value that the schema describes: "/photo/0" is the first part named photo.
//
// The package depends on klauspost/compress for Zstandard and on andybalholm/brotli for Brotli, which the standard
// library does not have, and on the packages param, schema and strictjson beside it.
package body

import (
	"bytes"
	"errors"
	"strings"
	"unicode/utf8"

	"github.com/weirproxy/weir/governance/contract/param"
	"github.com/weirproxy/weir/governance/contract/schema"
)

// Spec is a Media Type Object: how to read bodies of a media type, and how to judge them.
type Spec struct {
	// Shape tells how to turn texts into values of the schema, and Validator judges them.
	Shape     *schema.Shape
	Validator schema.Validator
	// Encodings are the Encoding Objects of a form or multipart body, by property.
	Encodings map[string]Encoding
	// Settings are limits and leniency; of JSON.Limits, Properties bounds fields and parts as well.
	Settings schema.Settings
	// MaxIndex is the greatest array index in a deepObject field. Default: 1000.
	MaxIndex int
}

// Encoding is an Encoding Object.
type Encoding struct {
	// ContentType lists the media types of a part or field, "" if that is not declared.
	ContentType string
	// Style and Explode are how a field of a form is written, "" and nil if that is not declared.
	Style   string
	Explode *bool
	// Headers judge the headers of a part.
	Headers []*param.Decoder
}

// lookalike tells names that some servers take for a property which is sent otherwise: "age[]" and "age[x]" for "age".
func (s *Spec) lookalike(name string) bool {
	base, _, bracket := strings.Cut(name, "[")
	return bracket && s.Shape.Properties[name] == nil && s.Shape.Properties[base] != nil
}

const lookalikeDetail = "is not how the field before the bracket is sent, but some servers take it for that"

// ErrNotJudged is why a body cannot be judged by more than its content type.
var ErrNotJudged = errors.New("judged by the content type only")

// Text judges text bodies.
type Text struct{ spec Spec }

// NewText compiles the check of a text. It is an [ErrNotJudged] if the schema speaks of an array or object, as it may
// for CSV.
func NewText(s Spec) (*Text, error) {
	if !s.Shape.May(scalars) {
		return nil, ErrNotJudged
	}
	return &Text{s}, nil
}

// Check judges a text, which is a string, or what else the schema allows and it can be read as.
func (t *Text) Check(text []byte, rep *schema.Report) {
	rep.At("body", "")
	if value, ok := readText(text, t.spec.Shape, "", &t.spec.Settings, rep); ok {
		t.spec.Validator.Value(value, rep)
	}
}

const scalars = schema.Null | schema.Boolean | schema.Integer | schema.Number | schema.String

// readText turns a text into a scalar.
func readText(text []byte, shape *schema.Shape, pointer string, s *schema.Settings, rep *schema.Report) (any, bool) {
	if !utf8.Valid(text) && s.JSON.InvalidUTF8 {
		text = bytes.ToValidUTF8(text, []byte("\uFFFD"))
	}
	return param.Text(string(text), shape, pointer, rep) // refuses what is not UTF-8
}

// Octets is the string that stands for bytes which are no text: one character a byte, so that minLength and maxLength
// count octets, as OpenAPI 3.1 has it (section 4.8.24.6.1, "Considerations for File Uploads").
func Octets(data []byte) string {
	var b strings.Builder
	b.Grow(len(data))
	for _, octet := range data {
		b.WriteRune(rune(octet))
	}
	return b.String()
}

var pointerEscapes = strings.NewReplacer("~", "~0", "/", "~1")

// pointer is the JSON pointer (RFC 6901) of a member.
func pointer(name string) string { return "/" + pointerEscapes.Replace(name) }
