package document

// kinds.go says which objects OpenAPI 3.0 and 3.1 are made of: which fields they have, what these hold, and where a
// $ref may stand. It follows the chapters "Schema" of the specifications 3.0.4 and 3.1.1.

import (
	"encoding/json"
	"math/big"

	"github.com/weirproxy/weir/governance/contract/schema"
)

// kind is what a value must be.
type kind uint8

const (
	anyValue     kind = iota // examples, defaults: not looked into
	anyList                  // enum: an array of anything
	text                     // a string that means something
	prose                    // a string for people
	texts                    // an array of strings
	typeNames                // a string or an array of strings
	flag                     // true or false
	number                   //
	count                    // an integer that is not negative
	numberOrFlag             // exclusiveMinimum and exclusiveMaximum, which differ between 3.0 and 3.1

	openAPIObject // from here on: objects
	infoObject
	contactObject
	licenseObject
	serverObject
	serverVariableObject
	componentsObject
	pathsObject
	pathItemObject
	operationObject
	externalDocsObject
	parameterObject
	requestBodyObject
	mediaTypeObject
	encodingObject
	responsesObject
	responseObject
	callbackObject
	exampleObject
	linkObject
	headerObject
	tagObject
	securitySchemeObject
	oauthFlowsObject
	oauthFlowObject
	securityRequirementObject
	discriminatorObject
	xmlObject
	schemaObject
)

// field is what a field holds: one value of a kind, an array of them, or an object whose members are such values.
type field struct {
	kind kind
	many plural
}

type plural uint8

const (
	one plural = iota
	list
	dict
)

type fields map[string]field

func single(k kind) field { return field{kind: k} }
func listOf(k kind) field { return field{k, list} }
func dictOf(k kind) field { return field{k, dict} }

// object describes an object of the specification.
type object struct {
	name   string // as the specification calls it
	fields fields
	rest   *field // of members with names of the author's choice; nil: none but x-
	bucket string // the field of the Components Object that holds such objects; "" if there is none
	refers bool   // a Reference Object may stand in its place
}

// objectOf is the description of a kind of object; nil for what is not an object.
func objectOf(k kind, d schema.Dialect) *object {
	if k == schemaObject {
		if d == schema.OpenAPI30 {
			return schema30
		}
		return schema31
	}
	return objects[k]
}

// leaf tells what a value of a kind that is not an object must be; "" if it is that.
func leaf(k kind, v any) string {
	_, isText := v.(string)
	_, isFlag := v.(bool)
	digits, isNumber := v.(json.Number)
	switch k {
	case text, prose:
		if !isText {
			return "a string"
		}
	case flag:
		if !isFlag {
			return "true or false"
		}
	case number:
		if !isNumber {
			return "a number"
		}
	case numberOrFlag:
		if !isNumber && !isFlag {
			return "a number (OpenAPI 3.1), or true or false (3.0)"
		}
	case count:
		if n, ok := new(big.Rat).SetString(string(digits)); !isNumber || !ok || !n.IsInt() || n.Sign() < 0 {
			return "an integer that is not negative"
		}
	case anyList:
		if _, ok := v.([]any); !ok {
			return "an array"
		}
	case texts:
		if !isTexts(v) {
			return "an array of strings"
		}
	case typeNames:
		if !isText && !isTexts(v) {
			return "a string or an array of strings"
		}
	}
	return ""
}

func isTexts(v any) bool {
	items, ok := v.([]any)
	for _, item := range items {
		if _, isText := item.(string); !isText {
			return false
		}
	}
	return ok
}

var (
	pathItemField = single(pathItemObject)
	responseField = single(responseObject)
	scopesField   = single(texts)
)

