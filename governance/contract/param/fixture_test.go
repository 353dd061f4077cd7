package param

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/weirproxy/weir/governance/contract/schema"
)

// kept is a validator that keeps what it is given and finds nothing wrong.
type kept struct {
	asked bool
	value any
	json  string
}

func (k *kept) Value(value any, _ *schema.Report)  { k.asked, k.value = true, value }
func (k *kept) JSON(text []byte, _ *schema.Report) { k.asked, k.json = true, string(text) }

var (
	str     = &schema.Shape{Types: schema.String}
	integer = &schema.Shape{Types: schema.Integer}
	num     = &schema.Shape{Types: schema.Number}
	boolean = &schema.Shape{Types: schema.Boolean}
	anyType = &schema.Shape{}
)

func arrayOf(items *schema.Shape) *schema.Shape {
	return &schema.Shape{Types: schema.Array, Items: items}
}

// objectOf has members a, b... of the same shape, and additional ones of any.
func objectOf(member *schema.Shape, names ...string) *schema.Shape {
	s := &schema.Shape{Types: schema.Object, Properties: map[string]*schema.Shape{}, Additional: anyType}
	for _, name := range names {
		s.Properties[name] = member
	}
	return s
}

func yes() *bool { return new(true) }
func no() *bool  { return new(false) }

// read has a decoder read what a request has in the decoder's place: a path segment, a query, the lines of a header,
// or those of the Cookie header. No lines are no header.
func read(t testing.TB, s Spec, input string) (*kept, *schema.Report) {
	t.Helper()
	validator, report := new(kept), new(schema.Report)
	if s.Name == "" {
		s.Name = "color"
	}
	if s.Validator == nil {
		s.Validator = validator
	}
	d, err := New(s)
	if err != nil {
		t.Fatal(err)
	}
	decode(d, input, report)
	return validator, report
}

func decode(d *Decoder, input string, report *schema.Report) {
	var lines []string
	if input != "" {
		lines = strings.Split(input, "\n")
	}
	switch d.spec.In {
	case inPath:
		d.Path(input, report)
	case inQuery:
		var q Query
		q.Parse(input, report)
		d.Query(&q, report)
	case inHeader:
		d.Header(http.Header{http.CanonicalHeaderKey(d.spec.Name): lines}, report)
	case inCookie:
		var c Cookies
		c.Parse(http.Header{"Cookie": lines}, report)
		d.Cookie(&c, report)
	}
}

// wantValue is JSON; "" is none.
func wantValue(t *testing.T, got *kept, report *schema.Report, want string) {
	t.Helper()
	text := ""
	if got.asked {
		encoded, err := json.Marshal(got.value)
		if err != nil {
			t.Fatal(err)
		}
		text = string(encoded)
	}
	if text != want || report.Total > 0 {
		t.Errorf("got %s and %+v, want %s", text, report.Violations, want)
	}
}

// wantViolations are "code", or "code pointer".
func wantViolations(t *testing.T, got *kept, report *schema.Report, want ...string) {
	t.Helper()
	var codes []string
	for _, v := range report.Violations {
		codes = append(codes, strings.TrimSpace(v.Code+" "+v.Pointer))
	}
	if !slices.Equal(codes, want) {
		t.Errorf("got %q, want %q", codes, want)
	}
	if got.asked && len(want) > 0 {
		t.Errorf("asked about %v, which is wrong already", got.value)
	}
}
