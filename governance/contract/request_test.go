package contract

import (
	"net/http"
	"strings"
	"testing"

	"github.com/weirproxy/weir/governance/contract/schema"
)

const parametersDocument = head31 + `
paths:
  /a/{id}:
    parameters:
    - {name: id, in: path, required: true, schema: {type: integer}}
    - {name: page, in: query, schema: {type: integer}}
    - {name: X-Tenant, in: header, required: true, schema: {type: string, minLength: 2}}
    get:
      parameters:
      - {name: page, in: query, required: true, schema: {type: string, enum: [first, last]}}
      - {$ref: '#/components/parameters/filter'}
      - {name: session, in: cookie, schema: {type: string, maxLength: 3}}
      - {name: Accept, in: header, required: true, schema: {type: string, enum: [never]}}
      - {name: where, in: query, content: {application/json: {schema: {type: object, required: [x]}}}}
      responses: {"200": {description: ok}}
components:
  parameters:
    filter: {name: filter, in: query, style: deepObject, schema: {type: object, properties: {n: {type: integer}}, additionalProperties: false}}
`

func TestParametersOfPathAndOperationAreMerged(t *testing.T) {
	c := compile(t, parametersDocument, Settings{})
	tenant := http.Header{"X-Tenant": {"acme"}}
	get := func(target string, h http.Header) []string {
		return judge(t, c, message{method: "GET", target: target, header: h})
	}
	want(t, "right", get("/a/7?page=first", tenant))
	want(t, "the operation's wins", get("/a/7?page=1", tenant), "query page enum")
	want(t, "path", get("/a/x?page=first", tenant), "path id type")
	want(t, "missing", get("/a/7", nil), "query page required", "header X-Tenant required")
	want(t, "ref", get("/a/7?page=last&filter[n]=x", tenant), "query filter /n type")
	want(t, "content", get("/a/7?page=last&where=%7B%22x%22:1%7D", tenant))
	want(t, "content", get("/a/7?page=last&where=%7B%7D", tenant), "query where /x required")
	want(t, "cookie", get("/a/7?page=last", http.Header{"X-Tenant": {"acme"}, "Cookie": {"session=abcd"}}), "cookie session max_length")
	want(t, "undeclared", get("/a/7?page=last&other=1", http.Header{"X-Tenant": {"acme"}, "X-Other": {"1"}}))
}

func TestStrictQueryAndHeaders(t *testing.T) {
	c := compile(t, parametersDocument, Settings{StrictQuery: true, StrictHeaders: true})
	allowed := http.Header{
		"X-Tenant": {"acme"}, "Cookie": {"other=1"}, "Accept": {"*/*"}, "User-Agent": {"t"}, "Sec-Fetch-Mode": {"cors"},
		"X-Forwarded-For": {"::1"}, "Traceparent": {"00"}, "Connection": {"close"}, "Authorization": {"Bearer t"},
	}
	want(t, "declared", judge(t, c, message{method: "GET", target: "/a/7?page=last&filter[n]=1", header: allowed}))
	want(t, "undeclared", judge(t, c, message{
		method: "GET", target: "/a/7?page=last&filtr[n]=1&debug",
		header: http.Header{"X-Tenant": {"acme"}, "X-Debug": {"1"}, "X-Admin": {"1"}},
	}), "query filtr[n] undeclared", "query debug undeclared", "header X-Admin undeclared", "header X-Debug undeclared")
}

// A security scheme declares its key, and what HTTP itself needs is no parameter.
func TestStrictnessKnowsAPIKeysAndFraming(t *testing.T) {
	c := compile(t, head31+`
paths:
  /a:
    get:
      parameters: [{name: Host, in: header, required: true, schema: {type: string, enum: [never]}}]
      responses: {"200": {description: ok}}
components:
  securitySchemes:
    a: {type: apiKey, in: header, name: X-Key}
    b: {type: apiKey, in: query, name: key}
    c: {type: http, scheme: bearer}
`, Settings{StrictQuery: true, StrictHeaders: true})
	want(t, "keys", judge(t, c, message{method: "GET", target: "/a?key=1", header: http.Header{"X-Key": {"1"}}}))
	want(t, "no keys", judge(t, c, message{method: "GET", target: "/a"}))
	want(t, "others", judge(t, c, message{method: "GET", target: "/a?x-key=1", header: http.Header{"Key": {"1"}}}),
		"query x-key undeclared", "header Key undeclared")
	if n := c.Notes(); len(n) != 1 || !strings.Contains(n[0], "Host") {
		t.Errorf("notes: %q", n)
	}
}

// OpenAPI does not say how an array of objects is written in a query.
func TestParametersThatNoStyleCanExpress(t *testing.T) {
	c := compile(t, head31+`
paths:
  /a:
    get:
      parameters: [{name: q, in: query, required: true, schema: {type: array, items: {type: object, required: [x]}}}]
      responses: {"200": {description: ok}}
`, Settings{StrictQuery: true})
	want(t, "there", judge(t, c, message{method: "GET", target: "/a?q=1"}))
	want(t, "missing", judge(t, c, message{method: "GET", target: "/a"}), "query q required")
	if n := c.Notes(); len(n) != 1 || !strings.Contains(n[0], "presence") {
		t.Errorf("notes: %q", n)
	}
}

