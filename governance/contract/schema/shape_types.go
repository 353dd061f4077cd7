package schema

import (
	"encoding/json"
	"strconv"
)

// This file holds which types a schema allows.

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

// typesOfAll returns the types that a value may have.
func (c *Compiler) typesOfAll(d described) Types {
	types, united := allTypes, Types(0)
	for _, location := range d.all {
		types &= c.typesAt(location)
	}
	for _, location := range d.any {
		united |= c.typesAt(location)
	}
	if len(d.any) > 0 {
		types &= united
	}
	return types
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
		if r := rational(value); r != nil && r.IsInt() {
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
