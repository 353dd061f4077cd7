package schema

import (
	"fmt"
	"net/url"
	"strings"
)

// This file holds what references mean inside an OpenAPI document, which is not a schema itself: the engine gets
// each schema as a document of its own, an entry, and references between entries.
//
// What stands at the place of a schema in an OpenAPI document is an entry, and so is what has an $id: each entry is
// what JSON Schema calls a schema resource, the scope of $dynamicRef. In OpenAPI 3.0, which has no such things,
// each target of a reference is an entry.

// newEntry returns the entry at a location, which references are resolved for: they are relative to the file, or to the
// $id around them.
func (c *Compiler) newEntry(location string) *entry {
	file, pointer := split(location)
	e := &entry{location: location, base: file, resource: file + "#"}
	if c.dialect == OpenAPI30 {
		return e
	}
	here, value := e.resource, c.files[file]
	path := tokens(pointer)
	for i := 0; ; i++ {
		if id := identity(value); id != "" {
			if joined, err := joined(e.base, id); err == nil {
				e.base, e.resource = joined, here
			}
		}
		if i == len(path) {
			return e
		}
		value, _ = step(value, path[i])
		here = child(here, path[i])
	}
}

// identity returns the $id of a schema, "" if there is none.
func identity(value any) string {
	object, _ := value.(map[string]any)
	id, _ := object["$id"].(string)
	return strings.TrimSuffix(id, "#")
}

// resolve returns the location that a reference leads to from an entry, and its anchor if it is one.
func (c *Compiler) resolve(e *entry, reference string) (location, anchor string, err error) {
	target, fragment, _ := strings.Cut(reference, "#")
	resource, err := joined(e.base, target)
	if err != nil {
		return "", "", fmt.Errorf("$ref %q is not a URL reference", reference)
	}
	if fragment, err = url.PathUnescape(fragment); err != nil {
		return "", "", fmt.Errorf("$ref %q has a broken percent-encoding", reference)
	}
	if location, err = c.resourceAt(e, resource); err != nil {
		return "", "", fmt.Errorf("$ref %q %w", reference, err)
	}
	if fragment != "" && fragment[0] != '/' {
		if location, err = c.anchored(e, location, fragment); err != nil {
			return "", "", fmt.Errorf("$ref %q %w", reference, err)
		}
		return location, fragment, nil
	}
	location += fragment
	if _, ok := c.files.value(location); !ok {
		return "", "", fmt.Errorf("$ref %q leads nowhere: there is no such place in %s", reference, resource)
	}
	return location, "", nil
}

// root returns the location of the entry that a location belongs to, and the pointer from there.
func (c *Compiler) root(location string) (root, pointer string) {
	file, pointer := split(location)
	if c.dialect == OpenAPI30 {
		return location, ""
	}
	path := tokens(pointer)
	begin, value := -1, c.files[file]
	if identity(value) != "" {
		begin = 0
	}
	for i, token := range path {
		value, _ = step(value, token)
		if identity(value) != "" || begin < 0 && isEntry(path[:i+1], path[i+1:]) {
			begin = i + 1
		}
	}
	if begin < 0 || !leads(path[begin:]) {
		return location, ""
	}
	root = file + "#"
	for _, token := range path[:begin] {
		root = child(root, token)
	}
	return root, location[len(root):]
}

// isEntry tells whether the outermost schema of an OpenAPI document stands at path, with rest to come below it.
func isEntry(path, rest []string) bool {
	if len(path) == 3 && path[0] == "components" && path[1] == "schemas" {
		return true
	}
	// a header or parameter may be called schema too; then what follows is no keyword that holds schemas
	return path[len(path)-1] == "schema" && (len(rest) == 0 || keywords31[rest[0]] >= one)
}

// leads tells whether a path inside a schema leads through keywords to another schema.
func leads(path []string) bool {
	for len(path) > 0 {
		width := 2 // several, byName, byExpression: a keyword and which one
		switch kind := keywords31[path[0]]; {
		case kind < one:
			return false
		case kind <= oneOrFlag:
			width = 1
		}
		if len(path) < width {
			return false
		}
		path = path[width:]
	}
	return true
}
