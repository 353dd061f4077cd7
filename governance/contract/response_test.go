package contract

import (
	"net/http"
	"testing"

	"github.com/weirproxy/weir/governance/contract/schema"
)

const responses = `
paths:
  /a:
    get:
      responses:
        "200":
          description: ok
          headers:
            X-Rate: {required: true, schema: {type: integer, minimum: 0}}
            X-Tags: {schema: {type: array, items: {type: string}, maxItems: 2}}
            X-Info: {content: {application/json: {schema: {type: object, required: [a]}}}}
            Content-Type: {required: true, schema: {type: integer}}
            Set-Cookie: {schema: {type: string, pattern: '^[a-z]=[0-9]$'}}
            Link: {schema: {type: string, pattern: '^<[a-z]>(, <[a-z]>)*$'}}
          content:
            application/json: {schema: {$ref: '#/components/schemas/user'}}
            text/plain: {}
        "201": {description: created}
        "4XX": {description: refused, content: {application/problem+json: {schema: {type: object, required: [title]}}}}
        "404": {$ref: '#/components/responses/missing'}
        "410": {$ref: '#/components/responses/missing'}
  /b:
    get:
      responses:
        default: {description: any}
components:
  responses:
    missing: {description: missing, content: {text/plain: {schema: {type: string, maxLength: 3}}}}
  schemas:
    user:
      type: object
      required: [id, password]
      properties: {id: {type: integer, readOnly: true}, password: {type: string, writeOnly: true}}
`

func operation(t testing.TB, c *Contract, method, path string) *Operation {
	t.Helper()
	var m Match
	if c.Match(method, path, &m); m.Operation == nil {
		t.Fatalf("%s %s is unknown", method, path)
	}
	return m.Operation
}

func judgeResponse(t testing.TB, op *Operation, status int, h http.Header, text string) []string {
	t.Helper()
	var report schema.Report
	resp, declared := op.Response(status)
	if !declared {
		return []string{"status"}
	}
	resp.Head(h, &report)
	check, verdict := resp.Body(h)
	switch verdict {
	case Check:
		check.Check([]byte(text), h, &report)
	case Unsupported:
		return append(texts(report), "unsupported; accepted: "+check.Accepted)
	case Missing:
		return append(texts(report), "body missing")
	}
	return texts(report)
}

func TestResponses(t *testing.T) {
	headers := func(contentType string, more ...string) http.Header {
		h := http.Header{"X-Rate": {"1"}}
		if contentType != "" {
			h.Set("Content-Type", contentType)
		}
		for i := 0; i < len(more); i += 2 {
			h.Set(more[i], more[i+1])
		}
		return h
	}
	const json = "application/json"
	for _, head := range []string{head30, head31} {
		op := operation(t, compile(t, head+responses, Settings{}), "GET", "/a")
		for _, row := range []struct {
			name   string
			status int
			header http.Header
			body   string
			want   []string
		}{
			{"right", 200, headers(json, "X-Tags", "a, b", "X-Info", `{"a":1}`), `{"id":1}`, nil},
			{"write only", 200, headers(json), `{"id":1,"password":"p"}`, []string{"body /password write_only"}},
			{"read only is required", 200, headers(json), `{}`, []string{"body /id required"}},
			{"no header", 200, http.Header{"Content-Type": {json}}, `{"id":1}`, []string{"header X-Rate required"}},
			{"headers", 200, headers(json, "X-Rate", "-1", "X-Tags", "a,b,c", "X-Info", "{}"), `{"id":1}`,
				[]string{"header X-Info /a required", "header X-Rate minimum", "header X-Tags max_items"}},
			{"lines", 200, http.Header{"Content-Type": {json}, "X-Rate": {"1"}, "Set-Cookie": {"a=1", "b=2"}, "Link": {"<a>", "<b>"}}, `{"id":1}`, nil},
			{"wrong lines", 200, http.Header{"Content-Type": {json}, "X-Rate": {"1", "2"}, "Set-Cookie": {"a=1", "b=x"}, "Link": {"<a>", "b"}}, `{"id":1}`,
				[]string{"header Link pattern", "header Set-Cookie pattern", "header X-Rate type"}},
			{"text", 200, headers("text/plain; charset=latin1"), "x", []string{"unsupported; accepted: application/json, text/plain"}},
			{"anything", 200, headers("text/plain"), "x", nil},
			{"type", 200, headers("text/html"), "x", []string{"unsupported; accepted: application/json, text/plain"}},
			{"no type", 200, headers(""), "x", []string{"unsupported; accepted: application/json, text/plain"}},
			{"no body", 200, headers("", "Content-Length", "0"), "", []string{"body missing"}},
			{"empty", 200, headers(json), "", []string{"body required"}},
			{"nothing said", 201, headers("text/html"), "<p>", nil},
			{"class", 400, headers("application/problem+json"), `{}`, []string{"body /title required"}},
			{"exact", 404, headers("text/plain"), `long`, []string{"body max_length"}},
			{"shared", 410, headers("text/plain"), `long`, []string{"body max_length"}},
			{"status", 500, headers(json), `{}`, []string{"status"}},
			{"no status at all", 999, headers(json), `{}`, []string{"status"}},
			{"negative", -1, headers(json), `{}`, []string{"status"}},
		} {
			want(t, head[:14]+" "+row.name, judgeResponse(t, op, row.status, row.header, row.body), row.want...)
		}
	}
}

func TestDefaultResponse(t *testing.T) {
	op := operation(t, compile(t, head30+responses, Settings{}), "GET", "/b")
	for _, status := range []int{100, 200, 404, 599, 700} {
		if _, declared := op.Response(status); !declared {
			t.Errorf("%d is not declared", status)
		}
	}
}

func TestResponsesAreSharedByReference(t *testing.T) {
	op := operation(t, compile(t, head30+responses, Settings{}), "GET", "/a")
	if op.responses[404] != op.responses[410] {
		t.Error("a response is compiled for each reference")
	}
}
