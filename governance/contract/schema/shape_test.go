package schema

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
)

// String prints a set of types for tests.
func (t Types) String() string {
	var names []string
	for name, one := range typesByName {
		if t&one != 0 {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return strings.Join(names, "|")
}

// drawn prints a shape down to a depth.
func drawn(s *Shape, depth int) string {
	switch {
	case s == nil:
		return "none"
	case depth == 0:
		return "..."
	}
	text := s.Types.String()
	if len(s.Formats) > 0 {
		text += "(" + strings.Join(s.Formats, ",") + ")"
	}
	for _, name := range slices.Sorted(maps.Keys(s.Properties)) {
		text += fmt.Sprintf(" %s:%s", name, drawn(s.Properties[name], depth-1))
	}
	for i, item := range s.Prefix {
		text += fmt.Sprintf(" %d:%s", i, drawn(item, depth-1))
	}
	if s.Types&Object != 0 {
		text += " *:" + drawn(s.Additional, depth-1)
	}
	if s.Types&Array != 0 {
		text += " []:" + drawn(s.Items, depth-1)
	}
	return "{" + text + "}"
}

func TestShape(t *testing.T) {
	both := []Dialect{OpenAPI30, OpenAPI31}
	only30, only31 := both[:1], both[1:]
	tests := []struct {
		schemas  string
		dialects []Dialect
		depth    int
		want     string
	}{
		{`{"A": {}}`, both, 2, "{}"},
		{`{"A": {"type": "integer"}}`, both, 2, "{integer}"},
		{`{"A": {"type": "string", "format": "binary"}}`, both, 2, "{string(binary)}"},
		{`{"A": {"type": "string", "nullable": true}}`, only30, 2, "{string}"},
		{`{"A": {"type": ["integer", "null"]}}`, only31, 2, "{integer}"},
		{`{"A": {"enum": ["a", 1]}}`, both, 2, "{number|string}"},
		{`{"A": {"const": true}}`, only31, 2, "{boolean}"},
		{`{"A": {"const": true}}`, only30, 2, "{}"},
		{`{"A": {"type": "number", "enum": [1, 2]}}`, both, 2, "{number}"},
		{`{"A": {"type": "array", "items": {"type": "integer"}}}`, both, 2, "{array []:{integer}}"},
		{`{"A": {"type": "array", "items": false, "prefixItems": [{"type": "string"}]}}`, only31, 2, "{array 0:{string} []:none}"},
		{`{"A": {"type": "object", "properties": {"a": {"type": "string"}}}}`, both, 2, "{object a:{string} *:{}}"},
		{`{"A": {"type": "object", "additionalProperties": false}}`, both, 2, "{object *:none}"},
		{`{"A": {"type": "object", "additionalProperties": {"type": "boolean"}}}`, both, 2, "{object *:{boolean}}"},
		{`{"A": {"$ref": "#/components/schemas/B"}, "B": {"type": "boolean"}}`, both, 2, "{boolean}"},
		{`{"A": {"$ref": "#/components/schemas/B", "type": "object"}, "B": {}}`, only30, 2, "{}"},
		{`{"A": {"$ref": "#/components/schemas/B", "enum": ["a"]}, "B": {"format": "x"}}`, only31, 2, "{string(x)}"},
		{`{"A": {"allOf": [{"type": "number"}, {"type": "integer"}, {"minimum": 1}]}}`, both, 2, "{integer}"},
		{`{"A": {"oneOf": [{"type": "boolean"}, {"$ref": "#/components/schemas/B"}]}, "B": {"type": "string"}}`, both, 2, "{boolean|string}"},
		{`{"A": {"anyOf": [{"type": "boolean"}, {}]}}`, both, 2, "{}"},
		{`{"A": {"type": "object", "allOf": [{"properties": {"a": {"type": "string"}}}, {"properties": {"a": {"type": "integer"}, "b": {"type": "boolean"}}}]}}`, both, 2,
			"{object a:{} b:{boolean} *:{}}"},
		{`{"A": {"type": "object", "anyOf": [{"properties": {"a": {"type": "string"}}}, {"properties": {"a": {"type": "integer"}, "b": {"type": "boolean"}}}]}}`, both, 2,
			"{object a:{integer|string} b:{boolean} *:{}}"},
		{`{"A": {"type": "object", "properties": {"a": {"type": ["array", "integer", "string"]}}, "oneOf": [{"properties": {"a": {"type": "array"}}}, {"properties": {"a": {"type": "integer"}}}]}}`, only31, 2,
			"{object a:{array|integer []:...} *:{}}"},
		{`{"A": {"allOf": [{"$ref": "#/components/schemas/B"}, {"type": "object", "properties": {"a": {"description": "x"}, "b": {"minItems": 1}}, "additionalProperties": {"maxLength": 3}}]},
			"B": {"type": "object", "properties": {"a": {"type": "integer"}, "b": {"type": "array"}}, "additionalProperties": {"type": "integer"}}}`, both, 2,
			"{object a:{integer} b:{array []:...} *:{integer}}"},
		{`{"A": {"type": "integer", "enum": [1.0, 2e1]}}`, both, 2, "{integer}"},
		{`{"A": {"type": "null"}}`, only31, 2, "{null}"},
		{`{"A": {"type": "object", "properties": {"next": {"$ref": "#/components/schemas/A"}}}}`, both, 3, "{object next:{object next:{object next:... *:...} *:{}} *:{}}"},
		{`{"A": {"type": "object", "anyOf": [{"properties": {"x": {"$ref": "#/components/schemas/A"}}}, {"properties": {"x": {"$ref": "#/components/schemas/B"}}}]},
			"B": {"type": "array", "items": {"$ref": "#/components/schemas/A"}}}`, both, 2, "{object x:{array|object x:... *:... []:...} *:{}}"},
		{`{"A": {"$ref": "#/components/schemas/A"}}`, both, 2, "{}"},
		{`{"A": {"$ref": "#/nowhere"}}`, both, 2, "{}"},
		{`{"A": {"type": 1, "properties": [], "allOf": 3}}`, both, 2, "{object *:{}}"},
		{`{"A": {"maxLength": 3}}`, both, 2, "{string}"},
		{`{"A": {"format": "int32"}}`, both, 2, "{number(int32)}"},
		{`{"A": {"maximum": 3, "pattern": "a"}}`, both, 2, "{number|string}"},
		{`{"A": true}`, only31, 2, "{}"},
	}
	for _, test := range tests {
		for _, dialect := range test.dialects {
			shape := compilerFor(t, dialect, test.schemas, Settings{}).Shape(atA)
			if got := drawn(shape, test.depth); got != test.want {
				t.Errorf("%s in dialect %d: shape is %s, want %s", test.schemas, dialect, got, test.want)
			}
		}
	}
}

// What may be several scalars can be tried.
func TestShapeValidator(t *testing.T) {
	for schema, want := range map[string]bool{
		`{"type": "string"}`: false, `{"type": ["string", "null"]}`: false, `{}`: false, `{"type": ["array", "object"]}`: false,
		`{"type": ["string", "integer"]}`: true, `{"oneOf": [{"type": "boolean"}, {"type": "string", "minLength": 5}]}`: true,
	} {
		c := compilerFor(t, OpenAPI31, `{"A": `+schema+`}`, Settings{})
		v := c.Shape(atA).Validator()
		if (v != nil) != want {
			t.Errorf("%s: validator is %v", schema, v)
		}
		if v == nil {
			continue
		}
		var report Report
		if v.Value("12345", &report); report.Total > 0 {
			t.Errorf("%s: violations are %+v", schema, report.Violations)
		}
	}
}

// Shapes of schemas that refer to each other in every way are made in little time.
func TestShapeOfManyAlternatives(t *testing.T) {
	var schemas []string
	const n = 40
	for i := range n {
		a, b := (i+1)%n, (i*7+3)%n
		schemas = append(schemas, fmt.Sprintf(`"S%d": {"type": "object", "anyOf": [{"$ref": "#/components/schemas/S%d"}, {"$ref": "#/components/schemas/S%d"}]}`, i, a, b))
	}
	schemas = append(schemas, `"A": {"$ref": "#/components/schemas/S0"}`)
	shape := compilerFor(t, OpenAPI30, "{"+strings.Join(schemas, ", ")+"}", Settings{}).Shape(atA)
	if shape.Types != Object {
		t.Errorf("types are %v", shape.Types)
	}
}

func TestTrivial(t *testing.T) {
	for schema, want := range map[string][2]bool{ // 3.0, 3.1
		`{}`:                                     {true, true},
		`true`:                                   {false, true},
		`false`:                                  {false, false},
		`{"description": "x", "example": 1}`:     {true, true},
		`{"title": "x", "readOnly": true}`:       {true, true},
		`{"type": "string", "format": "binary"}`: {true, true},
		`{"format": "binary"}`:                   {true, true},
		`{"type": "string"}`:                     {false, false},
		`{"type": "string", "format": "byte"}`:   {false, false},
		`{"type": "string", "format": "binary", "maxLength": 3}`: {false, false},
		`{"type": "object"}`:                          {false, false},
		`{"nullable": true}`:                          {true, true},
		`{"const": 1}`:                                {true, false},
		`{"contentMediaType": "image/png"}`:           {true, true},
		`{"$defs": {"a": {"type": "string"}}}`:        {true, true},
		`{"$ref": "#/components/schemas/B"}, "B": {}`: {true, true},
		`{"$ref": "#/components/schemas/B"}, "B": {"type": "string", "format": "binary"}`: {true, true},
		`{"$ref": "#/components/schemas/B"}, "B": {"type": "string"}`:                     {false, false},
		`{"$ref": "#/components/schemas/B", "minLength": 1}, "B": {}`:                     {true, false},
		`{"$ref": "#/nowhere"}`: {false, false},
	} {
		for _, dialect := range []Dialect{OpenAPI30, OpenAPI31} {
			c := compilerFor(t, dialect, `{"A": `+schema+`}`, Settings{})
			if got := c.Trivial(atA); got != want[dialect] {
				t.Errorf("%s in dialect %d is trivial: %v", schema, dialect, got)
			}
		}
	}
	if compilerFor(t, OpenAPI30, `{}`, Settings{}).Trivial(atA) {
		t.Error("what is not there is trivial")
	}
}
