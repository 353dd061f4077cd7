package document

import (
	"encoding/json"
	"fmt"
	"path"
	"strconv"
	"strings"
)

// copy.go writes the text that kin-openapi judges: the whole document in one file, in which
//
//   - each $ref of a schema is an empty schema, as the resolver has found its target, which is judged at its own place
//     (or among the components, if it stands where kin-openapi does not look). So the judgement is linear, while
//     kin-openapi otherwise goes through all that a schema refers to each time it meets it;
//   - each other $ref leads to the components, or is replaced by its target;
//   - there are no extensions, examples, defaults and texts for people, nor keywords that have no meaning;
//   - each object begins on a line of its own, so that a line tells an object's place in the original files.

// copier writes the copy.
type copier struct {
	r       *resolver
	root    *file
	text    []byte
	lines   []spot // the object that begins on each line
	written map[spot]bool
	tooLong bool
}

// maxCopy is how much longer the copy may be than the files: a chain of objects that refer to the next twice doubles
// with each of them.
const maxCopy = 20

// marker is a first member that is no object. To kin-openapi the line of an object that is no member of another, so an
// array's item or the root, is that of its first member.
const marker = `"x-item": 1`

// holder is an object and where it stands.
type holder struct {
	at      spot
	members map[string]any
}

func (r *resolver) copy(root *file) *copier {
	c := &copier{r: r, root: root, lines: []spot{{root, ""}}, written: make(map[spot]bool)}
	members := root.tree.(map[string]any)
	c.text = append(c.text, "{"+marker...)
	first := false
	c.fields(holder{spot{root, ""}, members}, objects[openAPIObject], &first, nil)
	c.components(members, &first)
	c.text = append(c.text, '}')
	return c
}

// line begins the line of an object.
func (c *copier) line(at spot) {
	c.text = append(c.text, '\n')
	c.lines = append(c.lines, at)
}

func (c *copier) quote(s string) {
	quoted, _ := json.Marshal(s)
	c.text = append(c.text, quoted...)
}

func (c *copier) key(at spot, name string, first *bool) {
	if !*first {
		c.text = append(c.text, ',')
	}
	*first = false
	c.line(at)
	c.quote(name)
	c.text = append(c.text, ": "...)
}

func (c *copier) field(at spot, v any, f field) {
	switch f.many {
	case list:
		c.text = append(c.text, '[')
		for i, item := range v.([]any) {
			if i > 0 {
				c.text = append(c.text, ',')
			}
			c.line(at.item(i))
			c.value(at.item(i), item, f.kind, marker)
		}
		c.text = append(c.text, ']')
	case dict:
		c.text = append(c.text, '{')
		first := true
		c.members(at, v, f.kind, &first)
		c.text = append(c.text, '}')
	default:
		c.value(at, v, f.kind, "")
	}
}

func (c *copier) members(at spot, v any, k kind, first *bool) {
	members, _ := v.(map[string]any)
	for _, name := range sortedKeys(members) {
		c.key(at.member(name), name, first)
		c.value(at.member(name), members[name], k, "")
	}
}

// components come last, when it is known which schemas have been written.
func (c *copier) components(document map[string]any, first *bool) {
	members, _ := document["components"].(map[string]any)
	at := spot{c.root, "/components"}
	c.key(at, "components", first)
	c.text = append(c.text, '{')
	inner := true
	c.fields(holder{at, members}, objects[componentsObject], &inner, nil)
	c.key(at.member("schemas"), "schemas", &inner)
	c.text = append(c.text, '{')
	inner = true
	c.members(at.member("schemas"), members["schemas"], schemaObject, &inner)
	c.others(&inner)
	c.text = append(c.text, "}}"...)
}

// others writes schemas that are referred to where kin-openapi does not look: in other files, or in extensions.
func (c *copier) others(first *bool) {
	for i, at := range c.r.schemas {
		if !c.written[at] {
			v, _, _ := lookup(at.file.tree, at.pointer)
			name := fmt.Sprintf("%s-%d", componentName(path.Base(at.file.url.Path)+at.pointer), i)
			c.key(at, name, first)
			c.value(at, v, schemaObject, "")
		}
	}
}

func componentName(s string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '.' || r == '_' {
			return r
		}
		return '-'
	}, s)
}

