package body

// multipart.go reads multipart/form-data (RFC 7578).

import (
	"bytes"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/weirproxy/weir/governance/contract/param"
	"github.com/weirproxy/weir/governance/contract/schema"
	"github.com/weirproxy/weir/governance/contract/strictjson"
)

// Multipart judges bodies of multipart/form-data.
type Multipart struct {
	spec  Spec
	parts map[string]*part
}

// part is what the parts of one name are.
type part struct {
	shape    *schema.Shape
	repeated bool     // parts of the name are the items of an array
	types    []string // declared media types and ranges; nil: any
	headers  []*param.Decoder
}

// NewMultipart compiles the check of multipart bodies. It is an [ErrNotJudged] if the schema is not of an object, or if
// a part is an object or array in a format other than JSON.
func NewMultipart(s Spec) (*Multipart, error) {
	if !s.Shape.May(schema.Object) {
		return nil, fmt.Errorf("%w: the schema of a multipart body must allow an object", ErrNotJudged)
	}
	m := &Multipart{spec: s, parts: make(map[string]*part)}
	for name, shape := range s.Shape.Properties {
		p, err := newPart(name, shape, s.Encodings[name])
		if err != nil {
			return nil, err
		}
		m.parts[name] = p
	}
	return m, nil
}

func newPart(name string, shape *schema.Shape, e Encoding) (*part, error) {
	p := &part{shape: shape, headers: e.Headers}
	json := e.ContentType == ""
	if e.ContentType != "" {
		for _, t := range strings.Split(e.ContentType, ",") {
			t = mediaType(t)
			p.types = append(p.types, t)
			json = json || IsJSON(t) || strings.Contains(t, "*")
		}
	}
	p.repeated = shape.Types == schema.Array && !slices.ContainsFunc(p.types, IsJSON)
	if one := p.one(0); !json && one != nil && !one.May(scalars) {
		return nil, fmt.Errorf("%w: part %s is an object or array in %s, of which only JSON is read",
			ErrNotJudged, name, e.ContentType)
	}
	return p, nil
}

// one is the shape of the n-th part of the name.
func (p *part) one(n int) *schema.Shape {
	switch {
	case !p.repeated:
		return p.shape
	case n < len(p.shape.Prefix):
		return p.shape.Prefix[n]
	}
	return p.shape.Items
}

// Check judges a body. contentType is the Content-Type of the message, which has the boundary.
func (m *Multipart) Check(text []byte, contentType string, rep *schema.Report) {
	rep.At("body", "")
	if value, ok := m.decode(text, contentType, rep); ok {
		m.spec.Validator.Value(value, rep)
	}
}

func (m *Multipart) decode(text []byte, contentType string, rep *schema.Report) (map[string]any, bool) {
	_, params, err := mime.ParseMediaType(contentType)
	if boundary := params["boundary"]; err != nil || boundary == "" || len(boundary) > 70 { // RFC 2046 section 5.1.1
		rep.Add("", "syntax", "the Content-Type must name a boundary of 1 to 70 characters")
		return nil, false
	}
	delimiters, whole := countDelimiters(text, params["boundary"])
	if !whole {
		rep.Add("", "syntax", "must end with the last boundary and --, and have no boundary before that ends with --")
		return nil, false
	}
	most := limit(m.spec.Settings.JSON.Properties, strictjson.DefaultProperties)
	value, readable := make(map[string]any), true
	for r, n := multipart.NewReader(bytes.NewReader(text), params["boundary"]), 0; ; n++ {
		raw, err := r.NextRawPart() // NextPart would take off a transfer encoding, which not everybody does
		if err == io.EOF && n != delimiters-1 {
			rep.Add("", "syntax", "must not have the boundary inside a part, nor before the first one")
			return nil, false
		}
		if err == io.EOF {
			return value, readable
		}
		if err != nil {
			rep.Add("", "syntax", fmt.Sprintf("part %d must begin with its headers, and the last boundary end with --", n+1))
			return nil, false
		}
		if n == most {
			rep.Add("", "properties", fmt.Sprintf("must not have more than %d parts", most))
			return nil, false
		}
		text, err := io.ReadAll(raw)
		if err != nil {
			rep.Add("", "syntax", fmt.Sprintf("part %d must end with the boundary, and the last boundary with --", n+1))
			return nil, false
		}
		name, ok := fieldName(raw)
		if !ok {
			rep.Add("", "syntax", fmt.Sprintf("part %d must have one header Content-Disposition: form-data with a name", n+1))
			readable = false
			continue
		}
		if m.spec.lookalike(name) {
			rep.Add(pointer(name), "undeclared", lookalikeDetail)
			readable = false
			continue
		}
		readable = m.add(value, name, received{header: http.Header(raw.Header), text: text}, rep) && readable
	}
}

