package contract

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/weirproxy/weir/governance/contract/document"
	"github.com/weirproxy/weir/governance/contract/param"
	"github.com/weirproxy/weir/governance/contract/route"
	"github.com/weirproxy/weir/governance/contract/schema"
)

var documents = []struct {
	name        string
	operations  int // that a request can reach
	unreachable int // paths with a #fragment
	examples    int // judged
}{
	{"petstore-expanded-3.0.yaml", 4, 0, 0},
	{"box-3.0.json", 277, 19, 542},
	{"adyen-checkout-3.1.json", 28, 0, 222},
}

func TestDocumentsCompile(t *testing.T) {
	for _, d := range documents {
		doc := sharedDocument(t, d.name)
		before := heap()
		begun := time.Now()
		c, err := Compile(doc, Settings{})
		if err != nil {
			t.Errorf("%s: %v", d.name, err)
			continue
		}
		took := time.Since(begun)
		t.Logf("%s: compiled in %v, %.1f MB retained", d.name, took, (float64(heap())-float64(before))/1e6)
		runtime.KeepAlive(doc)
		if n := len(c.Operations()); n != d.operations {
			t.Errorf("%s: %d operations, want %d", d.name, n, d.operations)
		}
		unreachable := 0
		for _, note := range c.Notes() {
			if strings.Contains(note, "#") {
				unreachable++
			} else {
				t.Logf("%s: %s", d.name, note)
			}
		}
		if unreachable != d.unreachable {
			t.Errorf("%s: %d unreachable paths, want %d", d.name, unreachable, d.unreachable)
		}
		runtime.KeepAlive(c)
	}
}

func heap() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// Every operation is found by a path made from its template, whatever its parameters say.
func TestOperationsOfDocumentsRouteToThemselves(t *testing.T) {
	segments := []string{"1", "a b", "ä/ö", "%2F", "x.y", "...", "a;b=c", "{id}", strings.Repeat("long", 300)}
	for _, d := range documents {
		c, err := Compile(sharedDocument(t, d.name), Settings{IgnoreServers: true})
		if err != nil {
			t.Fatal(err)
		}
		var m Match
		for _, op := range c.Operations() {
			for _, segment := range segments {
				path := op.Template
				for _, name := range route.Names(op.Template) {
					path = strings.Replace(path, "{"+name+"}", url.PathEscape(segment), 1)
				}
				if c.Match(op.Method, path, &m); m.Operation != op {
					t.Errorf("%s: %s %s does not lead to %s", d.name, op.Method, path, op.Name())
				}
			}
		}
	}
}

// wrongExamples are the examples that do not keep their schemas, because the document is wrong: by the reason, where
// they are.
var wrongExamples = map[string]map[string][]string{
	"box-3.0.json": {
		"filters is an object in the schema of a metadata filter, but an array in the example of the parameter": {
			"/paths/~1search/get/parameters/12/example",
		},
	},
}

func TestExamplesOfDocuments(t *testing.T) {
	for _, d := range documents {
		doc := sharedDocument(t, d.name)
		c, err := Compile(doc, Settings{})
		if err != nil {
			t.Fatal(err)
		}
		e := examples{t: t, compiler: newCompiler(doc, Settings{}), found: make(map[string][]string)}
		for _, op := range c.Operations() {
			e.operation(doc.Root().Get("paths").Get(op.Template), op)
		}
		if e.judged != d.examples {
			t.Errorf("%s: %d examples judged, want %d", d.name, e.judged, d.examples)
		}
		known := make(map[string]bool)
		for reason, places := range wrongExamples[d.name] {
			for _, place := range places {
				known[place] = true
				if _, found := e.found[place]; !found {
					t.Errorf("%s: %s is right, though it is said to be wrong: %s", d.name, place, reason)
				}
			}
		}
		for _, place := range slices.Sorted(maps.Keys(e.found)) {
			if !known[place] {
				t.Errorf("%s: %s: %q", d.name, place, e.found[place])
			}
		}
	}
}