const bodies = `
paths:
  /json:
    post:
      requestBody:
        required: true
        content:
          application/json: {schema: {$ref: '#/components/schemas/pet'}}
      responses: {"200": {description: ok}}
  /optional:
    post:
      requestBody:
        content:
          application/json: {schema: {$ref: '#/components/schemas/pet'}}
      responses: {"200": {description: ok}}
  /any:
    post:
      requestBody:
        content:
          application/json: {}
          application/octet-stream: {schema: {type: string, format: binary}}
      responses: {"200": {description: ok}}
  /several:
    post:
      requestBody:
        required: true
        content:
          application/vnd.pet+json: {schema: {$ref: '#/components/schemas/pet'}}
          application/json;version=2: {schema: {type: array}}
          application/json;version=1: {schema: {type: object}}
          text/*: {schema: {type: string, maxLength: 5}}
          image/png: {schema: {type: string, maxLength: 5}}
          '*/*': {schema: {type: string, enum: [x]}}
      responses: {"200": {description: ok}}
  /text:
    post:
      requestBody:
        required: true
        content:
          text/plain: {schema: {type: integer, maximum: 9}}
          application/octet-stream: {schema: {type: string, maxLength: 4}}
          application/xml: {schema: {type: object}}
      responses: {"200": {description: ok}}
  /none:
    post:
      responses: {"200": {description: ok}}
components:
  schemas:
    pet:
      type: object
      required: [name]
      properties: {name: {type: string, minLength: 1}, tag: {type: string}}
      additionalProperties: false
`

func TestRequestBodies(t *testing.T) {
	const json, pet = "application/json", `{"name":"rex"}`
	for _, head := range []string{head30, head31} {
		c := compile(t, head+bodies, Settings{})
		for _, row := range []struct {
			name string
			message
			want string // in one line, "" if right
		}{
			{"right", message{target: "/json", contentType: json, body: pet}, ""},
			{"chunked", message{target: "/json", contentType: json, body: pet, chunked: true}, ""},
			{"charset", message{target: "/json", contentType: "Application/JSON; Charset=\"UTF-8\"", body: pet}, ""},
			{"plain charset", message{target: "/json", contentType: "application/json; charset=utf-8", body: pet}, ""},
			{"other charset", message{target: "/json", contentType: "application/json; charset=utf-16", body: pet}, "unsupported; accepted: application/json"},
			{"wrong", message{target: "/json", contentType: json, body: `{"name":"","x":1}`}, "body /name min_length, body /x additional_properties"},
			{"no type", message{target: "/json", body: pet}, "unsupported; accepted: application/json"},
			{"other type", message{target: "/json", contentType: "text/json", body: pet}, "unsupported; accepted: application/json"},
			{"not a type", message{target: "/json", contentType: "json", body: pet}, "unsupported; accepted: application/json"},
			{"two types", message{target: "/json", header: http.Header{"Content-Type": {json, "text/plain"}}, body: pet}, "unsupported; accepted: application/json"},
			{"suffix is not the type", message{target: "/json", contentType: "application/vnd.pet+json", body: pet}, "unsupported; accepted: application/json"},
			{"missing", message{target: "/json"}, "body missing"},
			{"missing with type", message{target: "/json", contentType: json}, "body missing"},
			{"empty", message{target: "/json", contentType: json, chunked: true}, "body required"},
			{"optional", message{target: "/optional"}, ""},
			{"optional with type", message{target: "/optional", contentType: json}, ""},
			{"optional of another type", message{target: "/optional", contentType: "text/plain"}, ""},
			{"optional but empty", message{target: "/optional", contentType: json, chunked: true}, ""},
			{"optional but wrong", message{target: "/optional", contentType: json, body: "{}"}, "body /name required"},
			{"not declared", message{target: "/none", contentType: "text/plain", body: "x"}, ""},
			{"suffix", message{target: "/several", contentType: "application/vnd.pet+json", body: pet}, ""},
			{"suffix, wrong", message{target: "/several", contentType: "application/vnd.pet+json", body: "[]"}, "body type"},
			{"version 1", message{target: "/several", contentType: "application/json; version=1", body: "{}"}, ""},
			{"version 2", message{target: "/several", contentType: "application/json; version=2", body: "{}"}, "body type"},
			{"range", message{target: "/several", contentType: "text/csv", body: "123456"}, "body max_length"},
			{"any, as JSON", message{target: "/several", contentType: "application/hal+json", body: `"x"`}, ""},
			{"any, as text", message{target: "/several", contentType: "application/octet-stream", body: `y`}, "body enum"},
			{"only its type", message{target: "/several", contentType: "image/png", body: "123456"}, ""},
			{"text", message{target: "/text", contentType: "text/plain", body: "7"}, ""},
			{"text, wrong", message{target: "/text", contentType: "text/plain", body: "70"}, "body maximum"},
			{"text of another type", message{target: "/text", contentType: "text/plain", body: "x"}, "body type"},
			{"text in no UTF-8", message{target: "/text", contentType: "text/plain", body: "\xff"}, "body invalid_utf8"},
			{"octets", message{target: "/text", contentType: "application/octet-stream", body: "\xff\xfe\x00\x01"}, ""},
			{"octets, wrong", message{target: "/text", contentType: "application/octet-stream", body: "\xff\xfe\x00\x01\x02"}, "body max_length"},
			{"xml", message{target: "/text", contentType: "application/xml", body: "<x/>"}, ""},
			{"empty file", message{target: "/text", contentType: "application/octet-stream"}, ""},
		} {
			got := strings.Join(judge(t, c, row.message), ", ")
			if got != row.want {
				t.Errorf("%.14s %s: %q, want %q", head, row.name, got, row.want)
			}
		}
	}
}

