package schema

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
)

// This file holds how schemas are copied for the engine: only what judges values is left, references lead to
// entries, and a schema of OpenAPI 3.0 becomes one of JSON Schema 2020-12. What the copy cannot say (which schema a
// discriminator selects) is kept in the compiler, under a number that the copy has as its $comment.

// entry is a schema that the engine has as a document of its own.
type entry struct {
	location string
	url      string // under which the engine has it
	base     string // what its references are relative to
	resource string // the location of what has that URL
	copy     any
	refersTo []*entry
	dynamic  []string // pointers to what has a $dynamicAnchor
	errs     []error
}

// entry returns the entry at a location, normalised, as are those that it refers to.
func (c *Compiler) entry(location string) *entry {
	if e, ok := c.entries[location]; ok {
		return e
	}
	e := c.newEntry(location)
	e.url = "weir://schema/" + strconv.Itoa(len(c.entries))
	c.entries[location], c.byURL[e.url] = e, e
	value, ok := c.files.value(location)
	if !ok {
		e.errs = append(e.errs, &Error{location, "there is no schema at this place"})
		return e
	}
	if countSchemas(value) > maxSchemas {
		e.fail("", "has more than %d schemas inside it, which would take too long to compile: put parts of it into "+
			"components and refer to them with $ref", maxSchemas)
		return e
	}
	c.checkDialect(e)
	e.copy = c.normalise(e, value, "")
	return e
}

// maxSchemas is how many schemas may stand inside one. The time that the engine takes to compile them grows with their
// square: 20,000 take about two seconds, where the largest in real documents have some hundreds.
const maxSchemas = 20_000

// countSchemas counts the objects in a schema, which are schemas or hold some.
func countSchemas(value any) (n int) {
	switch value := value.(type) {
	case []any:
		for _, item := range value {
			n += countSchemas(item)
		}
	case map[string]any:
		n = 1
		for name, member := range value {
			if !holdsValues[name] {
				n += countSchemas(member)
			}
		}
	}
	return n
}

// checkDialect refuses documents whose schemas are in another dialect by default.
func (c *Compiler) checkDialect(e *entry) {
	file, _ := split(e.location)
	document, _ := c.files[file].(map[string]any)
	dialect, ok := document["jsonSchemaDialect"].(string)
	if ok && c.dialect == OpenAPI31 && !isDialect31(dialect) {
		e.errs = append(e.errs, &Error{file + "#/jsonSchemaDialect",
			fmt.Sprintf("%q is not supported: leave it out, so that schemas are read as JSON Schema 2020-12", dialect)})
	}
}

// fail notes what is wrong at a pointer in an entry.
func (e *entry) fail(pointer, format string, arguments ...any) {
	e.errs = append(e.errs, &Error{e.location + pointer, fmt.Sprintf(format, arguments...)})
}

// closure calls visit for an entry and all that it refers to, those that are referred to first.
func (e *entry) closure(seen map[*entry]bool, visit func(*entry)) {
	if seen[e] {
		return
	}
	seen[e] = true
	for _, next := range e.refersTo {
		next.closure(seen, visit)
	}
	visit(e)
}

// normalise returns the copy of the schema that stands at pointer in an entry.
func (c *Compiler) normalise(e *entry, schema any, pointer string) any {
	if c.dialect == OpenAPI30 {
		return c.normalise30(e, schema, pointer)
	}
	switch schema := schema.(type) {
	case bool:
		return schema
	case map[string]any:
		return c.normalise31(e, schema, pointer)
	}
	e.fail(pointer, "a schema must be an object, true or false")
	return true
}

func (c *Compiler) normalise31(e *entry, schema map[string]any, pointer string) any {
	if pointer != "" && identity(schema) != "" {
		return map[string]any{"$ref": c.refer(e, e.location+pointer)}
	}
	if dialect, ok := schema["$schema"].(string); ok && !isDialect31(dialect) {
		e.fail(child(pointer, "$schema"), "%q is not supported: schemas of OpenAPI 3.1 are read as JSON Schema 2020-12",
			dialect)
	}
	normal := c.keywords(e, schema, pointer)
	for _, keyword := range []string{"$ref", "$dynamicRef"} {
		if reference, ok := schema[keyword]; ok {
			normal[keyword] = c.reference(e, reference, child(pointer, keyword))
		}
	}
	if _, ok := normal["$dynamicAnchor"]; ok {
		e.dynamic = append(e.dynamic, pointer)
	}
	c.discriminate(e, schema, normal, pointer)
	return normal
}

