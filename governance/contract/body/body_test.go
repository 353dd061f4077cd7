package body

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/weirproxy/weir/governance/contract/schema"
	"github.com/weirproxy/weir/governance/contract/strictjson"
)

// specOf compiles a schema of OpenAPI 3.1, written in JSON.
func specOf(t testing.TB, text string) Spec {
	t.Helper()
	tree, _, bad := strictjson.Decode([]byte(text), nil)
	if bad != nil {
		t.Fatal(bad)
	}
	const file, at = "file:///test.json", "file:///test.json#/components/schemas/s"
	files := schema.Files{file: map[string]any{"components": map[string]any{"schemas": map[string]any{"s": tree}}}}
	c := schema.NewCompiler(files, schema.OpenAPI31, schema.Settings{})
	validator, err := c.Compile(at, schema.Request)
	if err != nil {
		t.Fatal(err)
	}
	return Spec{Shape: c.Shape(at), Validator: validator}
}

// found lists violations as "pointer code".
func found(t testing.TB, report *schema.Report) []string {
	t.Helper()
	var all []string
	for _, v := range report.Violations {
		if v.In != "body" || v.Name != "" {
			t.Errorf("a violation in %q, name %q; want it in the body", v.In, v.Name)
		}
		all = append(all, strings.TrimSpace(v.Pointer+" "+v.Code))
	}
	return all
}

func TestText(t *testing.T) {
	for _, row := range []struct{ schema, text, want string }{
		{`{"type":"string","minLength":2}`, "äö", ""},
		{`{"type":"string","minLength":2}`, "ä", "min_length"},
		{`{"type":"string","enum":[" a%20"]}`, " a%20", ""},
		{`{"type":"integer","minimum":3}`, "4", ""},
		{`{"type":"integer"}`, "0x4", "type"},
		{`{"type":"boolean"}`, "true", ""},
		{`{"type":"boolean"}`, "1", "type"},
		{`{"type":["integer","string"],"minLength":2}`, "12", ""},
		{`{"type":"string"}`, "a\xff", "invalid_utf8"},
		{`{"type":"string"}`, "", ""},
	} {
		check, err := NewText(specOf(t, row.schema))
		if err != nil {
			t.Fatal(err)
		}
		var report schema.Report
		check.Check([]byte(row.text), &report)
		if got := strings.Join(found(t, &report), ", "); got != row.want {
			t.Errorf("%s of %q: %q, want %q", row.schema, row.text, got, row.want)
		}
	}
	if _, err := NewText(specOf(t, `{"type":"array"}`)); !errors.Is(err, ErrNotJudged) {
		t.Errorf("a text that is an array: %v", err)
	}
}

func TestTextThatIsNotUTF8MayBeAllowed(t *testing.T) {
	spec := specOf(t, `{"type":"string","enum":["a\ufffd"]}`)
	spec.Settings.JSON.InvalidUTF8 = true
	check, err := NewText(spec)
	if err != nil {
		t.Fatal(err)
	}
	var report schema.Report
	if check.Check([]byte("a\xff"), &report); report.Total != 0 {
		t.Errorf("%q", found(t, &report))
	}
}

func TestOctetsCountAsCharacters(t *testing.T) {
	data := make([]byte, 256)
	for i := range data {
		data[i] = byte(i)
	}
	if n := len([]rune(Octets(data))); n != 256 {
		t.Errorf("%d characters", n)
	}
}

const account = `{
	"type": "object",
	"required": ["name"],
	"properties": {
		"name": {"type": "string", "minLength": 2},
		"age": {"type": "integer", "maximum": 150},
		"tags": {"type": "array", "items": {"type": "string", "maxLength": 3}, "maxItems": 2},
		"sizes": {"type": "array", "items": {"type": "integer"}},
		"address": {"type": "object", "required": ["city"], "properties": {"city": {"type": "string"}}},
		"items": {"type": "array", "items": {"type": "object", "required": ["id"]}},
		"filter": {"type": "object", "properties": {"n": {"type": "integer"}, "in": {"type": "array", "items": {"type": "integer"}}}},
		"ids": {"type": "array", "items": {"type": "integer"}},
		"raw": {"type": "array"}
	},
	"additionalProperties": false
}`

func accountForm(t testing.TB) *Form {
	t.Helper()
	spec := specOf(t, account)
	no := false
	spec.Encodings = map[string]Encoding{
		"filter": {Style: "deepObject"}, "ids": {Style: "form", Explode: &no}, "raw": {ContentType: "application/json"},
	}
	form, err := NewForm(spec)
	if err != nil {
		t.Fatal(err)
	}
	return form
}