// A body for which nothing is to be checked is not to be read.
func TestBodiesThatMayStream(t *testing.T) {
	c := compile(t, head30+bodies, Settings{})
	for _, msg := range []message{
		{target: "/any", contentType: "application/octet-stream", body: "x"},
		{target: "/any", contentType: "application/json", body: "x"},
		{target: "/text", contentType: "application/xml", body: "x"},
		{target: "/none", contentType: "application/json", body: "x"},
		{target: "/optional"},
	} {
		r := msg.request()
		var m Match
		c.Match(r.Method, r.URL.EscapedPath(), &m)
		if check, verdict := m.Operation.RequestBody(r); verdict != NoBody || check != nil {
			t.Errorf("%s %s: verdict %d", msg.target, msg.contentType, verdict)
		}
	}
}

func TestNotesOfBodies(t *testing.T) {
	c := compile(t, head30+bodies, Settings{})
	all := strings.Join(c.Notes(), "\n")
	for _, mediaType := range []string{"application/xml", "image/png"} {
		if !strings.Contains(all, mediaType) {
			t.Errorf("no note about %s:\n%s", mediaType, all)
		}
	}
	if len(c.Notes()) != 2 {
		t.Errorf("notes:\n%s", all)
	}
}

const encodings = `
paths:
  /form:
    post:
      requestBody:
        content:
          application/x-www-form-urlencoded:
            schema: {$ref: '#/components/schemas/order'}
            encoding:
              filter: {style: deepObject}
              ids: {explode: false}
          multipart/form-data:
            schema: {$ref: '#/components/schemas/order'}
            encoding:
              note: {contentType: text/plain, headers: {X-Lang: {required: true, schema: {type: string, minLength: 2}}}}
      responses: {"200": {description: ok}}
components:
  schemas:
    order:
      type: object
      required: [id]
      properties:
        id: {type: integer}
        secret: {type: string, readOnly: true}
        ids: {type: array, items: {type: integer}}
        filter: {type: object, properties: {n: {type: array, items: {type: integer}}}}
        note: {type: string}
`

func TestEncodings(t *testing.T) {
	const urlencoded, formData = "application/x-www-form-urlencoded", "multipart/form-data; boundary=X"
	part := func(headers, text string) string {
		return "--X\r\nContent-Disposition: form-data; name=id\r\n\r\n1\r\n--X\r\nContent-Disposition: form-data; name=note\r\n" +
			headers + "\r\n" + text + "\r\n--X--\r\n"
	}
	for _, head := range []string{head30, head31} {
		c := compile(t, head+encodings, Settings{MaxIndex: 3, Schema: schema.Settings{RefuseReadOnly: true}})
		for _, row := range []struct{ contentType, body, want string }{
			{urlencoded, "id=1&ids=1,2&filter[n][0]=5", ""},
			{urlencoded + "; charset=UTF-8", "id=x", "body /id type"},
			{urlencoded + "; charset=utf-16", "id=1", "unsupported; accepted: application/x-www-form-urlencoded, multipart/form-data"},
			{urlencoded, "id=1&ids=1&ids=2", "body /ids repeated"},
			{urlencoded, "id=1&filter[n][4]=5", "body /filter/n array_index"},
			{urlencoded, "id=1&secret=x", "body /secret read_only"},
			{urlencoded, "", "body /id required"},
			{formData, part("X-Lang: en\r\n", "x"), ""},
			{formData, part("Content-Type: text/html\r\nX-Lang: en\r\n", "x"), "body /note content_type"},
			{formData, part("X-Lang: e\r\n", "x"), "header X-Lang min_length"},
			{formData, part("", "x"), "header X-Lang required"},
		} {
			got := strings.Join(judge(t, c, message{target: "/form", contentType: row.contentType, body: row.body, chunked: true}), ", ")
			if got != row.want {
				t.Errorf("%.14s %s %q: %q, want %q", head, row.contentType, row.body, got, row.want)
			}
		}
	}
}
