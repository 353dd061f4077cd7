package contract

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/gorillamux"

	"github.com/weirproxy/weir/governance/contract/route"
	"github.com/weirproxy/weir/governance/contract/schema"
)

// product is a body of 20 properties, 760 bytes.
const product = `{"id":"7f9c24e8-3b1a-4d5e-9f60-1a2b3c4d5e6f","name":"Garden chair, oak","sku":"GC-10442",` +
	`"price":129.95,"currency":"EUR","stock":42,"active":true,"tags":["garden","oak","chair","outdoor"],` +
	`"weight_kg":7.25,"width_mm":560,"height_mm":890,"depth_mm":600,"created_at":"2026-03-14T09:26:53Z",` +
	`"updated_at":"2026-05-02T17:45:10Z","description":"A folding chair made of oiled oak with brass ` +
	`fittings, delivered assembled, for use outdoors all year round, in all weathers, by anyone, every weekday.",` +
	`"supplier":{"id":901,"name":"Holzwerk Lindner","country":"DE","email":"orders@lindner.example"},` +
	`"images":["https://cdn.example/gc-10442/front.jpg","https://cdn.example/gc-10442/side.jpg"],` +
	`"rating":4.6,"reviews":218,"warehouse":{"city":"Kassel","aisle":12,"shelf":"B7"}}`

const shop = `
paths:
  /shops/{shop}/products:
    post:
      parameters:
      - {name: shop, in: path, required: true, schema: {type: string, maxLength: 20}}
      - {name: dry_run, in: query, schema: {type: boolean}}
      - {name: X-Tenant, in: header, schema: {type: string}}
      requestBody:
        required: true
        content:
          application/json: {schema: {$ref: '#/components/schemas/product'}}
      responses: {"201": {description: created}}
components:
  schemas:
    product:
      type: object
      required: [id, name, sku, price, currency]
      additionalProperties: false
      properties:
        id: {type: string, format: uuid}
        name: {type: string, minLength: 1, maxLength: 200}
        sku: {type: string, pattern: '^[A-Z]{2}-[0-9]+$'}
        price: {type: number, minimum: 0}
        currency: {type: string, enum: [EUR, USD, GBP]}
        stock: {type: integer, minimum: 0}
        active: {type: boolean}
        tags: {type: array, items: {type: string, maxLength: 20}, maxItems: 10}
        weight_kg: {type: number}
        width_mm: {type: integer}
        height_mm: {type: integer}
        depth_mm: {type: integer}
        created_at: {type: string, format: date-time}
        updated_at: {type: string, format: date-time}
        description: {type: string, maxLength: 1000}
        supplier: {$ref: '#/components/schemas/supplier'}
        images: {type: array, items: {type: string}}
        rating: {type: number, minimum: 0, maximum: 5}
        reviews: {type: integer, minimum: 0}
        warehouse:
          type: object
          properties: {city: {type: string}, aisle: {type: integer}, shelf: {type: string}}
    supplier:
      type: object
      required: [id, name]
      properties: {id: {type: integer}, name: {type: string}, country: {type: string, minLength: 2, maxLength: 2}, email: {type: string}}
`

var dialects = map[string]string{"3.0": head30 + shop, "3.1": head31 + shop}

// postProduct is a request whose body can be read again after rewind.
func postProduct(target string) (r *http.Request, rewind func()) {
	text := strings.NewReader(product)
	r = httptest.NewRequest("POST", target, text)
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("X-Tenant", "acme")
	return r, func() {
		text.Reset(product)
		r.Body = io.NopCloser(text)
		r.ContentLength = int64(len(product))
	}
}

// BenchmarkRequest judges a whole request: route, parameters and body, which is read as a gateway does.
func BenchmarkRequest(b *testing.B) {
	for version, text := range dialects {
		b.Run(version, func(b *testing.B) {
			c := compile(b, text, Settings{})
			r, rewind := postProduct("/shops/1/products?dry_run=true")
			var m Match
			room := make([]byte, 0, 1024)
			b.ReportAllocs()
			for b.Loop() {
				rewind()
				report := schema.Report{}
				c.Match(r.Method, r.URL.EscapedPath(), &m)
				m.Head(r, &report)
				check, verdict := m.Operation.RequestBody(r)
				if verdict != Check {
					b.Fatal(verdict)
				}
				body := bytes.NewBuffer(room)
				if _, err := body.ReadFrom(r.Body); err != nil {
					b.Fatal(err)
				}
				if check.Check(body.Bytes(), r.Header, &report); report.Total > 0 {
					b.Fatal(report.Violations)
				}
			}
		})
	}
}

