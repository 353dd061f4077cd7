package onepass_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/weirproxy/weir/governance/contract/onepass"
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

const shop = `{
	"A": {"type": "object", "required": ["id", "name", "sku", "price", "currency"], "additionalProperties": false,
		"properties": {
			"id": {"type": "string", "format": "uuid"},
			"name": {"type": "string", "minLength": 1, "maxLength": 200},
			"sku": {"type": "string", "pattern": "^[A-Z]{2}-[0-9]+$"},
			"price": {"type": "number", "minimum": 0},
			"currency": {"type": "string", "enum": ["EUR", "USD", "GBP"]},
			"stock": {"type": "integer", "minimum": 0},
			"active": {"type": "boolean"},
			"tags": {"type": "array", "items": {"type": "string", "maxLength": 20}, "maxItems": 10},
			"weight_kg": {"type": "number"}, "width_mm": {"type": "integer"}, "height_mm": {"type": "integer"},
			"depth_mm": {"type": "integer"},
			"created_at": {"type": "string", "format": "date-time"}, "updated_at": {"type": "string", "format": "date-time"},
			"description": {"type": "string", "maxLength": 1000},
			"supplier": {"$ref": "#/components/schemas/supplier"},
			"images": {"type": "array", "items": {"type": "string"}},
			"rating": {"type": "number", "minimum": 0, "maximum": 5},
			"reviews": {"type": "integer", "minimum": 0},
			"warehouse": {"type": "object", "properties": {"city": {"type": "string"}, "aisle": {"type": "integer"},
				"shelf": {"type": "string"}}}}},
	"supplier": {"type": "object", "required": ["id", "name"], "properties": {"id": {"type": "integer"},
		"name": {"type": "string"}, "country": {"type": "string", "minLength": 2, "maxLength": 2}, "email": {"type": "string"}}}}`

var dialects = map[string]schema.Dialect{"3.0": schema.OpenAPI30, "3.1": schema.OpenAPI31}

// BenchmarkProduct judges a body of 760 bytes.
func BenchmarkProduct(b *testing.B) {
	text := []byte(product)
	for version, dialect := range dialects {
		p := compile(b, dialect, shop, schema.Settings{}, schema.Request)
		b.Run(version+"/program", func(b *testing.B) {
			b.SetBytes(int64(len(text)))
			b.ReportAllocs()
			for b.Loop() {
				if v := p.program.Judge(text); v != onepass.Valid {
					b.Fatal(v)
				}
			}
		})
		b.Run(version+"/engine", func(b *testing.B) {
			b.SetBytes(int64(len(text)))
			b.ReportAllocs()
			for b.Loop() {
				if v := p.engine(text); v != onepass.Valid {
					b.Fatal(v)
				}
			}
		})
	}
}

// BenchmarkMegabyte judges products of 1 MB, beside what encoding/json takes to read them.
func BenchmarkMegabyte(b *testing.B) {
	text := []byte("[" + strings.Repeat(product+",", 1<<20/len(product)) + product + "]")
	schemas := strings.Replace(shop, `"A":`, `"A": {"type": "array", "items": {"$ref": "#/components/schemas/B"}}, "B":`, 1)
	p := compile(b, schema.OpenAPI31, schemas, schema.Settings{}, schema.Request)
	for name, judge := range map[string]func() bool{
		"program":       func() bool { return p.program.Judge(text) == onepass.Valid },
		"engine":        func() bool { return p.engine(text) == onepass.Valid },
		"json.Valid":    func() bool { return json.Valid(text) },
		"encoding/json": func() bool { var value any; return json.Unmarshal(text, &value) == nil },
	} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(text)))
			b.ReportAllocs()
			for b.Loop() {
				if !judge() {
					b.Fatal("not valid")
				}
			}
		})
	}
}
