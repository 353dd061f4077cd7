package schema

import (
	"encoding/json"
	"math/big"
	"slices"
)

// This file holds the keywords of both dialects and which values they may have.

// keyword is what kind of value a keyword has.
type keyword uint8

const (
	unknown      keyword = iota // no keyword of the dialect, or an annotation
	anything                    // const
	flag                        // true or false
	text                        // a string
	number                      // a number
	divisor                     // a number above 0
	count                       // an integer that is not negative
	names                       // an array of strings
	namesByName                 // an object of arrays of strings
	list                        // an array of anything
	typeName                    // one type of OpenAPI 3.0
	typeNames                   // one type of JSON Schema, or an array of them
	expression                  // a regular expression
	one                         // a schema
	oneOrFlag                   // a schema, true or false
	several                     // an array of schemas, not empty
	byName                      // an object of schemas
	byExpression                // an object of schemas, whose names are regular expressions
)

// keywords30 are the keywords of the Schema Object of OpenAPI 3.0.3, section 4.7.24, without annotations. nullable
// and discriminator, which no engine knows, are handled where they are used.
var keywords30 = map[string]keyword{
	"type": typeName, "enum": list, "format": text,
	"multipleOf": divisor, "maximum": number, "minimum": number, "exclusiveMaximum": flag, "exclusiveMinimum": flag,
	"maxLength": count, "minLength": count, "pattern": expression,
	"maxItems": count, "minItems": count, "uniqueItems": flag, "items": one,
	"maxProperties": count, "minProperties": count, "required": names,
	"properties": byName, "additionalProperties": oneOrFlag,
	"allOf": several, "anyOf": several, "oneOf": several, "not": one,
	"readOnly": flag, "writeOnly": flag,
}

// keywords31 are the keywords of JSON Schema 2020-12 that judge values or lead to schemas that do. $ref,
// $dynamicRef, $id and $schema are handled where references are resolved.
var keywords31 = map[string]keyword{
	"$anchor": text, "$dynamicAnchor": text, "$defs": byName, "definitions": byName,
	"type": typeNames, "enum": list, "const": anything, "format": text,
	"multipleOf": divisor, "maximum": number, "minimum": number, "exclusiveMaximum": number, "exclusiveMinimum": number,
	"maxLength": count, "minLength": count, "pattern": expression,
	"maxItems": count, "minItems": count, "uniqueItems": flag,
	"items": one, "prefixItems": several, "contains": one, "minContains": count, "maxContains": count,
	"unevaluatedItems": one,
	"maxProperties":    count, "minProperties": count, "required": names, "dependentRequired": namesByName,
	"properties": byName, "patternProperties": byExpression, "additionalProperties": one,
	"propertyNames": one, "dependentSchemas": byName, "unevaluatedProperties": one,
	"allOf": several, "anyOf": several, "oneOf": several, "not": one,
	"if": one, "then": one, "else": one,
	"readOnly": flag, "writeOnly": flag,
}

func (d Dialect) keyword(name string) keyword {
	if d == OpenAPI30 {
		return keywords30[name]
	}
	return keywords31[name]
}

// typesByName are the types of JSON Schema; OpenAPI 3.0 has them all but null.
var typesByName = map[string]Types{
	"null": Null, "boolean": Boolean, "integer": Integer, "number": Number,
	"string": String, "array": Array, "object": Object,
}

// plain returns the value of a keyword that holds no schemas, as the engine takes it, or what it must be instead.
func (k keyword) plain(value any) (any, string) {
	switch k {
	case flag:
		_, ok := value.(bool)
		return value, unless(ok, "true or false")
	case text, expression:
		_, ok := value.(string)
		return value, unless(ok, "a string")
	case list:
		_, ok := value.([]any)
		return value, unless(ok, "an array")
	case names:
		return distinct(value), unless(isNames(value), "an array of strings")
	case namesByName:
		members, ok := value.(map[string]any)
		for _, member := range members {
			ok = ok && isNames(member)
		}
		return value, unless(ok, "an object of arrays of strings")
	case typeName:
		name, _ := value.(string)
		return value, unless(typesByName[name] > Null, "one of boolean, integer, number, string, array and object")
	case typeNames:
		return value, unless(isTypes(value), "null, boolean, integer, number, string, array or object, or an array of them")
	case number:
		return value, unless(rational(value) != nil, "a number")
	case divisor:
		n := rational(value)
		return value, unless(n != nil && n.Sign() > 0, "a number above 0")
	case count:
		return atMost(value)
	}
	return value, ""
}

func unless(ok bool, demand string) string {
	if ok {
		return ""
	}
	return demand
}

func isNames(value any) bool {
	items, ok := value.([]any)
	for _, item := range items {
		if _, isString := item.(string); !isString {
			return false
		}
	}
	return ok
}

// distinct leaves out what occurs twice in an array of strings, which the engine does not accept.
func distinct(value any) any {
	items, _ := value.([]any)
	var result []any
	for _, item := range items {
		if _, isString := item.(string); !isString {
			return value
		}
		if !slices.Contains(result, item) {
			result = append(result, item)
		}
	}
	if len(result) == len(items) {
		return value
	}
	return result
}

func isTypes(value any) bool {
	if name, ok := value.(string); ok {
		return typesByName[name] != 0
	}
	items, ok := value.([]any)
	for _, item := range items {
		name, _ := item.(string)
		ok = ok && typesByName[name] != 0
	}
	return ok && len(items) > 0
}

// maxCount is the largest length or number of items that is told apart from others.
const maxCount = 1 << 31

// atMost bounds an integer: the engine takes the lowest 64 bits of whatever there is.
func atMost(value any) (any, string) {
	n := rational(value)
	if n == nil || !n.IsInt() || n.Sign() < 0 {
		return nil, "an integer that is not negative"
	}
	if n.Cmp(big.NewRat(maxCount, 1)) > 0 {
		return json.Number("2147483648"), ""
	}
	return value, ""
}

// maxExponent bounds the numbers of documents: 1e1000000000 is short to write and long to compute with.
const maxExponent = 10_000

// rational returns the exact value of a number, nil if it is none or absurdly large or small.
func rational(value any) *big.Rat {
	n, ok := value.(json.Number)
	if !ok || !modest(string(n), maxExponent) {
		return nil
	}
	r, ok := new(big.Rat).SetString(string(n))
	if !ok {
		return nil
	}
	return r
}
