package contract

// reference_test.go has a test for each of the defects that were found in kin-openapi's filter, named K5 and so on, and
// that this package could have. Others are tested where they belong: parameters in param, values in schema.

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/weirproxy/weir/governance/contract/schema"
)

// K5: patterns are kept for ever in a cache of the process, and whoever compiles one first decides how.
func TestK5PatternsBelongToTheirDocument(t *testing.T) {
	one := func(i int) *Contract {
		text := head31 + fmt.Sprintf(`paths:
  /a:
    post:
      requestBody: {content: {application/json: {schema: {type: string, pattern: "^(%d|[a-z]{1,200}){1,4}$"}}}}
      responses: {"200": {description: ok}}
`, i)
		return compile(t, text, Settings{})
	}
	one(0)
	before := heap()
	for i := range 100 {
		one(i + 1)
	}
	if grown := int64(heap()) - int64(before); grown > 1<<20 {
		t.Errorf("%d bytes are left of 100 documents", grown)
	}
	c := one(7)
	want(t, "its own pattern", judge(t, c, message{target: "/a", contentType: "application/json", body: `"7"`}))
	want(t, "another's", judge(t, c, message{target: "/a", contentType: "application/json", body: `"8"`}), "body pattern")
}

// K6: servers of one path leak to the paths after it, and those of operations do not count.
func TestK6ServersCountWhereTheyStand(t *testing.T) {
	c := compile(t, head30+`
servers: [{url: /v1}]
paths:
  /a:
    servers: [{url: /v2}]
    get: {operationId: a, responses: {"200": {description: ok}}}
  /b:
    get: {operationId: b, responses: {"200": {description: ok}}}
    post: {operationId: b3, servers: [{url: /v3}], responses: {"200": {description: ok}}}
`, Settings{})
	var m Match
	for _, row := range []struct{ method, path, id, allow string }{
		{"GET", "/v2/a", "a", "GET, HEAD"}, {"GET", "/v1/a", "", ""},
		{"GET", "/v1/b", "b", "GET, HEAD"}, {"GET", "/v2/b", "", ""}, {"GET", "/v3/b", "", "POST"},
		{"POST", "/v3/b", "b3", "POST"}, {"POST", "/v1/b", "", "GET, HEAD"},
	} {
		c.Match(row.method, row.path, &m)
		id := ""
		if m.Operation != nil {
			id = m.Operation.ID
		}
		if id != row.id || m.Allow != row.allow {
			t.Errorf("%s %s: %q, allow %q; want %q and %q", row.method, row.path, id, m.Allow, row.id, row.allow)
		}
	}
}

// K10: data after a JSON text, names that come twice and invalid UTF-8 are accepted, and others read them differently.
func TestK10JSONIsReadStrictly(t *testing.T) {
	strict := compile(t, head30+bodies, Settings{})
	var lenient Settings
	lenient.Schema.JSON.TrailingData, lenient.Schema.JSON.DuplicateKeys, lenient.Schema.JSON.InvalidUTF8 = true, true, true
	loose := compile(t, head30+bodies, lenient)
	for text, code := range map[string]string{
		`{"name":"rex"}{"name":""}`:   "body trailing_data",
		`{"name":"rex"} x`:            "body trailing_data",
		`{"name":"","name":"rex"}`:    "body /name duplicate_key",
		`{"name":"","na\u006de":"r"}`: "body /name duplicate_key",
		"{\"name\":\"\xff\"}":         "body /name invalid_utf8",
	} {
		msg := message{target: "/json", contentType: "application/json", body: text}
		want(t, text, judge(t, strict, msg), code)
		want(t, "lenient: "+text, judge(t, loose, msg))
	}
}

// K12: a body is refused though it is declared, and one without a declared length is taken for none.
func TestK12BodiesAreMissedByWhatIsThere(t *testing.T) {
	c := compile(t, head30+bodies, Settings{})
	op := operation(t, c, "POST", "/json")
	for _, row := range []struct {
		name   string
		length int64
		body   io.Reader
		want   Verdict
	}{
		{"with a length", 14, strings.NewReader(`{"name":"rex"}`), Check},
		{"chunked", -1, strings.NewReader(`{"name":"rex"}`), Check},
		{"none", 0, http.NoBody, Missing},
		{"nil", 0, nil, Missing},
	} {
		r := httptest.NewRequest("POST", "/json", row.body)
		r.ContentLength = row.length
		r.Header.Set("Content-Type", "application/json")
		if _, verdict := op.RequestBody(r); verdict != row.want {
			t.Errorf("%s: verdict %d, want %d", row.name, verdict, row.want)
		}
	}
}

