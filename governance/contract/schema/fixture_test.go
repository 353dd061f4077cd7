package schema

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// tree decodes JSON with exact numbers.
func tree(t testing.TB, text string) any {
	t.Helper()
	decoder := json.NewDecoder(strings.NewReader(text))
	decoder.UseNumber()
	var value any
	if err := decoder.Decode(&value); err != nil {
		t.Fatalf("the test's JSON %s: %v", text, err)
	}
	return value
}

const (
	docURL = "file:///etc/weir/petstore.json"
	atA    = docURL + "#/components/schemas/A"
)

// compilerFor makes a compiler for a document with schemas in components.
func compilerFor(t testing.TB, dialect Dialect, schemas string, settings Settings) *Compiler {
	t.Helper()
	version := "3.0.3"
	if dialect == OpenAPI31 {
		version = "3.1.0"
	}
	files := Files{docURL: tree(t, `{"openapi": "`+version+`", "components": {"schemas": `+schemas+`}}`)}
	return NewCompiler(files, dialect, settings)
}

func compile(t testing.TB, c *Compiler, location string, d Direction) Validator {
	t.Helper()
	v, err := c.Compile(location, d)
	if err != nil {
		t.Fatalf("compiling %s: %v", location, err)
	}
	return v
}

// judge returns "pointer code" of each violation.
func judge(v Validator, text string) []string {
	report := Report{Max: 100}
	v.JSON([]byte(text), &report)
	var found []string
	for _, violation := range report.Violations {
		found = append(found, violation.Pointer+" "+violation.Code)
	}
	return found
}

// expect wants the violations of a text, "pointer code" each.
func expect(t testing.TB, v Validator, text string, want ...string) {
	t.Helper()
	if got := judge(v, text); !slices.Equal(got, want) {
		t.Errorf("%s: violations are %q, want %q", text, got, want)
	}
}

// problems returns the errors of Compile.
func problems(err error) (found []*Error) {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		for _, part := range joined.Unwrap() {
			found = append(found, problems(part)...)
		}
		return found
	}
	var single *Error
	if errors.As(err, &single) {
		found = append(found, single)
	}
	return found
}

// shared reads one of the large documents beside the checkout.
func shared(t testing.TB, name string) any {
	t.Helper()
	folder, err := os.Getwd()
	for err == nil {
		if _, err = os.Stat(filepath.Join(folder, "go.mod")); err == nil {
			break
		}
		if filepath.Dir(folder) == folder {
			t.Fatal("no go.mod above the test")
		}
		folder, err = filepath.Dir(folder), nil
	}
	text, err := os.ReadFile(filepath.Join(folder, "..", "shared", "openapi", name))
	if err != nil {
		t.Fatalf("the test needs the folder shared/openapi beside the checkout: %v", err)
	}
	return tree(t, string(text))
}
