package contractdiff

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"

	"github.com/weirproxy/weir/governance/contract"
	"github.com/weirproxy/weir/governance/contract/document"
	"github.com/weirproxy/weir/governance/contract/schema"
)

// This file holds the defects that show in something else than a verdict: time, panics, changed requests, options.

func compileWeir(t testing.TB, text string, s contract.Settings) (*contract.Contract, error) {
	t.Helper()
	doc, err := document.Load(t.Context(), document.Source{Location: "file:///defect.yaml", Data: []byte(text)})
	if err != nil {
		t.Fatal(err)
	}
	return contract.Compile(doc, s)
}

func strictWeir(t testing.TB, text string) *weirJudge {
	t.Helper()
	c, err := compileWeir(t, text, contract.Settings{StrictQuery: true})
	if err != nil {
		t.Fatal(err)
	}
	return &weirJudge{c}
}

// K1: a schema of 3.1 is compiled anew for each request.
func TestK1SchemasAreCompiledOnce(t *testing.T) {
	schema := `{type: object, properties: {a: {type: string}, b: {type: array, prefixItems: [{type: integer}]}}}`
	s := load(t, "defect.yaml", []byte(head(true)+jsonBody(schema)))
	x := postJSON(`{"a":"x","b":[1]}`)
	x.document = s
	weir := testing.AllocsPerRun(20, func() { s.weir.judge(&x) })
	kin := testing.AllocsPerRun(20, func() { s.kin.judge(&x) })
	if kin < 5*weir {
		t.Errorf("kin-openapi makes %v allocations, weir %v: does it keep compiled schemas now?", kin, weir)
	}
}

// K3: each level of a recursive anyOf doubles the work.
func TestK3NestingDoesNotMultiplyWork(t *testing.T) {
	s := load(t, "defect.yaml", []byte(head(false)+jsonBody(`{$ref: '#/components/schemas/n'}`)+`
components:
  schemas:
    n:
      anyOf:
      - {type: object, required: [z], properties: {z: {type: string}}}
      - {type: object, properties: {k: {$ref: '#/components/schemas/n'}}}
`))
	nested := func(depth int) *exchange {
		x := postJSON(strings.Repeat(`{"k":`, depth) + "{}" + strings.Repeat("}", depth))
		x.document = s
		return &x
	}
	work := func(j judge, depth int) float64 {
		x := nested(depth)
		return testing.AllocsPerRun(1, func() { j.judge(x) })
	}
	if few, many := work(s.kin, 6), work(s.kin, 12); many < 30*few {
		t.Errorf("kin-openapi: %v allocations at depth 6, %v at 12: is its work bounded now?", few, many)
	}
	if few, many := work(s.weir, 6), work(s.weir, 12); many > 4*few {
		t.Errorf("weir: %v allocations at depth 6, %v at 12", few, many)
	}
	if few, many := work(s.weir, 30), work(s.weir, 60); many > 4*few {
		t.Errorf("weir: %v allocations at depth 30, %v at 60", few, many)
	}
}

// K4: a pattern that RE2 cannot express was a panic when requests came; now it is an error then. Here it is one at load.
func TestK4PatternsAreCheckedAtLoad(t *testing.T) {
	text := head(false) + jsonBody(`{type: string, pattern: '^(?=a)b'}`)
	_, kin := newKin(t, []byte(text))
	x := postJSON(`"ab"`)
	if found := kin.judge(&x); len(found) != 1 || !strings.Contains(found[0].text, "error parsing regexp") {
		t.Errorf("kin-openapi: %v", found)
	}
	_, err := compileWeir(t, text, contract.Settings{})
	var at *document.Error
	if !errors.As(err, &at) || at.Place.Line == 0 || !strings.Contains(at.Error(), "(?=") {
		t.Errorf("weir: %v", err)
	}
}

// K5: a pattern that was compiled once is kept for ever, for all documents and whatever compiler is asked for.
func TestK5PatternsBelongToTheirDocument(t *testing.T) {
	schema := &openapi3.Schema{Type: &openapi3.Types{"string"}, Pattern: "^k5-[0-9]$"}
	if err := schema.VisitJSON("k5-1"); err != nil {
		t.Fatal(err)
	}
	asked := false
	err := schema.VisitJSON("k5-1", openapi3.SetSchemaRegexCompiler(func(expression string) (openapi3.RegexMatcher, error) {
		asked = true
		return regexp.MustCompile("^nothing$"), nil
	}))
	if asked || err != nil {
		t.Errorf("kin-openapi: compiler asked: %v, error %v: are its patterns no longer kept for ever?", asked, err)
	}
	// weir has no such cache and no such option: see TestK5PatternsBelongToTheirDocument of governance/contract.
}

