package schema

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// This file holds the names that schemas give themselves: $id, $anchor and $dynamicAnchor.

// identities are the schemas that have a name. Several may have the same.
type identities struct {
	ids     map[string][]string // locations by URL
	anchors map[string][]string // locations by the location of the resource and the anchor
}

// identified returns them. All files are searched once.
func (c *Compiler) identified() *identities {
	if c.identities == nil {
		c.identities = &identities{make(map[string][]string), make(map[string][]string)}
		if c.dialect == OpenAPI31 {
			for file, tree := range c.files {
				c.identities.search(tree, place{file + "#", file, file + "#"}, "", "", false)
			}
		}
	}
	return c.identities
}

// place is where a value stands, with the URL and the location of the resource around it.
type place struct{ location, base, resource string }

func (p place) child(token string) place {
	p.location = child(p.location, token)
	return p
}

// search collects the names below what has a name itself in the object around it: in components, say. Inside of a schema,
// only what keywords lead to is searched; around schemas all that is no example.
func (n *identities) search(value any, at place, name, around string, inside bool) {
	switch value := value.(type) {
	case []any:
		for i, item := range value {
			n.search(item, at.child(strconv.Itoa(i)), "", "", inside)
		}
	case map[string]any:
		at = n.identify(value, at)
		inside = inside || identity(value) != "" || around == "schemas" || name == "schema" && !isParameter(value)
		for member, value := range value {
			switch kind := keywords31[member]; {
			case inside && (kind == byName || kind == byExpression):
				schemas, _ := value.(map[string]any)
				for key, schema := range schemas {
					n.search(schema, at.child(member).child(key), key, member, true)
				}
			case inside && kind >= one || !inside && !isExtension(member) && (!holdsValues[member] || holdsNames[name]):
				n.search(value, at.child(member), member, name, inside)
			}
		}
	}
}

// holdsValues are keywords and fields below which there are values, not schemas.
var holdsValues = map[string]bool{"enum": true, "const": true, "default": true, "example": true, "examples": true}

func isExtension(member string) bool { return strings.HasPrefix(member, "x-") }

// isParameter tells whether what is called schema is a parameter or header of that name.
func isParameter(object map[string]any) bool {
	return object["schema"] != nil || object["content"] != nil
}

// holdsNames are fields, of OpenAPI and of what may be a schema, whose members may have any name.
var holdsNames = map[string]bool{
	"schemas": true, "responses": true, "parameters": true, "requestBodies": true, "headers": true, "callbacks": true,
	"pathItems": true, "encoding": true,
	"properties": true, "patternProperties": true, "dependentSchemas": true, "$defs": true, "definitions": true,
}

// identify notes the names of an object, and returns its place with the resource that it may be.
func (n *identities) identify(object map[string]any, at place) place {
	if id := identity(object); id != "" {
		if url, err := joined(at.base, id); err == nil {
			at.base, at.resource = url, at.location
			n.ids[url] = append(n.ids[url], at.location)
		}
	}
	for _, keyword := range []string{"$anchor", "$dynamicAnchor"} {
		if anchor, ok := object[keyword].(string); ok {
			key := at.resource + " " + anchor
			n.anchors[key] = append(n.anchors[key], at.location)
		}
	}
	return at
}

// resourceAt returns the location of the resource that an entry knows by a URL: its own, a file, or what has that $id.
func (c *Compiler) resourceAt(e *entry, url string) (string, error) {
	if url == e.base {
		return e.resource, nil
	}
	if _, ok := c.files[url]; ok {
		return url + "#", nil
	}
	found := c.identified().ids[url]
	switch len(found) {
	case 0:
		return "", fmt.Errorf("leads to %s, which is none of the files that were read", url)
	case 1:
		return found[0], nil
	}
	return "", ambiguous("$id", found, "give each of these schemas an $id of its own")
}

// anchored returns the location of an anchor in the resource at a location. A document without any $id is one
// resource, in which several schemas may have the same anchor: then the entry's own is meant.
func (c *Compiler) anchored(e *entry, resource, anchor string) (string, error) {
	found := c.identified().anchors[resource+" "+anchor]
	for _, location := range found {
		if len(found) > 1 && (location == e.location || strings.HasPrefix(location, e.location+"/")) {
			return location, nil
		}
	}
	switch len(found) {
	case 0:
		return "", fmt.Errorf("leads nowhere: there is no $anchor or $dynamicAnchor %q", anchor)
	case 1:
		return found[0], nil
	}
	return "", ambiguous("anchor", found, "give one of these schemas an $id")
}

func ambiguous(what string, locations []string, mend string) error {
	slices.Sort(locations)
	return fmt.Errorf("is ambiguous: the %s stands at %s; %s", what, strings.Join(locations, " and "), mend)
}