// isDialect31 tells whether a schema dialect is that of OpenAPI 3.1, or the one it extends.
func isDialect31(dialect string) bool {
	switch dialect {
	case "https://spec.openapis.org/oas/3.1/dialect/base", "https://spec.openapis.org/oas/3.1/dialect/2024-11-10",
		"https://json-schema.org/draft/2020-12/schema", "https://json-schema.org/draft/2020-12/schema#":
		return true
	}
	return false
}

// keywords copies what the dialect knows, and what is below.
func (c *Compiler) keywords(e *entry, schema map[string]any, pointer string) map[string]any {
	normal := make(map[string]any)
	for _, name := range slices.Sorted(maps.Keys(schema)) {
		value, place := schema[name], child(pointer, name)
		switch kind := c.dialect.keyword(name); kind {
		case unknown:
		case one, oneOrFlag:
			if _, isFlag := value.(bool); isFlag && kind == oneOrFlag {
				normal[name] = value
			} else {
				normal[name] = c.normalise(e, value, place)
			}
		case several:
			normal[name] = c.several(e, value, place)
		case byName, byExpression:
			normal[name] = c.named(e, value, place, kind == byExpression)
		default:
			var demand string
			if normal[name], demand = kind.plain(value); demand != "" {
				e.fail(place, "%s must be %s", name, demand)
			} else if kind == expression {
				c.expression(e, value.(string), place)
			}
		}
	}
	c.format(normal)
	return normal
}

func (c *Compiler) several(e *entry, value any, pointer string) any {
	schemas, _ := value.([]any)
	if len(schemas) == 0 {
		e.fail(pointer, "must be an array of at least one schema")
	}
	normal := make([]any, len(schemas))
	for i, schema := range schemas {
		normal[i] = c.normalise(e, schema, child(pointer, strconv.Itoa(i)))
	}
	return normal
}

func (c *Compiler) named(e *entry, value any, pointer string, byExpression bool) any {
	schemas, ok := value.(map[string]any)
	if !ok {
		e.fail(pointer, "must be an object whose members are schemas")
	}
	normal := make(map[string]any, len(schemas))
	for _, name := range slices.Sorted(maps.Keys(schemas)) {
		if byExpression {
			c.expression(e, name, child(pointer, name))
		}
		normal[name] = c.normalise(e, schemas[name], child(pointer, name))
	}
	return normal
}

// reference returns a reference as the engine resolves it.
func (c *Compiler) reference(e *entry, reference any, pointer string) string {
	text, ok := reference.(string)
	if !ok {
		e.fail(pointer, "must be a string")
		return e.url
	}
	location, anchor, err := c.resolve(e, text)
	if err != nil {
		e.fail(pointer, "%s", err)
		return e.url
	}
	if anchor != "" { // the name matters for $dynamicRef
		root, _ := c.root(location)
		c.refer(e, root)
		return c.entries[root].url + "#" + anchor
	}
	return c.refer(e, location)
}

// refer returns the URL of the schema at a location, and notes that an entry refers to it.
func (c *Compiler) refer(e *entry, location string) string {
	root, pointer := c.root(location)
	target := c.entry(root)
	if target != e && !slices.Contains(e.refersTo, target) {
		e.refersTo = append(e.refersTo, target)
	}
	if pointer == "" {
		return target.url
	}
	return target.url + "#" + fragment(pointer)
}

// expression compiles a regular expression, to find out whether that can be done.
func (c *Compiler) expression(e *entry, expression, pointer string) {
	if _, err := c.pattern(expression); err != nil {
		e.fail(pointer, "the regular expression %q cannot be used: %s", expression, err)
	}
}

// format leaves only formats that are asserted, under the name that the engine has them.
func (c *Compiler) format(schema map[string]any) {
	name, _ := schema["format"].(string)
	delete(schema, "format")
	if format := formats[name]; format != nil && !c.settings.IgnoreFormats {
		schema["format"] = format.Name
	}
}

// loader gives the engines entries by their URL.
type loader map[string]*entry

// Load implements jsonschema.URLLoader.
func (l loader) Load(url string) (any, error) {
	e, ok := l[url]
	if !ok {
		return nil, errors.New("no such schema")
	}
	return e.copy, nil
}
