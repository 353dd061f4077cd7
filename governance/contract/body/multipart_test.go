package body

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/weirproxy/weir/governance/contract/param"
	"github.com/weirproxy/weir/governance/contract/schema"
)

const upload = `{
	"type": ["object", "null"],
	"required": ["meta", "photo"],
	"properties": {
		"meta": {"type": "object", "required": ["id"], "properties": {"id": {"type": "integer"}}},
		"photo": {"type": "string", "format": "binary", "minLength": 2, "maxLength": 4},
		"icon": {},
		"count": {"type": "integer"},
		"note": {"type": "string", "maxLength": 3},
		"files": {"type": "array", "items": {"type": "string", "format": "binary"}, "maxItems": 2},
		"list": {"type": "array", "items": {"type": "integer"}},
		"whole": {"type": "array", "items": {"type": "integer"}}
	},
	"additionalProperties": false
}`

// parts writes a multipart body from "name|content type|text".
func parts(all ...string) string {
	var b strings.Builder
	for _, one := range all {
		fields := strings.SplitN(one, "|", 3)
		fmt.Fprintf(&b, "--X\r\nContent-Disposition: form-data; name=%q\r\n", fields[0])
		if fields[1] != "" {
			fmt.Fprintf(&b, "Content-Type: %s\r\n", fields[1])
		}
		fmt.Fprintf(&b, "\r\n%s\r\n", fields[2])
	}
	return b.String() + "--X--\r\n"
}

const (
	meta  = "meta|application/json|{\"id\":1}"
	photo = "photo|image/png|\xff\xd8"
)

