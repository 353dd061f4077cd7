package schema

import (
	"errors"
	"strconv"
	"strings"
	"testing"
)

func TestSchemasThatAreTooLargeToCompile(t *testing.T) {
	const at = "file:///api.json#/components/schemas/s"
	many := make(map[string]any)
	for i := range maxSchemas {
		many["p"+strconv.Itoa(i)] = map[string]any{}
	}
	values := make([]any, maxSchemas)
	for i := range values {
		values[i] = map[string]any{}
	}
	files := func(s map[string]any) Files {
		return Files{"file:///api.json": map[string]any{"components": map[string]any{"schemas": map[string]any{"s": s}}}}
	}
	for _, dialect := range []Dialect{OpenAPI30, OpenAPI31} {
		_, err := NewCompiler(files(map[string]any{"properties": many}), dialect, Settings{}).Compile(at, Request)
		var located *Error
		if !errors.As(err, &located) || located.Location != at || !strings.Contains(located.Reason, "$ref") {
			t.Errorf("%d schemas: %v", len(many), err)
		}
		// Values are no schemas.
		if _, err = NewCompiler(files(map[string]any{"enum": values}), dialect, Settings{}).Compile(at, Request); err != nil {
			t.Errorf("%d values: %v", len(values), err)
		}
	}
}
