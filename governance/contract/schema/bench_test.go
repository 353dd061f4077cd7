package schema

import (
	"fmt"
	"strings"
	"testing"
)

// order is a schema with 20 properties, in both dialects, and a body of 760 bytes for it.
func order() (schema, body string) {
	fields := []struct{ name, schema, value string }{
		{"id", `{"type": "string", "format": "uuid"}`, `"4b3c9a52-6d0f-4c27-9f1e-2a7d5b8c0e11"`},
		{"customer", `{"type": "string", "minLength": 1, "maxLength": 64}`, `"Margarethe Oberhuber-Wiesinger, Atelier fuer Buchbinderei"`},
		{"email", `{"type": "string", "format": "email"}`, `"margarethe.oberhuber@example.org"`},
		{"created", `{"type": "string", "format": "date-time"}`, `"2026-03-14T09:26:53.589Z"`},
		{"due", `{"type": "string", "format": "date"}`, `"2026-04-14"`},
		{"currency", `{"type": "string", "enum": ["USD", "GBP", "CHF", "EUR", "JPY"]}`, `"EUR"`},
		{"total", `{"type": "number", "minimum": 0, "multipleOf": 0.01}`, `1299.95`},
		{"quantity", `{"type": "integer", "minimum": 1, "maximum": 1000}`, `12`},
		{"sequence", `{"type": "integer", "format": "int64"}`, `9007199254740993`},
		{"weight", `{"type": "number", "minimum": 0}`, `3.25`},
		{"paid", `{"type": "boolean"}`, `true`},
		{"gift", `{"type": "boolean"}`, `false`},
		{"status", `{"type": "string", "enum": ["new", "packed", "sent", "returned"]}`, `"packed"`},
		{"reference", `{"type": "string", "pattern": "^[A-Z]{3}-[0-9]{6}$"}`, `"ORD-004711"`},
		{"tags", `{"type": "array", "items": {"type": "string"}, "maxItems": 10}`, `["fragile", "express", "insured"]`},
		{"address", `{"type": "object", "required": ["street", "city"], "properties": {"street": {"type": "string"}, "city": {"type": "string"}}}`,
			`{"street": "Mariahilfer Strasse 17", "city": "Wien"}`},
		{"phone", `{"type": "string", "maxLength": 20}`, `"+43 1 5550123"`},
		{"channel", `{"type": "string"}`, `"web"`},
		{"note", `{"type": "string", "maxLength": 200}`, `"Please ring twice; the dog is friendly but curious about parcels. Leave it with the neighbours if nobody comes: the yellow house across the street, number eighteen, second floor."`},
		{"discount", `{"type": "integer", "minimum": 0, "maximum": 100}`, `5`},
	}
	var properties, members []string
	for _, f := range fields {
		properties = append(properties, fmt.Sprintf("%q: %s", f.name, f.schema))
		members = append(members, fmt.Sprintf("%q: %s", f.name, f.value))
	}
	schema = `{"type": "object", "required": ["id", "customer", "total", "quantity"], "additionalProperties": false, ` +
		`"properties": {` + strings.Join(properties, ", ") + `}}`
	body = "{" + strings.Join(members, ", ") + "}"
	return schema, body
}

func BenchmarkJSON(b *testing.B) {
	schema, body := order()
	for _, dialect := range []Dialect{OpenAPI30, OpenAPI31} {
		b.Run(fmt.Sprintf("%d_bytes/dialect_%d", len(body), dialect), func(b *testing.B) {
			v := compile(b, compilerFor(b, dialect, `{"A": `+schema+`}`, Settings{}), atA, Request)
			var report Report
			b.ReportAllocs()
			for b.Loop() {
				if v.JSON([]byte(body), &report); report.Total > 0 {
					b.Fatal(report.Violations)
				}
			}
		})
	}
}
