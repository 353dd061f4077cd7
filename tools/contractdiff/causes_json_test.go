package contractdiff

// jsonCauses are about what JSON is.
var jsonCauses = []cause{
	{
		of: kin, refuses: weir,
		what: "data after a JSON text: kin-openapi reads one value and leaves the rest",
		rule: "RFC 8259 section 2: a JSON text is one value with white space around it",
		fits: code("body", "trailing_data"),
	},
	{
		of: both, refuses: weir,
		what: "members named twice: the others take the last",
		rule: "RFC 8259 section 4: names SHOULD be unique, and what else is made of it is unpredictable; RFC " +
			"7493 section 2.3 forbids it",
		fits: code("body", "duplicate_key"),
	},
	{
		of: both, refuses: weir,
		what: "bytes that are not UTF-8, and halves of surrogate pairs: the others read U+FFFD",
		rule: "RFC 8259 sections 8.1 and 8.2; RFC 7493 section 2.1 forbids both",
		fits: code("body", "invalid_utf8"),
	},
	{
		of: kin, refuses: weir,
		what: "numbers beyond a limit: kin-openapi keeps the text if no schema asks",
		rule: "RFC 8259 section 9: an implementation may limit the range of numbers; weir's limit is 400 digits " +
			"and exponent",
		fits: code("body", "digits"),
	},
	{
		of: both, refuses: weir,
		what: "nesting beyond a limit: the others have none",
		rule: "RFC 8259 section 9: an implementation may limit the depth; weir's limit is 64",
		fits: code("body", "depth"),
	},
}
