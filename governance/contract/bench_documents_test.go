package contract

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"

	"github.com/weirproxy/weir/governance/contract/document"
	"github.com/weirproxy/weir/governance/contract/schema"
)

// bodyExample is an example of a request's body.
type bodyExample struct {
	template string
	text     []byte
	request  *http.Request
	check    *BodyCheck
}

// bodyExamples returns the examples of request bodies in JSON that keep their contract.
func bodyExamples(t testing.TB, doc *document.Document, c *Contract) (all []bodyExample) {
	t.Helper()
	for _, op := range c.Operations() {
		node := doc.Root().Get("paths").Get(op.Template).Get(strings.ToLower(op.Method)).Get("requestBody")
		for _, mediaType := range node.Get("content").Keys() {
			if kindOf(mediaType) != jsonText {
				continue
			}
			for _, value := range exampleValues(node.Get("content").Get(mediaType)) {
				text, err := json.Marshal(value)
				if err != nil {
					t.Fatal(err)
				}
				r := httptest.NewRequest(op.Method, "/", bytes.NewReader(text))
				r.Header.Set("Content-Type", mediaType)
				check, verdict := op.RequestBody(r)
				var report schema.Report
				if verdict != Check {
					continue
				}
				if check.Check(text, r.Header, &report); report.Total == 0 {
					all = append(all, bodyExample{op.Template, text, r, check})
				}
			}
		}
	}
	return all
}

func exampleValues(node document.Node) (values []any) {
	if example := node.Get("example"); example.Exists() {
		values = append(values, example.Value())
	}
	named := node.Get("examples")
	for _, name := range named.Keys() {
		if value := named.Get(name).Get("value"); value.Exists() {
			values = append(values, value.Value())
		}
	}
	return values
}

// BenchmarkExamplesKin tells how many times faster than kin-openapi's filter the bodies of a document's examples are
// judged: in the median, and at the worst. Of the documents, adyen-checkout has examples of bodies.
func BenchmarkExamplesKin(b *testing.B) {
	const name = "adyen-checkout-3.1.json"
	doc := sharedDocument(b, name)
	c, err := Compile(doc, Settings{})
	if err != nil {
		b.Fatal(err)
	}
	theirs, err := openapi3.NewLoader().LoadFromFile(sharedFile(b, name))
	if err != nil {
		b.Fatal(err)
	}
	var times []float64
	refused := 0
	for _, e := range bodyExamples(b, doc, c) {
		ours := func() bool {
			var report schema.Report
			e.check.Check(e.text, e.request.Header, &report)
			return report.Total == 0
		}
		body := theirs.Paths.Value(e.template).GetOperation(e.request.Method).RequestBody.Value
		filter := func() bool {
			e.request.Body = io.NopCloser(bytes.NewReader(e.text))
			input := &openapi3filter.RequestValidationInput{Request: e.request, Route: &routers.Route{Spec: theirs}}
			return openapi3filter.ValidateRequestBody(context.Background(), input, body) == nil
		}
		if filter() {
			times = append(times, timesFaster(ours, filter))
		} else {
			refused++
		}
	}
	if len(times) == 0 {
		b.Fatalf("kin-openapi refuses all %d examples", refused)
	}
	for b.Loop() { // what is measured is above
	}
	slices.Sort(times)
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(float64(len(times)), "examples")
	b.ReportMetric(float64(refused), "refused-by-kin")
	b.ReportMetric(times[len(times)/2], "median-x")
	b.ReportMetric(times[0], "worst-x")
}

// timesFaster is how many times faster a is than b. The quickest of some runs in turn is what both take undisturbed.
func timesFaster(a, b func() bool) float64 {
	quickest := [2]time.Duration{time.Hour, time.Hour}
	for range 6 {
		for i, judge := range [2]func() bool{a, b} {
			start := time.Now()
			judge()
			quickest[i] = min(quickest[i], time.Since(start))
		}
	}
	return float64(quickest[1]) / float64(quickest[0])
}
