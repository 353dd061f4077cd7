// Package schema judges values by the schemas of OpenAPI 3.0 and 3.1 documents.
//
// A Compiler takes the raw trees of a document's files and compiles single schemas of it, each for one direction:
// what a request must look like is not what a response must look like. The engine behind is
// santhosh-tekuri/jsonschema, an implementation of JSON Schema 2020-12; everything that OpenAPI has besides is
// turned into what that engine knows when a schema is compiled.
//
// First a program of package onepass reads a text. What it finds valid is valid, and the engine is not asked: most texts
// are. All else the engine judges, so what is wrong is told in its words, whatever the program may know.
//
//   - dialect.go: the keywords of both dialects, and which values they may have;
//   - normalise.go: copies a schema for the engine, a schema of OpenAPI 3.0 as one of 2020-12;
//   - resolve.go: what a $ref, an $anchor and an $id mean inside an OpenAPI document;
//   - direction.go, discriminator.go: readOnly, writeOnly and discriminator, on schemas that the engine has compiled;
//   - formats.go, patterns.go: formats, and regular expressions of ECMA-262 as RE2 runs them;
//   - onepass.go: the programs, and what they leave to the engine;
//   - codes.go: what the engine found, as violations, which never show a value unless asked;
//   - cost.go: the bound on the engine's work, which cannot be stopped once it runs;
//   - shape.go: how a text that is a parameter or a field of a form becomes a value.
//
// OpenAPI 3.1 is JSON Schema 2020-12. Of OpenAPI 3.0 this package has this reading:
//
//   - keywords that stand beside a $ref do not count, and neither do keywords that 3.0 does not have;
//   - nullable: true makes null valid for that schema whatever else it says, also in enum and allOf. That is what
//     authors mean by it. The clarification in OpenAPI 3.0.3 is stricter: null must be in an enum, too, and be
//     allowed by each part of an allOf;
//   - a schema without type allows any value, null too;
//   - items is not demanded of arrays.
//
// The package depends on santhosh-tekuri/jsonschema, whose errors need golang.org/x/text/message, and on
// governance/contract/strictjson, which reads the bodies, and governance/contract/onepass, whose programs judge first.
package schema

import "github.com/weirproxy/weir/governance/contract/strictjson"

// Dialect is how the schemas of a document are to be read.
type Dialect uint8

const (
	OpenAPI30 Dialect = iota // the Schema Object of OpenAPI 3.0
	OpenAPI31                // JSON Schema 2020-12, as in OpenAPI 3.1
)

// Direction is the side that a value comes from.
type Direction uint8

const (
	Request  Direction = iota // readOnly properties are not required
	Response                  // writeOnly properties are not required, and must not be there
)

// Files are the files of a document: absolute URL (e.g. file:///etc/weir/petstore.yaml) -> raw tree of nil, bool,
// json.Number, string, []any and map[string]any. They are never changed.
type Files map[string]any

// Limits bound the work that one value may cost.
type Limits = strictjson.Limits

// Settings are what an operator may decide about validation.
type Settings struct {
	// JSON is how bodies are read, with the limits that hold for every value.
	JSON strictjson.Settings

	// IgnoreFormats makes format an annotation. Default: the formats that the package knows are asserted.
	IgnoreFormats bool

	// EngineOnly leaves out the programs that judge first, so that the engine judges everything. It changes no verdict
	// but of texts that are too costly for the engine alone; tests hold the two against each other. It is for Go, and no
	// part of a configuration. Default: off.
	EngineOnly bool `json:"-"`

	// RefuseReadOnly makes a readOnly property in a request a violation. Default: it is accepted, as its owner
	// ignores it.
	RefuseReadOnly bool
}

// Validator judges values by one schema in one direction. It may be used concurrently.
type Validator interface {
	// JSON judges a JSON text.
	JSON(text []byte, report *Report)

	// Value judges a value that was decoded before: nil, bool, json.Number, string, []any, map[string]any.
	Value(value any, report *Report)
}

// Error is what is wrong with a schema.
type Error struct {
	Location string // "<file URL>#<JSON pointer>", not percent-encoded
	Reason   string // what is wrong and how to mend it
}

func (e *Error) Error() string { return e.Location + ": " + e.Reason }
