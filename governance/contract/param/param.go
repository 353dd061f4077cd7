// Package param reads the parameters of a request as an OpenAPI document describes them, and judges them by their
// schemas: all styles of OpenAPI 3.0 and 3.1, both explode forms, and parameters that have a media type.
//
// It reads strictly, because the service behind reads the same text with another parser: where two readings are
// possible it takes none. A number is one in JSON's grammar (RFC 8259), so 0x1F, 1_000, 010, +1 and Inf are none; a
// boolean is true or false; a parameter that is no array must not come twice; texts are split at delimiters before
// they are decoded, so an encoded delimiter is data. Nothing is changed or filled in: defaults are for the service.
//
// The styles are those of the table "Style Examples" in OpenAPI 3.0.4 and 3.1.1, which are RFC 6570's. Where these leave
// a gap:
//
//   - spaceDelimited and pipeDelimited arrays with explode are sent as form arrays;
//   - cookies with explode send each item or member as a cookie, since an & separates nothing there;
//   - deepObject may be nested (a[b][c]=1), and arrays in it are a[b]=1&a[b]=2, a[b][]=1&a[b][]=2 or, from 0 on and
//     without gaps, a[b][0]=1&a[b][1]=2;
//   - a schema that allows several types takes any reading that it finds valid, and text is never null;
//   - where an array or object with encoded commas (1%2C2) is not valid as it is, these separate too: many clients
//     encode a list as a whole;
//   - allowReserved changes nothing: it says what a client may leave unencoded, and that is read in any case.
//
// Violations have the codes of package schema, and these: repeated (sent more than once), undeclared (no parameter of
// the operation) and array_index (over the limit, or with a gap before it).
//
// The package depends on governance/contract/schema, whose shapes say which type a text is meant to be and whose
// validators judge the values.
package param

import (
	"fmt"
	"maps"
	"mime"
	"net/http"
	"slices"
	"strings"

	"github.com/weirproxy/weir/governance/contract/schema"
)

// Spec is a Parameter Object, or a Header Object of a response, whose In is header.
type Spec struct {
	In       string // path, query, header or cookie
	Name     string
	Style    string // "" is the default: simple in path and header, form in query and cookie
	Explode  *bool  // nil is the default: true for form, false for the others
	Required bool

	// AllowEmpty lets a query parameter be sent without a value (allowEmptyValue); then the schema is not asked.
	AllowEmpty bool

	// MediaType is set for a parameter that has content in place of a schema: then style does not matter. JSON is
	// judged as such, text/* as text of the shape; of others, only their presence.
	MediaType string

	Shape     *schema.Shape    // how to read the text; nil reads any as a string
	Validator schema.Validator // judges the value; nil judges nothing

	// Limits; 0 is the default.
	MaxIndex      int // of an array in deepObject. Default: 1000
	MaxProperties int // members of an object, and items of an array. Default: 10,000
	MaxDigits     int // digits of a number plus the absolute value of its exponent. Default: 400
}

// Ignored tells whether OpenAPI wants a parameter of this place and name to be ignored: the headers Accept,
// Content-Type and Authorization are described elsewhere in a document.
func Ignored(in, name string) bool {
	switch http.CanonicalHeaderKey(name) {
	case "Accept", "Content-Type", "Authorization":
		return in == inHeader
	}
	return false
}

// Decoder reads and judges one parameter. Any number of requests may use it at the same time.
type Decoder struct {
	spec     Spec
	key      string // of a header, in canonical form
	explode  bool
	content  content
	readings []reading
	commas   bool // a text is split at commas
	rest     bool
}

const (
	inPath   = "path"
	inQuery  = "query"
	inHeader = "header"
	inCookie = "cookie"
)

const (
	simple         = "simple"
	label          = "label"
	matrix         = "matrix"
	form           = "form"
	spaceDelimited = "spaceDelimited"
	pipeDelimited  = "pipeDelimited"
	deepObject     = "deepObject"
)

