package contractdiff

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
)

// defect is one of the eighteen that were found by reading kin-openapi v0.144: what it leads to there, and here.
type defect struct {
	name     string
	mended   bool   // in the release that go.mod names
	document string // what comes after the head
	v31      bool
	rows     []row
}

// row is an exchange with the verdicts on it.
type row struct {
	exchange
	weir string // "in name pointer code" of the first violation, "" if it keeps the contract
	kin  string // accepts, refuses or panics
}

func get(target string) exchange { return exchange{method: "GET", target: target} }

func post(contentType, body string) exchange {
	return exchange{method: "POST", target: "/a", header: http.Header{"Content-Type": {contentType}}, body: []byte(body)}
}

func postJSON(body string) exchange { return post("application/json", body) }

// postPart posts a part named n.
func postPart(value string) exchange {
	return post("multipart/form-data; boundary=X",
		"--X\r\nContent-Disposition: form-data; name=n\r\n\r\n"+value+"\r\n--X--\r\n")
}

// answer is a response to GET /a, with X-Info as the value of that header.
func answer(method string, status int, info string) exchange {
	x := exchange{method: method, target: "/a", response: true, status: status, responseHeader: http.Header{}}
	if info != "" {
		x.responseHeader.Set("X-Info", info)
	}
	return x
}

// jsonBody is a document whose POST /a takes JSON of a schema.
func jsonBody(schema string) string {
	return `
paths:
  /a:
    post:
      requestBody: {required: true, content: {application/json: {schema: ` + schema + `}}}
      responses: {"200": {description: ok}}
`
}

const ok = `responses: {"200": {description: ok}}`

