package schema

import (
	"errors"
	"net/url"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/weirproxy/weir/governance/contract/onepass"
)

// Compiler compiles schemas of one document. It may not be used concurrently, and is not needed any more when all
// are compiled.
type Compiler struct {
	files    Files
	dialect  Dialect
	settings Settings

	entries        map[string]*entry // by location
	byURL          loader
	patterns       map[string]jsonschema.Regexp
	discriminators []discriminator
	identities     *identities       // nil until needed
	shapes         map[string]*Shape // by the locations they unite
	types          map[string]Types  // by location
	engines        [2]*engine        // by direction
}

// engine compiles entries for one direction.
type engine struct {
	*jsonschema.Compiler
	adapter
	compiled   map[*entry]bool
	validators map[string]result // by location
	costs      *costs
	programs   *onepass.Compiler // nil until needed
}

// result is what Compile returns.
type result struct {
	validator Validator
	err       error
}

// NewCompiler makes a compiler for the schemas in files.
func NewCompiler(files Files, dialect Dialect, settings Settings) *Compiler {
	settings.JSON.Digits = min(settings.JSON.Digits, maxDigits)
	c := &Compiler{
		files: files, dialect: dialect, settings: settings,
		entries: make(map[string]*entry), byURL: make(loader), patterns: make(map[string]jsonschema.Regexp),
		shapes: make(map[string]*Shape), types: make(map[string]Types),
	}
	for direction := range c.engines {
		c.engines[direction] = c.newEngine(Direction(direction))
	}
	return c
}

func (c *Compiler) newEngine(d Direction) *engine {
	e := &engine{
		Compiler:   jsonschema.NewCompiler(),
		adapter:    newAdapter(c, d),
		compiled:   make(map[*entry]bool),
		validators: make(map[string]result),
		costs:      newCosts(),
	}
	e.UseLoader(c.byURL)
	e.UseRegexpEngine(c.pattern)
	e.DefaultDraft(jsonschema.Draft2020)
	e.AssertFormat()
	for _, format := range formats {
		e.RegisterFormat(format)
	}
	return e
}

// Compile compiles the schema at location, "<file URL>#<JSON pointer>", for one direction. The pointer is not
// percent-encoded. The same location and direction give the same Validator. What is wrong with the schema, or with
// one that it refers to, is an *Error, or several joined.
func (c *Compiler) Compile(location string, d Direction) (Validator, error) {
	location = c.aliased(location) // most are references, many to the same
	result, ok := c.engines[d].validators[location]
	if !ok {
		result.validator, result.err = c.compile(location, c.engines[d])
		c.engines[d].validators[location] = result
	}
	return result.validator, result.err
}

func (c *Compiler) compile(location string, engine *engine) (Validator, error) {
	root, pointer := c.root(location)
	e := c.entry(root)
	var errs []error
	var fresh []*entry
	e.closure(make(map[*entry]bool), func(e *entry) {
		errs = append(errs, e.errs...)
		if !engine.compiled[e] {
			fresh = append(fresh, e)
		}
	})
	if len(errs) > 0 {
		return nil, errors.Join(errs...)
	}
	if err := engine.add(fresh); err != nil {
		return nil, c.explain(err, e)
	}
	schema, err := engine.Compiler.Compile(e.url + "#" + fragment(pointer))
	if err != nil {
		return nil, c.explain(err, e)
	}
	engine.adapt([]*jsonschema.Schema{schema})
	v := newValidator(schema, engine.costs.of(schema), c.settings.JSON)
	if loop := v.bound.loop(); loop != "" {
		return nil, &Error{c.original(loop),
			"the schema applies itself to the same value again, without end: no value could be judged"}
	}
	c.addProgram(v, engine)
	return v, nil
}

// add compiles entries and all that they refer to.
func (e *engine) add(entries []*entry) error {
	var roots []*jsonschema.Schema
	for _, entry := range entries {
		for _, pointer := range append([]string{""}, entry.dynamic...) {
			root, err := e.Compiler.Compile(entry.url + "#" + fragment(pointer))
			if err != nil {
				return err
			}
			roots = append(roots, root)
		}
		e.compiled[entry] = true
	}
	e.adapt(roots)
	return nil
}

// explain turns an error of the engine, which knows only entries, into one about the document.
func (c *Compiler) explain(err error, e *entry) error {
	var invalid *jsonschema.SchemaValidationError
	if !errors.As(err, &invalid) {
		return &Error{e.location, err.Error()}
	}
	location := c.original(invalid.URL)
	var validation *jsonschema.ValidationError
	if !errors.As(invalid.Err, &validation) {
		return &Error{location, err.Error()}
	}
	report := Report{Max: 1}
	reportTo(&report, validation, nil)
	if len(report.Violations) == 0 {
		return &Error{location, err.Error()}
	}
	first := report.Violations[0]
	return &Error{location + first.Pointer, "this is not JSON Schema: it " + first.Detail}
}

// original returns the location in the document of what the engine has at a URL.
func (c *Compiler) original(engineURL string) string {
	resource, fragment, _ := strings.Cut(engineURL, "#")
	e, ok := c.byURL[resource]
	if !ok {
		return engineURL
	}
	pointer, err := url.PathUnescape(fragment)
	if err != nil {
		pointer = fragment
	}
	return e.location + pointer
}

// pattern compiles a regular expression once; it is the jsonschema.RegexpEngine of both engines.
func (c *Compiler) pattern(expression string) (jsonschema.Regexp, error) {
	if compiled, ok := c.patterns[expression]; ok {
		return compiled, nil
	}
	compiled, err := newPattern(expression)
	if err != nil {
		return nil, err
	}
	c.patterns[expression] = compiled
	return compiled, nil
}