// K14: bodies are read without bound, and defaults are written into query and body.
func TestK14NothingIsReadOrChanged(t *testing.T) {
	c := compile(t, head30+`
paths:
  /a:
    post:
      parameters: [{name: page, in: query, schema: {type: integer, default: 1}}, {name: X-Mode, in: header, schema: {type: string, default: x}}]
      requestBody: {required: true, content: {application/json: {schema: {type: object, properties: {n: {type: integer, default: 5}}}}}}
      responses: {"200": {description: ok}}
`, Settings{})
	r := httptest.NewRequest("POST", "/a?z=1&b=%20+", unreadable{})
	r.ContentLength = -1
	r.Header.Set("Content-Type", "application/json")
	var m Match
	var report schema.Report
	c.Match(r.Method, r.URL.EscapedPath(), &m)
	m.Head(r, &report)
	check, verdict := m.Operation.RequestBody(r)
	if verdict != Check {
		t.Fatalf("verdict %d", verdict)
	}
	text := []byte(`{ "z": 1 }`)
	check.Check(text, r.Header, &report)
	if report.Total > 0 || r.URL.RawQuery != "z=1&b=%20+" || len(r.Header) != 1 || string(text) != `{ "z": 1 }` {
		t.Errorf("%v, query %s, header %v, body %s", report.Violations, r.URL.RawQuery, r.Header, text)
	}
}

type unreadable struct{}

func (unreadable) Read([]byte) (int, error) { return 0, errors.New("the contract reads a body") }

// K15: a header whose content has no schema is a nil dereference.
func TestK15ContentWithoutASchema(t *testing.T) {
	c := compile(t, head30+`
paths:
  /a:
    get:
      parameters: [{name: q, in: query, content: {application/json: {}}}]
      responses:
        "200":
          description: ok
          headers: {X-Info: {required: true, content: {application/json: {}}}, X-Any: {required: true, schema: {}}}
          content: {application/json: {}}
`, Settings{})
	want(t, "request", judge(t, c, message{method: "GET", target: "/a?q={}"}))
	op := operation(t, c, "GET", "/a")
	header := http.Header{"Content-Type": {"application/json"}, "X-Info": {"{}"}, "X-Any": {"x"}}
	want(t, "response", judgeResponse(t, op, 200, header, "{}"))
	want(t, "no headers", judgeResponse(t, op, 200, http.Header{"Content-Type": {"application/json"}}, "{}"),
		"header X-Any required", "header X-Info required")
	for _, status := range []int{301, 302, 303, 304, 307} {
		if _, declared := op.Response(status); declared {
			t.Errorf("%d is declared", status)
		}
	}
}

// K17: a multipart body is only read if its schema says type: object at the top.
func TestK17MultipartOfAnySchemaThatAllowsAnObject(t *testing.T) {
	for name, schemaText := range map[string]string{
		"type list": `{type: [object, "null"], required: [a], properties: {a: {type: integer}}}`,
		"no type":   `{required: [a], properties: {a: {type: integer}}}`,
		"allOf":     `{allOf: [{type: object, properties: {a: {type: integer}}}, {required: [a]}]}`,
		"anyOf":     `{anyOf: [{type: "null"}, {type: object, required: [a], properties: {a: {type: integer}}}]}`,
		"ref":       `{$ref: '#/components/schemas/r'}`,
	} {
		c := compile(t, head31+`
paths:
  /a:
    post:
      requestBody: {content: {multipart/form-data: {schema: `+schemaText+`}}}
      responses: {"200": {description: ok}}
components: {schemas: {r: {type: object, required: [a], properties: {a: {type: integer}}}}}
`, Settings{})
		const part = "--X\r\nContent-Disposition: form-data; name=%s\r\n\r\n%s\r\n--X--\r\n"
		send := func(name, value string) []string {
			return judge(t, c, message{target: "/a", contentType: "multipart/form-data; boundary=X", body: fmt.Sprintf(part, name, value)})
		}
		want(t, name, send("a", "1"))
		if got := send("a", "x"); len(got) == 0 {
			t.Errorf("%s: a text is accepted for an integer", name)
		}
		if got := send("b", "1"); len(got) == 0 {
			t.Errorf("%s: what is required may be missing", name)
		}
	}
}