// examples judges the examples of a document's operations.
type examples struct {
	t        *testing.T
	compiler *compiler
	judged   int
	found    map[string][]string // by place, what is wrong
}

func (e *examples) operation(item document.Node, op *Operation) {
	node := item.Get(strings.ToLower(op.Method))
	for _, p := range parameters(item.Get("parameters"), node.Get("parameters")) {
		e.each(p, func(value any, report *schema.Report) { e.parameter(p, value, report) })
	}
	requestBody := node.Get("requestBody").Get("content")
	for _, mediaType := range requestBody.Keys() {
		e.each(requestBody.Get(mediaType), func(value any, report *schema.Report) {
			r := httptest.NewRequest(op.Method, "/", strings.NewReader(" "))
			r.Header.Set("Content-Type", mediaType)
			check, verdict := op.RequestBody(r)
			e.body(check, verdict, value, r.Header, report)
		})
	}
	for _, status := range node.Get("responses").Keys() {
		content := node.Get("responses").Get(status).Get("content")
		for _, mediaType := range content.Keys() {
			e.each(content.Get(mediaType), func(value any, report *schema.Report) {
				h := http.Header{"Content-Type": {mediaType}}
				code, err := strconv.Atoi(status)
				if err != nil {
					code = 599 // default
				}
				resp, _ := op.Response(code)
				check, verdict := resp.Body(h)
				e.body(check, verdict, value, h, report)
			})
		}
	}
}

// each calls judge with the values of example and examples.
func (e *examples) each(node document.Node, judge func(value any, report *schema.Report)) {
	one := func(n document.Node) {
		var report schema.Report
		e.judged++
		judge(n.Value(), &report)
		if report.Total > 0 {
			_, pointer, _ := strings.Cut(n.Location(), "#")
			e.found[pointer] = texts(report)
		}
	}
	if example := node.Get("example"); example.Exists() {
		one(example)
	}
	named := node.Get("examples")
	for _, name := range named.Keys() {
		if value := named.Get(name).Get("value"); value.Exists() {
			one(value)
		}
	}
}

func (e *examples) body(check *BodyCheck, verdict Verdict, value any, h http.Header, report *schema.Report) {
	switch verdict {
	case NoBody: // nothing is said of it
	case Check:
		text, err := json.Marshal(value)
		if err != nil {
			e.t.Error(err)
		}
		check.Check(text, h, report)
	default:
		report.Add("", "verdict", fmt.Sprint(verdict))
	}
}

// parameter judges a value by the schema, and then what is sent of it in the parameter's style.
func (e *examples) parameter(p document.Node, value any, report *schema.Report) {
	in, name := p.Get("in").String(), p.Get("name").String()
	if param.Ignored(in, name) {
		return
	}
	validator, err := e.compiler.schemas.Compile(p.Get("schema").Location(), schema.Request)
	if err != nil {
		e.t.Error(err)
		return
	}
	report.At(in, name)
	if validator.Value(value, report); report.Total > 0 {
		return
	}
	decoder := e.compiler.decoder(p, in, name, schema.Request)
	switch in {
	case "path":
		decoder.Path(url.PathEscape(fmt.Sprint(value)), report)
	case "header":
		decoder.Header(http.Header{http.CanonicalHeaderKey(name): {fmt.Sprint(value)}}, report)
	case "query":
		var q param.Query
		q.Parse(queryOf(name, value, !p.Get("explode").Exists() || p.Get("explode").Bool()), report)
		decoder.Query(&q, report)
	default:
		e.t.Errorf("%s: a parameter in %s", p.Location(), in)
	}
}

func queryOf(name string, value any, explode bool) string {
	items, ok := value.([]any)
	if !ok {
		items = []any{value}
	}
	values := make([]string, len(items))
	for i, item := range items {
		values[i] = url.QueryEscape(fmt.Sprint(item))
	}
	if explode {
		return name + "=" + strings.Join(values, "&"+name+"=")
	}
	return name + "=" + strings.Join(values, ",")
}
