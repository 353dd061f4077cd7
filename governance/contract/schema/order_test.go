package schema

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// members lists n members, each with its number filled in.
func members(n int, format string) string {
	list := make([]string, n)
	for i := range list {
		list[i] = fmt.Sprintf(format, i)
	}
	return strings.Join(list, ",")
}

// The same value has the same violations in the same order each time, although the engine finds them in the order of
// Go's maps.
func TestTheOrderOfViolationsIsSettled(t *testing.T) {
	twelve := `{"properties": {` + members(12, `"p%02d": {"type": "string"}`) + `}}`
	tests := []struct{ name, schema, value, want string }{
		{"the causes of alternatives", `{"oneOf": [` + twelve + `, {"type": "string"}]}`, `{` + members(12, `"p%02d": 0`) + `}`,
			" one_of, /p00 type, /p01 type, /p02 type"},
		{"a constant among many violations", `{"anyOf": [
			{"additionalProperties": {"type": "string"}, "properties": {"x050": {"const": 0}}},
			{"additionalProperties": {"type": "string"}, "properties": {"k": {"const": 1}}}]}`,
			`{"k": 0, ` + members(100, `"x%03d": 0`) + `}`, " any_of, /k type, /x000 type, /x001 type"},
		{"more than are kept", `{"additionalProperties": false}`, `{` + members(5000, `"x%04d": 0`) + `}`,
			"/x0000 additional_properties, /x0001 additional_properties, /x0002 additional_properties, /x0003 additional_properties"},
		{"several at one place", `{"patternProperties": {"^a": {"minimum": 5}, "a$": {"multipleOf": 7}, "a": {"type": "integer"}}}`,
			`{"a": 1.5}`, "/a minimum, /a multiple_of, /a type"},
		{"indexes and names", `{"additionalProperties": false}`, `{"1a": 0, "10": 0, "9": 0, "9a": 0}`,
			"/9 additional_properties, /10 additional_properties, /1a additional_properties, /9a additional_properties"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			for range 20 {
				v := compile(t, compilerFor(t, OpenAPI31, `{"A": `+test.schema+`}`, Settings{}), atA, Request)
				found := judge(v, test.value)
				if got := strings.Join(found[:min(len(found), 4)], ", "); got != test.want {
					t.Fatalf("violations are %s, want %s", got, test.want)
				}
			}
		})
	}
}

// What is left out is counted, and what is kept are the first ones, in whatever order they are found.
func TestFindings(t *testing.T) {
	for _, step := range []int{1, 7, 993} {
		found := findings{limit: 10}
		for i := range 1000 {
			found.add(finding{at: []string{fmt.Sprint(i * step % 1000)}, code: "type"})
		}
		found.order()
		if len(found.list) != 10 || found.more != 990 {
			t.Fatalf("in steps of %d: %d are kept and %d more counted", step, len(found.list), found.more)
		}
		for i, f := range found.list {
			if !slices.Equal(f.at, []string{fmt.Sprint(i)}) {
				t.Errorf("in steps of %d: number %d is at %s", step, i, f.at)
			}
		}
	}
}
