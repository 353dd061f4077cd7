package schema

import (
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// Types is a set of JSON types. None means any.
type Types uint8

const (
	Null Types = 1 << iota
	Boolean
	Integer
	Number // includes integers
	String
	Array
	Object
)

const allTypes = Null | Boolean | Integer | Number | String | Array | Object

// Shape says which types a value has where a text must be turned into one: in parameters and forms. It unites what
// the parts of allOf, anyOf and oneOf say, so a value of that shape may still not be valid.
type Shape struct {
	// Types are the types that the schema allows, 0 if it allows any.
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
func (c *Compiler) Shape(location string) *Shape { return c.shapeOf([]string{location}) }

// shapeOf returns the united shape of several schemas.
func (c *Compiler) shapeOf(locations []string) *Shape {
	slices.Sort(locations)
	locations = slices.Compact(locations)
	key := strings.Join(locations, "\n")
	if shape, ok := c.shapes[key]; ok {
		return shape
	}
	shape := new(Shape)
	c.shapes[key] = shape // before it is complete, as schemas contain themselves
	b := shapeBuilder{Compiler: c, seen: make(map[string]bool), properties: make(map[string][]string)}
	for _, location := range locations {
		shape.Types |= c.typesAt(location)
		b.add(location)
	}
	if shape.Types == allTypes {
		shape.Types = b.meant
	}
	switch {
	case shape.Types&Number != 0:
		shape.Types &^= Integer
	}
	b.build(shape)
	scalars := shape.Types & (Boolean | Integer | Number | String)
	if len(locations) == 1 && shape.Types != 0 && scalars&(scalars-1) != 0 {
		shape.validator, _ = c.Compile(locations[0], Request) // Compile of the whole reports what is wrong
	}
	return shape
}

// shapeBuilder collects where the parts of a shape are described.
type shapeBuilder struct {
	*Compiler
	seen              map[string]bool
	formats           []string
	properties        map[string][]string
	additional, items []string
	prefix            [][]string
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

// add collects what the schema at a location, and those that it is made of, say of members and items.
func (b *shapeBuilder) add(location string) {
	value, _ := b.files.value(location)
	schema, ok := value.(map[string]any)
	if !ok || b.seen[location] {
		return
	}
	b.seen[location] = true
	for _, part := range b.madeOf(location, schema) {
		b.add(part)
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
		b.properties[name] = append(b.properties[name], child(location+"/properties", name))
	}
	collectSchema(schema["additionalProperties"], location+"/additionalProperties", &b.additional, &b.closed)
	collectSchema(schema["items"], location+"/items", &b.items, &b.bounded)
	prefix, _ := schema["prefixItems"].([]any)
	for i := range prefix {
		if i == len(b.prefix) {
			b.prefix = append(b.prefix, nil)
		}
		b.prefix[i] = append(b.prefix[i], location+"/prefixItems/"+strconv.Itoa(i))
	}
}

func collectSchema(value any, location string, locations *[]string, isFalse *bool) {
	switch value {
	case false:
		*isFalse = true
	case nil, true:
	default:
		*locations = append(*locations, location)
	}
}

// madeOf returns the locations of the schemas that judge the same value.
func (c *Compiler) madeOf(location string, schema map[string]any) (parts []string) {
	if reference, ok := schema["$ref"].(string); ok {
		if target, _, err := c.resolve(c.newEntry(location), reference); err == nil {
			parts = append(parts, target)
		}
		if c.dialect == OpenAPI30 {
			return parts
		}
	}
	for _, keyword := range []string{"allOf", "anyOf", "oneOf"} {
		schemas, _ := schema[keyword].([]any)
		for i := range schemas {
			parts = append(parts, location+"/"+keyword+"/"+strconv.Itoa(i))
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
	for _, locations := range b.prefix {
		shape.Prefix = append(shape.Prefix, b.shapeOf(locations))
	}
	shape.Additional = b.rest(b.additional, b.closed)
	shape.Items = b.rest(b.items, b.bounded)
}

// rest is the shape of what is not named.
func (b *shapeBuilder) rest(locations []string, isFalse bool) *Shape {
	switch {
	case len(locations) > 0:
		return b.shapeOf(locations)
	case isFalse:
		return nil
	}
	return new(Shape)
}

// typesAt returns the types that the schema at a location allows; an integer is a number, too.
func (c *Compiler) typesAt(location string) Types {
	if types, ok := c.types[location]; ok {
		return types
	}
	c.types[location] = allTypes // for schemas that refer to themselves
	c.types[location] = c.typesFrom(location)
	return c.types[location]
}

func (c *Compiler) typesFrom(location string) Types {
	value, _ := c.files.value(location)
	schema, ok := value.(map[string]any)
	if !ok {
		return allTypes
	}
	types := allTypes
	if reference, ok := schema["$ref"].(string); ok {
		if target, _, err := c.resolve(c.newEntry(location), reference); err == nil {
			types = c.typesAt(target)
		}
		if c.dialect == OpenAPI30 {
			return types
		}
	}
	types &= typesIn(schema["type"]) & typesOf(schema, c.dialect)
	for i := range length(schema["allOf"]) {
		types &= c.typesAt(location + "/allOf/" + strconv.Itoa(i))
	}
	for _, keyword := range []string{"anyOf", "oneOf"} {
		var united Types
		for i := range length(schema[keyword]) {
			united |= c.typesAt(location + "/" + keyword + "/" + strconv.Itoa(i))
		}
		if united != 0 {
			types &= united
		}
	}
	if schema["nullable"] == true && c.dialect == OpenAPI30 {
		types |= Null
	}
	return types
}

func length(value any) int {
	items, _ := value.([]any)
	return len(items)
}

// typesOf returns the types of the values in enum and const.
func typesOf(schema map[string]any, d Dialect) Types {
	values, ok := schema["enum"].([]any)
	if constant, isConst := schema["const"]; isConst && d == OpenAPI31 {
		values, ok = []any{constant}, true
	}
	if !ok {
		return allTypes
	}
	var types Types
	for _, value := range values {
		types |= typeOf(value)
	}
	return types
}

func typeOf(value any) Types {
	switch value := value.(type) {
	case nil:
		return Null
	case bool:
		return Boolean
	case json.Number:
		if _, ok := integral(string(value)); ok {
			return Integer | Number
		}
		return Number
	case string:
		return String
	case []any:
		return Array
	}
	return Object
}