func uploadCheck(t testing.TB) *Multipart {
	t.Helper()
	spec := specOf(t, upload)
	header, err := param.New(param.Spec{In: "header", Name: "X-Width", Shape: &schema.Shape{Types: schema.Integer}})
	if err != nil {
		t.Fatal(err)
	}
	spec.Encodings = map[string]Encoding{
		"photo": {ContentType: "image/png, image/jpeg"}, "icon": {ContentType: "image/*", Headers: []*param.Decoder{header}},
		"whole": {ContentType: "application/json"},
	}
	m, err := NewMultipart(spec)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestMultipart(t *testing.T) {
	m := uploadCheck(t)
	for _, row := range []struct{ name, text, want string }{
		{"right", parts(meta, photo), ""},
		{"missing", parts(meta), "/photo required"},
		{"no parts", parts(), "/meta required, /photo required"},
		{"JSON without a type", parts("meta||{\"id\":1}", photo), ""},
		{"JSON called text", parts("meta|text/plain|{\"id\":1}", photo), ""},
		{"JSON, wrong", parts("meta|application/json|{\"id\":\"x\"}", photo), "/meta/id type"},
		{"no JSON", parts("meta|application/json|{", photo), "/meta syntax"},
		{"duplicate key", parts("meta||{\"id\":1,\"id\":2}", photo), "/meta/id duplicate_key"},
		{"octets, too many", parts(meta, "photo|image/png|\xff\xff\xff\xff\xff"), "/photo max_length"},
		{"type of a part", parts(meta, "photo|image/gif|\xff\xd8"), "/photo content_type"},
		{"no type of a part", parts(meta, "photo||\xff\xd8"), ""},
		{"type by range", parts(meta, photo, "icon|IMAGE/svg+xml; charset=utf-8|<svg/>"), ""},
		{"type not in range", parts(meta, photo, "icon|text/plain|<svg/>"), "/icon content_type"},
		{"no media type", parts(meta, photo, "note|text|x"), "/note content_type"},
		{"repeated", parts(meta, meta, photo), "/meta repeated"},
		{"scalar", parts(meta, photo, "count||12"), ""},
		{"no scalar", parts(meta, photo, "count||1_2"), "/count type"},
		{"JSON scalar", parts(meta, photo, "count|application/json|12"), ""},
		{"text", parts(meta, photo, "note|text/plain; charset=utf-8|äöü"), ""},
		{"text, wrong", parts(meta, photo, "note||long"), "/note max_length"},
		{"text of another charset", parts(meta, photo, "note|text/plain; charset=latin1|x"), "/note content_type"},
		{"text that is not UTF-8", parts(meta, photo, "note||\xff"), "/note invalid_utf8"},
		{"array", parts(meta, photo, "files|a/b|1", "files|c/d|2", "list||1", "list||2"), ""},
		{"array, too long", parts(meta, photo, "files||1", "files||2", "files||3"), "/files max_items"},
		{"array, wrong item", parts(meta, photo, "list||1", "list||x"), "/list/1 type"},
		{"array as JSON", parts(meta, photo, "whole||[1,2]"), ""},
		{"array as JSON, wrong", parts(meta, photo, "whole|application/json|[1,null]"), "/whole/1 type"},
		{"undeclared", parts(meta, photo, "more||x"), "/more additional_properties"},
		{"undeclared twice", parts(meta, photo, "more||x", "more||y"), "/more repeated"},
		{"cut off", strings.TrimSuffix(parts(meta, photo), "--X--\r\n"), "syntax"},
		{"no boundary in it", "hello", "syntax"},
		{"no name", "--X\r\nContent-Disposition: form-data\r\n\r\nx\r\n--X--\r\n", "syntax"},
		{"no disposition", "--X\r\n\r\nx\r\n--X--\r\n", "syntax"},
		{"two names", "--X\r\nContent-Disposition: form-data; name=meta; name=photo\r\n\r\nx\r\n--X--\r\n", "syntax"},
		{"two dispositions", "--X\r\nContent-Disposition: form-data; name=meta\r\nContent-Disposition: form-data; name=note\r\n\r\nx\r\n--X--\r\n", "syntax"},
		{"extended name", "--X\r\nContent-Disposition: form-data; name=note; name*=utf-8''meta\r\n\r\nx\r\n--X--\r\n", "syntax"},
		{"extended file name", strings.Replace(parts(meta, photo), "name=\"photo\"", "name=\"photo\"; filename=a; filename*=utf-8''b", 1), ""},
		{"two types", strings.Replace(parts(meta, photo, "note||x"), "name=\"note\"\r\n", "name=\"note\"\r\nContent-Type: a/b\r\nContent-Type: c/d\r\n", 1), "/note content_type"},
		{"attachment", "--X\r\nContent-Disposition: attachment; name=meta\r\n\r\nx\r\n--X--\r\n", "syntax"},
		{"transfer encoding", "--X\r\nContent-Disposition: form-data; name=note\r\nContent-Transfer-Encoding: base64\r\n\r\neA==\r\n--X--\r\n", "/note syntax"},
	} {
		var report schema.Report
		m.Check([]byte(row.text), `multipart/form-data; boundary="X"`, &report)
		if got := strings.Join(found(t, &report), ", "); got != row.want {
			t.Errorf("%s: %q, want %q", row.name, got, row.want)
		}
	}
}

// What one parser takes for the boundary and another for text would hide a part from one of them.
func TestMultipartBoundariesAreWhatTheyLookLike(t *testing.T) {
	m := uploadCheck(t)
	good := parts(meta, photo)
	hidden := "--X\r\nContent-Disposition: form-data; name=note\r\n\r\nlong\r\n--X--\r\n"
	for _, row := range []struct{ name, text, want string }{
		{"text before the first", "hello\r\n" + good, ""},
		{"lines that end with LF", strings.ReplaceAll(good, "\r\n", "\n"), ""},
		{"the boundary as a text", parts(meta, photo, "note||--X"), "syntax"},
		{"the boundary within a line", parts(meta, photo, "note||.--X"), "/note max_length"},
		{"blank lines behind", good + "\r\n \n", ""},
		{"a part behind the last", good + hidden, "syntax"},
		{"text behind the last", good + "x", "syntax"},
		{"a part within a part, with LF", parts(meta, photo, "icon|image/png|x\n"+strings.ReplaceAll(hidden, "\r\n", "\n")), "syntax"},
		{"a longer boundary", parts(meta, photo, "icon|image/png|x\r\n--XY\r\n"), "syntax"},
		{"not the last one at the end", strings.TrimSuffix(good, "--\r\n") + "\r\n", "syntax"},
	} {
		var report schema.Report
		m.Check([]byte(row.text), "multipart/form-data; boundary=X", &report)
		if got := strings.Join(found(t, &report), ", "); got != row.want {
			t.Errorf("%s: %q, want %q", row.name, got, row.want)
		}
	}
}

// Of "count[]" and "count[x]", PHP, Rails and Express make a count that no schema has seen.
func TestMultipartLookalikes(t *testing.T) {
	spec := specOf(t, `{"type":"object","properties":{"count":{"type":"integer"},"list[]":{"type":"array","items":{"type":"integer"}}}}`)
	m, err := NewMultipart(spec)
	if err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]string{
		parts("count||1", "list[]||1", "list[]||2", "other[]||x"): "",
		parts("count[]||x"):              "/count[] undeclared",
		parts("count||1", "count[a]||x"): "/count[a] undeclared",
	} {
		var report schema.Report
		m.Check([]byte(text), "multipart/form-data; boundary=X", &report)
		if got := strings.Join(found(t, &report), ", "); got != want {
			t.Errorf("%s: %q, want %q", text, got, want)
		}
	}
}