// styles of a place, the default first.
var styles = map[string][]string{
	inPath:   {simple, label, matrix},
	inQuery:  {form, spaceDelimited, pipeDelimited, deepObject},
	inHeader: {simple},
	inCookie: {form},
}

// content is how to read a parameter that has a media type.
type content uint8

const (
	noContent content = iota
	contentJSON
	contentText
	contentOther
)

// New compiles the decoder of a parameter. Its errors say which styles, or which types, are allowed.
func New(s Spec) (*Decoder, error) {
	d := &Decoder{spec: s}
	if d.spec.Shape == nil {
		d.spec.Shape = new(schema.Shape)
	}
	setDefault(&d.spec.MaxIndex, 1000)
	setDefault(&d.spec.MaxProperties, 10_000)
	setDefault(&d.spec.MaxDigits, defaultDigits)
	allowed := styles[s.In]
	switch {
	case allowed == nil:
		return nil, d.errorf("in must be path, query, header or cookie, not %q", s.In)
	case s.Name == "":
		return nil, d.errorf("name is missing")
	}
	d.key = http.CanonicalHeaderKey(s.Name)
	if s.MediaType != "" {
		d.content, d.spec.Style = contentOf(s.MediaType), ""
		return d, nil
	}
	return d, d.setStyle(allowed)
}

const defaultDigits = 400

func setDefault(limit *int, value int) {
	if *limit <= 0 {
		*limit = value
	}
}

func contentOf(mediaType string) content {
	essence, _, err := mime.ParseMediaType(mediaType)
	switch {
	case err != nil:
		return contentOther
	case essence == "application/json" || essence == "text/json" || strings.HasSuffix(essence, "+json"):
		return contentJSON
	case strings.HasPrefix(essence, "text/"):
		return contentText
	}
	return contentOther
}

func (d *Decoder) errorf(format string, args ...any) error {
	return fmt.Errorf("%s parameter %q: "+format, append([]any{d.spec.In, d.spec.Name}, args...)...)
}

// TakesRest tells whether the parameter is an exploded object without known members, or with additional ones of a
// type: it takes the parameters of its place that no other has taken, so it must be read after them.
func (d *Decoder) TakesRest() bool { return d.rest }

// Names are those that the parameter is sent under: its own, or those of the members of an exploded object.
func (d *Decoder) Names() []string {
	if !d.loose() || d.spec.Style == deepObject {
		return []string{d.spec.Name}
	}
	names := slices.Sorted(maps.Keys(d.spec.Shape.Properties))
	if len(d.readings) > 1 {
		names = append(names, d.spec.Name)
	}
	return names
}

// Coverage tells how the values of the parameter are judged.
func (d *Decoder) Coverage() schema.Coverage {
	switch {
	case d.spec.Validator == nil || d.content == contentOther:
		return schema.Coverage{}
	case d.content == contentJSON:
		return schema.CoverageOf(d.spec.Validator)
	}
	return schema.CoverageOfValues(d.spec.Validator, slices.Contains(d.readings, object))
}

// Path judges the text of a path parameter, still percent-encoded, as route.Tree.Match gives it.
func (d *Decoder) Path(value string, report *schema.Report) {
	texts := [1]string{value}
	d.judge(sent{texts: texts[:]}, report)
}

// Query judges a query parameter.
func (d *Decoder) Query(q *Query, report *schema.Report) { d.pairs(&q.pairs, report) }

// Cookie judges a cookie.
func (d *Decoder) Cookie(c *Cookies, report *schema.Report) { d.pairs(&c.pairs, report) }

// Header judges a header. It is not percent-decoded (OAS 3.1.1, appendix D). Host is not among the headers of a
// request in Go: the caller adds it if a document describes it.
func (d *Decoder) Header(h http.Header, report *schema.Report) {
	d.judge(sent{texts: h[d.key]}, report)
}

func (d *Decoder) pairs(p *pairs, report *schema.Report) {
	var space [4]string
	if s, broken := d.sent(p, space[:0]); !broken {
		d.judge(s, report)
	}
}
