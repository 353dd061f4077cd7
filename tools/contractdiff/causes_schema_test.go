package contractdiff

// schemaCauses are about values and their schemas.
var schemaCauses = []cause{
	{
		of: pb33f, refuses: weir,
		what: "null as a response: libopenapi-validator takes it for no body",
		rule: "RFC 8259 section 3: null is a value, and JSON Schema 2020-12 validation section 6.1.1: its type " +
			"is null",
		fits: and(code("body", "type"), response, bodyIs("null")),
	},
	{
		of: kin, refuses: other,
		what: "null where no type is given: kin-openapi refuses it",
		rule: "OpenAPI 3.0.4, Schema Object: nullable takes effect only beside type, and a schema without type " +
			"allows any",
		fits: and(code("body", "nullable"), says("Value is not nullable")),
	},
	{
		of: kin, refuses: weir,
		what: "2^63 as int64: kin-openapi compares 64-bit floating-point numbers, in which it is no more than " +
			"the greatest int64",
		rule: "OpenAPI Format Registry: int64 is signed 64 bits",
		fits: and(code("body", "format"), says("9223372036854775807")),
	},
	{
		of: kin, refuses: weir,
		what: "2^63 as int64 in a branch of oneOf: kin-openapi compares 64-bit floating-point numbers",
		rule: "OpenAPI Format Registry",
		fits: and(code("body", "one_of"), sends("9223372036854775808")),
	},
	{
		of: both, refuses: weir,
		what: "text that is no base64: the others accept some",
		rule: "OpenAPI Format Registry: byte is RFC 4648 section 4, in whole groups of four",
		fits: and(code("body", "format"), says("must be base64")),
	},
	{
		of: kin, refuses: weir,
		what: "addresses that are none: kin-openapi's pattern wants something around an @",
		rule: "RFC 5321 section 4.1.2, which the format email names: a domain is made of letters, digits and " +
			"hyphens",
		fits: and(code("body", "format"), says("must be an e-mail address")),
	},
	{
		of: kin, refuses: weir,
		what: "addresses that are none in a branch of oneOf: kin-openapi's pattern wants something around an @",
		rule: "RFC 5321 section 4.1.2",
		fits: and(code("body", "one_of"), sendsAddress),
	},
	{
		of: kin, refuses: weir,
		what: "null where type says object: kin-openapi accepts it for a branch of oneOf that is nullable",
		rule: "OpenAPI 3.0.4, Schema Object: type holds beside oneOf",
		fits: and(code("body", "type"), says("must be an object, not null")),
	},
	{
		of: both, refuses: weir,
		what: "a vertical tab: the others let it pass as \\S",
		rule: "JSON Schema 2020-12 core section 6.4: patterns are of ECMA-262, where \\s has U+000B",
		fits: and(code("body", "pattern"), sends(`\u000b`)),
	},
	{
		of: kin, refuses: other,
		what: "null without type, and t and z in a date-time, in a branch of oneOf: kin-openapi refuses them",
		rule: "OpenAPI 3.0.4, Schema Object; RFC 3339 section 5.6",
		fits: and(code("body", "oneOf"), says("Value is not nullable", `the format "date-time"`)),
	},
	{
		of: kin, refuses: other,
		what: "a discriminator's value without a mapping beside others with one: kin-openapi knows the mapping " +
			"only",
		rule: "OpenAPI 3.0.4, Discriminator Object: the names of the schemas count, too",
		fits: code("body", "discriminator"),
	},
	{
		of: kin, refuses: weir,
		what: "days that a month has not: kin-openapi's pattern does not know months",
		rule: "RFC 3339 section 5.7: the greatest date-mday depends on month and year",
		fits: and(code("body", "format"), says("must be a date")),
	},
	{
		of: kin, refuses: weir,
		what: "days that a month has not in a branch of oneOf: kin-openapi's pattern does not know months",
		rule: "RFC 3339 section 5.7",
		fits: and(code("body", "one_of"), sends("2024-02-30")),
	},
	{
		of: kin, refuses: other,
		what: "t and z in small letters: kin-openapi refuses them in a date-time",
		rule: "RFC 3339 section 5.6: T and Z may alternatively be lower case",
		fits: and(code("body", "format"), says(`the format "date-time"`, "is not valid date-time")),
	},
	{
		of: kin, refuses: weir,
		what: "a number of format int32 with a fraction: kin-openapi accepts it",
		rule: "OpenAPI Format Registry: int32 is a signed 32-bit integer, whether type says number or integer",
		fits: and(code("body", "one_of", "format"), at("/retention_length")),
	},
	{
		of: pb33f, refuses: other,
		what: "null beside allOf and nullable: libopenapi-validator makes it oneOf with null, and null fits " +
			"both",
		rule: "OpenAPI 3.0.4, Schema Object: nullable allows null, and oneOf is not in the schema",
		fits: says("'oneOf' failed, subschemas 0, 1 matched"),
	},
}
