package onepass_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/weirproxy/weir/governance/contract/document"
	"github.com/weirproxy/weir/governance/contract/onepass"
	"github.com/weirproxy/weir/governance/contract/schema"
)

const (
	docURL = "file:///etc/weir/document.json"
	atA    = docURL + "#/components/schemas/A"
)

// tree decodes JSON with exact numbers.
func tree(t testing.TB, text string) any {
	t.Helper()
	decoder := json.NewDecoder(strings.NewReader(text))
	decoder.UseNumber()
	var value any
	if err := decoder.Decode(&value); err != nil {
		t.Fatalf("the test's JSON %.300s: %v", text, err)
	}
	return value
}

// pair is a schema in both engines.
type pair struct {
	program   *onepass.Program
	validator schema.Validator
	limited   bool // to less than the defaults
}

// compile compiles schema A of a document's schemas.
func compile(t testing.TB, dialect schema.Dialect, schemas string, settings schema.Settings, d schema.Direction) pair {
	t.Helper()
	version := "3.0.3"
	if dialect == schema.OpenAPI31 {
		version = "3.1.0"
	}
	files := schema.Files{docURL: tree(t, `{"openapi": "`+version+`", "components": {"schemas": `+schemas+`}}`)}
	p, err := newCompilers(files, dialect, settings).compile(atA, d)
	if err != nil {
		t.Fatalf("compiling %s: %v", schemas, err)
	}
	return p
}

// compilers compile the same schemas with programs and for the engine alone.
type compilers struct{ programs, engine *schema.Compiler }

func newCompilers(files schema.Files, dialect schema.Dialect, settings schema.Settings) compilers {
	alone := settings
	alone.EngineOnly = true
	return compilers{schema.NewCompiler(files, dialect, settings), schema.NewCompiler(files, dialect, alone)}
}

func (c compilers) compile(location string, d schema.Direction) (pair, error) {
	alone, err := c.engine.Compile(location, d)
	if err != nil {
		return pair{}, err
	}
	both, err := c.programs.Compile(location, d)
	if err != nil {
		return pair{}, err
	}
	return pair{program: schema.ProgramOf(both), validator: alone}, nil
}

// schema31 compiles one schema of OpenAPI 3.1.
func schema31(t testing.TB, text string) pair {
	return compile(t, schema.OpenAPI31, `{"A": `+text+`}`, schema.Settings{}, schema.Request)
}

// engine is the verdict of package schema. It is Unknown where the value would take too long to judge.
func (p pair) engine(text []byte) onepass.Verdict {
	report := schema.Report{Max: 1}
	p.validator.JSON(text, &report)
	switch {
	case report.Total == 0:
		return onepass.Valid
	case strings.HasPrefix(report.Violations[0].Detail, "takes more steps"):
		return onepass.Unknown
	}
	return onepass.Invalid
}

// agree wants the verdict of both engines to be the same, and returns that of the program, which may be Unknown.
func (p pair) agree(t testing.TB, text []byte, about string) onepass.Verdict {
	t.Helper()
	program, engine := p.program.Judge(text), p.engine(text)
	if program != engine && program != onepass.Unknown && engine != onepass.Unknown {
		t.Fatalf("the program says %v, the engine %v: %.2000s by %.3000s", program, engine, text, about)
	}
	return program
}

// shared loads one of the documents beside the checkout.
func shared(t testing.TB, name string) *document.Document {
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
	file := filepath.Join(folder, "..", "shared", "openapi", name)
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatalf("the test needs the folder shared/openapi beside the checkout: %v", err)
	}
	doc, err := document.Load(t.Context(), document.Source{Location: "file://" + file, Data: data})
	if err != nil {
		t.Fatal(err)
	}
	return doc
}