var defects = []defect{
	{
		name: "K1: keywords of 3.1 are not seen where a schema has a reference", v31: true, mended: true,
		document: jsonBody(`{type: object, properties: {p: {$ref: '#/components/schemas/pair'}}}`) +
			`components: {schemas: {pair: {type: array, prefixItems: [{type: integer}, {type: string}]}}}`,
		rows: []row{
			{postJSON(`{"p":[1,"x"]}`), "", "accepts"},
			{postJSON(`{"p":["x",1]}`), "body  /p/0 type", "refuses"},
		},
	},
	{
		name: "K2: in 3.1 readOnly properties are required of requests", v31: true,
		document: jsonBody(`{$ref: '#/components/schemas/event'}`) + `
components:
  schemas:
    event:
      type: object
      required: [id, when]
      properties: {id: {type: integer, readOnly: true}, when: {type: string, format: date-time}}
`,
		rows: []row{
			{postJSON(`{"when":"2024-02-29T00:00:00Z"}`), "", "refuses"},
			{postJSON(`{"id":1,"when":"2024-02-29T00:00:00Z"}`), "", "accepts"},
			{postJSON(`{"id":1,"when":"yesterday"}`), "body  /when format", "refuses"}, // mended: formats did not count
		},
	},
	{
		name: "K6: servers of operations do not count", document: `
servers: [{url: /v1}]
paths:
  /a:
    servers: [{url: /v2}]
    get: {` + ok + `}
  /b:
    get: {` + ok + `}
    post: {servers: [{url: /v3}], ` + ok + `}
`,
		rows: []row{
			{get("/v2/a"), "", "accepts"},
			{get("/v1/b"), "", "accepts"}, // mended: it took the servers of the path before
			{get("/v2/b"), "path   unknown_path", "refuses"},
			{exchange{method: "POST", target: "/v3/b"}, "", "refuses"},
			{exchange{method: "POST", target: "/v1/b"}, "method   unknown_method", "accepts"},
		},
	},
	{
		name: "K7: the first path that fits decides, though it has not the method", document: `
paths:
  /a/b: {post: {` + ok + `}}
  /a/{x}: {get: {parameters: [{name: x, in: path, required: true, schema: {type: string}}], ` + ok + `}}
`,
		rows: []row{{get("/a/b"), "", "refuses"}, {get("/a/c"), "", "accepts"}},
	},
	{
		name: "K8: path parameters are judged as they are encoded", document: `
paths:
  /a/{x}:
    get:
      parameters: [{name: x, in: path, required: true, schema: {type: string, maxLength: 3, pattern: '^\D*$'}}]
      ` + ok + `
`,
		rows: []row{
			{get("/a/abc"), "", "accepts"}, {get("/a/abcd"), "path x  max_length", "refuses"},
			{get("/a/%C3%A4%C3%B6%C3%BC"), "", "refuses"}, {get("/a/a%20b"), "", "refuses"},
			{get("/a/%31"), "path x  pattern", "refuses"},
		},
	},
	{
		name: "K9: numbers and booleans in spellings that others read in another way", document: `
paths:
  /a:
    get:
      parameters:
      - {name: i, in: query, schema: {type: integer}}
      - {name: n, in: query, schema: {type: number}}
      - {name: b, in: query, schema: {type: boolean}}
      ` + ok + `
`,
		rows: []row{
			{get("/a?i=31&n=3.25&b=true"), "", "accepts"},
			{get("/a?i=0x1F"), "query i  type", "refuses"}, {get("/a?i=1_000"), "query i  type", "refuses"}, // mended
			{get("/a?i=010"), "query i  type", "accepts"}, {get("/a?i=%2B1"), "query i  type", "accepts"},
			{get("/a?n=Inf"), "query n  type", "refuses"}, // mended
			{get("/a?n=0x1p-2"), "query n  type", "accepts"},
			{get("/a?n=1_0.5"), "query n  type", "accepts"}, {get("/a?n=.5"), "query n  type", "accepts"},
			{get("/a?b=t"), "query b  type", "accepts"}, {get("/a?b=1"), "query b  type", "accepts"},
			{get("/a?b=TRUE"), "query b  type", "accepts"},
		},
	},
	{
		name:     "K10: data after a JSON text, names that come twice and invalid UTF-8 are accepted",
		document: jsonBody(`{type: object, properties: {n: {type: string}}}`),
		rows: []row{
			{postJSON(`{"n":"x"}`), "", "accepts"},
			{postJSON(`{"n":"x"} {"n":1}`), "body   trailing_data", "accepts"},
			{postJSON(`{"n":1,"n":"x"}`), "body  /n duplicate_key", "accepts"},
			{postJSON("{\"n\":\"\xff\"}"), "body  /n invalid_utf8", "accepts"},
		},
	},
	{
		name: "K11: numbers are rounded to 64-bit floating point",
		document: jsonBody(`{$ref: '#/components/schemas/numbers'}`) + `
components:
  schemas:
    numbers:
      type: object
      properties:
        i: {type: integer, format: int64}
        m: {type: integer, maximum: 9007199254740992}
        e: {enum: [[1]]} # mended: it was no number
`,
		rows: []row{
			{postJSON(`{"i":9223372036854775807}`), "", "accepts"},
			{postJSON(`{"i":9223372036854775808}`), "body  /i format", "accepts"},
			{postJSON(`{"m":9007199254740993}`), "body  /m maximum", "accepts"},
			{postJSON(`{"e":[1]}`), "", "accepts"},
		},
	},
	{
		name: "K16: what is not declared is never detected", document: `
paths:
  /a: {get: {parameters: [{name: q, in: query, schema: {type: string}}], ` + ok + `}}
`,
		rows: []row{{get("/a?q=x"), "", "accepts"}, {get("/a?p=x"), "query p  undeclared", "accepts"}}, // with StrictQuery
	},
	{
		name: "K17: multipart needs a schema that says type: object", v31: true, document: `
paths:
  /a:
    post:
      requestBody:
        content:
          multipart/form-data: {schema: {type: [object, "null"], required: [n], properties: {n: {type: integer}}}}
      ` + ok + `
`,
		rows: []row{
			{postPart("5"), "", "refuses"},
			{postPart("five"), "body  /n type", "refuses"},
		},
	},
	{
		name: "K15: headers described by content without a schema, statuses of redirects, answers to HEAD", document: `
paths:
  /a:
    get:
      responses:
        "200": &good {description: ok, headers: {X-Info: {required: true, content: {application/json: {}}}}}
    head: {responses: {"200": *good}}
`,
		rows: []row{
			{answer("GET", 200, "{}"), "", "accepts"}, // mended: it was a nil dereference
			{answer("GET", 200, ""), "header X-Info  required", "refuses"},
			{answer("GET", 302, ""), "status   undeclared", "refuses"},
			{answer("GET", 301, ""), "status   undeclared", "accepts"}, // as if it were declared
			{answer("HEAD", 200, ""), "header X-Info  required", "accepts"},
		},
	},
}

