package contractdiff

// parameterCauses are about parameters.
var parameterCauses = []cause{
	{
		of: both, refuses: weir,
		what: "a parameter that is no array, twice: the others take the first",
		rule: "OpenAPI 3.0.4, Style Examples: no style writes a primitive twice; whoever is behind may take the " +
			"last",
		fits: code("query", "repeated"),
	},
	{
		of: both, refuses: weir,
		what: "a semicolon in the query: the others drop the pair with net/url and take the parameter for " +
			"missing",
		rule: "RFC 3986 section 3.4 and WHATWG URL: it is data",
		fits: and(in("query"), odd(contains(";"))),
	},
	{
		of: both, refuses: weir,
		what: "a broken percent-escape in the query: the others drop the pair with net/url",
		rule: "RFC 3986 section 2.1: % is followed by two hexadecimal digits",
		fits: code("query", "syntax"),
	},
	{
		of: both, refuses: weir,
		what: "escapes that are not UTF-8 in the query: the others judge the bytes",
		rule: "RFC 6570 section 3.2.1, by which OpenAPI defines the styles: what is percent-encoded are the " +
			"octets of UTF-8",
		fits: code("query", "invalid_utf8"),
	},
	{
		of: both, refuses: weir,
		what: "escapes that are not UTF-8 in the path: the others judge the bytes",
		rule: "RFC 6570 section 3.2.1",
		fits: code("path", "invalid_utf8"),
	},
	{
		of: both, refuses: weir,
		what: "a segment that is . or .., also encoded: the others take it as the value",
		rule: "RFC 3986 sections 6.2.2.2 and 6.2.2.3: whoever is behind may resolve it to another path",
		fits: and(code("path", "unknown_path"), dotSegment),
	},
	{
		of: both, refuses: weir,
		what: "an encoded comma in an array: the others decode the text before they split it",
		rule: "RFC 6570 section 3.2.1: the comma between items is not encoded, one in an item is",
		fits: and(parameter("type"), odd(contains("%2C"))),
	},
	{
		of: kin, refuses: weir,
		what: "integers in other spellings: kin-openapi reads what Go's ParseInt does",
		rule: "RFC 8259 section 6: an integer has no leading zero and no plus sign. OpenAPI 3.0.4, Appendix B, " +
			"leaves conversions open, so whoever is behind may read 010 as eight",
		fits: and(parameter("type"), odd(goInteger)),
	},
	{
		of: both, refuses: weir,
		what: "numbers in other spellings: the others read what Go's ParseFloat does, libopenapi-validator " +
			"integers too",
		rule: "RFC 8259 section 6",
		fits: and(parameter("type"), odd(goNumber)),
	},
	{
		of: both, refuses: weir,
		what: "booleans in other spellings: the others read what Go's ParseBool does",
		rule: "RFC 8259 section 3: true and false, in small letters",
		fits: and(parameter("type"), odd(goBool)),
	},
	{
		of: both, refuses: other,
		what: "an integer beyond 64 bits: the others do not read it",
		rule: "JSON Schema 2020-12 core section 4.2.1: numbers are of arbitrary precision",
		fits: and(says("value out of range", "is not a valid integer"), odd(beyondInt64)),
	},
	{
		of: kin, refuses: other,
		what: "a string or array sent empty: kin-openapi wants allowEmptyValue for it",
		rule: "OpenAPI 3.0.4, Style Examples, column empty: form writes the empty string as color=",
		fits: and(code("query", "error"), says("empty value is not allowed"), odd(oneOf(""))),
	},
	{
		of: pb33f, refuses: other,
		what: "a reserved character in a string, such as a comma: libopenapi-validator wants it encoded",
		rule: "RFC 3986 section 2.2: a reserved character that delimits nothing there is data, and whoever is " +
			"behind reads it so; what a client has to encode (allowReserved) is for the client",
		fits: and(in("query"), odd(reserved),
			says("encoded as an object or an array using commas", "contains reserved characters")),
	},
	{
		of: pb33f, refuses: other,
		what: "a parameter of several types: libopenapi-validator reads the first only",
		rule: "JSON Schema 2020-12 validation section 6.1.1: any of them fits",
		fits: named("either"),
	},
	{
		of: kin, refuses: other,
		what: "a parameter with const and no type: kin-openapi reads nothing",
		rule: "JSON Schema 2020-12 validation section 6.1.3",
		fits: named("fixed"),
	},
	{
		of: pb33f, refuses: weir,
		what: "a parameter with const and no type: libopenapi-validator does not judge it",
		rule: "JSON Schema 2020-12 validation section 6.1.3",
		fits: named("fixed"),
	},
	{
		of: kin, refuses: other,
		what: "an integer beyond 64 bits where another type is allowed, too: kin-openapi tries to read it as that",
		rule: "JSON Schema 2020-12 core section 4.2.1",
		fits: and(says("schema has non primitive type null", "an invalid boolean"), odd(beyondInt64)),
	},
	{
		of: both, refuses: other,
		what: "a list in a header without members: the others read an empty number in it",
		rule: "RFC 9110 section 5.6.1.2: a recipient must ignore empty elements",
		fits: and(named("X-List"), in("header"), odd(oneOf("", ","))),
	},
	{
		of: pb33f, refuses: weir,
		what: "a header without text: libopenapi-validator takes it for missing",
		rule: "RFC 9110 section 5.5: a field value may be empty",
		fits: and(code("header", "type"), odd(oneOf(""))),
	},
	{
		of: pb33f, refuses: other,
		what: "a required header without text: libopenapi-validator takes it for missing",
		rule: "RFC 9110 section 5.5: a field value may be empty, and it is a string",
		fits: and(in("header"), odd(oneOf("")), says("is missing")),
	},
	{
		of: pb33f, refuses: weir,
		what: "a parameter with content: libopenapi-validator does not judge null and {}",
		rule: "OpenAPI 3.0.4, Parameter Object: its content has a schema as that of a body has",
		fits: and(named("json"), in("query")),
	},
	{
		of: pb33f, refuses: other,
		what: "label and matrix beside each other: libopenapi-validator takes the dot and the semicolons for a " +
			"part of the values",
		rule: "OpenAPI 3.0.4, Style Examples",
		fits: and(in("path"), targets("/labels/")),
	},
	{
		of: pb33f, refuses: weir,
		what: "arrays of strings: libopenapi-validator judges neither how many items there are nor how long they are",
		rule: "JSON Schema 2020-12 core section 10.3.1.2: items, validation section 6.4.1: maxItems",
		fits: and(code("query", "max_length", "min_length", "max_items"), oneOfNamed("words", "tags")),
	},
	{
		of: both, refuses: weir,
		what: "a deepObject sent as one text, or brackets after another parameter's name: the others see no " +
			"parameter in it",
		rule: "No rule speaks of it, and weir refuses what whoever is behind may read as the parameter",
		fits: and(code("query", "undeclared"), says("is not how the parameter")),
	},
	{
		of: both, refuses: other,
		what: "an array of objects in style form: the others read it in a way of their own",
		rule: "OpenAPI 3.0.4, Appendix C: arrays of objects are implementation-defined; weir judges the " +
			"presence only and notes that at load",
		fits: named("mdfilters"),
	},
}