// K12: that an operation takes no body is enforced by the declared length, which a chunked body has not.
func TestK12BodiesWithoutALengthAreSeen(t *testing.T) {
	chunked := func(body string) *http.Request {
		r := httptest.NewRequest("POST", "/a", io.MultiReader(strings.NewReader(body)))
		r.ContentLength = -1
		r.Header.Set("Content-Type", "application/json")
		return r
	}
	none := head(false) + "paths: {/a: {post: {" + ok + "}}}\n"
	options := *kinOptions
	options.RejectWhenRequestBodyNotSpecified = true
	if err := kinRequest(t, none, chunked("{}"), &options); err != nil {
		t.Errorf("kin-openapi sees a chunked body that is not declared now: %v", err)
	}
	c, err := compileWeir(t, head(false)+jsonBody(`{type: string}`), contract.Settings{})
	if err != nil {
		t.Fatal(err)
	}
	var m contract.Match
	if c.Match("POST", "/a", &m); m.Operation == nil {
		t.Fatal("no operation")
	}
	if _, verdict := m.Operation.RequestBody(chunked(`{}`)); verdict != contract.Check {
		t.Errorf("weir: verdict %d on a chunked body", verdict)
	}
}

// kinRequest judges a request with options.
func kinRequest(t testing.TB, text string, r *http.Request, options *openapi3filter.Options) error {
	t.Helper()
	_, kin := newKin(t, []byte(text))
	route, params, err := kin.router.FindRoute(r)
	if err != nil {
		t.Fatal(err)
	}
	return openapi3filter.ValidateRequest(t.Context(), &openapi3filter.RequestValidationInput{
		Request: r, PathParams: params, Route: route, Options: options,
	})
}

// K13: the compiler of patterns that an operator chose is not asked about parameters.
func TestK13PatternsOfParametersAreCompiledAsThoseOfBodies(t *testing.T) {
	// [^] is any character in ECMA-262, and nothing that RE2 can read
	text := head(false) + `
paths:
  /a:
    post:
      parameters: [{name: q, in: query, schema: {type: string, pattern: '^k13[^]$'}}]
      requestBody: {content: {application/json: {schema: {type: string, pattern: '^k13b[^]$'}}}}
      ` + ok + `
`
	asked := map[string]bool{}
	options := *kinOptions
	options.RegexCompiler = func(expression string) (openapi3.RegexMatcher, error) {
		asked[expression] = true
		return regexp.Compile(strings.ReplaceAll(expression, "[^]", `[\s\S]`))
	}
	r := httptest.NewRequest("POST", "/a?q=k13x", strings.NewReader(`"k13bx"`))
	r.Header.Set("Content-Type", "application/json")
	err := kinRequest(t, text, r, &options)
	if err == nil || asked["^k13[^]$"] || !asked["^k13b[^]$"] {
		t.Errorf("kin-openapi: %v, asked for %v: does it ask for parameters now?", err, asked)
	}
	weir, err := compileWeir(t, text, contract.Settings{})
	if err != nil {
		t.Fatal(err)
	}
	x := postJSON(`"k13bx"`)
	x.target += "?q=k13x"
	if found := (&weirJudge{weir}).judge(&x); len(found) > 0 {
		t.Errorf("weir: %v", found)
	}
	x.target += "y"
	if found := (&weirJudge{weir}).judge(&x); len(found) != 1 || found[0].code != "pattern" {
		t.Errorf("weir: %v", found)
	}
}

// K14: defaults are written into the request, which sorts its query.
func TestK14RequestsStayAsTheyAre(t *testing.T) {
	text := head(false) + `
paths:
  /a: {get: {parameters: [{name: page, in: query, schema: {type: integer, default: 1}}], ` + ok + `}}
`
	const query = "z=1&b=%20+"
	r := httptest.NewRequest("GET", "/a?"+query, nil)
	if err := kinRequest(t, text, r, &openapi3filter.Options{}); err != nil {
		t.Fatal(err)
	}
	if r.URL.RawQuery == query {
		t.Error("kin-openapi leaves the query alone now")
	}
	c, err := compileWeir(t, text, contract.Settings{})
	if err != nil {
		t.Fatal(err)
	}
	r = httptest.NewRequest("GET", "/a?"+query, nil)
	var m contract.Match
	c.Match("GET", "/a", &m)
	var report schema.Report
	m.Head(r, &report)
	if r.URL.RawQuery != query || report.Total > 0 {
		t.Errorf("weir: the query is %s, %v", r.URL.RawQuery, report.Violations)
	}
}

// K18: which status an error becomes depends on how a parameter is wrong: of two in the path, one is 404, one 400. Here
// the place decides alone, and an operator can choose (parameter_status).
func TestK18PlacesDecideWhatStatusARefusalHas(t *testing.T) {
	text := head(false) + `
paths:
  /a/{n}: {get: {parameters: [{name: n, in: path, required: true, schema: {type: integer, maximum: 5}}], ` + ok + `}}
`
	statuses, places := "", ""
	c, err := compileWeir(t, text, contract.Settings{})
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"/a/x", "/a/9"} {
		options := *kinOptions
		options.MultiError = false
		err := openapi3filter.ConvertErrors(kinRequest(t, text, httptest.NewRequest("GET", path, nil), &options))
		var converted *openapi3filter.ValidationError
		if !errors.As(err, &converted) {
			t.Fatal(err)
		}
		statuses += fmt.Sprint(converted.Status, " ")
		x := get(path)
		for _, f := range (&weirJudge{c}).judge(&x) {
			places += f.in + " "
		}
	}
	if statuses != "404 400 " {
		t.Errorf("kin-openapi: statuses %s", statuses)
	}
	if places != "path path " {
		t.Errorf("weir: places %s", places)
	}
}
