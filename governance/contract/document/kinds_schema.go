package document

import "maps"

// The Schema Object of 3.0 has a list of keywords of its own (specification 3.0.4, section 4.7.24); that of 3.1 has
// those of JSON Schema 2020-12 besides, and may hold others, which mean nothing.
var (
	schema30 = &object{name: "Schema Object", refers: true, bucket: "schemas", fields: fields{
		"title": single(prose), "description": single(prose), "format": single(text), "type": single(typeNames),
		"enum": single(anyList), "default": single(anyValue), "example": single(anyValue),
		"multipleOf": single(number), "maximum": single(number), "minimum": single(number),
		"exclusiveMaximum": single(numberOrFlag), "exclusiveMinimum": single(numberOrFlag),
		"maxLength": single(count), "minLength": single(count), "pattern": single(text),
		"maxItems": single(count), "minItems": single(count), "uniqueItems": single(flag),
		"maxProperties": single(count), "minProperties": single(count), "required": single(texts),
		"allOf": listOf(schemaObject), "anyOf": listOf(schemaObject), "oneOf": listOf(schemaObject),
		"not": single(schemaObject), "items": single(schemaObject), "properties": dictOf(schemaObject),
		"additionalProperties": single(schemaObject), "nullable": single(flag), "readOnly": single(flag),
		"writeOnly": single(flag), "deprecated": single(flag), "discriminator": single(discriminatorObject),
		"xml": single(xmlObject), "externalDocs": single(externalDocsObject),
	}}

	// keywords2020 are those that 3.0 does not have.
	keywords2020 = fields{
		"$schema": single(text), "$id": single(text), "$anchor": single(text), "$comment": single(text),
		"$dynamicRef": single(text), "$dynamicAnchor": single(text), "$defs": dictOf(schemaObject),
		"const": single(anyValue), "examples": single(anyList), "if": single(schemaObject),
		"then": single(schemaObject), "else": single(schemaObject), "prefixItems": listOf(schemaObject),
		"contains": single(schemaObject), "minContains": single(count), "maxContains": single(count),
		"patternProperties": dictOf(schemaObject), "propertyNames": single(schemaObject),
		"dependentSchemas": dictOf(schemaObject), "dependentRequired": dictOf(texts),
		"unevaluatedItems": single(schemaObject), "unevaluatedProperties": single(schemaObject),
		"contentEncoding": single(text), "contentMediaType": single(text), "contentSchema": single(schemaObject),
	}

	schema31 = func() *object {
		o := *schema30
		o.fields = maps.Clone(schema30.fields)
		maps.Copy(o.fields, keywords2020)
		return &o
	}()
)