// BenchmarkHead is what a request without a body costs: route and parameters.
func BenchmarkHead(b *testing.B) {
	c := compile(b, dialects["3.0"], Settings{StrictQuery: true, StrictHeaders: true})
	r, _ := postProduct("/shops/1/products?dry_run=true")
	var m Match
	b.ReportAllocs()
	for b.Loop() {
		var report schema.Report
		c.Match(r.Method, r.URL.EscapedPath(), &m)
		if m.Head(r, &report); report.Total > 0 {
			b.Fatal(report.Violations)
		}
	}
}

// BenchmarkRequestKin is the same with kin-openapi's filter.
func BenchmarkRequestKin(b *testing.B) {
	for version, text := range dialects {
		b.Run(version, func(b *testing.B) {
			router := kinRouter(b, []byte(text))
			r, rewind := postProduct("/shops/1/products?dry_run=true")
			b.ReportAllocs()
			for b.Loop() {
				rewind()
				found, params, err := router.FindRoute(r)
				if err != nil {
					b.Fatal(err)
				}
				input := &openapi3filter.RequestValidationInput{Request: r, PathParams: params, Route: found}
				if err := openapi3filter.ValidateRequest(context.Background(), input); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkRefusal judges a body whose last value is wrong, by both engines: what a refusal costs beside BenchmarkRequest.
func BenchmarkRefusal(b *testing.B) {
	for version, text := range dialects {
		r, rewind := postProduct("/shops/1/products")
		wrong := []byte(strings.Replace(product, `"B7"`, `7`, 1))
		b.Run(version+"/weir", func(b *testing.B) {
			var m Match
			compile(b, text, Settings{}).Match(r.Method, r.URL.EscapedPath(), &m)
			check, verdict := m.Operation.RequestBody(r)
			if verdict != Check {
				b.Fatal(verdict)
			}
			b.ReportAllocs()
			for b.Loop() {
				var report schema.Report
				if check.Check(wrong, r.Header, &report); report.Total != 1 {
					b.Fatal(report.Violations)
				}
			}
		})
		b.Run(version+"/kin", func(b *testing.B) {
			found, _, err := kinRouter(b, []byte(text)).FindRoute(r)
			if err != nil {
				b.Fatal(err)
			}
			input := &openapi3filter.RequestValidationInput{Request: r, Route: found}
			b.ReportAllocs()
			for b.Loop() {
				rewind()
				r.Body = io.NopCloser(bytes.NewReader(wrong))
				if openapi3filter.ValidateRequestBody(context.Background(), input, found.Operation.RequestBody.Value) == nil {
					b.Fatal("valid")
				}
			}
		})
	}
}

func kinRouter(t testing.TB, text []byte) routers.Router {
	t.Helper()
	doc, err := openapi3.NewLoader().LoadFromData(text)
	if err != nil {
		t.Fatal(err)
	}
	router, err := gorillamux.NewRouter(doc)
	if err != nil {
		t.Fatal(err)
	}
	return router
}

// boxRequests has a request for each operation of box-3.0.json.
func boxRequests(t testing.TB, c *Contract) []*http.Request {
	var all []*http.Request
	for _, op := range c.Operations() {
		path := op.Template
		for _, name := range route.Names(path) {
			path = strings.Replace(path, "{"+name+"}", "12345", 1)
		}
		u, err := url.Parse("https://api.box.com" + path)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, &http.Request{Method: op.Method, URL: u, Host: "api.box.com"})
	}
	return all
}

// BenchmarkRoute looks up each operation of a large document in turn.
func BenchmarkRoute(b *testing.B) {
	c, err := Compile(sharedDocument(b, "box-3.0.json"), Settings{IgnoreServers: true})
	if err != nil {
		b.Fatal(err)
	}
	requests := boxRequests(b, c)
	var m Match
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		r := requests[i%len(requests)]
		if c.Match(r.Method, r.URL.EscapedPath(), &m); m.Operation == nil {
			b.Fatal(r.URL)
		}
	}
}

// BenchmarkRouteKin is the same with kin-openapi's router.
func BenchmarkRouteKin(b *testing.B) {
	c, err := Compile(sharedDocument(b, "box-3.0.json"), Settings{IgnoreServers: true})
	if err != nil {
		b.Fatal(err)
	}
	requests := boxRequests(b, c)
	doc, err := openapi3.NewLoader().LoadFromFile(sharedFile(b, "box-3.0.json"))
	if err != nil {
		b.Fatal(err)
	}
	doc.Servers = nil
	for path, item := range doc.Paths.Map() { // else those without servers take those of the path before: see TestK6
		item.Servers = nil
		if strings.Contains(path, "#") {
			doc.Paths.Delete(path)
		}
	}
	router, err := gorillamux.NewRouter(doc)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		if _, _, err := router.FindRoute(requests[i%len(requests)]); err != nil {
			b.Fatal(requests[i%len(requests)].URL, err)
		}
	}
}

func BenchmarkCompile(b *testing.B) {
	for _, d := range documents {
		doc := sharedDocument(b, d.name)
		b.Run(d.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := Compile(doc, Settings{}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
