package contractdiff

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"

	"github.com/weirproxy/weir/governance/contract"
	"github.com/weirproxy/weir/governance/contract/schema"
)

// BenchmarkBodies tells how many times faster than kin-openapi's filter bodies in JSON are judged that both accept, in
// the median and at the worst: the examples of a document, and values made by its schemas.
func BenchmarkBodies(b *testing.B) {
	for _, name := range []string{"box-3.0.json", "adyen-checkout-3.1.json"} {
		s := shared(b, name)
		b.Run(name+"/requests/examples", func(b *testing.B) { s.race(b, s.requests(examples)) })
		b.Run(name+"/requests/made", func(b *testing.B) { s.race(b, s.requests(made(3, false))) })
		b.Run(name+"/responses/examples", func(b *testing.B) { s.race(b, s.responses(examples)) })
		b.Run(name+"/responses/made", func(b *testing.B) { s.race(b, s.responses(made(1, true))) })
	}
}

// contest is a body that two judge.
type contest struct {
	text       []byte
	ours, kins func() bool
}

func (s *specimen) race(b *testing.B, all []contest) {
	var times []float64
	sizes, refused := 0, 0
	for _, c := range all {
		if !c.ours() || !c.kins() {
			refused++
			continue
		}
		times, sizes = append(times, timesFaster(c.ours, c.kins)), sizes+len(c.text)
	}
	if len(times) == 0 {
		b.Fatalf("one of both refuses all %d", refused)
	}
	for b.Loop() { // what is measured is above
	}
	slices.Sort(times)
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(float64(len(times)), "bodies")
	b.ReportMetric(float64(refused), "refused-by-one")
	b.ReportMetric(float64(sizes/len(times)), "bytes/body")
	b.ReportMetric(times[len(times)/2], "median-x")
	b.ReportMetric(times[0], "worst-x")
}

// timesFaster is how many times faster a is than b. The quickest of some runs in turn is what both take undisturbed.
func timesFaster(a, b func() bool) float64 {
	quickest := [2]time.Duration{time.Hour, time.Hour}
	for range 12 {
		for i, judge := range [2]func() bool{a, b} {
			start := time.Now()
			judge()
			quickest[i] = min(quickest[i], time.Since(start))
		}
	}
	return float64(quickest[1]) / float64(quickest[0])
}

// examples are those of a media type and of its schema.
func examples(media *openapi3.MediaType) (values []any) {
	for _, value := range []any{media.Example, media.Schema.Value.Example} {
		if value != nil {
			values = append(values, value)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(media.Examples)) {
		if example := media.Examples[name].Value; example != nil && example.Value != nil {
			values = append(values, example.Value)
		}
	}
	return values
}

// made makes values by the schema of a media type: with some properties, with the required ones, with all.
func made(n int, response bool) func(*openapi3.MediaType) []any {
	random := rand.New(rand.NewPCG(1, 1))
	return func(media *openapi3.MediaType) (values []any) {
		for i := range n {
			g := &generator{random: random, rich: []float64{0.5, 0, 1}[i%3], response: response}
			values = append(values, g.value(media.Schema, 0))
		}
		return values
	}
}

// texts are the values of content in JSON, by media type.
func texts(content openapi3.Content, values func(*openapi3.MediaType) []any, each func(mediaType string, text []byte)) {
	for _, mediaType := range slices.Sorted(maps.Keys(content)) {
		if !strings.HasSuffix(mediaType, "json") {
			continue
		}
		for _, value := range values(content[mediaType]) {
			if text, err := json.Marshal(value); err == nil {
				each(mediaType, text)
			}
		}
	}
}

// described are the descriptions of an operation: its own, and those of paths with a #fragment, which no request can
// carry, but which have most of the examples in box-3.0.json.
func (s *specimen) described(op *contract.Operation) (all []*openapi3.Operation) {
	for _, path := range slices.Sorted(maps.Keys(s.doc.Paths.Map())) {
		if base, _, _ := strings.Cut(path, "#"); base == op.Template {
			if theirs := s.doc.Paths.Value(path).GetOperation(op.Method); theirs != nil {
				all = append(all, theirs)
			}
		}
	}
	return all
}

// requests are the bodies of requests.
func (s *specimen) requests(values func(*openapi3.MediaType) []any) (all []contest) {
	for _, op := range s.weir.contract.Operations() {
		for _, described := range s.described(op) {
			if described.RequestBody != nil {
				texts(described.RequestBody.Value.Content, values, func(mediaType string, text []byte) {
					all = append(all, s.request(op, mediaType, text))
				})
			}
		}
	}
	return all
}

func (s *specimen) request(op *contract.Operation, mediaType string, text []byte) contest {
	theirs := s.doc.Paths.Value(op.Template).GetOperation(op.Method).RequestBody.Value
	r := httptest.NewRequest(op.Method, "/", bytes.NewReader(text))
	r.Header.Set("Content-Type", mediaType)
	input := &openapi3filter.RequestValidationInput{Request: r, Route: &routers.Route{Spec: s.doc}}
	ours := func() bool {
		check, verdict := op.RequestBody(r)
		return accepts(check, verdict, r.Header, text)
	}
	kins := func() bool {
		r.Body = io.NopCloser(bytes.NewReader(text))
		return openapi3filter.ValidateRequestBody(context.Background(), input, theirs) == nil
	}
	return contest{text, ours, kins}
}

// responses are the bodies of responses.
func (s *specimen) responses(values func(*openapi3.MediaType) []any) (all []contest) {
	for _, op := range s.weir.contract.Operations() {
		for _, described := range s.described(op) {
			for _, status := range slices.Sorted(maps.Keys(described.Responses.Map())) {
				code, err := strconv.Atoi(status)
				if err != nil {
					code = 599 // default
				}
				texts(described.Responses.Value(status).Value.Content, values, func(mediaType string, text []byte) {
					all = append(all, s.answer(op, code, mediaType, text))
				})
			}
		}
	}
	return all
}

func (s *specimen) answer(op *contract.Operation, status int, mediaType string, text []byte) contest {
	h := http.Header{"Content-Type": {mediaType}}
	theirs := &openapi3filter.RequestValidationInput{Request: httptest.NewRequest(op.Method, "/", nil),
		Route: &routers.Route{Spec: s.doc, Operation: s.doc.Paths.Value(op.Template).GetOperation(op.Method)}}
	ours := func() bool {
		resp, declared := op.Response(status)
		if !declared {
			return false
		}
		var report schema.Report
		resp.Head(h, &report)
		check, verdict := resp.Body(h)
		return report.Total == 0 && accepts(check, verdict, h, text)
	}
	kins := func() bool {
		input := &openapi3filter.ResponseValidationInput{RequestValidationInput: theirs, Status: status, Header: h,
			Body: io.NopCloser(bytes.NewReader(text)), Options: &openapi3filter.Options{IncludeResponseStatus: true}}
		return openapi3filter.ValidateResponse(context.Background(), input) == nil
	}
	return contest{text, ours, kins}
}

// accepts judges a body as a gateway does, which reads it first.
func accepts(check *contract.BodyCheck, verdict contract.Verdict, h http.Header, text []byte) bool {
	if verdict != contract.Check {
		return false
	}
	read, err := io.ReadAll(bytes.NewReader(text))
	if err != nil {
		return false
	}
	var report schema.Report
	check.Check(read, h, &report)
	return report.Total == 0
}
