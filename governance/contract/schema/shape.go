package schema

import (
	"maps"
	"slices"
	"strconv"
	"strings"
)

// Shape says which types a value has where a text must be turned into one: in parameters and forms. It unites what
// the parts of allOf, anyOf and oneOf say, so a value of that shape may still not be valid.
type Shape struct {
	// Types are the types that the schema allows, 0 if it allows any. Null is one only if there is no other, as no text
	// is null.
	Types Types

	// Formats are the values of format that occur, e.g. binary.
	Formats []string

	// Properties are the known members of an object, Additional what its other members are: nil if there must
	// not be any. Shapes of recursive schemas contain themselves.
	Properties map[string]*Shape
	Additional *Shape

	// Items are the items of an array, after those of Prefix; nil if there must not be any.
	Items  *Shape
	Prefix []*Shape

	validator Validator
}

// May tells whether the schema allows a value of one of these types.
func (s *Shape) May(t Types) bool { return s.Types == 0 || s.Types&t != 0 }

// Validator judges values of this shape, to choose between several types that a text can be read as. It is nil if
// there is nothing to choose.
func (s *Shape) Validator() Validator { return s.validator }

// Shape tells how to turn texts into values for the schema at location. It never fails: what Compile refuses has
// the shape of anything.
func (c *Compiler) Shape(location string) *Shape {
	return c.shapeOf(described{all: []string{location}})
}

// described are the locations of the schemas that describe a value: it must fit all of those that parts of an allOf have,
// but one only of those that branches of an anyOf or oneOf have.
type described struct{ all, any []string }

func (d *described) add(location string, alternative bool) {
	if alternative {
		d.any = append(d.any, location)
	} else {
		d.all = append(d.all, location)
	}
}

// shapeOf returns the shape of what is described.
func (c *Compiler) shapeOf(d described) *Shape {
	d.all, d.any = distinctSorted(d.all), distinctSorted(d.any)
	key := strings.Join(d.all, "\n") + "\n\n" + strings.Join(d.any, "\n")
	if shape, ok := c.shapes[key]; ok {
		return shape
	}
	shape := &Shape{Types: c.typesOfAll(d)}
	c.shapes[key] = shape // before it is complete, as schemas contain themselves
	b := shapeBuilder{Compiler: c, seen: make(map[string]bool), properties: make(map[string]described)}
	for _, location := range d.all {
		b.add(location, false)
	}
	for _, location := range d.any {
		b.add(location, true)
	}
	if shape.Types == allTypes {
		shape.Types = b.meant
	}
	if shape.Types&Number != 0 {
		shape.Types &^= Integer
	}
	if shape.Types != Null {
		shape.Types &^= Null
	}
	b.build(shape)
	scalars := shape.Types & (Boolean | Integer | Number | String)
	if len(d.all) == 1 && len(d.any) == 0 && scalars&(scalars-1) != 0 {
		shape.validator, _ = c.Compile(d.all[0], Request) // Compile of the whole reports what is wrong
	}
	return shape
}

func distinctSorted(locations []string) []string {
	slices.Sort(locations)
	return slices.Compact(locations)
}

// shapeBuilder collects where the parts of a shape are described.
type shapeBuilder struct {
	*Compiler
	seen              map[string]bool
	formats           []string
	properties        map[string]described
	additional, items described
	prefix            []described
	closed, bounded   bool // additionalProperties or items are false somewhere
	meant             Types
}

// meaning is what type a keyword speaks of. Where no type is given, a text is read as the types that its schema speaks
// of: {maxLength: 3} would refuse no parameter if that could also be an array.
var meaning = map[string]Types{
	"minLength": String, "maxLength": String, "pattern": String,
	"minimum": Number, "maximum": Number, "exclusiveMinimum": Number, "exclusiveMaximum": Number, "multipleOf": Number,
	"items": Array, "prefixItems": Array, "minItems": Array, "maxItems": Array, "uniqueItems": Array, "contains": Array,
	"properties": Object, "additionalProperties": Object, "patternProperties": Object, "propertyNames": Object,
	"required": Object, "minProperties": Object, "maxProperties": Object,
}

// numberFormats are the formats that numbers have.
var numberFormats = []string{"int32", "int64", "float", "double"}

// add collects what the schema at a location, and those that it is made of, say of members and items. It may be one of
// several alternatives.
func (b *shapeBuilder) add(location string, alternative bool) {
	value, _ := b.files.value(location)
	schema, ok := value.(map[string]any)
	if !ok || b.seen[location] {
		return
	}
	b.seen[location] = true
	parts := b.madeOf(location, schema)
	for _, part := range parts.all {
		b.add(part, alternative)
	}
	for _, part := range parts.any {
		b.add(part, true)
	}
	if _, isReference := schema["$ref"]; isReference && b.dialect == OpenAPI30 {
		return
	}
	for keyword := range schema {
		b.meant |= meaning[keyword]
	}
	if format, _ := schema["format"].(string); slices.Contains(numberFormats, format) {
		b.meant |= Number
	} else if format != "" {
		b.meant |= String
	}
	if format, ok := schema["format"].(string); ok && !slices.Contains(b.formats, format) {
		b.formats = append(b.formats, format)
	}
	properties, _ := schema["properties"].(map[string]any)
	for name := range properties {
		property := b.properties[name]
		property.add(child(location+"/properties", name), alternative)
		b.properties[name] = property
	}
	b.closed = b.closed || schema["additionalProperties"] == false
	b.bounded = b.bounded || schema["items"] == false
	for keyword, rest := range map[string]*described{"additionalProperties": &b.additional, "items": &b.items} {
		if _, isObject := schema[keyword].(map[string]any); isObject {
			rest.add(location+"/"+keyword, alternative)
		}
	}
	prefix, _ := schema["prefixItems"].([]any)
	for i := range prefix {
		if i == len(b.prefix) {
			b.prefix = append(b.prefix, described{})
		}
		b.prefix[i].add(location+"/prefixItems/"+strconv.Itoa(i), alternative)
	}
}

// madeOf returns the schemas that judge the same value.
func (c *Compiler) madeOf(location string, schema map[string]any) (parts described) {
	if reference, ok := schema["$ref"].(string); ok {
		if target, _, err := c.resolve(c.newEntry(location), reference); err == nil {
			parts.add(target, false)
		}
		if c.dialect == OpenAPI30 {
			return parts
		}
	}
	for _, keyword := range []string{"allOf", "anyOf", "oneOf"} {
		schemas, _ := schema[keyword].([]any)
		for i := range schemas {
			parts.add(location+"/"+keyword+"/"+strconv.Itoa(i), keyword != "allOf")
		}
	}
	return parts
}

func (b *shapeBuilder) build(shape *Shape) {
	slices.Sort(b.formats)
	shape.Formats = b.formats
	for _, name := range slices.Sorted(maps.Keys(b.properties)) {
		if shape.Properties == nil {
			shape.Properties = make(map[string]*Shape)
		}
		shape.Properties[name] = b.shapeOf(b.properties[name])
	}
	for _, item := range b.prefix {
		shape.Prefix = append(shape.Prefix, b.shapeOf(item))
	}
	shape.Additional = b.rest(b.additional, b.closed)
	shape.Items = b.rest(b.items, b.bounded)
}

// rest is the shape of what is not named.
func (b *shapeBuilder) rest(d described, isFalse bool) *Shape {
	switch {
	case len(d.all)+len(d.any) > 0:
		return b.shapeOf(d)
	case isFalse:
		return nil
	}
	return new(Shape)
}