func TestMultipartBoundary(t *testing.T) {
	m := uploadCheck(t)
	for _, contentType := range []string{
		"multipart/form-data", "multipart/form-data; boundary=", "multipart/form-data; boundary=a; boundary=b",
		"multipart/form-data; boundary=" + strings.Repeat("x", 71),
	} {
		var report schema.Report
		m.Check([]byte(parts(meta, photo)), contentType, &report)
		if got := found(t, &report); len(got) != 1 || got[0] != "syntax" {
			t.Errorf("%s: %q", contentType, got)
		}
	}
}

func TestHeadersOfParts(t *testing.T) {
	m := uploadCheck(t)
	text := strings.Replace(parts(meta, photo, "icon|image/png|x"), "Content-Type: image/png\r\n\r\nx", "Content-Type: image/png\r\nX-Width: wide\r\n\r\nx", 1)
	var report schema.Report
	m.Check([]byte(text), "multipart/form-data; boundary=X", &report)
	if len(report.Violations) != 1 || report.Violations[0].In != "header" || report.Violations[0].Name != "X-Width" {
		t.Errorf("%v", report.Violations)
	}
}

func TestMultipartLimitsParts(t *testing.T) {
	spec := specOf(t, `{"type":"object","properties":{"a":{"type":"array","items":{"type":"string"}}}}`)
	spec.Settings.JSON.Properties = 3
	m, err := NewMultipart(spec)
	if err != nil {
		t.Fatal(err)
	}
	var report schema.Report
	m.Check([]byte(parts("a||1", "a||2", "a||3", "a||4")), "multipart/form-data; boundary=X", &report)
	if got := found(t, &report); len(got) != 1 || got[0] != "properties" {
		t.Errorf("%q", got)
	}
}

func TestMultipartsThatAreNotJudged(t *testing.T) {
	spec := specOf(t, `{"type":"string","format":"binary"}`)
	if _, err := NewMultipart(spec); !errors.Is(err, ErrNotJudged) {
		t.Errorf("%v", err)
	}
	spec = specOf(t, `{"type":"object","properties":{"a":{"type":"object"}}}`)
	spec.Encodings = map[string]Encoding{"a": {ContentType: "application/xml"}}
	if _, err := NewMultipart(spec); !errors.Is(err, ErrNotJudged) {
		t.Errorf("%v", err)
	}
}

func FuzzMultipart(f *testing.F) {
	m := uploadCheck(f)
	f.Add([]byte(parts(meta, photo)), "multipart/form-data; boundary=X")
	f.Add([]byte(parts(meta, photo, "note||x", "list||1", "files|a/b|x", "icon|image/png|x")), "multipart/form-data; boundary=X")
	f.Fuzz(func(t *testing.T, text []byte, contentType string) {
		var report schema.Report
		m.Check(text, contentType, &report)
		wellFormed(t, &report)
	})
}

func FuzzForm(f *testing.F) {
	form := accountForm(f)
	f.Add([]byte("name=Ann&age=30&tags=a&tags=b&filter[n]=1&ids=1,2"))
	f.Add([]byte(`name=Ann&address=%7B%22city%22:%22Rome%22%7D&items=%7B%7D&raw=[1]`))
	f.Fuzz(func(t *testing.T, text []byte) {
		var report schema.Report
		form.Check(text, &report)
		wellFormed(t, &report)
	})
}

func wellFormed(t *testing.T, report *schema.Report) {
	if len(report.Violations) > schema.DefaultViolations || report.Total < len(report.Violations) {
		t.Errorf("%d violations of %d", len(report.Violations), report.Total)
	}
	for _, v := range report.Violations {
		if v.Code == "" || v.Detail == "" || v.Pointer != "" && v.Pointer[0] != '/' {
			t.Errorf("a violation without code, detail or pointer: %+v", v)
		}
	}
}