// countDelimiters counts the lines that begin with the boundary, after whatever ends a line, since parsers do not agree
// on what else a delimiter needs: a part that one of them sees in another part must not escape. whole tells whether the
// last of them ends the message, with nothing behind it.
func countDelimiters(text []byte, boundary string) (n int, whole bool) {
	line := []byte("--" + boundary)
	for rest := text; ; {
		at := bytes.Index(rest, line)
		if at < 0 {
			return n, whole
		}
		begins := at == 0 && len(rest) == len(text) || at > 0 && (rest[at-1] == '\n' || rest[at-1] == '\r')
		if rest = rest[at+len(line):]; begins {
			n++
			end, ok := bytes.CutPrefix(rest, []byte("--"))
			whole = ok && len(bytes.Trim(end, " \t\r\n")) == 0
		}
	}
}

// fieldName is the name of a part's field, unless others could read another one from its headers.
func fieldName(raw *multipart.Part) (name string, ok bool) {
	lines := raw.Header["Content-Disposition"]
	if len(lines) != 1 {
		return "", false
	}
	for parameter := range strings.SplitSeq(lines[0], ";") {
		if strings.HasPrefix(strings.ToLower(strings.TrimSpace(parameter)), "name*") { // RFC 5987, which RFC 7578 does not have
			return "", false
		}
	}
	name = raw.FormName()
	return name, name != ""
}

// received is a part as it was sent.
type received struct {
	header http.Header
	text   []byte
	shape  *schema.Shape // what it must be; nil: nothing
	at     string        // its pointer
}

// add puts a part into the value; false if it cannot be read, so that judging the rest would mislead.
func (m *Multipart) add(value map[string]any, name string, r received, rep *schema.Report) bool {
	p := m.parts[name]
	if p == nil {
		p = &part{shape: m.spec.Shape.Additional}
		p.repeated = p.shape != nil && p.shape.Types == schema.Array
	}
	seen, again := value[name]
	if again && !p.repeated {
		rep.Add(pointer(name), "repeated", "must not be there more than once")
		return false
	}
	items, _ := seen.([]any)
	r.shape, r.at = p.one(len(items)), pointer(name)
	if p.repeated {
		r.at += "/" + strconv.Itoa(len(items))
	}
	one, ok := p.read(r, &m.spec.Settings, rep)
	if value[name] = one; p.repeated {
		value[name] = append(items, one)
	}
	return ok
}

// read turns a part into a value. A part without a Content-Type is read as what it must be.
func (p *part) read(r received, s *schema.Settings, rep *schema.Report) (any, bool) {
	if !p.judgeHeaders(r, rep) {
		return nil, false
	}
	t := mediaType(r.header.Get("Content-Type"))
	switch {
	case r.shape == nil: // not allowed, as the schema will say
		return "", true
	case slices.Contains(r.shape.Formats, "binary"):
		return Octets(r.text), true
	case IsJSON(t), !r.shape.May(scalars), t == "" && len(p.types) > 0 && IsJSON(p.types[0]):
		value, _, err := strictjson.Decode(r.text, &s.JSON)
		if err != nil {
			rep.Add(r.at+err.Pointer, err.Code, err.Detail)
			return nil, false
		}
		return value, true
	case t == "" || strings.HasPrefix(t, "text/"):
		return readText(r.text, r.shape, r.at, s, rep)
	}
	return Octets(r.text), true
}

// judgeHeaders judges the headers of a part. It is false if its text cannot be read for what they say.
func (p *part) judgeHeaders(r received, rep *schema.Report) bool {
	for _, decoder := range p.headers {
		decoder.Header(r.header, rep)
		rep.At("body", "")
	}
	switch strings.ToLower(r.header.Get("Content-Transfer-Encoding")) {
	case "", "7bit", "8bit", "binary":
	default:
		rep.Add(r.at, "syntax", "must not have a Content-Transfer-Encoding, which RFC 7578 section 4.7 deprecates")
		return false
	}
	switch lines := r.header["Content-Type"]; {
	case len(lines) == 0:
	case len(lines) > 1 || !readable(lines[0]):
		rep.Add(r.at, "content_type", "must have one Content-Type, a media type, in UTF-8 if it is text")
		return false
	case p.types != nil && !slices.ContainsFunc(p.types, func(r string) bool { return inRange(mediaType(lines[0]), r) }):
		rep.Add(r.at, "content_type", "must have the Content-Type "+strings.Join(p.types, " or "))
		return false
	}
	return true
}

func limit(n, standard int) int {
	if n > 0 {
		return n
	}
	return standard
}
