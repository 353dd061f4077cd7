package param

import (
	"net/http"
	"runtime"
	"strings"
	"testing"

	"github.com/weirproxy/weir/governance/contract/schema"
)

// nothing judges nothing, so that only reading is measured.
type nothing struct{}

func (nothing) JSON([]byte, *schema.Report) {}
func (nothing) Value(any, *schema.Report)   {}

// Reading costs what the value costs: one allocation for a number or a string, which the value is an interface for,
// and none for what is absent.
func TestReadingAllocatesTheValue(t *testing.T) {
	tests := []struct {
		name string
		spec Spec
		text string
		most float64
	}{
		{"path", Spec{In: inPath, Shape: str}, "12345678901", 1},
		{"encoded path", Spec{In: inPath, Shape: str}, "a%20b", 2},
		{"integer", Spec{In: inQuery, Shape: integer}, "a=1&color=42&b=2", 1},
		{"boolean", Spec{In: inQuery, Shape: boolean}, "a=1&color=true&b=2", 0},
		{"absent", Spec{In: inQuery, Shape: integer}, "a=1&b=2", 0},
		{"no query", Spec{In: inQuery, Shape: integer}, "", 0},
		{"header", Spec{In: inHeader, Shape: str}, "abc", 1},
		{"cookie", Spec{In: inCookie, Shape: str}, "a=1; color=abc", 1},
		{"array of three", Spec{In: inQuery, Shape: arrayOf(integer)}, "color=1&color=2&color=3", 6},
	}
	for _, test := range tests {
		test.spec.Name, test.spec.Validator = "color", nothing{}
		d, err := New(test.spec)
		if err != nil {
			t.Fatal(err)
		}
		var q Query
		var c Cookies
		var report schema.Report
		header := http.Header{"Color": {test.text}, "Cookie": {test.text}}
		got := testing.AllocsPerRun(100, func() {
			switch test.spec.In {
			case inPath:
				d.Path(test.text, &report)
			case inQuery:
				q.Parse(test.text, &report)
				d.Query(&q, &report)
			case inHeader:
				d.Header(header, &report)
			case inCookie:
				c.Parse(header, &report)
				d.Cookie(&c, &report)
			}
		})
		if got > test.most || report.Total > 0 {
			t.Errorf("%s: %v allocations, want at most %v; %v", test.name, got, test.most, report.Violations)
		}
	}
}

// What a hostile request costs stays near to what it weighs.
func TestHostileInputIsCheap(t *testing.T) {
	wide := objectOf(integer, "n")
	const size = 1 << 20
	tests := []struct {
		name string
		spec Spec
		unit string
	}{
		{"pairs", Spec{In: inQuery, Shape: arrayOf(str)}, "color&"},
		{"commas in a path", Spec{In: inPath, Shape: arrayOf(str)}, ","},
		{"commas in a header", Spec{In: inHeader, Shape: arrayOf(str)}, ","},
		{"semicolons", Spec{In: inCookie, Shape: arrayOf(str)}, "color=;"},
		{"members", Spec{In: inQuery, Style: deepObject, Shape: wide}, "color[a][b][c][d][e]=&"},
		{"brackets", Spec{In: inQuery, Style: deepObject, Shape: wide}, "color[[[[&"},
		{"nesting", Spec{In: inQuery, Style: deepObject, Shape: wide}, "color" + strings.Repeat("[a]", 60) + "[b]=&"},
		{"escapes", Spec{In: inQuery, Shape: str}, "%2"},
		{"digits", Spec{In: inQuery, Shape: num}, "color=" + strings.Repeat("9", 1000) + "&"},
	}
	for _, test := range tests {
		test.spec.Name, test.spec.Validator = "color", nothing{}
		d, err := New(test.spec)
		if err != nil {
			t.Fatal(err)
		}
		input := strings.Repeat(test.unit, size/len(test.unit))
		report := new(schema.Report)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		decode(d, input, report)
		runtime.ReadMemStats(&after)
		if bytes := after.TotalAlloc - before.TotalAlloc; bytes > 8*size || len(report.Violations) > 20 {
			t.Errorf("%s: %d bytes and %d violations for %d bytes", test.name, bytes, len(report.Violations), size)
		} else {
			t.Logf("%s: %d KiB", test.name, bytes>>10)
		}
	}
}
