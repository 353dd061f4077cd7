package schema

import (
	"encoding/json"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/weirproxy/weir/internal/cputime"
)

func TestTextsThatAreNoJSON(t *testing.T) {
	for text, want := range map[string]string{
		``:              " syntax",
		`{"a": }`:       "/a syntax",
		`{} {}`:         " trailing_data",
		`{"a":1,"a":2}`: "/a duplicate_key",
		"\"\xff\"":      " invalid_utf8",
		strings.Repeat("[", 65) + strings.Repeat("]", 65): strings.Repeat("/0", 64) + " depth",
	} {
		v := compile(t, compilerFor(t, OpenAPI31, `{"A": {}}`, Settings{}), atA, Request)
		got := judge(v, text)
		if len(got) != 1 || got[0] != want {
			t.Errorf("%.20q: violations are %q, want %q", text, got, want)
		}
	}
}

// Values that were not read from JSON, as those of forms, are held to the same limits.
func TestLimitsOfValues(t *testing.T) {
	settings := Settings{}
	settings.JSON.Limits = Limits{Depth: 3, Nodes: 10, Properties: 4, Digits: 20}
	v := compile(t, compilerFor(t, OpenAPI31, `{"A": {"type": ["array", "object", "number"], "minimum": 0}}`, settings), atA, Request)
	for text, want := range map[string]string{
		`[[[1]]]`:                               "",
		`[[[[1]]]]`:                             "depth",
		`{"a": {"b": {"c": {}}}}`:               "depth",
		`[1,2,3,4,5,6,7,8,9]`:                   "",
		`[1,2,3,4,5,6,7,8,9,10]`:                "nodes",
		`{"a":1,"b":1,"c":1,"d":1}`:             "",
		`{"a":1,"b":1,"c":1,"d":1,"e":1}`:       "properties",
		`12345678901234567890`:                  "",
		`123456789012345678901`:                 "digits",
		`1e19`:                                  "",
		`1e20`:                                  "digits",
		`[{"a": 1e-1000000000000000000000000}]`: "digits",
	} {
		var report Report
		v.Value(tree(t, text), &report)
		if got := report.Violations; want == "" && got != nil || want != "" && (len(got) != 1 || got[0].Code != want) {
			t.Errorf("%s: violations are %+v, want %q", text, got, want)
		}
		report = Report{}
		v.JSON([]byte(text), &report)
		if got := report.Violations; want == "" && got != nil || want != "" && (len(got) != 1 || got[0].Code != want) {
			t.Errorf("%s as JSON: violations are %+v, want %q", text, got, want)
		}
	}
}

// A validator is used by many requests at the same time.
func TestValidatorsMayBeUsedConcurrently(t *testing.T) {
	schema, body := order()
	c := compilerFor(t, OpenAPI31, `{"A": `+schema+`}`, Settings{})
	v := compile(t, c, atA, Request)
	wrong := strings.Replace(body, `"EUR"`, `"BTC"`, 1)
	var wait sync.WaitGroup
	for range 8 {
		wait.Go(func() {
			for range 50 {
				expect(t, v, body)
				expect(t, v, wrong, "/currency enum")
			}
		})
	}
	wait.Wait()
}

// Hostile values end soon, in a clear violation.
func TestHostileValues(t *testing.T) {
	v := compile(t, compilerFor(t, OpenAPI31, `{"A": {"anyOf": [
		{"type": "array", "items": {"type": "string"}, "uniqueItems": true, "contains": {"const": "x"}},
		{"type": "object", "additionalProperties": {"$ref": "#/components/schemas/A"}, "unevaluatedProperties": false},
		{"type": "number", "multipleOf": 0.001, "maximum": 1e300}]}}`, Settings{}), atA, Request)
	for name, text := range map[string]string{
		"depth bomb":    strings.Repeat("[", 1_000_000),
		"large number":  strings.Repeat("9", 10_000_000),
		"exponent":      "1e999999999",
		"large array":   "[" + strings.Repeat("1,", 99_990) + "1]",
		"larger array":  "[" + strings.Repeat("1,", 1_000_000) + "1]",
		"equal objects": "[" + strings.Repeat(`{"a":[1,2,3]},`, 15_000) + "1]",
		"nested":        strings.Repeat(`{"a":`, 60) + "1e400" + strings.Repeat("}", 60),
		"long pattern":  `"` + strings.Repeat("a", 1_000_000) + `"`,
	} {
		var report Report
		took := cputime.Within(t, 2*time.Second, func() { v.JSON([]byte(text), &report) })
		if report.Total == 0 {
			t.Errorf("%s: no violation", name)
		}
		t.Logf("%s: %v", name, took)
	}
}

// Whatever comes, there is no panic, and what is valid as a text is valid as a value.
func FuzzValidator(f *testing.F) {
	var validators []Validator
	for _, dialect := range []Dialect{OpenAPI30, OpenAPI31} {
		cases := keywordCases30
		if dialect == OpenAPI31 {
			cases = keywordCases31
		}
		for _, test := range cases {
			validators = append(validators, compile(f, compilerFor(f, dialect, `{"A": `+test.schema+`}`, Settings{}), atA, Response))
		}
	}
	for _, test := range append(keywordCases30, keywordCases31...) {
		for _, refusal := range test.refuses {
			f.Add([]byte(refusal.value))
		}
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		var value any
		decoder := json.NewDecoder(strings.NewReader(string(text)))
		decoder.UseNumber()
		isJSON := decoder.Decode(&value) == nil
		for _, v := range validators {
			report := Report{Values: true}
			v.JSON(text, &report)
			if report.Total > 0 || !isJSON {
				continue
			}
			var again Report
			if v.Value(value, &again); again.Total > 0 {
				t.Errorf("%q is valid as a text, and as a value it is not: %+v", text, again.Violations)
			}
		}
	})
}