// selecting is no defect but a difference: what a discriminator's value means. OpenAPI 3.0.3 lets it shortcut validation,
// which is what weir does; 3.0.4 and 3.1.1 say that it must not change the outcome. They differ where branches do not
// say themselves which values they are for.
var selecting = defect{
	name: "discriminator", document: jsonBody(`{$ref: '#/components/schemas/pet'}`) + `
components:
  schemas:
    pet:
      oneOf: [{$ref: '#/components/schemas/cat'}, {$ref: '#/components/schemas/dog'}]
      discriminator: {propertyName: type, mapping: {kitten: '#/components/schemas/cat'}}
    cat: {type: object, required: [type], properties: {type: {type: string}, lives: {type: integer}}}
    dog: {type: object, required: [type, bark], properties: {type: {type: string}, bark: {type: boolean}}}
`,
	rows: []row{
		{postJSON(`{"type":"kitten","lives":9}`), "", "accepts"},
		{postJSON(`{"type":"kitten","lives":"x"}`), "body  /lives type", "refuses"},
		{postJSON(`{"type":"fish"}`), "body  /type discriminator", "refuses"}, // "validation SHOULD fail" in all versions
		{postJSON(`{"lives":9}`), "body  /type required", "refuses"},
		{postJSON(`{"type":"dog","bark":"x"}`), "body  /bark type", "refuses"}, // by oneOf alone it would be a cat
		{postJSON(`{"type":"dog","bark":true}`), "", "refuses"},                // and this both; kin-openapi forgets the name without a mapping
	},
}

func TestDefects(t *testing.T) {
	for _, d := range append(defects, selecting) {
		s := load(t, "defect.yaml", []byte(head(d.v31)+d.document))
		if strings.HasPrefix(d.name, "K16") {
			s.weir = strictWeir(t, head(d.v31)+d.document)
		}
		differs := false
		for _, r := range d.rows {
			x := r.exchange
			x.document, x.title = s, d.name
			weir, kin := "", "accepts"
			if found := s.weir.judge(&x); len(found) > 0 {
				weir = fmt.Sprintf("%s %s %s %s", found[0].in, found[0].name, found[0].pointer, found[0].code)
			}
			found := s.kin.judge(&x)
			switch {
			case len(found) > 0 && found[0].code == "panic":
				kin = "panics"
			case len(found) > 0:
				kin = "refuses"
			}
			if weir != r.weir || kin != r.kin {
				t.Errorf("%v\n\tweir: %q, want %q\n\tkin %s, want %s: %v", &x, weir, r.weir, kin, r.kin, found)
			}
			differs = differs || (weir == "") != (kin == "accepts")
		}
		if differs == d.mended {
			t.Errorf("%s: mended is %v, but a row differs: %v", d.name, d.mended, differs)
		}
	}
}

// head begins a document.
func head(v31 bool) string {
	version := "3.0.3"
	if v31 {
		version = "3.1.0"
	}
	return "openapi: " + version + "\ninfo: {title: t, version: '1'}\n"
}
