package schema

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
)

// This file holds what references mean inside an OpenAPI document, which is not a schema itself: the engine gets
// each schema as a document of its own, an entry, and references between entries.
//
// What stands at the place of a schema in an OpenAPI document is an entry, and so is what has an $id: each entry is
// what JSON Schema calls a schema resource, the scope of $dynamicRef. In OpenAPI 3.0, which has no such things,
// each target of a reference is an entry.

// base returns the URL that references at a location are relative to: the file's, or that of the $id around it.
func (c *Compiler) base(location string) string {
	file, pointer := split(location)
	if c.dialect == OpenAPI30 {
		return file
	}
	base, value := file, c.files[file]
	for _, token := range append(tokens(pointer), "") {
		if id := identity(value); id != "" {
			if joined, err := joined(base, id); err == nil {
				base = joined
			}
		}
		value, _ = step(value, token)
	}
	return base
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
	location = resource + "#"
	if _, ok := c.files[resource]; !ok {
		if location, ok = c.identified()[resource]; !ok {
			return "", "", fmt.Errorf("$ref %q leads to %s, which is none of the files that were read", reference, resource)
		}
	}
	if fragment != "" && fragment[0] != '/' {
		location, err = c.anchored(e, location, fragment, reference)
		return location, fragment, err
	}
	location += fragment
	if _, ok := c.files.value(location); !ok {
		return "", "", fmt.Errorf("$ref %q leads nowhere: there is no such place in %s", reference, resource)
	}
	return location, "", nil
}

// identified returns the locations of all schemas that have an $id, by URL. All files are searched once.
func (c *Compiler) identified() map[string]string {
	if c.ids == nil {
		c.ids, c.anchors = make(map[string]string), make(map[string][]string)
		if c.dialect == OpenAPI31 {
			for file, tree := range c.files {
				c.search(tree, file+"#", file, file+"#")
			}
		}
	}
	return c.ids
}

// holdsValues are keywords and fields below which there are values, not schemas.
var holdsValues = map[string]bool{"enum": true, "const": true, "default": true, "example": true, "examples": true}

// search collects the $id and anchors below value. resource is the location of the schema resource around it.
func (c *Compiler) search(value any, location, base, resource string) {
	switch value := value.(type) {
	case []any:
		for i, item := range value {
			c.search(item, fmt.Sprintf("%s/%d", location, i), base, resource)
		}
	case map[string]any:
		if id := identity(value); id != "" {
			if url, err := joined(base, id); err == nil {
				base, resource = url, location
				c.ids[url] = location
			}
		}
		for _, name := range []string{"$anchor", "$dynamicAnchor"} {
			if anchor, ok := value[name].(string); ok {
				c.anchors[resource+" "+anchor] = append(c.anchors[resource+" "+anchor], location)
			}
		}
		for name, member := range value {
			if !holdsValues[name] {
				c.search(member, child(location, name), base, resource)
			}
		}
	}
}

// anchored returns the location of an anchor in the resource at a location. A document without any $id is one
// resource, in which several schemas may have the same anchor: then the entry's own is meant.
func (c *Compiler) anchored(e *entry, resource, anchor, reference string) (string, error) {
	c.identified()
	found := c.anchors[resource+" "+anchor]
	for _, location := range found {
		if len(found) > 1 && (location == e.location || strings.HasPrefix(location, e.location+"/")) {
			return location, nil
		}
	}
	slices.Sort(found)
	switch len(found) {
	case 0:
		return "", fmt.Errorf("$ref %q leads nowhere: there is no $anchor or $dynamicAnchor %q", reference, anchor)
	case 1:
		return found[0], nil
	}
	return "", fmt.Errorf("$ref %q is ambiguous: the anchor stands at %s; give one of these schemas an $id", reference,
		strings.Join(found, " and "))
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