var objects = map[kind]*object{
	openAPIObject: {name: "OpenAPI Object", fields: fields{
		"openapi": single(text), "info": single(infoObject), "jsonSchemaDialect": single(text),
		"servers": listOf(serverObject), "paths": single(pathsObject), "webhooks": dictOf(pathItemObject),
		"components": single(componentsObject), "security": listOf(securityRequirementObject),
		"tags": listOf(tagObject), "externalDocs": single(externalDocsObject),
	}},
	infoObject: {name: "Info Object", fields: fields{
		"title": single(prose), "summary": single(prose), "description": single(prose), "version": single(text),
		"termsOfService": single(text), "contact": single(contactObject), "license": single(licenseObject),
	}},
	contactObject: {name: "Contact Object", fields: fields{
		"name": single(text), "url": single(text), "email": single(text),
	}},
	licenseObject: {name: "License Object", fields: fields{
		"name": single(text), "identifier": single(text), "url": single(text),
	}},
	serverObject: {name: "Server Object", fields: fields{
		"url": single(text), "description": single(prose), "variables": dictOf(serverVariableObject),
	}},
	serverVariableObject: {name: "Server Variable Object", fields: fields{
		"enum": single(texts), "default": single(text), "description": single(prose),
	}},
	componentsObject: {name: "Components Object", fields: fields{
		"schemas": dictOf(schemaObject), "responses": dictOf(responseObject), "parameters": dictOf(parameterObject),
		"examples": dictOf(exampleObject), "requestBodies": dictOf(requestBodyObject),
		"headers": dictOf(headerObject), "securitySchemes": dictOf(securitySchemeObject),
		"links": dictOf(linkObject), "callbacks": dictOf(callbackObject), "pathItems": dictOf(pathItemObject),
	}},
	pathsObject: {name: "Paths Object", rest: &pathItemField},
	pathItemObject: {name: "Path Item Object", refers: true, bucket: "pathItems", fields: fields{
		"summary": single(prose), "description": single(prose), "servers": listOf(serverObject),
		"parameters": listOf(parameterObject), "get": single(operationObject), "put": single(operationObject),
		"post": single(operationObject), "delete": single(operationObject), "options": single(operationObject),
		"head": single(operationObject), "patch": single(operationObject), "trace": single(operationObject),
	}},
	operationObject: {name: "Operation Object", fields: fields{
		"tags": single(texts), "summary": single(prose), "description": single(prose),
		"externalDocs": single(externalDocsObject), "operationId": single(text),
		"parameters": listOf(parameterObject), "requestBody": single(requestBodyObject),
		"responses": single(responsesObject), "callbacks": dictOf(callbackObject), "deprecated": single(flag),
		"security": listOf(securityRequirementObject), "servers": listOf(serverObject),
	}},
	externalDocsObject: {name: "External Documentation Object", fields: fields{
		"description": single(prose), "url": single(text),
	}},
	parameterObject: {name: "Parameter Object", refers: true, bucket: "parameters", fields: fields{
		"name": single(text), "in": single(text), "description": single(prose), "required": single(flag),
		"deprecated": single(flag), "allowEmptyValue": single(flag), "style": single(text),
		"explode": single(flag), "allowReserved": single(flag), "schema": single(schemaObject),
		"example": single(anyValue), "examples": dictOf(exampleObject), "content": dictOf(mediaTypeObject),
	}},
	requestBodyObject: {name: "Request Body Object", refers: true, bucket: "requestBodies", fields: fields{
		"description": single(prose), "content": dictOf(mediaTypeObject), "required": single(flag),
	}},
	mediaTypeObject: {name: "Media Type Object", fields: fields{
		"schema": single(schemaObject), "example": single(anyValue), "examples": dictOf(exampleObject),
		"encoding": dictOf(encodingObject),
	}},
	encodingObject: {name: "Encoding Object", fields: fields{
		"contentType": single(text), "headers": dictOf(headerObject), "style": single(text),
		"explode": single(flag), "allowReserved": single(flag),
	}},
	responsesObject: {name: "Responses Object", rest: &responseField},
	responseObject: {name: "Response Object", refers: true, bucket: "responses", fields: fields{
		"description": single(prose), "headers": dictOf(headerObject), "content": dictOf(mediaTypeObject),
		"links": dictOf(linkObject),
	}},
	callbackObject: {name: "Callback Object", refers: true, bucket: "callbacks", rest: &pathItemField},
	exampleObject: {name: "Example Object", refers: true, bucket: "examples", fields: fields{
		"summary": single(prose), "description": single(prose), "value": single(anyValue),
		"externalValue": single(text),
	}},
	linkObject: {name: "Link Object", refers: true, bucket: "links", fields: fields{
		"operationRef": single(text), "operationId": single(text), "parameters": dictOf(anyValue),
		"requestBody": single(anyValue), "description": single(prose), "server": single(serverObject),
	}},
	headerObject: {name: "Header Object", refers: true, bucket: "headers", fields: fields{
		"description": single(prose), "required": single(flag), "deprecated": single(flag),
		"allowEmptyValue": single(flag), "style": single(text), "explode": single(flag),
		"allowReserved": single(flag), "schema": single(schemaObject), "example": single(anyValue),
		"examples": dictOf(exampleObject), "content": dictOf(mediaTypeObject),
	}},
	tagObject: {name: "Tag Object", fields: fields{
		"name": single(text), "description": single(prose), "externalDocs": single(externalDocsObject),
	}},
	securitySchemeObject: {name: "Security Scheme Object", refers: true, bucket: "securitySchemes", fields: fields{
		"type": single(text), "description": single(prose), "name": single(text), "in": single(text),
		"scheme": single(text), "bearerFormat": single(text), "flows": single(oauthFlowsObject),
		"openIdConnectUrl": single(text),
	}},
	oauthFlowsObject: {name: "OAuth Flows Object", fields: fields{
		"implicit": single(oauthFlowObject), "password": single(oauthFlowObject),
		"clientCredentials": single(oauthFlowObject), "authorizationCode": single(oauthFlowObject),
	}},
	oauthFlowObject: {name: "OAuth Flow Object", fields: fields{
		"authorizationUrl": single(text), "tokenUrl": single(text), "refreshUrl": single(text),
		"scopes": dictOf(prose),
	}},
	securityRequirementObject: {name: "Security Requirement Object", rest: &scopesField},
	discriminatorObject: {name: "Discriminator Object", fields: fields{
		"propertyName": single(text), "mapping": dictOf(text),
	}},
	xmlObject: {name: "XML Object", fields: fields{
		"name": single(text), "namespace": single(text), "prefix": single(text), "attribute": single(flag),
		"wrapped": single(flag),
	}},
}