func TestForm(t *testing.T) {
	form := accountForm(t)
	for _, row := range []struct{ text, want string }{
		{"name=Ann", ""},
		{"name=Ann&age=30&tags=a&tags=b&sizes=1&sizes=2", ""},
		{"name=A%C3%A4+b", ""},
		{"name=%C3%A4", "/name min_length"},
		{"", "/name required"},
		{"name=Ann&name=Bob", "/name repeated"},
		{"name=Ann&age=030", "/age type"},
		{"name=Ann&age=151", "/age maximum"},
		{"name=Ann&age=", "/age type"},
		{"name=Ann&tags=a&tags=b&tags=c", "/tags max_items"},
		{"name=Ann&tags=long", "/tags/0 max_length"},
		{"name=Ann&sizes=1&sizes=x", "/sizes/1 type"},
		{"name=Ann&other=1", "/other additional_properties"},
		{"name=Ann&a%2Fb=1", "/a~1b additional_properties"},
		{"name=Ann&name=%", "/name syntax"},
		{"name=Ann&%=1", "syntax"},
		{"name=%FF", "/name invalid_utf8"},
		{"name=Ann&%FF=1", "invalid_utf8"},
		{`name=Ann&address=%7B%22city%22:%22Rome%22%7D`, ""},
		{`name=Ann&address=%7B%22city%22:1%7D`, "/address/city type"},
		{`name=Ann&address=%7B%22city%22:1,%22city%22:2%7D`, "/address/city duplicate_key"},
		{`name=Ann&address=Rome`, "/address syntax"},
		{`name=Ann&items=%7B%22id%22:1%7D&items=%7B%7D`, "/items/1/id required"},
		{`name=Ann&items=%7B%22id%22:1%7D&items=x`, "/items/1 syntax"},
		{"name=Ann&filter[n]=1&filter[in][]=1&filter[in][]=2", ""},
		{"name=Ann&filter[n]=x", "/filter/n type"},
		{"name=Ann&filter[in][5]=1", "/filter array_index"},
		{"name=Ann&ids=1,2,3", ""},
		{"name=Ann&ids=1,x", "/ids/1 type"},
		{"name=Ann&raw=[1,%7B%7D]", ""},
		{"name=Ann&raw=1", "/raw type"},
		{"name=Ann&ids=1%2C2", ""},
		{"name=Ann%3Bx", ""},
		{"name=Ann;age=x", "/name syntax"},
		{"name=Ann&tags[]=a", "/tags[] undeclared"},
		{"name=Ann&age[$gt]=", "/age[$gt] undeclared"},
		{"name=Ann&filter=1", "/filter type"},
	} {
		var report schema.Report
		form.Check([]byte(row.text), &report)
		got := strings.Join(found(t, &report), ", ")
		if row.want == "/filter array_index" {
			got = strings.ReplaceAll(got, "/filter/in", "/filter")
		}
		if got != row.want {
			t.Errorf("%s: %q, want %q", row.text, got, row.want)
		}
	}
}

func TestFormsThatAreNotJudged(t *testing.T) {
	for _, text := range []string{
		`{"type":"string"}`,
		`{"type":"object","properties":{"a":{"type":"array","items":{"type":"array","items":{"type":"object"}}}}}`,
	} {
		spec := specOf(t, text)
		spec.Encodings = map[string]Encoding{"a": {Style: "pipeDelimited"}}
		if _, err := NewForm(spec); !errors.Is(err, ErrNotJudged) {
			t.Errorf("%s: %v", text, err)
		}
	}
}

// A schema may be an object in one branch of a union only, or by allOf.
func TestFormOfAUnion(t *testing.T) {
	form, err := NewForm(specOf(t, `{"oneOf":[
		{"type":"object","required":["a"],"properties":{"a":{"type":"integer"}},"additionalProperties":false},
		{"type":"object","required":["b"],"properties":{"b":{"type":"boolean"}},"additionalProperties":false}]}`))
	if err != nil {
		t.Fatal(err)
	}
	for text, ok := range map[string]bool{"a=1": true, "b=true": true, "a=true": false, "b=1": false, "a=1&b=true": false, "c=1": false} {
		var report schema.Report
		if form.Check([]byte(text), &report); (report.Total == 0) != ok {
			t.Errorf("%s: %q", text, found(t, &report))
		}
	}
}

// What may be null besides is read as if it could not be, since no field is null. A part of an allOf that says nothing of
// the type changes nothing.
func TestFieldsThatMayBeNull(t *testing.T) {
	const document = `{"allOf": [{"type": "object", "properties": {
		"tags": {"type": ["array", "null"], "items": {"type": ["integer", "null"]}}, "address": {"anyOf": [{"type": "object", "required": ["city"]}, {"type": "null"}]},
		"items": {"type": ["array", "null"], "items": {"type": ["object", "null"], "required": ["id"]}}, "n": {"type": "integer"}, "kind": {"type": "integer", "enum": [1.0, 2.0]}}},
		{"properties": {"n": {"description": "how many"}, "tags": {"maxItems": 2}}}]}`
	spec := specOf(t, document)
	form, err := NewForm(spec)
	if err != nil {
		t.Fatal(err)
	}
	m, err := NewMultipart(spec)
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range []struct{ form, parts, want string }{
		{"n=5&kind=2", "n||5,kind||2", ""},
		{"n=x", "n||x", "/n type"},
		{"tags=1", "tags||1", ""},
		{"tags=1&tags=2", "tags||1,tags||2", ""},
		{"tags=1&tags=2&tags=3", "tags||1,tags||2,tags||3", "/tags max_items"},
		{"tags=x", "tags||x", "/tags/0 type"},
		{`address={"city":1}`, `address||{"city":1}`, ""},
		{`address={}`, `address||{}`, "/address any_of, /address/city required"},
		{`items={"id":1}&items={}`, `items||{"id":1},items||{}`, "/items/1/id required"},
	} {
		var ofForm, ofParts schema.Report
		form.Check([]byte(row.form), &ofForm)
		m.Check([]byte(parts(strings.Split(row.parts, ",")...)), "multipart/form-data; boundary=X", &ofParts)
		for _, report := range []*schema.Report{&ofForm, &ofParts} {
			if got := strings.Join(found(t, report), ", "); got != row.want {
				t.Errorf("%s: %q, want %q", row.form, got, row.want)
			}
		}
	}
}

func TestFormLimits(t *testing.T) {
	spec := specOf(t, `{"type":"object"}`)
	spec.Settings.JSON.Properties = 3
	form, err := NewForm(spec)
	if err != nil {
		t.Fatal(err)
	}
	var report schema.Report
	form.Check([]byte("a=1&b=1&c=1&d=1"), &report)
	if got := found(t, &report); !slices.Equal(got, []string{"properties"}) {
		t.Errorf("%q", got)
	}
}
