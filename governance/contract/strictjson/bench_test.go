package strictjson

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
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

func benchTexts() map[string][]byte {
	return map[string][]byte{
		"760 bytes": []byte(product),
		"1 MB":      []byte("[" + strings.Repeat(product+",", 1_000_000/len(product)-1) + product + "]"),
	}
}

// BenchmarkDecode and BenchmarkEncodingJSON build the same tree.
func BenchmarkDecode(b *testing.B) {
	for name, text := range benchTexts() {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(text)))
			b.ReportAllocs()
			for b.Loop() {
				if _, _, err := Decode(text, nil); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkEncodingJSON(b *testing.B) {
	for name, text := range benchTexts() {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(text)))
			b.ReportAllocs()
			for b.Loop() {
				decoder := json.NewDecoder(bytes.NewReader(text))
				decoder.UseNumber()
				var value any
				if err := decoder.Decode(&value); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
