package contract

import (
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/weirproxy/weir/governance/contract/document"
	"github.com/weirproxy/weir/governance/contract/schema"
)

// head30 and head31 begin the documents of these tests, which go on with paths.
const (
	head30 = "openapi: 3.0.3\ninfo: {title: t, version: '1'}\n"
	head31 = "openapi: 3.1.0\ninfo: {title: t, version: '1'}\n"
)

func load(t testing.TB, text string) *document.Document {
	t.Helper()
	doc, err := document.Load(t.Context(), document.Source{Location: "file:///test.yaml", Data: []byte(text)})
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

func compile(t testing.TB, text string, s Settings) *Contract {
	t.Helper()
	c, err := Compile(load(t, text), s)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// sharedFile is the path of a document in the folder beside the checkout.
func sharedFile(t testing.TB, name string) string {
	t.Helper()
	dir, err := os.Getwd()
	for ; err == nil && dir != filepath.Dir(dir); dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return filepath.Join(dir, "..", "shared", "openapi", name)
		}
	}
	t.Fatalf("there is no go.mod above this test (%v)", err)
	return ""
}

func sharedDocument(t testing.TB, name string) *document.Document {
	t.Helper()
	file := sharedFile(t, name)
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatalf("this test needs the folder shared/openapi beside the checkout: %v", err)
	}
	doc, err := document.Load(t.Context(), document.Source{Location: "file://" + file, Data: data})
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

// message is a request or response of a table, in which "" leaves a header out.
type message struct {
	method, target string // of a request; default: POST /
	contentType    string
	body           string
	header         http.Header
	chunked        bool
}

func (m message) request() *http.Request {
	method, target := m.method, m.target
	if method == "" {
		method = "POST"
	}
	if target == "" {
		target = "/"
	}
	r := httptest.NewRequest(method, target, strings.NewReader(m.body))
	if m.body == "" && !m.chunked {
		r.Body = http.NoBody
	}
	if m.chunked {
		r.ContentLength = -1
	}
	for name, values := range m.header {
		r.Header[name] = values
	}
	if m.contentType != "" {
		r.Header.Set("Content-Type", m.contentType)
	}
	return r
}

// judge does with a request what a gateway does and tells what is wrong: violations as "in name pointer code", in order.
func judge(t testing.TB, c *Contract, msg message) []string {
	t.Helper()
	r := msg.request()
	var m Match
	c.Match(r.Method, r.URL.EscapedPath(), &m)
	switch {
	case m.Operation == nil && m.PathKnown:
		return []string{"method not in " + m.Allow}
	case m.Operation == nil:
		return []string{"unknown path"}
	}
	var report schema.Report
	m.Head(r, &report)
	check, verdict := m.Operation.RequestBody(r)
	switch verdict {
	case Check:
		text, err := io.ReadAll(r.Body)
		if err != nil {
			t.Fatal(err)
		}
		check.Check(text, r.Header, &report)
	case Unsupported:
		return append(texts(report), "unsupported; accepted: "+check.Accepted)
	case Missing:
		return append(texts(report), "body missing")
	}
	return texts(report)
}

func texts(report schema.Report) []string {
	var all []string
	for _, v := range report.Violations {
		all = append(all, strings.Join(strings.Fields(v.In+" "+v.Name+" "+v.Pointer+" "+v.Code), " "))
	}
	return all
}

func want(t testing.TB, name string, got []string, wanted ...string) {
	t.Helper()
	if !slices.Equal(got, wanted) {
		t.Errorf("%s: %q, want %q", name, got, wanted)
	}
}

func TestCompileTellsWhereADocumentIsWrong(t *testing.T) {
	for name, row := range map[string]struct{ document, want string }{
		"pattern": {head31 + `paths:
  /a:
    post:
      requestBody:
        content:
          application/json:
            schema:
              type: string
              pattern: "(?=x)"
      responses: {"200": {description: ok}}
`, "/test.yaml:11:"},
		"style": {head31 + `paths:
  /a:
    get:
      parameters:
      - {name: a, in: header, style: form, schema: {type: string}}
      responses: {"200": {description: ok}}
`, "/test.yaml:7:"},
		"media type": {head31 + `paths:
  /a:
    post:
      requestBody:
        content:
          json: {schema: {type: string}}
      responses: {"200": {description: ok}}
`, "/test.yaml:8:"},
		"status": {head31 + `paths:
  /a:
    get:
      responses: {"20": {description: ok}}
`, "/test.yaml:6:"},
		"server variable": {head31 + `servers: [{url: "/{v}"}]
paths:
  /a:
    get:
      responses: {"200": {description: ok}}
`, "/test.yaml:3:"},
		"same path": {head31 + `paths:
  /a/{x}:
    servers: [{url: /}]
    get:
      parameters: [{name: x, in: path, required: true, schema: {type: string}}]
      responses: {"200": {description: ok}}
  /{y}:
    servers: [{url: /a}]
    get:
      parameters: [{name: y, in: path, required: true, schema: {type: string}}]
      responses: {"200": {description: ok}}
`, "/test.yaml:9:"},
	} {
		doc, err := document.Load(t.Context(), document.Source{Location: "file:///test.yaml", Data: []byte(row.document)})
		if err == nil {
			_, err = Compile(doc, Settings{})
		}
		if err == nil || !strings.Contains(err.Error(), row.want) {
			t.Errorf("%s: %v, want one at %s", name, err, row.want)
		}
	}
}

func TestCompileTellsAllErrorsOnce(t *testing.T) {
	const text = head31 + `paths:
  /a:
    get: {responses: {"200": {$ref: '#/components/responses/r'}, "404": {$ref: '#/components/responses/r'}}}
  /b:
    get: {responses: {"200": {$ref: '#/components/responses/r'}, "404": {description: e, content: {"a/b/c": {}}}}}
components:
  responses:
    r: {description: ok, content: {application/json: {schema: {type: string, pattern: "(?!x)"}}}}
`
	_, err := Compile(load(t, text), Settings{})
	if err == nil {
		t.Fatal("no error")
	}
	if lines := strings.Split(err.Error(), "\n"); len(lines) != 2 {
		t.Errorf("%d errors, want 2:\n%v", len(lines), err)
	}
}

func TestStripPrefixMustBeAPath(t *testing.T) {
	doc := load(t, head31+"paths: {}\n")
	for _, prefix := range []string{"api", "/api/", "/a{b}", "/a?b", "/"} {
		if _, err := Compile(doc, Settings{StripPrefix: prefix}); err == nil {
			t.Errorf("%q is accepted", prefix)
		}
	}
}
