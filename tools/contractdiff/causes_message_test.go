package contractdiff

// messageCauses are about bodies and content types.
var messageCauses = []cause{
	{
		of: pb33f, refuses: weir,
		what: "a response without the declared body: libopenapi-validator accepts it",
		rule: "RFC 8259 section 2: no JSON text is empty",
		fits: and(code("body", "required", "syntax"), response, bodyIs("")),
	},
	{
		of: pb33f, refuses: weir,
		what: "no Content-Type: libopenapi-validator takes any",
		rule: "RFC 9110 section 8.3: without it the recipient may assume application/octet-stream, which is not " +
			"declared",
		fits: and(code("body", "content_type"), noContentType),
	},
	{
		of: both, refuses: weir,
		what: "a form without fields: the others take it for no body",
		rule: "WHATWG URL, application/x-www-form-urlencoded serializing: no fields make an empty text, and the " +
			"Content-Type says that it is one",
		fits: and(code("body", "required"), emptyForm),
	},
	{
		of: kin, refuses: other,
		what: "a field that is required without being a property: kin-openapi drops it when it reads the form",
		rule: "OpenAPI 3.0.4, Schema Object: additionalProperties defaults to true",
		fits: and(code("body", "required"), at("/grant_type"), isForm),
	},
	{
		of: pb33f, refuses: other,
		what: "a part that is an object: libopenapi-validator does not read its JSON",
		rule: "OpenAPI 3.0.4, Encoding Object: the Content-Type of such a part is application/json",
		fits: and(code("requestBody", "requestBody/schema"), at("/attributes"), says("got string, want object")),
	},
	{
		of: kin, refuses: other,
		what: "text/html with the schema of a string: kin-openapi has no decoder for it",
		rule: "OpenAPI 3.0.4, Media Type Object: the schema defines the content, which is text",
		fits: and(code("body", "parse"), says(`unsupported content type "text/html"`)),
	},
	{
		of: kin, refuses: other,
		what: "a part that no property describes: kin-openapi refuses it",
		rule: "OpenAPI 3.0.4, Schema Object: additionalProperties defaults to true",
		fits: and(code("body", "parse"), says("part zzz: undefined")),
	},
	{
		of: both, refuses: weir,
		what: "JSON in UTF-16: the others read UTF-8 all the same",
		rule: "RFC 8259 section 8.1: JSON between systems is UTF-8",
		fits: and(code("body", "content_type"), utf16),
	},
	{
		of: pb33f, refuses: other,
		what: "nullable in a 3.1 document: libopenapi-validator refuses all values",
		rule: "JSON Schema 2020-12 core section 4.3.1: an unknown keyword is an annotation",
		fits: says("The `nullable` keyword is not supported in OpenAPI 3.1+"),
	},
}
