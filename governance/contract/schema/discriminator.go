package schema

import (
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// This file holds the discriminator: where it stands beside oneOf or anyOf, an object is judged only by the schema
// that its property names. Values of the property are the names in mapping, and those of the schemas that the
// branches refer to, as far as mapping does not give them to another schema.
//
// Branches that say that they allow something else than an object, such as null, judge what is no object.
//
// Where it stands alone, as in a schema that others extend by allOf, nothing is to be selected: whoever refers to the
// base means the base.

// discriminator is one as it stands in a document.
type discriminator struct {
	property string
	branches map[string]int // value of the property -> index in oneOf or anyOf
	others   []int          // branches that allow something else than objects
	anyOf    bool
}

// discriminate notes the discriminator of a schema, if it selects between branches.
func (c *Compiler) discriminate(e *entry, schema, normal map[string]any, pointer string) {
	object, ok := schema["discriminator"].(map[string]any)
	if !ok {
		return
	}
	place := child(pointer, "discriminator")
	property, ok := object["propertyName"].(string)
	if !ok {
		e.fail(place, "a discriminator must have a propertyName, which is a string")
		return
	}
	d := discriminator{property: property, branches: make(map[string]int)}
	branches, ok := schema["oneOf"].([]any)
	if !ok {
		branches, d.anyOf = schema["anyOf"].([]any)
	}
	named := c.branches(e, branches)
	if len(named) == 0 {
		return
	}
	for location, i := range named {
		if types := c.typesAt(location); types != allTypes && types&^Object != 0 {
			d.others = append(d.others, i)
		}
	}
	mapping, _ := object["mapping"].(map[string]any)
	for _, value := range slices.Sorted(maps.Keys(mapping)) {
		c.mapped(e, value, mapping[value], named, &d, child(child(place, "mapping"), value))
	}
	d.implicit(branches, named)
	normal["$comment"] = strconv.Itoa(len(c.discriminators))
	c.discriminators = append(c.discriminators, d)
}

// branches returns the locations that branches refer to, with their indexes. It is empty if some branch that may be
// an object is no reference: the property cannot name it.
func (c *Compiler) branches(e *entry, branches []any) map[string]int {
	named := make(map[string]int)
	for i, branch := range branches {
		object, _ := branch.(map[string]any)
		reference, isReference := object["$ref"].(string)
		if !isReference && (object == nil || typesIn(object["type"])&Object != 0) {
			return nil
		}
		if location, _, err := c.resolve(e, reference); isReference && err == nil {
			named[c.aliased(location)] = i
		}
	}
	return named
}

// typesIn returns the types that the keyword type allows, all if it is not there. An integer is a number, too.
func typesIn(value any) (types Types) {
	switch value := value.(type) {
	case string:
		if value == "number" {
			return Number | Integer
		}
		return typesByName[value]
	case []any:
		for _, item := range value {
			types |= typesIn(item)
		}
		return types
	}
	return Null | Boolean | Integer | Number | String | Array | Object
}

// aliased follows schemas that are nothing but a reference.
func (c *Compiler) aliased(location string) string {
	for range 100 { // more are a loop
		value, _ := c.files.value(location)
		object, _ := value.(map[string]any)
		reference, ok := object["$ref"].(string)
		if !ok || len(object) > 1 && c.dialect == OpenAPI31 {
			return location
		}
		next, _, err := c.resolve(c.newEntry(location), reference)
		if err != nil {
			return location
		}
		location = next
	}
	return location
}

// mapped adds a value of mapping: the name of a schema in components, or a reference.
func (c *Compiler) mapped(e *entry, value string, target any, named map[string]int, d *discriminator, place string) {
	text, ok := target.(string)
	if !ok {
		e.fail(place, "must be a string: the name of a schema or a reference")
		return
	}
	location, isName := c.component(e, text)
	if !isName {
		var err error
		if location, _, err = c.resolve(e, text); err != nil {
			e.fail(place, "%s", strings.Replace(err.Error(), "$ref", "the target", 1))
			return
		}
	}
	// a schema that is no branch would not be allowed anyhow
	if branch, ok := named[c.aliased(location)]; ok {
		d.branches[value] = branch
	}
}

// component returns the location of the schema that has a name in components. An entry in a file without components of
// its own means those of the document that refers to it.
func (c *Compiler) component(e *entry, name string) (location string, ok bool) {
	own, _ := split(e.location)
	for _, file := range append([]string{own}, slices.Sorted(maps.Keys(c.files))...) {
		location = child(file+"#/components/schemas", name)
		if _, ok = c.files.value(location); ok {
			break
		}
	}
	return location, ok
}

// implicit adds the names of the branches' schemas.
func (d *discriminator) implicit(branches []any, named map[string]int) {
	for _, branch := range slices.Sorted(maps.Values(named)) {
		reference := branches[branch].(map[string]any)["$ref"].(string)
		name := unescaper.Replace(reference[strings.LastIndexByte(reference, '/')+1:])
		if _, taken := d.branches[name]; !taken {
			d.branches[name] = branch
		}
	}
}

// dispatch is the extension of a compiled schema that has a discriminator, in place of its oneOf or anyOf.
type dispatch struct {
	property string
	branches map[string]*jsonschema.Schema
	allowed  []any                // the values of the property
	others   []*jsonschema.Schema // branches for what is no object
}

// newDispatch takes the branches of a schema over.
func newDispatch(schema *jsonschema.Schema, d discriminator) *dispatch {
	branches := schema.OneOf
	if d.anyOf {
		branches, schema.AnyOf = schema.AnyOf, nil
	} else {
		schema.OneOf = nil
	}
	result := &dispatch{property: d.property, branches: make(map[string]*jsonschema.Schema)}
	selectable := make(map[int]bool)
	for _, value := range slices.Sorted(maps.Keys(d.branches)) {
		selectable[d.branches[value]] = true
		result.branches[value] = branches[d.branches[value]]
		result.allowed = append(result.allowed, value)
	}
	for i, branch := range branches {
		if !selectable[i] || slices.Contains(d.others, i) {
			result.others = append(result.others, branch)
		}
	}
	return result
}

// cut lets branches that extend the schema whose discriminator selects them do so without that discriminator: the
// branch has been selected already. Generators write such pairs, which plain JSON Schema could not judge.
func (d *dispatch) cut(schema *jsonschema.Schema) {
	base := *schema
	isThis := func(e jsonschema.SchemaExt) bool { return e == d }
	base.Extensions = slices.DeleteFunc(slices.Clone(schema.Extensions), isThis)
	withBase := func(s *jsonschema.Schema) *jsonschema.Schema {
		if s == schema {
			return &base
		}
		return s
	}
	for value, branch := range d.branches {
		d.branches[value] = rebuilt(branch, withBase)
	}
	for i, other := range d.others {
		d.others[i] = rebuilt(other, withBase)
	}
}

// dispatchOf returns what the discriminator of a schema has become, nil if it has none.
func dispatchOf(schema *jsonschema.Schema) *dispatch {
	for _, extension := range schema.Extensions {
		if d, ok := extension.(*dispatch); ok {
			return d
		}
	}
	return nil
}

// selecting returns the text by which a value of the property selects a branch: mapping has texts only, also where the
// property is a number or a boolean.
func selecting(value any) string {
	switch value := value.(type) {
	case string:
		return value
	case json.Number:
		return string(value)
	case bool:
		return strconv.FormatBool(value)
	}
	return ""
}

// Validate implements jsonschema.SchemaExt.
func (d *dispatch) Validate(context *jsonschema.ValidatorContext, value any) {
	object, ok := value.(map[string]any)
	if !ok {
		for _, other := range d.others {
			if context.Validate(other, value, nil) == nil {
				return
			}
		}
		context.AddError(&noObject{})
		return
	}
	name, ok := object[d.property]
	if !ok {
		context.AddError(&unselected{dispatch: d, code: "required"})
		return
	}
	branch, ok := d.branches[selecting(name)]
	if !ok {
		context.AddError(&unselected{dispatch: d, code: "discriminator"})
		return
	}
	if err := context.Validate(branch, value, nil); err != nil {
		context.AddErr(err)
	}
}

// schemas and selected tell the cost bound what is judged besides.
func (d *dispatch) schemas() []*jsonschema.Schema {
	return append(slices.Collect(maps.Values(d.branches)), d.others...)
}

func (d *dispatch) selected(value any) []*jsonschema.Schema {
	object, ok := value.(map[string]any)
	if !ok {
		return d.others
	}
	if branch, ok := d.branches[selecting(object[d.property])]; ok {
		return []*jsonschema.Schema{branch}
	}
	return nil
}