// value writes a value. The prefix is a first member, should it be an object.
func (c *copier) value(at spot, v any, k kind, prefix string) {
	o := objectOf(k, c.r.dialect)
	members, isObject := v.(map[string]any)
	target, refers := c.r.links[at]
	switch {
	case o == nil:
		c.leaf(v, k)
	case !isObject: // a boolean schema
		c.text = strconv.AppendBool(c.text, v == true)
	case k == schemaObject:
		c.written[at] = true
		if refers && o == schema30 {
			members = nil // they are ignored
		}
		c.object(o, prefix, holder{at, members})
	case refers && o.refers:
		c.reference(holder{at, members}, target, k, o, prefix)
	default:
		c.object(o, prefix, holder{at, members})
	}
}

// reference writes a Reference Object, or what it refers to.
func (c *copier) reference(h holder, target spot, k kind, o *object, prefix string) {
	name, isComponent := strings.CutPrefix(target.pointer, "/components/"+o.bucket+"/")
	if isComponent && target.file == c.root && !strings.Contains(name, "/") && k != pathItemObject {
		c.text = append(c.text, `{"$ref": `...)
		c.quote("#" + target.pointer)
		c.text = append(c.text, '}')
		return
	}
	limit := 1 << 20
	for _, f := range c.r.files {
		limit += maxCopy * len(f.text)
	}
	if c.tooLong = c.tooLong || len(c.text) > limit; c.tooLong {
		c.text = append(c.text, "{}"...)
		return
	}
	v, _, _ := lookup(target.file.tree, target.pointer)
	if k != pathItemObject {
		c.lines[len(c.lines)-1] = target
		c.value(target, v, k, prefix)
		return
	}
	holders := []holder{h}
	for refers := true; refers; target, refers = next(c.r.links, target) {
		v, _, _ := lookup(target.file.tree, target.pointer)
		members, _ := v.(map[string]any)
		holders = append(holders, holder{target, members})
	}
	c.object(o, prefix, holders...)
}

// object writes an object. Members that it does not have come from the next of the holders.
func (c *copier) object(o *object, prefix string, holders ...holder) {
	if o.rest != nil {
		prefix = "" // all members mean something
	}
	c.text = append(append(c.text, '{'), prefix...)
	first := prefix == ""
	written := make(map[string]bool)
	for _, h := range holders {
		c.fields(h, o, &first, written)
	}
	if h := holders[0]; o == schema30 && h.members["type"] == "array" && h.members["items"] == nil {
		// 3.0 wants items to be there. An array of anything is what authors mean without.
		c.key(h.at, "items", &first)
		c.text = append(c.text, "{}"...)
	}
	c.text = append(c.text, '}')
}

// fields writes the members of an object that are not written yet.
func (c *copier) fields(h holder, o *object, first *bool, written map[string]bool) {
	for _, name := range sortedKeys(h.members) {
		f, known := o.fields[name]
		if !known && o.rest != nil && !isExtension(name) {
			f, known = *o.rest, true
		}
		if !known || h.members[name] == nil || written[name] || c.leftOut(name, o) {
			continue
		}
		if written != nil {
			written[name] = true
		}
		c.key(h.at.member(name), name, first)
		c.field(h.at.member(name), h.members[name], f)
	}
}

// leftOut are fields that are written elsewhere, or that kin-openapi does not know or would act upon.
func (c *copier) leftOut(name string, o *object) bool {
	switch o {
	case objects[openAPIObject]:
		return name == "components"
	case objects[componentsObject]:
		return name == "schemas" || name == "pathItems"
	case objects[discriminatorObject]:
		return name == "mapping"
	}
	return strings.HasPrefix(name, "$") && name != "$defs"
}

func (c *copier) leaf(v any, k kind) {
	switch v := v.(type) {
	case bool:
		if k == flag || k == numberOrFlag {
			c.text = strconv.AppendBool(c.text, v)
			return
		}
	case string:
		if k == prose && v != "" {
			v = "-"
		}
		if k != anyValue {
			c.quote(v)
			return
		}
	case []any:
		if k == texts || k == typeNames {
			quoted, _ := json.Marshal(v)
			c.text = append(c.text, quoted...)
			return
		}
		if k == anyList {
			c.text = append(c.text, "[1]"...)
			return
		}
	}
	c.text = append(c.text, '1')
}
